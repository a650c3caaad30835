"""A device's status, announced a second after it first changed, as it is then: whatever flaps meanwhile makes one message.

When it is due stands with the device, written in the transaction that changed it, so that neither a crash nor another owner loses
the last status. The owner's memory holds the same, so that a transaction without anything due costs nothing. Links
(`device.connected`, `device.disconnected`) and faults are events, and announced at once.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import select, update

from hub.ingest.transaction import Transaction
from hub.record.places import DevicePlace, shown_status
from hub.record.publications import device_key
from hub.record.schema import devices, gateways
from vitals.events import DeviceStatus, EventName
from vitals.identifiers import DeviceKey, GatewayId

Row = Mapping[Any, Any]

STATUS_SECONDS: Final = 1.0
"""How long a device's status may change before it is announced."""


def here(device: DeviceKey) -> tuple[Any, ...]:
    """The device's row."""
    return devices.c.device_type == device.device_type.value, devices.c.device_id == device.device_id


async def change_status(transaction: Transaction, device: DeviceKey, at: datetime, **changed: object) -> None:
    """Keep what a device says of itself since `at`, to be announced when it is due."""
    due = transaction.memory.status_due.setdefault(device, _due(transaction))
    values = {"status_since": at, "status_due": due, **changed}
    await transaction.connection.execute(update(devices).where(*here(device)).values(**values))


async def change_statuses_of(transaction: Transaction, gateway_id: GatewayId) -> None:
    """The gateway has come or gone, and with it what clients see of all its devices."""
    due = _due(transaction)
    of_gateway = devices.c.gateway_id == gateway_id, devices.c.status_due.is_(None)
    await transaction.connection.execute(update(devices).where(*of_gateway).values(status_due=due))
    found = await transaction.connection.execute(select(devices).where(devices.c.gateway_id == gateway_id))
    for row in found.mappings():
        transaction.memory.status_due.setdefault(device_key(row), due)


async def announce_due(transaction: Transaction) -> None:
    """Announce every status that is due, as it is now."""
    memory = transaction.memory
    for device in [device for device, due in memory.status_due.items() if due <= transaction.now]:
        row = (await transaction.connection.execute(_with_gateway(device))).mappings().one()
        _announce(transaction, row)
        await transaction.connection.execute(update(devices).where(*here(device)).values(status_due=None))
        del memory.status_due[device]


def _with_gateway(device: DeviceKey) -> Any:  # noqa: ANN401 - SQLAlchemy's own type names every column
    joined = devices.outerjoin(gateways, devices.c.gateway_id == gateways.c.gateway_id)
    return select(devices, gateways.c.online, gateways.c.session).select_from(joined).where(*here(device))


def _due(transaction: Transaction) -> datetime:
    return transaction.now + timedelta(seconds=STATUS_SECONDS)


def _announce(transaction: Transaction, row: Row) -> None:
    device = device_key(row)
    place = DevicePlace(device=device, hospital_id=row["hospital_id"], gateway_id=row["gateway_id"])
    patient = transaction.memory.placement.patient_at(device, transaction.now)
    data = DeviceStatus(
        device_type=device.device_type,
        device_id=device.device_id,
        status=shown_status(row["status"], online=row["online"] or not row["session"]),  # 0: it has said nothing yet
        faults=msgspec.json.decode(row["faults"], type=list[str]),
        gateway_id=row["gateway_id"],
        battery=msgspec.UNSET if row["battery_percent"] is None else row["battery_percent"],
    )
    transaction.announce(EventName.DEVICE_STATUS_CHANGE, data, msgspec.structs.replace(place, patient=patient).scope)
