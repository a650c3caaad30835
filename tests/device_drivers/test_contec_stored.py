"""Recordings of Contec's oximeters: read whole or not at all, placed in time where that can be known."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_drivers.date_time import DateTime
from device_drivers.oximeters import contec_cms50 as cms50
from device_drivers.oximeters import contec_v7_replies as replies
from device_drivers.oximeters.contec_cms50_old import ASK_FOR_STORED, RETURN_TO_LIVE
from device_drivers.oximeters.contec_v7_packets import ControlCommand, HostCommand
from device_drivers.oximeters.contec_v7_replies import Sample
from device_drivers.oximeters.recording import ATTEMPTS, BATCH, NOT_READ
from device_drivers.registry import DRIVERS
from device_drivers.sessions import BytesReceived, Command, LinkEstablished, SessionContext, TimePassed
from simulators.models.contec import Cms50
from simulators.models.contec_v7 import NOBODY, ContecV7, Stored
from simulators.models.model import Body, DeviceModel, Said
from tests.device_drivers.conversation import Conversation
from tests.device_drivers.samples import BERLIN, NOON, OXIMETER, after
from vitals.parameters import Parameter
from vitals.readings import Quality, Reading, Reason

LIVE = Body(spo2=98, pulse_rate=70)
START = DateTime(year=2026, month=11, day=23, hour=12, minute=0, second=0)
"""An hour before noon in UTC, by a clock in Berlin."""
STORED = {"stored": True}


def samples(count: int) -> tuple[Sample, ...]:
    return tuple(
        Sample(spo2=90 + second % 8, pulse_rate=60 + second % 50, perfusion_index=Decimal(second % 20) / 10)
        for second in range(count)
    )


def old_records(count: int) -> list[cms50.StoredRecord]:
    return [cms50.StoredRecord(spo2=90 + second % 8, pulse_rate=60 + second % 150) for second in range(count)]


def talk(model: DeviceModel, key: str = "contec-v7", seconds: float = 60, **said: Any) -> Conversation:
    options = {**STORED, **said.pop("options", {})}
    return Conversation(driver=DRIVERS[key], model=model, options=options, **said).run(seconds)


def stored(conversation: Conversation) -> list[Reading]:
    return [reading for reading in conversation.readings if reading.stored]


def numbers(readings: Sequence[Reading], parameter: Parameter = Parameter.SPO2) -> list[Decimal | None]:
    return [reading.value(parameter).number for reading in readings]


def faults(conversation: Conversation) -> list[str]:
    return [fault for command in conversation.commands for fault in getattr(command, "faults", ())]


def v7(*recordings: Stored, **said: Any) -> ContecV7:
    return ContecV7(lambda _: LIVE, recordings=recordings, **said)


class Spoiled(ContecV7):
    """Its stored packets are damaged by `spoil`, in the first `times` transfers."""

    def __init__(self, *recordings: Stored, spoil: Any, times: int) -> None:
        super().__init__(lambda _: LIVE, recordings=recordings)
        self._spoil, self._times = spoil, times

    def _stored_packets(self, segment: int) -> list[bytes]:
        self._times -= 1
        packets = super()._stored_packets(segment)
        return self._spoil(packets) if self._times >= 0 else packets


@pytest.mark.parametrize("has_perfusion", [True, False])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 100])
def test_a_recording_is_read_whole_before_live_packets_are_asked_for(has_perfusion, count):
    conversation = talk(v7(Stored(samples=samples(count), start=START), has_perfusion=has_perfusion))
    readings = stored(conversation)
    assert numbers(readings) == [one.spo2 for one in samples(count)]
    assert numbers(readings, Parameter.OXIMETER_PULSE_RATE) == [one.pulse_rate for one in samples(count)]
    if has_perfusion:
        assert numbers(readings, Parameter.PERFUSION_INDEX) == [one.perfusion_index for one in samples(count)]
    assert [reading.record for reading in readings] == list(range(count))
    assert conversation.readings[-1].value(Parameter.SPO2).number == LIVE.spo2
    assert not faults(conversation)


def test_live_and_stored_data_never_run_at_once_and_nothing_is_asked_meanwhile():
    model = v7(Stored(samples=samples(10), start=START), Stored(samples=samples(20), start=START))
    talk(model)
    heard = [command for command in model.heard if command is not ControlCommand.KEEP_ALIVE]
    assert heard == [
        ControlCommand.STOP_LIVE,
        ControlCommand.ASK_DEVICE_ID,
        ControlCommand.ASK_PERFUSION_SUPPORT,
        ControlCommand.ASK_HAS_STORED,
        ControlCommand.ASK_USERS,
        ControlCommand.ASK_SEGMENTS,
        *(
            ControlCommand.ASK_STORED_LENGTH,
            ControlCommand.ASK_START,
            ControlCommand.START_STORED,
            ControlCommand.STOP_STORED,
        )
        * 2,
        ControlCommand.SET_DATE,
        ControlCommand.SET_TIME,
        ControlCommand.START_LIVE,
    ]


def test_an_oximeter_that_has_recorded_nothing_is_asked_no_further():
    model = v7()
    conversation = talk(model, seconds=20)
    assert ControlCommand.ASK_SEGMENTS not in model.heard
    assert conversation.readings
    assert not faults(conversation)


def test_without_the_option_no_recording_is_asked_for():
    model = v7(Stored(samples=samples(10), start=START))
    conversation = talk(model, seconds=20, options={"stored": False})
    assert not stored(conversation)
    assert not {ControlCommand.START_STORED, ControlCommand.ASK_SEGMENTS} & set(model.heard)


def test_a_night_is_delivered_in_batches_beside_live_readings():
    count = 3 * BATCH + 7
    conversation = talk(v7(Stored(samples=samples(count), start=START)))
    sizes = [
        len(command.readings)
        for command in conversation.commands
        if hasattr(command, "readings") and command.readings[0].stored
    ]
    assert sizes == [BATCH, BATCH, BATCH, 7]


def test_a_recording_from_before_the_clock_was_set_is_of_an_uncertain_time():
    conversation = talk(v7(Stored(samples=samples(3), start=START)))
    readings = stored(conversation)
    assert all(reading.time_uncertain and reading.measured == reading.received for reading in readings)
    assert [reading.device_time for reading in readings] == [
        START.moment + timedelta(seconds=second) for second in range(3)
    ]


def local(moment: datetime) -> DateTime:
    return DateTime.of(moment.astimezone(BERLIN))


def test_a_recording_from_after_the_clock_was_set_is_placed():
    memory: dict[str, str] = {}
    Conversation(driver=DRIVERS["contec-v7"], model=v7(), memory=memory).run(10)
    began = after(3600)
    later = talk(v7(Stored(samples=samples(3), start=local(began))), memory=memory, now=after(7200))
    readings = stored(later)
    assert [reading.measured for reading in readings] == [began + timedelta(seconds=second) for second in range(3)]
    assert not any(reading.time_uncertain for reading in readings)
    assert all(reading.measured.tzinfo is UTC for reading in readings)


def test_a_device_is_placed_by_the_clock_that_was_set_through_a_change_of_summer_time():
    """Its clock runs on; the wall's does not."""
    memory: dict[str, str] = {}
    before = datetime(2026, 10, 24, 12, tzinfo=UTC)
    Conversation(driver=DRIVERS["contec-v7"], model=v7(), memory=memory, now=before).run(10)
    start = DateTime(year=2026, month=10, day=25, hour=14, minute=0, second=0)  # still summer time on the device
    later = talk(v7(Stored(samples=samples(1), start=start)), memory=memory, now=datetime(2026, 10, 26, 12, tzinfo=UTC))
    (reading,) = stored(later)
    assert reading.measured == datetime(2026, 10, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("identity", "began"),
    [
        ("ANOTHER", after(3600)),
        ("SIM-V70", after(-3600)),
        ("SIM-V70", after(100_000)),
    ],
)
def test_another_devices_clock_or_an_earlier_or_a_later_time_places_nothing(identity, began):
    memory: dict[str, str] = {}
    Conversation(driver=DRIVERS["contec-v7"], model=v7(), memory=memory).run(10)
    model = v7(Stored(samples=samples(2), start=local(began)), identity=identity)
    readings = stored(talk(model, memory=memory, now=after(7200)))
    assert len(readings) == 2
    assert all(reading.time_uncertain for reading in readings)


def test_a_clock_that_refuses_to_be_set_places_nothing():
    memory: dict[str, str] = {}
    Conversation(driver=DRIVERS["contec-v7"], model=v7(has_clock=False), memory=memory).run(10)
    assert memory == {}


def test_a_recording_without_a_time_is_told_from_another_with_the_same_samples():
    one = stored(talk(v7(Stored(samples=samples(3)))))
    again = stored(talk(v7(Stored(samples=samples(3)))))
    other = stored(talk(v7(Stored(samples=(*samples(3), *samples(1))))))
    assert all(reading.device_time is None and reading.time_uncertain for reading in one)
    assert [reading.record for reading in one] == [reading.record for reading in again]
    assert not {reading.record for reading in one} & {reading.record for reading in other}
    assert [reading.record & 0xFFFFF for reading in one] == [0, 1, 2]


SPOILS = {
    "a lost byte": lambda packets: [packets[0], packets[1][:-1], *packets[2:]],
    "a lost packet": lambda packets: [*packets[:1], *packets[2:]],
    "a lost end": lambda packets: packets[:-1],
    "a packet twice": lambda packets: [packets[0], *packets],
    "a damaged byte": lambda packets: [packets[0][:3] + b"\x00" + packets[0][4:], *packets[1:]],
    "nothing at all": lambda packets: [],
    "noise": lambda packets: [packets[0], bytes(range(60)), *packets[1:]],
}


@pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS)
def test_a_recording_that_did_not_come_whole_is_asked_for_again(spoil):
    conversation = talk(Spoiled(Stored(samples=samples(90), start=START), spoil=spoil, times=ATTEMPTS - 1))
    assert numbers(stored(conversation)) == [one.spo2 for one in samples(90)]
    assert not faults(conversation)


@pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS)
def test_a_recording_that_never_comes_whole_is_not_delivered_and_said(spoil):
    """A lost second would place all that follow a second too early."""
    conversation = talk(Spoiled(Stored(samples=samples(90), start=START), spoil=spoil, times=ATTEMPTS))
    assert not stored(conversation)
    assert faults(conversation) == [NOT_READ]
    assert conversation.readings  # live ones


def test_a_length_that_no_oximeter_holds_is_not_believed():
    class Boasting(ContecV7):
        def _answer(self, said: HostCommand) -> list[bytes]:
            if said.command is ControlCommand.ASK_STORED_LENGTH:
                return [bytes.fromhex("08bc8080ffffffff")]
            return super()._answer(said)

    model = Boasting(lambda _: LIVE, recordings=[Stored(samples=samples(3), start=START)])
    conversation = talk(model)
    assert ControlCommand.START_STORED not in model.heard
    assert faults(conversation) == [NOT_READ]


def test_a_device_that_answers_nothing_about_its_recordings_is_read_live_all_the_same():
    class Mute(ContecV7):
        def received(self, now: datetime, data: bytes, characteristic: str | None = None) -> Sequence[Said]:
            super().received(now, data, characteristic)
            return []

    conversation = talk(Mute(lambda _: LIVE), seconds=40)
    assert numbers(conversation.readings[-3:]) == [98, 98, 98]
    assert faults(conversation) == [NOT_READ]


PACKETS = st.sampled_from(
    [
        bytes(packet)
        for packet in (
            replies.Free(),
            replies.DeviceId(identity="A1"),
            replies.PerfusionFlag(identifier=0),
            replies.Notice(kind=1, information=bytes((1, 0, 0, 0, 0, 0))),
            replies.Users(users=255),
            replies.Segments(user=0, segments=255),
            replies.StoredLength(user=0, segment=0, length_bytes=6),
            replies.StartDate(user=0, segment=0, year=2026, month=13, day=40),
            replies.StartDate(user=0, segment=0, year=9999, month=12, day=31),
            replies.StartTime(user=0, segment=0, hour=23, minute=59, second=59),
            replies.Stored(samples=(NOBODY,) * 3),
            replies.StoredWithPerfusion(spo2=97, pulse_rate=70, perfusion_index=None),
            replies.Feedback(command=ControlCommand.START_STORED, reason=5),
            replies.Feedback(command=ControlCommand.SET_DATE, reason=0),
            replies.Disconnect(reason=1),
        )
    ]
)


@given(said=st.lists(st.lists(PACKETS, max_size=6) | st.binary(max_size=40).map(lambda noise: [noise]), max_size=60))
@pytest.mark.parametrize("key", ["contec-v7", "contec-cms50-old"])
def test_whatever_a_device_says_of_its_recordings_no_session_raises(key, said):
    memory = {"contec_v7_clock": f"{after(-3600).isoformat()} A1"}
    session = DRIVERS[key].session(SessionContext(device=OXIMETER, zone=BERLIN, options=STORED, memory=memory))
    session.handle(LinkEstablished(at=NOON))
    for second, packets in enumerate(said):
        for packet in packets:
            session.handle(BytesReceived(at=after(second), data=packet))
        for command in session.handle(TimePassed(at=after(second))):
            assert isinstance(command, Command)


def test_a_second_without_a_finger_is_a_reading_without_numbers():
    nothing = Sample(spo2=None, pulse_rate=None)
    zero = Sample(spo2=0, pulse_rate=0)
    readings = stored(talk(v7(Stored(samples=(nothing, zero), start=START), has_perfusion=False)))
    assert all(value.quality is Quality.MISSING for reading in readings for value in reading.values)
    assert {value.reasons for reading in readings for value in reading.values} == {(Reason.NOT_MEASURED,)}


def test_an_old_recording_is_read_and_live_frames_follow():
    conversation = talk(Cms50(lambda _: LIVE, recording=old_records(90)), key="contec-cms50-old")
    readings = stored(conversation)
    assert numbers(readings) == [record.spo2 for record in old_records(90)]
    assert numbers(readings, Parameter.OXIMETER_PULSE_RATE) == [record.pulse_rate for record in old_records(90)]
    assert all(reading.time_uncertain and reading.device_time is None for reading in readings)
    assert [reading.record & 0xFFFFF for reading in readings] == list(range(90))
    assert conversation.sent == [ASK_FOR_STORED, RETURN_TO_LIVE]
    assert conversation.readings[-1].value(Parameter.SPO2).number == LIVE.spo2
    assert not faults(conversation)


def test_nothing_is_said_to_an_old_contec_without_the_option():
    conversation = talk(
        Cms50(lambda _: LIVE, recording=old_records(9)), key="contec-cms50-old", options={"stored": False}
    )
    assert conversation.sent == []
    assert not stored(conversation)


class SpoiledCms50(Cms50):
    """Announces more than it sends, in the first `times` transfers."""

    def __init__(self, *, times: int, cut: slice) -> None:
        super().__init__(lambda _: LIVE, recording=old_records(90))
        self._times, self._cut = times, cut

    def _announced(self) -> bytes:
        self._times -= 1
        whole = super()._announced()
        header = cms50.HEADER_LENGTH
        return whole[:header] + whole[header:][self._cut] if self._times >= 0 else whole


@pytest.mark.parametrize("cut", [slice(3, None), slice(0, -1), slice(1, None), slice(0, 0)])
@pytest.mark.parametrize("times", [ATTEMPTS - 1, ATTEMPTS])
def test_an_old_recording_comes_whole_or_is_asked_for_again_or_given_up(times, cut):
    conversation = talk(SpoiledCms50(times=times, cut=cut), key="contec-cms50-old")
    came = times < ATTEMPTS
    assert len(stored(conversation)) == (90 if came else 0)
    assert faults(conversation) == ([] if came else [NOT_READ])
    assert conversation.sent[-1] == RETURN_TO_LIVE
    assert conversation.sent.count(ASK_FOR_STORED) == min(times + 1, ATTEMPTS)
    assert conversation.readings[-1].value(Parameter.SPO2).number == LIVE.spo2


def test_an_old_contec_that_has_recorded_nothing_is_read_live():
    conversation = talk(Cms50(lambda _: LIVE), key="contec-cms50-old")
    assert faults(conversation) == [NOT_READ]
    assert len(conversation.readings) > 30


def test_a_recording_of_another_night_is_told_from_this_one():
    one = stored(talk(Cms50(lambda _: LIVE, recording=old_records(30)), key="contec-cms50-old"))
    other = stored(talk(Cms50(lambda _: LIVE, recording=old_records(31)), key="contec-cms50-old"))
    assert not {reading.record for reading in one} & {reading.record for reading in other}
