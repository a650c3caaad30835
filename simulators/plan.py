"""The plan of a simulated ward: beds, patients, devices, and which recording each bed replays. `ward.toml` holds one.

A device's model is named by the key of the driver that reads it. The tables of drivers and models are read only where they are needed.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from simulators.errors import InvalidPlan
from simulators.recording import stays
from vitals.identifiers import BedId, DeviceId, DeviceType, HospitalId, PatientId, WardId

if TYPE_CHECKING:
    from device_drivers.driver import Driver

GUIDE_HOSPITAL: Final[HospitalId] = "507f1f77bcf86cd799439012"
GUIDE_PATIENT: Final[PatientId] = "507f1f77bcf86cd799439011"
NEAR: Final = 3
"""So many models are named to somebody who has mistyped one."""
SPEED: Final = 240.0
"""Recorded seconds a second: an hour of an intensive-care stay in fifteen seconds."""


CUFF: Final = "sig-blood-pressure"
THERMOMETER: Final = "sig-health-thermometer"
"""These two measure when the recording has a value, keep what nobody has confirmed, and are in the ledger (`peripherals/spot_check.py`)."""
_STATIC_RANDOM: Final = re.compile(r"[C-F][0-9A-F](:[0-9A-F]{2}){5}")


class PlannedDevice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`model` is a key of `simulators.models.registry.MODELS`; `address` for those on Bluetooth: a static random one, whose two top bits are set."""

    device_id: DeviceId
    model: str
    address: str | None = None

    @property
    def device_type(self) -> DeviceType:
        """Raises UnknownDriver."""
        return _driver(self.model).device_type

    @property
    def transport(self) -> str:
        """`ble` or `serial`."""
        return "serial" if self.address is None else "ble"


class PlannedBed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bed, who lies in it, and the stay that the devices there replay from `position_seconds` on."""

    bed: BedId
    patient_id: PatientId
    stay: str
    devices: tuple[PlannedDevice, ...]
    position_seconds: float = 0.0


class PlannedOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that happens `after_seconds` of real time, and `every_seconds` from then on: an order of the control socket."""

    order: dict[str, str | int | float]
    after_seconds: Annotated[float, msgspec.Meta(ge=0)]
    every_seconds: Annotated[float, msgspec.Meta(gt=0)] | None = None


class WardPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A ward. `speed` is recorded seconds a second; `seed` is that of whatever is random in its faults."""

    hospital_id: HospitalId
    ward_id: WardId
    beds: tuple[PlannedBed, ...]
    speed: Annotated[float, msgspec.Meta(gt=0)] = SPEED
    orders: tuple[PlannedOrder, ...] = ()
    seed: int = 1


_STAYS: Final = (
    (GUIDE_PATIENT, "27411876", 20_000.0),
    ("507f1f77bcf86cd799439021", "21027282", 756_000.0),
    ("507f1f77bcf86cd799439022", "28258130", 30_000.0),
    ("507f1f77bcf86cd799439023", "20214994", 25_000.0),
    ("507f1f77bcf86cd799439024", "29974575", 500_000.0),
)
_OXIMETERS: Final = ("contec-v7", "nonin-df2", "nonin-df8")


def default_plan() -> WardPlan:
    """Five beds, each with a cuff, a thermometer and an oximeter; the guide's own patient in the first.

    In the last bed the finger leaves the oximeter for ten seconds every four minutes.
    """
    beds = tuple(
        PlannedBed(bed=str(101 + place), patient_id=patient, stay=stay, position_seconds=start, devices=_devices(place))
        for place, (patient, stay, start) in enumerate(_STAYS)
    )
    oximeter = beds[-1].devices[-1].device_id
    orders = tuple(
        PlannedOrder(order={"do": do, "device_id": oximeter}, after_seconds=after, every_seconds=240.0)
        for do, after in (("finger_off", 60.0), ("finger_on", 70.0))
    )
    return WardPlan(hospital_id=GUIDE_HOSPITAL, ward_id="icu", beds=beds, orders=orders)


def load_plan(path: Path) -> WardPlan:
    """Read a plan. Raises InvalidPlan, which names file and place."""
    try:
        plan = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), WardPlan)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise InvalidPlan(f"{path.name}: {error}") from error
    for fault in faults(plan):
        raise InvalidPlan(f"{path.name}: {fault}")
    return plan


def faults(plan: WardPlan) -> Iterator[str]:
    """What in a plan can't be, each with its place and what to do."""
    known = stays()
    devices = [device for bed in plan.beds for device in bed.devices]
    for place, bed in enumerate(plan.beds):
        if bed.stay not in known:
            yield f"beds[{place}].stay: there is no recording of {bed.stay}; there are {', '.join(known)}"
    for device in devices:
        yield from (f"{device.device_id}: {fault}" for fault in _faults_of(device))
    names = [("bed", [bed.bed for bed in plan.beds]), ("device_id", [device.device_id for device in devices])]
    names.append(("address", [device.address for device in devices if device.address is not None]))
    for name, values in names:
        yield from (f"{name}: {value} is there twice" for value in sorted({v for v in values if values.count(v) > 1}))


def _faults_of(device: PlannedDevice) -> Iterator[str]:
    from simulators.models.registry import MODELS  # noqa: PLC0415 - it takes long, and most of what reads this module needs none

    if device.model not in MODELS:
        beginning = [key for key in MODELS if device.model and key.startswith(device.model)]
        near = (beginning or difflib.get_close_matches(device.model, MODELS, NEAR, 0.5))[:NEAR]
        known = f"did you mean {' or '.join(near)}?" if near else "docs/device-support.md lists them"
        yield f"model: there is no simulated {device.model!r}; {known}"
    elif _driver(device.model).transport == "serial":
        if device.address is not None:
            yield "a serial device has no address; leave it out"
    elif not _STATIC_RANDOM.fullmatch(device.address or ""):
        yield "address must be a static random one, such as C0:00:00:00:01:00"


def _driver(key: str) -> "Driver":
    from device_drivers.registry import driver  # noqa: PLC0415 - as above

    return driver(key)


def _devices(place: int) -> tuple[PlannedDevice, ...]:
    number = 101 + place
    return (
        PlannedDevice(device_id=f"BP-{number}", model=CUFF, address=f"C0:00:00:00:01:{place:02X}"),
        PlannedDevice(device_id=f"TH-{number}", model=THERMOMETER, address=f"C0:00:00:00:02:{place:02X}"),
        PlannedDevice(device_id=f"OX-{number}", model=_OXIMETERS[place % len(_OXIMETERS)]),
    )
