"""Welch Allyn SureTemp Plus modules: the thermometer that is built into other makers' monitors. Packets are in `suretemp_packets`.

The module answers, and never speaks unasked: it is asked for its temperature record once a second. A reading is made of a final temperature that isn't 0, without an error,
and once: again when another value takes its place, or after the record has had none. The record says neither when it was made nor its number; a final temperature
that was there when the line was opened is recorded with an uncertain time, unless it is known from an earlier connection.

In the monitor method the probe is followed without an end: then a reading a minute is enough. A calibration key is no patient.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from device_drivers.driver import Driver, SerialSettings, Transport, Verified
from device_drivers.format import AnyFormat, Format
from device_drivers.sessions import Command, Deliver, LinkEstablished, ReportStatus, SendBytes, SessionContext
from device_drivers.stream_session import StreamSession
from device_drivers.thermometers import suretemp_packets as packets
from device_drivers.thermometers.suretemp_packets import Packet, TemperatureRecord
from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import Parameter, Vital
from vitals.readings import Reading, Reason, measured_value
from vitals.units import Unit

MONITORED_EVERY: Final = timedelta(minutes=1)
SEND_RECORD: Final = packets.framed(packets.TEMPERATURE_RECORD, packets.COMMAND)


def reasons_of(record: TemperatureRecord) -> tuple[Reason, ...]:
    """What puts a final temperature in doubt."""
    said = (
        (Reason.OUT_OF_RANGE, record.state in packets.OVER | packets.UNDER),
        (Reason.IMPROPER_POSITION, record.state in packets.POSITION),
    )
    return tuple(reason for reason, holds in said if holds)


def faults_of(record: TemperatureRecord) -> tuple[str, ...]:
    """What the module says is wrong with it."""
    said = (
        (f"error_{record.error}", record.error != 0 or record.state == packets.ERROR_STATE),
        ("calibration_key", _is_calibrated(record)),
        (Reason.SENSOR_DISCONNECTED.value, record.probe_type == packets.NO_PROBE),
    )
    return tuple(word for word, holds in said if holds)


def _is_calibrated(record: TemperatureRecord) -> bool:
    return record.probe_type == packets.CALIBRATION_KEY or record.algorithm == packets.CALIBRATION_ALGORITHM


def reading(record: TemperatureRecord, device: DeviceKey, *, raw: bytes, at: datetime, uncertain: bool) -> Reading:
    """The reading of a record that has a final temperature and came `at`; in kelvin as sent, and in degrees Celsius."""
    assert record.final_kelvin is not None  # noqa: S101 - see the session
    value = measured_value(Parameter.TEMPERATURE, record.final_kelvin, *reasons_of(record), unit=Unit.KELVIN)
    return Reading(
        data_type=Vital.TEMPERATURE,
        device=device,
        values=(value,),
        measured=at,
        received=at,
        raw=raw,
        stored=uncertain,
        time_uncertain=uncertain,
    )


class Session(StreamSession):
    """One connection; `memory` holds the last final temperature, in kelvin."""

    def __init__(self, context: SessionContext) -> None:
        super().__init__(context, packets.measure)
        self._looked = False
        self._delivered: datetime | None = None
        self._faults: tuple[str, ...] = ()

    def begin(self, event: LinkEstablished) -> Iterator[Command]:
        yield SendBytes(data=SEND_RECORD)

    def tick(self, at: datetime) -> Iterator[Command]:
        yield SendBytes(data=SEND_RECORD)

    def frame(self, at: datetime, data: bytes) -> Iterator[Command]:
        message = packets.decode(data)
        if isinstance(message, Packet):
            yield from self._report(at, *(("refused_by_device",) if message.type == packets.BAD else self._faults))
            return
        yield from self._report(at, *faults_of(message))
        if not self._faults:
            yield from self._final(at, message, data)

    def _final(self, at: datetime, record: TemperatureRecord, data: bytes) -> Iterator[Command]:
        final = "" if record.final_kelvin is None else str(record.final_kelvin)
        memory, found_there = self.context.memory, not self._looked
        self._looked = True
        if final == memory.get("final", ""):
            return
        if final and not self._is_due(at, record):
            return
        memory["final"] = final
        if final:
            self._delivered = at
            yield Deliver(readings=(reading(record, self.context.device, raw=data, at=at, uncertain=found_there),))

    def _is_due(self, at: datetime, record: TemperatureRecord) -> bool:
        """Whether a value may be delivered: in the monitor method not before a minute has passed."""
        if record.method != packets.MONITOR or self._delivered is None:
            return True
        return at - self._delivered >= MONITORED_EVERY

    def _report(self, at: datetime, *faults: str) -> Iterator[Command]:
        if faults != self._faults:
            self._faults = faults
            yield ReportStatus(at=at, faults=faults)


FORMATS: Final[tuple[AnyFormat, ...]] = (
    Format(
        key="suretemp",
        title="Welch Allyn SureTemp Plus module, packet",
        source="Welch Allyn, SureTemp Plus Module OEM Implementation Manual 71332-0000B, pp. 30-36, 63-64",
        message=TemperatureRecord,
        decode=packets.decode,
        encode=bytes,
        describe=packets.describe,
        measure=packets.measure,
        fields=packets.fields,
        from_fields=packets.message_of,
    ),
)
DRIVERS: Final[tuple[Driver, ...]] = (
    Driver(
        key="suretemp-plus",
        title="Welch Allyn SureTemp Plus thermometer module",
        device_type=DeviceType.THERMOMETER,
        transport=Transport.SERIAL,
        serial=SerialSettings(baud=9600),
        formats=("suretemp",),
        measures=(Parameter.TEMPERATURE,),
        session=Session,
        verified=(Verified.VENDOR_DOCUMENT,),
        stale_after_seconds=10,
        missing="what the error codes mean; the site (oral, axillary, rectal) is decoded and not part of a reading",
    ),
)
