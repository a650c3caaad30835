"""What the devices of A&D's PBT series measure, as text: a cuff's ten hexadecimal digits, a scale's lines.

Sources: com.cking BluetoothServer4And (log lines of real devices, and one whole frame), Seneca's CDOT wiki, "Phonegap Healthcare Adapter Bluetooth Spec" (which
follows A&D's document) for the cuff's digits.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Self

from device_drivers.errors import Malformed, Truncated
from device_drivers.fields import named
from device_drivers.format import Parts
from device_drivers.values import numbered
from vitals.parameters import Parameter
from vitals.readings import Reason, Value, missing_value
from vitals.units import Unit

MEASURED: Final = 0x80
"""A cuff's status where the other digits are a blood pressure. Anything else is a measurement that failed."""
PRESSURE_DIGITS: Final = 10
_END: Final = b"\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class BloodPressure:
    """A cuff's ten digits: status, systolic less diastolic, diastolic, pulse and mean, two each; mmHg and beats a minute. A number that it does not have is None:
    without a diastolic pressure there is no systolic one, for only the difference is sent."""

    systolic: int | None
    diastolic: int | None
    mean: int | None = named("map")
    pulse_rate: int | None
    status: int = MEASURED

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode ten digits; what follows is ignored. Raises Truncated, Malformed."""
        if len(data) < PRESSURE_DIGITS:
            raise Truncated(PRESSURE_DIGITS, len(data))
        status, above, diastolic, pulse, mean = _octets(data[:PRESSURE_DIGITS])
        if status != MEASURED:
            return cls(systolic=None, diastolic=None, mean=None, pulse_rate=None, status=status)
        return cls(
            systolic=above + diastolic if diastolic else None,
            diastolic=diastolic or None,
            mean=mean or None,
            pulse_rate=pulse or None,
        )

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a number beyond two digits, and for a systolic pressure below the diastolic."""
        above = (self.systolic or 0) - (self.diastolic or 0)
        octets = bytes((self.status, above, self.diastolic or 0, self.pulse_rate or 0, self.mean or 0))
        return octets.hex().upper().encode("ascii")

    def values(self) -> tuple[Value, ...]:
        """In mmHg and beats a minute."""
        numbers = (
            (Parameter.SYSTOLIC, self.systolic, Reason.MEASUREMENT_FAILED),
            (Parameter.DIASTOLIC, self.diastolic, Reason.MEASUREMENT_FAILED),
            (Parameter.MEAN, self.mean, Reason.NOT_MEASURED),
            (Parameter.CUFF_PULSE_RATE, self.pulse_rate, Reason.MEASUREMENT_FAILED),
        )
        failed = self.status != MEASURED
        return tuple(
            missing_value(parameter, Reason.MEASUREMENT_FAILED if failed else without)
            if number is None
            else numbered(parameter, Decimal(number))
            for parameter, number, without in numbers
        )

    def describe(self, parts: Parts) -> None:
        """Its ten digits."""
        parts.add(
            2, "status", f"{self.status:02X}: {'measured' if self.status == MEASURED else 'the measurement failed'}"
        )
        parts.add(2, "systolic", _words(self.systolic, "mmHg, sent as the difference to the diastolic"))
        parts.add(2, "diastolic", _words(self.diastolic, "mmHg"))
        parts.add(2, "pulse_rate", _words(self.pulse_rate, "/min"))
        parts.add(2, "map", _words(self.mean, "mmHg"))


def _octets(digits: bytes) -> bytes:
    """Ten hexadecimal digits as five bytes. Raises Malformed."""
    try:
        octets = bytes.fromhex(digits.decode("ascii"))
    except ValueError as error:
        raise Malformed("not_hexadecimal") from error
    if len(octets) * 2 != len(digits):  # fromhex skips spaces
        raise Malformed("not_hexadecimal")
    return octets


def _words(number: int | None, unit: str) -> str:
    return "none" if number is None else f"{number} {unit}"


MOST_DIGITS: Final = 9
"""Of a number of a scale, its point among them; real ones have six."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """How one number is written: `ST,+078.05kg`."""

    key: bytes
    field: str
    width: int
    unit: bytes = b""
    sign: bytes = b""
    whole: bool = False
    words: str = ""

    def fits(self, line: bytes) -> bool:
        return line.startswith(self.key + b",") and line.endswith(self.unit)

    def read(self, line: bytes) -> Decimal | int:
        """The number of a line that fits. Raises Malformed."""
        text = line[len(self.key) + 1 : len(line) - len(self.unit)]
        if not text.startswith(self.sign):
            raise Malformed("not_a_positive_number")
        digits = text[len(self.sign) :]
        if not (digits if self.whole else digits.replace(b".", b"", 1)).isdigit() or len(digits) > MOST_DIGITS:
            raise Malformed("not_a_number")
        return int(digits) if self.whole else Decimal(digits.decode("ascii"))

    def written(self, number: Decimal | int) -> bytes:
        """A line of the width that it has, wider where the number is. Raises ValueError."""
        digits = f"{number:0{self.width}{'d' if self.whole else 'f'}}".encode("ascii")
        if not digits.replace(b".", b"", 1).isdigit() or len(digits) > MOST_DIGITS:
            raise ValueError(f"{self.field}: {number} is no positive number of at most {MOST_DIGITS} digits")
        return self.key + b"," + self.sign + digits + self.unit + _END


_LINES: Final = (
    _Line(key=b"ST", field="weight_kg", width=6, unit=b"kg", sign=b"+", words="weight, steady"),
    _Line(key=b"ST", field="weight_lb", width=6, unit=b"lb", sign=b"+", words="weight, steady"),
    _Line(key=b"RT", field="impedance_ohm", width=6, unit=b"O", words="impedance in ohm"),
    _Line(key=b"FT", field="fat_pct", width=4, unit=b"%", words="fat"),
    _Line(key=b"HT", field="height_mm", width=4, unit=b"mm", sign=b"+", whole=True, words="height as set"),
    _Line(key=b"BT", field="basal_kcal", width=5, unit=b"kc", whole=True, words="basal metabolism in kcal a day"),
    _Line(key=b"MT", field="muscle_kg", width=5, unit=b"kg", words="muscle"),
    _Line(key=b"WT", field="water_kg", width=5, unit=b"kg", words="water"),
    _Line(key=b"ID", field="user", width=2, whole=True, words="user"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighing:
    """A scale's lines; what it did not send is None. The weight is in kilograms or in pounds, and only a steady one (`ST`) is one."""

    weight_kg: Decimal | None = None
    weight_lb: Decimal | None = None
    impedance_ohm: Decimal | None = None
    fat_pct: Decimal | None = None
    height_mm: int | None = None
    basal_kcal: int | None = None
    muscle_kg: Decimal | None = None
    water_kg: Decimal | None = None
    user: int | None = None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Decode all lines; those that are not known are ignored. Raises Malformed for a number that is none and where no steady weight is."""
        fitting = [(spec, line) for line in data.split(_END) for spec in _LINES if spec.fits(line)]
        numbers: dict[str, Any] = {spec.field: spec.read(line) for spec, line in fitting}
        if len(numbers.keys() & {"weight_kg", "weight_lb"}) != 1:
            raise Malformed("no_steady_weight")
        return cls(**numbers)

    def __bytes__(self) -> bytes:
        """Encode. Raises ValueError for a number that its line has no room for, and without one weight."""
        if (self.weight_kg is None) is (self.weight_lb is None):
            raise ValueError("a weight is in kilograms or in pounds")
        numbers = ((spec, getattr(self, spec.field)) for spec in _LINES)
        return b"".join(spec.written(number) for spec, number in numbers if number is not None)

    def values(self) -> tuple[Value, ...]:
        """The weight in kilograms, and in pounds beside where they were sent."""
        if self.weight_lb is not None:
            return (numbered(Parameter.WEIGHT, self.weight_lb, unit=Unit.POUND, zero_is_missing=True),)
        return (numbered(Parameter.WEIGHT, self.weight_kg or Decimal(0), zero_is_missing=True),)

    @staticmethod
    def describe(data: bytes, parts: Parts) -> None:
        """Each of its lines."""
        for line in _lines(data):
            spec = next((spec for spec in _LINES if spec.fits(line.removesuffix(_END))), None)
            text = ascii(line.decode("latin-1"))
            parts.add(len(line), spec.field if spec else "line", f"{text}: {spec.words if spec else 'not known'}")


def _lines(data: bytes) -> Iterator[bytes]:
    """With their ends, so that none of `data` is lost."""
    while data:
        end = data.find(_END)
        size = len(data) if end < 0 else end + len(_END)
        yield data[:size]
        data = data[size:]
