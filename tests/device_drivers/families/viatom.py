"""Viatom's oximeters and the JKS50F."""

import string
from decimal import Decimal

from hypothesis import strategies as st

from device_drivers.date_time import DateTime
from device_drivers.oximeters import jks50f, oxyii, oxyii_session, pc60fw, viatom_o2, viatom_o2_session, viatom_vld
from device_drivers.oximeters.lepu_frames import ClockSetting, DeviceInfo, Message, answer
from device_drivers.oximeters.viatom_frames import Data
from device_drivers.oximeters.viatom_info import Info
from device_drivers.oximeters.viatom_o2 import Command, RealTime, Request, Response, Sensors
from tests.device_drivers.families.family import Stream

BYTES = st.integers(0, 255)
WORDS = st.integers(0, 0xFFFF)
SATURATIONS = st.none() | st.integers(1, 254)
PULSES = st.none() | st.integers(1, 0xFFFE)
SHORT_PULSES = st.none() | st.integers(1, 254)
TEXTS = st.text(string.ascii_letters + string.digits, max_size=8)
TIMES = st.builds(DateTime, year=WORDS, month=BYTES, day=BYTES, hour=BYTES, minute=BYTES, second=BYTES)


def tenths(highest: int) -> st.SearchStrategy[Decimal]:
    return st.integers(1, highest).map(lambda steps: Decimal(steps) / 10)


SENSORS = st.builds(
    Sensors,
    spo2=SATURATIONS,
    pulse_rate=PULSES,
    steps=st.integers(0, 2**32 - 1),
    battery=st.integers(1, 100),
    charging=BYTES,
    motion=BYTES,
    perfusion=BYTES,
    worn=st.booleans(),
    countdown=st.integers(0, 15),
    alarms=st.none() | BYTES,
)
REAL_TIMES = st.binary(max_size=130).flatmap(
    lambda wave: st.builds(
        RealTime,
        spo2=SATURATIONS,
        pulse_rate=PULSES,
        battery=BYTES,
        charging=BYTES,
        perfusion=BYTES,
        worn=st.booleans(),
        wave_len=st.just(len(wave)),
        wave=st.just(tuple(wave)),
    )
)
INFOS = st.builds(Info, model=TEXTS, time=TEXTS, battery_state=st.none() | st.integers(0, 3), files=st.none() | TEXTS)
INFORMATION = st.builds(
    DeviceInfo,
    hardware=BYTES,
    firmware=st.just("1.2.255"),
    bootloader=st.just("0.0.1"),
    branch=TEXTS,
    device_type=WORDS,
    protocol=st.just("1.3"),
    timestamp=TIMES,
    longest=WORDS,
    serial=TEXTS,
)
LIVES = st.builds(
    oxyii.Live,
    counter=WORDS,
    state=BYTES,
    spo2=SATURATIONS,
    motion=BYTES,
    pulse_rate=SHORT_PULSES,
    battery=BYTES,
    wave=st.none() | st.lists(BYTES, max_size=120).map(tuple),
)


def lepu_messages(cmd: int, content: st.SearchStrategy[object], flag: int = 1) -> st.SearchStrategy[Message]:
    return st.builds(Message, cmd=st.just(cmd), flag=st.just(flag), seq=BYTES, content=content)


def pc60fw_frames(token: int, kind: int, content: st.SearchStrategy[object]) -> st.SearchStrategy[pc60fw.Frame]:
    return st.builds(pc60fw.Frame, token=st.just(token), type=st.just(kind), content=content)


MESSAGES = {
    "viatom-o2": st.builds(
        Response,
        status=BYTES,
        block=WORDS,
        content=SENSORS | REAL_TIMES | INFOS | st.builds(Data, data=st.binary(max_size=11)),
    ).filter(lambda response: viatom_o2.content_of(bytes(response.content)) == response.content),
    "viatom-cmd": st.builds(
        Request, cmd=st.sampled_from(list(Command)).map(int), block=WORDS, data=st.binary(max_size=60)
    ),
    "viatom-vld": st.builds(
        viatom_vld.Recording,
        mode=BYTES,
        timestamp=TIMES,
        size=st.integers(0, 2**32 - 1),
        duration_seconds=WORDS,
        asleep_seconds=WORDS,
        spo2_average=BYTES,
        spo2_minimum=BYTES,
        drops_3=BYTES,
        drops_4=BYTES,
        seconds_below_90=WORDS,
        drops_below_90=BYTES,
        percent_below_90=BYTES,
        score=st.none() | tenths(254),
        steps=st.integers(0, 2**32 - 1),
        records=st.lists(
            st.builds(viatom_vld.Record, spo2=SATURATIONS, pulse_rate=PULSES, acceleration=BYTES), max_size=8
        ).map(tuple),
    ),
    "oxyii": lepu_messages(oxyii.LIVE, LIVES)
    | lepu_messages(oxyii.INFO, INFORMATION)
    | lepu_messages(oxyii.SET_TIME, st.builds(ClockSetting, timestamp=TIMES), flag=0)
    | lepu_messages(oxyii.FILE_READ, st.builds(Data, data=st.binary(max_size=60))),
    "pc60fw": pc60fw_frames(
        pc60fw.OXIMETER,
        1,
        st.builds(
            pc60fw.Parameters,
            spo2=st.none() | st.integers(1, 255),
            pulse_rate=st.none() | st.integers(1, 0xFFFF),
            perfusion_index=st.none() | tenths(255),
            probe_off=st.booleans(),
            searching=st.booleans(),
        ),
    )
    | pc60fw_frames(
        pc60fw.OXIMETER,
        2,
        st.builds(
            pc60fw.Wave,
            wave=st.lists(st.integers(0, 127), min_size=5, max_size=5).map(tuple),
            beats=st.integers(0, 31),
        ),
    )
    | pc60fw_frames(pc60fw.OXIMETER, 0x21, st.builds(pc60fw.Working, mode=BYTES, step=BYTES))
    | pc60fw_frames(pc60fw.EQUIPMENT, 3, st.builds(pc60fw.Battery, level=BYTES))
    | pc60fw_frames(pc60fw.EQUIPMENT, 1, st.builds(Data, data=st.binary(max_size=60))),
    "jks50f": st.builds(
        jks50f.Frame,
        finger=st.booleans(),
        spo2=st.none() | st.integers(0, 255).filter(lambda number: number != 127),
        pulse_rate=st.none() | st.integers(0, 255).filter(lambda number: number != 127),
        perfusion_index=st.none() | st.integers(0, 8190).map(lambda steps: Decimal(steps) / 100),
        unknown=st.binary(min_size=60, max_size=60),
    ),
}


def ring_answers(spo2: int) -> bytes:
    wave = tuple(range(40))
    content = RealTime(spo2=spo2, pulse_rate=70, battery=80, wave_len=len(wave), wave=wave)
    return bytes(Response(content=content))


def ring_s_answers(spo2: int) -> bytes:
    return bytes(answer(oxyii.LIVE, oxyii.Live(spo2=spo2, pulse_rate=70, battery=80)))


def pc60fw_says(spo2: int) -> bytes:
    numbers = pc60fw.Parameters(spo2=spo2, pulse_rate=70, perfusion_index=Decimal("4.5"))
    return bytes(pc60fw.Frame(type=1, content=numbers))


def jks50f_says(spo2: int) -> bytes:
    return bytes(jks50f.Frame(finger=True, spo2=spo2, pulse_rate=70, perfusion_index=Decimal("4.5")))


STREAMS = {
    "viatom-o2": Stream(unit=ring_answers, notify=viatom_o2_session.NOTIFY),
    "o2ring-s": Stream(unit=ring_s_answers, notify=oxyii_session.NOTIFY),
    "viatom-pc60fw": Stream(unit=pc60fw_says, notify=pc60fw.NOTIFY),
    "jks50f": Stream(unit=jks50f_says, notify=jks50f.NOTIFY),
}
NEVER = {
    "viatom-o2": [bytes((0xAA, cmd, cmd ^ 0xFF)) for cmd in range(256) if cmd not in list(Command)]
    + [b"SetOxi", b"SetHR", b"SetMotor", b"SetPed", b"SetLight", b"SetSpO2", b"SetBuzzer", b"SetMt", b"SetIv"],
    "o2ring-s": [bytes((0xA5, cmd, cmd ^ 0xFF)) for cmd in range(256) if cmd not in oxyii.COMMANDS]
    + [b"\xa5\xe3\x1c", b"\xa5\xee\x11", b"\xa5\x01\xfe"],
    "viatom-pc60fw": [b"\xaa\x55"],
    "jks50f": [b""],
}
"""Resets, settings but for the clock; to the last two nothing is said at all."""
