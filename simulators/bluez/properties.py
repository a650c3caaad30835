"""What the simulated BlueZ says of a device, a service and a characteristic, in D-Bus's terms."""

from typing import Any, Final

from bumble.core import UUID, AdvertisingData
from bumble.device import Advertisement
from bumble.gatt import Characteristic
from bumble.gatt_client import CharacteristicProxy

from simulators.bluez.tree import Typed

HCI0: Final = "/org/bluez/hci0"

_FLAGS: Final = (
    (Characteristic.Properties.READ, "read"),
    (Characteristic.Properties.WRITE_WITHOUT_RESPONSE, "write-without-response"),
    (Characteristic.Properties.WRITE, "write"),
    (Characteristic.Properties.NOTIFY, "notify"),
    (Characteristic.Properties.INDICATE, "indicate"),
)


def characteristic_properties(
    characteristic: "CharacteristicProxy[bytes]", service_path: str, mtu: int
) -> dict[str, Typed]:
    return {
        "UUID": ("s", full_uuid(characteristic.uuid)),
        "Service": ("o", service_path),
        "Value": ("ay", b""),
        "Notifying": ("b", False),
        "Flags": ("as", [name for member, name in _FLAGS if member in characteristic.properties]),
        "MTU": ("q", mtu),
    }


def device_properties(heard: Advertisement, address: str) -> dict[str, Typed]:
    data = heard.data
    name = data.get(AdvertisingData.COMPLETE_LOCAL_NAME) or data.get(AdvertisingData.SHORTENED_LOCAL_NAME)
    kinds = (
        AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
        AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
    )
    lists: list[Any] = [data.get(kind) or [] for kind in kinds]
    uuids = [full_uuid(uuid) for members in lists for uuid in members]
    properties: dict[str, Typed] = {
        "Address": ("s", address),
        "AddressType": ("s", "random"),
        "Alias": ("s", name or address.replace(":", "-")),
        "Paired": ("b", False),
        "Bonded": ("b", False),
        "Trusted": ("b", False),
        "Blocked": ("b", False),
        "Connected": ("b", False),
        "ServicesResolved": ("b", False),
        "Adapter": ("o", HCI0),
        "UUIDs": ("as", uuids),
        "RSSI": ("n", heard.rssi),
    }
    return properties | ({"Name": ("s", name)} if name else {})


def service_properties(uuid: UUID, device: str) -> dict[str, Typed]:
    return {"UUID": ("s", full_uuid(uuid)), "Primary": ("b", True), "Device": ("o", device), "Includes": ("ao", [])}


def full_uuid(uuid: UUID) -> str:
    """A UUID in full, as BlueZ writes it."""
    if len(uuid.uuid_bytes) == 16:
        return str(uuid.to_hex_str("-")).lower()
    return f"{int.from_bytes(uuid.uuid_bytes, 'little'):08x}-0000-1000-8000-00805f9b34fb"
