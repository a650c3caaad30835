"""SunTech's modules."""

from hypothesis import strategies as st

from device_drivers.checksums import twos_complement8
from device_drivers.cuffs.suntech_frames import (
    Acknowledgement,
    CuffPressure,
    HostCommand,
    ModuleInformation,
    Result,
    ReturnCode,
)
from tests.device_drivers.families.family import Stream
from vitals.parameters import Parameter

BYTES = st.integers(0, 255)
PRESSURES = st.none() | st.integers(1, 0xFFFF)
INITIAL_PRESSURE, PNEUMATICS, RESET = 0x17, 0x0C, 0x8A


def command(*words: int) -> bytes:
    body = bytes((0x3A, *words))
    return body + bytes((twos_complement8(body),))


def result(systolic: int) -> Result:
    return Result(systolic=systolic, diastolic=60, mean=70, pulse_rate=80, beats=20, bp_status=1, error_code=0)


MESSAGES = {
    "suntech": st.builds(Acknowledgement, ack=st.characters(min_codepoint=0x21, max_codepoint=0x7E))
    | st.builds(CuffPressure, cuff_pressure=st.integers(-0x8000, 0x7FFF))
    | st.builds(ReturnCode, return_code=st.binary(min_size=3, max_size=3))
    | st.builds(ModuleInformation, information=st.binary(min_size=64, max_size=64))
    | st.builds(
        Result,
        systolic=PRESSURES,
        diastolic=PRESSURES,
        mean=PRESSURES,
        pulse_rate=st.none() | st.integers(1, 255),
        beats=BYTES,
        bp_status=BYTES,
        error_code=BYTES,
        test_codes=st.binary(min_size=8, max_size=8),
    ),
    "suntech-cmd": st.builds(HostCommand.of, st.just(0x20), st.just(b""))
    | st.builds(HostCommand.of, st.sampled_from((0x79, INITIAL_PRESSURE)), st.binary(min_size=2, max_size=2))
    | st.builds(HostCommand.of, st.just(PNEUMATICS), st.binary(min_size=3, max_size=3))
    | st.builds(HostCommand.of, st.integers(0x80, 255), st.binary(max_size=10)),
}
STREAMS = {
    "suntech-advantage": Stream(
        unit=lambda systolic: bytes(result(systolic)), parameter=Parameter.SYSTOLIC, repeats=False
    ),
}
NEVER = {
    "suntech-advantage": [
        command(0x20),
        command(0x28),
        command(0x87),
        command(RESET),
        bytes((0x3A, INITIAL_PRESSURE)),
        bytes((0x3A, PNEUMATICS)),
    ]
}
