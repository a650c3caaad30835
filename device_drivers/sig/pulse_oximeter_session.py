"""The conversation with oximeters of the Pulse Oximeter Service (PLXP 1.0.1), and their drivers.

Subscribe to all that is there, read the clock and set it, then ask for stored records; continuous measurements become a reading a second. An oximeter sends its records
anew on every connection, for nothing deletes them: those that were delivered before, and can't be told by the hub, are recognised by `Seen`.
"""

from collections.abc import Iterator, MutableMapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final

from device_drivers import uuids
from device_drivers.advertisement import Marks
from device_drivers.cadence import Cadence
from device_drivers.clocks import Placed
from device_drivers.driver import Driver, Transport, Verified
from device_drivers.format import AnyFormat
from device_drivers.sessions import (
    Command,
    CommandRefused,
    Deliver,
    LinkEstablished,
    ReportStatus,
    SessionContext,
    SubscribeTo,
    ValueReceived,
)
from device_drivers.sig import oximeter_status, session
from device_drivers.sig.pulse_oximeter import Continuous, Features, SpotCheck
from device_drivers.sig.record_access import StoredRecords
from vitals.identifiers import DeviceType
from vitals.parameters import Parameter

SEEN: Final = 256
"""So many spot checks are remembered."""
_MEMORY: Final = "spot_checks"


class Seen:
    """Which spot checks were delivered, so that their copies from storage are not delivered again.

    A copy says that it comes from storage, and so differs from what was sent live; and one without a time differs from no other. Two of one connection
    that are equal are two, unless one was live.
    """

    def __init__(self, memory: MutableMapping[str, str]) -> None:
        self._memory = memory
        self._known = set(memory.get(_MEMORY, "").split())

    def is_repeat(self, spot_check: SpotCheck) -> bool:
        """Whether it was delivered before; from now on it was."""
        status = (spot_check.measurement_status or 0) & ~oximeter_status.MeasurementStatus.DATA_FROM_STORAGE.value
        identity = bytes(replace(spot_check, measurement_status=status)).hex()
        if spot_check.is_stored and identity in self._known:
            return True
        if not spot_check.is_stored:
            self._known.add(identity)
        remembered = self._memory.get(_MEMORY, "").split()
        self._memory[_MEMORY] = " ".join([*remembered, identity][-SEEN:])
        return False


class Session(session.Session):
    """One connection with an oximeter. `features` are what it said of itself, None before."""

    def __init__(self, context: SessionContext, profile: session.Profile) -> None:
        super().__init__(context, profile)
        self.features: Features | None = None
        self._cadence = Cadence()
        self._records = StoredRecords()
        self._seen = Seen(context.memory)
        self._told: tuple[str, ...] | None = None

    def begin(self, event: LinkEstablished) -> Iterator[Command]:
        if uuids.RECORD_ACCESS_CONTROL_POINT in event.characteristics:
            yield SubscribeTo(characteristic=uuids.RECORD_ACCESS_CONTROL_POINT)

    def clock_settled(self, at: datetime) -> Iterator[Command]:
        if uuids.RECORD_ACCESS_CONTROL_POINT in self.characteristics:
            yield self._records.ask(at)

    def measured(self, event: ValueReceived, measurement: Any) -> Iterator[Command]:  # noqa: ANN401 - of either characteristic
        yield from self._faults_of(event.at, measurement)
        if isinstance(measurement, Continuous):
            if self._cadence.decides(event.at, measurement.state):
                yield Deliver(readings=(self.reading(event, measurement),))
            return
        self._records.came(event.at)
        if not self._seen.is_repeat(measurement):
            yield Deliver(readings=(self.reading(event, measurement),))

    def placed(self, measurement: Any, at: datetime) -> Placed:  # noqa: ANN401 - of either characteristic
        """When it was made. What comes from storage without a time was measured at any time before."""
        time = measurement.device_time if isinstance(measurement, SpotCheck) else None
        if measurement.is_stored and (time is None or time.moment is None):
            return Placed(measured=at, stored=True, uncertain=True)
        return self.clock.place(time, at)

    def value(self, event: ValueReceived) -> Iterator[Command]:
        if event.characteristic == uuids.PLX_FEATURES:
            self.features = Features.from_bytes(event.data)
        elif event.characteristic == uuids.RECORD_ACCESS_CONTROL_POINT:
            yield from self._records.answered(event.at, event.data)

    def refused(self, event: CommandRefused) -> Iterator[Command]:
        yield from self._records.refused(event.at, event.command)

    def tick(self, at: datetime) -> Iterator[Command]:
        yield from self._records.tick(at)

    def _faults_of(self, at: datetime, measurement: SpotCheck | Continuous) -> Iterator[Command]:
        """A report where they have changed since the last; what comes from storage says nothing of now."""
        if measurement.is_stored:
            return
        self.faults = oximeter_status.faults(measurement.device_sensor_status or 0)
        if self.faults != self._told:
            self._told = self.faults
            yield ReportStatus(at=at, faults=self.faults)


PROFILE: Final = session.Profile(
    measurement=uuids.PLX_CONTINUOUS,
    decode=Continuous.from_bytes,
    more={uuids.PLX_SPOT_CHECK: SpotCheck.from_bytes},
    reads=(uuids.PLX_FEATURES,),
)
_DRIVER: Final = Driver(
    key="sig-pulse-oximeter",
    title="Pulse oximeter, continuous (Bluetooth SIG profile)",
    device_type=DeviceType.PULSE_OXIMETER,
    transport=Transport.BLE,
    formats=("2A5F", "2A5E", "2A60", "2A52"),
    measures=(Parameter.SPO2, Parameter.OXIMETER_PULSE_RATE, Parameter.PERFUSION_INDEX),
    marks=(Marks(services=frozenset({uuids.PULSE_OXIMETER_SERVICE})),),
    session=partial(Session, profile=PROFILE),
    verified=(Verified.STANDARD, Verified.CAPTURE),
    stale_after_seconds=15,
    options=session.OPTIONS,
    missing="the fast and the slow numbers are decoded and not recorded; records are asked for all at once",
)
FORMATS: Final[tuple[AnyFormat, ...]] = ()
DRIVERS: Final[tuple[Driver, ...]] = (
    _DRIVER,
    replace(
        _DRIVER,
        key="sig-pulse-oximeter-spot",
        title="Pulse oximeter, spot checks (Bluetooth SIG profile)",
        formats=("2A5E", "2A5F", "2A60", "2A52"),
        verified=(Verified.STANDARD,),
        sleeps=True,
        stale_after_seconds=300,
    ),
)
