"""Device Information Service (DIS 1.1): names and numbers of a device; 0x2A29, 0x2A24 to 0x2A28, 0x2A23 and 0x2A50.

Layouts by GATT Specification Supplement. The texts are UTF-8 without an end mark; real devices fill a fixed field with NULs, which say nothing.
"""

from dataclasses import dataclass
from struct import Struct
from typing import Final, Self

from device_drivers.binary import ByteReader
from device_drivers.driver import Driver
from device_drivers.errors import Malformed
from device_drivers.format import AnyFormat, Format, Parts
from device_drivers.packing import pack

TEXT_LIMIT: Final = 512
"""Bytes of an attribute's value at most (Bluetooth Core Specification, volume 3, part F, 3.2.9)."""
_PADDING: Final = b"\x00"
_PNP_ID: Final = Struct("<BHHH")
_VENDORS: Final = {1: "Bluetooth SIG", 2: "USB Implementers Forum"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One of the texts; NULs at its end are left out."""

    text: str

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode at most `TEXT_LIMIT` bytes, none being an empty text. Raises Malformed."""
        if len(data) > TEXT_LIMIT:
            raise Malformed("oversized")
        try:
            return cls(text=data.rstrip(_PADDING).decode("utf-8"))
        except UnicodeDecodeError:
            raise Malformed("not_utf8") from None

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a text that is too long, ends with a NUL, or is not Unicode."""
        data = self.text.encode("utf-8")
        if len(data) > TEXT_LIMIT or data.endswith(_PADDING):
            raise ValueError(f"a text has at most {TEXT_LIMIT} bytes of UTF-8 and no NUL at its end")
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemId:
    """System ID 0x2A23, an EUI-64 in two parts, most significant byte first: whose it is, and which of theirs."""

    oui: bytes
    identifier: bytes

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode 8 bytes, on the wire the other way round. Raises Truncated."""
        fields = ByteReader(data)
        return cls(identifier=fields.take(5)[::-1], oui=fields.take(3)[::-1])

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError where a part has another length."""
        if (len(self.oui), len(self.identifier)) != (3, 5):
            raise ValueError("an OUI has 3 bytes, an identifier 5")
        return self.identifier[::-1] + self.oui[::-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class PnpId:
    """PnP ID 0x2A50. `vendor_id_source` says who gave `vendor_id`: 1 the Bluetooth SIG, 2 the USB Implementers Forum. Version 0x0110 is 1.1.0."""

    vendor_id_source: int
    vendor_id: int
    product_id: int
    product_version: int

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode 7 bytes. Raises Truncated."""
        fields = ByteReader(data)
        return cls(
            vendor_id_source=fields.u8(),
            vendor_id=fields.u16(),
            product_id=fields.u16(),
            product_version=fields.u16(),
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a number that its bytes don't hold."""
        return pack(_PNP_ID, self.vendor_id_source, self.vendor_id, self.product_id, self.product_version)


def _describe_text(data: bytes) -> Parts:
    text, parts = Text.from_bytes(data).text, Parts(data)
    if text:
        parts.add(len(text.encode()), "text", ascii(text))
    parts.rest("padding", "NULs; left out" if text else "an empty text in NULs", "padding" if text else "text")
    return parts


def _describe_system_id(data: bytes) -> Parts:
    value, parts = SystemId.from_bytes(data), Parts(data)
    parts.add(5, "identifier", f"{value.identifier.hex('-')}, least significant byte first")
    parts.add(3, "oui", f"{value.oui.hex('-')}, least significant byte first")
    parts.rest()
    return parts


def _describe_pnp_id(data: bytes) -> Parts:
    value, parts = PnpId.from_bytes(data), Parts(data)
    parts.add(1, "vendor_id_source", _VENDORS.get(value.vendor_id_source, "reserved"))
    parts.add(2, "vendor_id", f"{value.vendor_id:04x}")
    parts.add(2, "product_id", f"{value.product_id:04x}")
    version = value.product_version
    parts.add(2, "product_version", f"{version >> 8:x}.{version >> 4 & 0xF:x}.{version & 0xF:x}")
    parts.rest()
    return parts


def _text(key: str, title: str) -> AnyFormat:
    return Format(
        key=key,
        title=title,
        source=f"Bluetooth GATT Specification Supplement, {title}; Device Information Service 1.1, 3",
        message=Text,
        decode=Text.from_bytes,
        encode=bytes,
        describe=_describe_text,
    )


FORMATS: Final[tuple[AnyFormat, ...]] = (
    _text("2A29", "Manufacturer Name String"),
    _text("2A24", "Model Number String"),
    _text("2A25", "Serial Number String"),
    _text("2A26", "Firmware Revision String"),
    _text("2A27", "Hardware Revision String"),
    _text("2A28", "Software Revision String"),
    Format(
        key="2A23",
        title="System ID",
        source="Bluetooth GATT Specification Supplement, System ID; Device Information Service 1.1, 3.7",
        message=SystemId,
        decode=SystemId.from_bytes,
        encode=bytes,
        describe=_describe_system_id,
    ),
    Format(
        key="2A50",
        title="PnP ID",
        source="Bluetooth GATT Specification Supplement, PnP ID; Device Information Service 1.1, 3.9",
        message=PnpId,
        decode=PnpId.from_bytes,
        encode=bytes,
        describe=_describe_pnp_id,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = ()
