"""What a Welch Allyn SureTemp Plus module and its host say: 9600 baud, 8N1.

Source: Welch Allyn, "SureTemp Plus Module OEM Implementation Manual" 71332-0000B, pp. 30 to 36 (packets, records) and 63 to 64 (examples). A packet is 03 02 10, a command
(high byte first), a type, a length (low byte first), as many bytes of data and a check byte that makes the sum of all bytes 0 mod 256. A temperature record has 19
bytes of data, or 33 (p. 35); the manual's example of the longer one shows a resistance of five bytes, and is refused by its own length. Temperatures are IEEE
754 singles in kelvin, 0.0 for none. The sample counter counts every 173 ms, not measurements.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from dataclasses import fields as fields_in
from decimal import Decimal
from math import isfinite, isnan
from struct import Struct
from types import MappingProxyType
from typing import Final, Self, TypeAlias

from device_drivers.checksums import sum8, twos_complement8
from device_drivers.errors import Malformed, Truncated
from device_drivers.fields import Json, fields_of, message_from, number
from device_drivers.format import Parts
from device_drivers.packing import pack, steps

PREAMBLE: Final = b"\x03\x02\x10"
COMMAND: Final = 1
GOOD: Final = 2
BAD: Final = 3
TEMPERATURE_RECORD: Final = "941c"
MONITOR: Final = 1
CALIBRATION_ALGORITHM: Final = 3
CALIBRATION_KEY: Final = 1
NO_PROBE: Final = 3
OVER: Final = frozenset({8, 9})
UNDER: Final = frozenset({10, 11})
POSITION: Final = frozenset({5, 7, 9, 11})
ERROR_STATE: Final = 20
ZERO_CELSIUS: Final = Decimal("273.15")
_ABSURD: Final = 1000
"""Kelvin."""
_HEAD: Final = 8
_LONGEST_DATA: Final = 64
"""Of a packet that is waited for in a stream; the module's longest answers are shorter."""
_TYPES: Final = MappingProxyType({COMMAND: "command", GOOD: "good response", BAD: "bad response"})
_METHODS: Final = MappingProxyType({0: "normal (predictive)", MONITOR: "monitor", 2: "clinical"})
_ALGORITHMS: Final = MappingProxyType(
    {0: "oral", 1: "rectal", 2: "pediatric axillary", CALIBRATION_ALGORITHM: "calibration key", 4: "adult axillary"}
)
_PROBES: Final = MappingProxyType(
    {0: "oral or axillary", CALIBRATION_KEY: "calibration key", 2: "rectal", NO_PROBE: "none"}
)
_STATES: Final = MappingProxyType(
    {
        0: "idle",
        1: "not ready",
        2: "ready",
        3: "predicting",
        4: "predicting, displayed",
        5: "predicting, position",
        6: "final",
        7: "final, position",
        8: "final, above the range",
        9: "final, above the range, position",
        10: "final, below the range",
        11: "final, below the range, position",
        12: "not predicting (monitor)",
        13: "ended normally",
        ERROR_STATE: "error",
    }
)
_COMMANDS: Final = MappingProxyType(
    {
        TEMPERATURE_RECORD: "send the temperature record",
        "2900": "send the serial number",
        "2913": "send the method",
        "2a12": "set the method",
        "9401": "send the status",
    }
)


def _single(value: float) -> Decimal | None:
    """A single by the nine digits that tell it from every other; None for 0 and NaN. Raises Malformed for what nothing measures."""
    if value == 0 or isnan(value):
        return None
    if not isfinite(value) or value < 0:
        raise Malformed("not_a_number")
    return Decimal(f"{value:.9g}")


def _kelvin(value: float) -> Decimal | None:
    """A temperature. Raises Malformed for what is far beyond any."""
    if value < 0 or (value >= _ABSURD and not isnan(value)):
        raise Malformed("not_a_temperature")
    return _single(value)


def celsius(kelvin: Decimal) -> Decimal:
    """To a thousandth; a single in kelvin is no finer than a thirty-thousandth."""
    return round(kelvin - ZERO_CELSIUS, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """Any packet but a temperature record: `command` as four hexadecimal digits, `data` as sent."""

    command: str
    type: int
    data: bytes | None = None

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for what has no room."""
        data = self.data or b""
        if (self.command, self.type) == (TEMPERATURE_RECORD, GOOD) and len(data) in _LAYOUTS:
            raise ValueError("a temperature record is said by its fields")
        return framed(self.command, self.type, data)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemperatureRecord:
    """The module's answer to 941C, in its own words. Temperatures are in kelvin, None where it has none; `error` is 0 where nothing is wrong.

    The fields after `probe_type` belong to the record of 33 bytes: `battery` in volts, resistances in ohm.
    """

    final_kelvin: Decimal | None
    probe_kelvin: Decimal | None
    counter: int
    method: int
    algorithm: int
    state: int
    error: int
    active: bool
    probe_type: int
    heater: int | None = None
    probe_resistance: Decimal | None = None
    ambient_kelvin: Decimal | None = None
    ptb_resistance: Decimal | None = None
    battery: Decimal | None = None
    command: str = TEMPERATURE_RECORD
    type: int = GOOD

    @classmethod
    def from_data(cls, data: bytes) -> Self:
        """Decode 19 or 33 bytes. Raises Malformed for what is no temperature."""
        long = len(data) == _LONG_LENGTH
        final, probe = _TEMPERATURES.unpack_from(data)
        heater, counter = _COUNTERS.unpack_from(data, 8) if long else (None, *_COUNTER.unpack_from(data, 8))
        method, algorithm, state, error, active, probe_type = _STATE.unpack_from(data, 12)
        record = cls(
            final_kelvin=_kelvin(final),
            probe_kelvin=_kelvin(probe),
            counter=counter,
            method=method,
            algorithm=algorithm,
            state=state,
            error=error,
            active=bool(active),
            probe_type=probe_type,
            heater=heater,
        )
        return record._with_rest(data) if long else record

    def _with_rest(self, data: bytes) -> Self:
        ohm, ambient, ptb_ohm, battery = _REST.unpack_from(data, _SHORT_LENGTH)
        return replace(
            self,
            probe_resistance=_single(ohm) or Decimal(0),
            ambient_kelvin=_kelvin(ambient) or Decimal(0),
            ptb_resistance=_single(ptb_ohm) or Decimal(0),
            battery=battery * _HUNDREDTH,
        )

    def __bytes__(self) -> bytes:
        """Encode; 33 bytes of data where `heater` is given. Raises ValueError for a number that has no room."""
        if (self.command, self.type) != (TEMPERATURE_RECORD, GOOD):
            raise ValueError("a temperature record is a good response to 941c")
        temperatures = pack(_TEMPERATURES, float(self.final_kelvin or 0), float(self.probe_kelvin or 0))
        counters = pack(_COUNTER, self.counter) if self.heater is None else pack(_COUNTERS, self.heater, self.counter)
        states = (self.method, self.algorithm, self.state, self.error, self.active, self.probe_type)
        rest = b"" if self.heater is None else self._rest()
        return framed(self.command, self.type, temperatures + counters + pack(_STATE, *states) + rest)

    def _rest(self) -> bytes:
        singles = (self.probe_resistance, self.ambient_kelvin, self.ptb_resistance)
        hundredths = steps("battery", self.battery or Decimal(0), _HUNDREDTH)
        return pack(_REST, *(float(single or 0) for single in singles), hundredths)


_TEMPERATURES: Final = Struct("<ff")
_COUNTER: Final = Struct("<I")
_COUNTERS: Final = Struct("<HH")
_STATE: Final = Struct("<BBBHBB")
_HUNDREDTH: Final = Decimal("0.01")
_REST: Final = Struct("<fffH")
_SHORT_LENGTH: Final = 19
_LONG_LENGTH: Final = 33
_LAYOUTS: Final = frozenset({_SHORT_LENGTH, _LONG_LENGTH})
Message: TypeAlias = Packet | TemperatureRecord


def framed(command: str, kind: int, data: bytes = b"") -> bytes:
    """A packet. Raises ValueError for what has no room."""
    words = bytes.fromhex(command)
    if len(words) != 2:
        raise ValueError(f"a command is four hexadecimal digits, not {command!r}")
    if len(data) > 0xFFFF:
        raise ValueError("more data than a length can say")
    body = PREAMBLE + words + bytes((kind,)) + len(data).to_bytes(2, "little") + data
    return body + bytes((twos_complement8(body),))


def decode(packet: bytes) -> Message:
    """A packet of either side; what follows it is ignored. Raises Truncated, Malformed."""
    if not PREAMBLE.startswith(packet[: len(PREAMBLE)]):
        raise Malformed("not_a_packet")
    if len(packet) < _HEAD + 1:
        raise Truncated(_HEAD + 1, len(packet))
    end = _HEAD + int.from_bytes(packet[6:8], "little")
    if len(packet) <= end:
        raise Truncated(end + 1, len(packet))
    if sum8(packet[: end + 1]):
        raise Malformed("checksum")
    command, kind, data = packet[3:5].hex(), packet[5], packet[_HEAD:end]
    if (command, kind) == (TEMPERATURE_RECORD, GOOD) and len(data) in _LAYOUTS:
        return TemperatureRecord.from_data(data)
    return Packet(command=command, type=kind, data=data or None)


def fields(message: Message) -> dict[str, Json]:
    """As in the message, with the temperatures in degrees Celsius beside the kelvins."""
    found = fields_of(message)
    if isinstance(message, TemperatureRecord):
        kelvins = (("final", message.final_kelvin), ("probe", message.probe_kelvin))
        found |= {f"{name}_celsius": None if kelvin is None else number(celsius(kelvin)) for name, kelvin in kelvins}
    return found


def message_of(said: Mapping[str, Json]) -> Message:
    """The message that these fields say; a temperature may be said in kelvin, or in degrees Celsius alone. Raises ValueError."""
    if said.keys() <= {field.name for field in fields_in(Packet)}:
        return message_from(Packet, said)
    record = {name: value for name, value in said.items() if name not in ("final_celsius", "probe_celsius")}
    for name in ("final", "probe"):
        if f"{name}_kelvin" not in record and f"{name}_celsius" in said:
            record[f"{name}_kelvin"] = _in_kelvin(name, said[f"{name}_celsius"])
    return message_from(TemperatureRecord, record)


def _in_kelvin(name: str, value: Json) -> Json:
    """The single that is nearest, as a module would send it. Raises ValueError."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError(f"{name}_celsius: {value!r} is no number")  # noqa: TRY004 - one error for whatever a field is not
    (single,) = _SINGLE.unpack(pack(_SINGLE, float(Decimal(str(value)) + ZERO_CELSIUS)))
    return number(Decimal(f"{single:.9g}"))


_SINGLE: Final = Struct("<f")


def measure(buffer: bytearray, at: int) -> int | None:
    """The length of the packet that begins at `at`; see `Measure`."""
    start = bytes(buffer[at : at + _HEAD])
    if not PREAMBLE.startswith(start[: len(PREAMBLE)]):
        return 0
    if len(start) < _HEAD:
        return None
    size = int.from_bytes(start[6:8], "little")
    if size > _LONGEST_DATA:
        return 0
    length = _HEAD + size + 1
    packet = bytes(buffer[at : at + length])
    if len(packet) < length:
        return None
    return 0 if sum8(packet) else length


def describe(packet: bytes) -> Parts:
    """Every byte of a packet."""
    message, parts = decode(packet), Parts(packet)
    size = int.from_bytes(packet[6:8], "little")
    parts.add(3, "preamble", "a packet follows")
    parts.add(2, "command", _COMMANDS.get(message.command, "not known"))
    parts.add(1, "type", _TYPES.get(message.type, f"{message.type}, not known"))
    parts.add(2, "size", f"{size} bytes of data")
    if isinstance(message, TemperatureRecord):
        _describe_record(message, parts)
    else:
        parts.add(size, "data", packet[_HEAD : _HEAD + size].hex(" "))
    parts.add(1, "checksum", "right: all bytes add up to 0 mod 256")
    parts.rest()
    return parts


def _describe_record(record: TemperatureRecord, parts: Parts) -> None:
    parts.add(4, "final_kelvin", _temperature(record.final_kelvin), "final_kelvin", "final_celsius")
    parts.add(4, "probe_kelvin", _temperature(record.probe_kelvin), "probe_kelvin", "probe_celsius")
    if record.heater is not None:
        parts.add(2, "heater", record.heater)
    parts.add(4 if record.heater is None else 2, "counter", f"{record.counter} samples of 173 ms")
    parts.add(1, "method", _METHODS.get(record.method, f"{record.method}, not known"))
    parts.add(1, "algorithm", _ALGORITHMS.get(record.algorithm, f"{record.algorithm}, not known"))
    parts.add(1, "state", _STATES.get(record.state, f"{record.state}, not known"))
    parts.add(2, "error", "none" if record.error == 0 else f"error {record.error}")
    parts.add(1, "active", "the probe is out" if record.active else "the probe is in its well")
    parts.add(1, "probe_type", _PROBES.get(record.probe_type, f"{record.probe_type}, not known"))
    if record.heater is not None:
        parts.add(4, "probe_resistance", f"{record.probe_resistance} ohm")
        parts.add(4, "ambient_kelvin", _temperature(record.ambient_kelvin))
        parts.add(4, "ptb_resistance", f"{record.ptb_resistance} ohm")
        parts.add(2, "battery", f"{record.battery} V")


def _temperature(kelvin: Decimal | None) -> str:
    return f"{kelvin} K, {celsius(kelvin)} °C" if kelvin else "none (0 K)"
