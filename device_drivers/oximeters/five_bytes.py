"""The frame that BCI (Berry) and old Contec oximeters share: five bytes, of which the first alone has bit 7.

Source: "BCI Protocol (v1.2)" (in zh2x/BCI_Protocol), and for Contec atbrask/CMS50Dplus. Pulse is eight bits, the highest of them in the third byte.
There is no checksum: of any five bytes one in 32 has the right high bits, so frames between noise are not believed (`NoiseGate`).
The makers give the flags of the first and third byte different meanings; each has a module of its own for them.
"""

from typing import Final, NamedTuple

from device_drivers.bounds import or_marker, within
from device_drivers.errors import Malformed, Truncated

FRAME_LENGTH: Final = 5
NO_PULSE: Final = 0xFF
NO_SPO2: Final = 0x7F
PLETH_BITS: Final = 0x7F
_NIBBLE: Final = 0x0F


class Fields(NamedTuple):
    """What a frame holds, its flags as sent: of `first` bits 4 to 6, of `third` bits 4 and 5. None: no number."""

    first: int
    strength: int
    pleth: int
    third: int
    bargraph: int
    pulse_rate: int | None
    spo2: int | None


def split(data: bytes) -> Fields:
    """Decode five bytes; what follows is ignored. Raises Truncated, Malformed."""
    if len(data) < FRAME_LENGTH:
        raise Truncated(FRAME_LENGTH, len(data))
    first, pleth, third, low, spo2 = data[:FRAME_LENGTH]
    if not first & 0x80 or (pleth | third | low | spo2) & 0x80:
        raise Malformed("not_a_frame")
    rate = (third & 0x40) << 1 | low
    return Fields(
        first & 0x70,
        first & _NIBBLE,
        pleth,
        third & 0x30,
        third & _NIBBLE,
        None if rate == NO_PULSE else rate,
        None if spo2 == NO_SPO2 else spo2,
    )


def join(fields: Fields) -> bytes:
    """The frame that says this. Raises ValueError for what does not fit."""
    rate = or_marker("pulse_rate", fields.pulse_rate, NO_PULSE)
    return bytes(
        (
            0x80 | fields.first | within("signal_strength", fields.strength, _NIBBLE),
            within("pleth", fields.pleth, PLETH_BITS),
            fields.third | within("bargraph", fields.bargraph, _NIBBLE) | (rate & 0x80) >> 1,
            rate & 0x7F,
            or_marker("spo2", fields.spo2, NO_SPO2),
        )
    )


def measure(buffer: bytearray, at: int) -> int | None:
    """The frame at `at`, by its high bits."""
    if buffer[at] < 0x80:
        return 0
    rest = buffer[at + 1 : at + FRAME_LENGTH]
    if not rest.isascii():
        return 0
    return FRAME_LENGTH if len(rest) == FRAME_LENGTH - 1 else None
