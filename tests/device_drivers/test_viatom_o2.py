"""The conversation with Viatom's older rings."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from device_drivers.advertisement import Advertisement
from device_drivers.date_time import DateTime
from device_drivers.oximeters import viatom_o2
from device_drivers.oximeters.viatom_download import FILE_LIMIT
from device_drivers.oximeters.viatom_o2 import Command, RealTime, Request, Response, Sensors
from device_drivers.oximeters.viatom_o2_session import MEMORY_KEY, NOTIFY, SERVICE, WRITE
from device_drivers.oximeters.viatom_vld import Record, Recording
from device_drivers.registry import DRIVERS, FORMATS, drivers_for
from device_drivers.sessions import (
    DeliverSamples,
    LinkEstablished,
    ReportRefused,
    ReportStatus,
    SubscribeTo,
    TimePassed,
    ValueReceived,
    WriteValue,
)
from simulators.models.model import Body
from simulators.models.viatom import O2Ring
from tests.device_drivers.conversation import Conversation
from tests.device_drivers.samples import NOON, OXIMETER, after, context, readings
from vitals.parameters import Parameter
from vitals.readings import Reason

DRIVER = DRIVERS["viatom-o2"]
BODY = Body(spo2=96, pulse_rate=64, perfusion_index=Decimal("4.2"))
ONE_HOUR = timedelta(hours=1)
NIGHT = Recording(
    mode=0,
    timestamp=DateTime.of(datetime(2026, 11, 23, 3, 0, 0)),
    size=0,
    duration_seconds=12,
    score=Decimal("8.5"),
    records=(
        Record(spo2=95, pulse_rate=60),
        Record(spo2=None, pulse_rate=None),
        Record(spo2=94, pulse_rate=61, acceleration=3),
    ),
)


def talk(
    model: O2Ring | None = None, seconds: float = 5, memory: dict[str, str] | None = None, **options
) -> Conversation:
    model = model or O2Ring(lambda now: BODY)
    return Conversation(driver=DRIVER, model=model, options=options, memory=memory or {}).run(seconds)


def commands_asked(conversation: Conversation) -> list[int]:
    return [request.cmd for request in conversation.model.asked]


def answered(content: Sensors | RealTime, **options):
    """The reading that an answer becomes."""
    session = DRIVER.session(context(OXIMETER, **options))
    session.handle(LinkEstablished(at=NOON))
    (reading,) = readings(
        session.handle(ValueReceived(at=NOON, characteristic=NOTIFY, data=bytes(Response(content=content))))
    )
    return reading


def test_it_is_asked_what_it_is_and_then_for_numbers_once_a_second():
    assert commands_asked(talk(seconds=4)) == [Command.INFO, *[Command.REAL_TIME] * 4]


def test_it_is_listened_to_before_anything_is_asked_and_written_to_in_pieces():
    conversation = talk(set_time=True)
    assert conversation.commands[0] == SubscribeTo(characteristic=NOTIFY)
    writes = [command for command in conversation.commands if isinstance(command, WriteValue)]
    assert {command.characteristic for command in writes} == {WRITE}
    assert max(len(command.data) for command in writes) == 20


def test_nothing_is_asked_while_an_answer_is_awaited():
    session = DRIVER.session(context())
    session.handle(LinkEstablished(at=NOON))
    assert [session.handle(TimePassed(at=after(second))) for second in (1, 2)] == [[], []]
    assert session.handle(TimePassed(at=after(3)))


def test_the_clock_is_left_alone_unless_that_is_asked_for():
    assert Command.CONFIGURE not in commands_asked(talk())
    conversation = talk(O2Ring(lambda now: BODY, clock_ahead=timedelta(days=-900)), set_time=True)
    (setting,) = [request for request in conversation.model.asked if request.cmd == Command.CONFIGURE]
    assert setting.data == b'{"SetTIME":"2026-11-23,13:00:00"}'
    assert conversation.model.clock_ahead == ONE_HOUR  # Berlin's


def test_a_ring_that_calibrates_has_no_values_but_a_reason():
    reading = answered(Sensors(spo2=None, pulse_rate=None, worn=True))
    assert [value.reasons for value in reading.values] == [(Reason.SEARCHING,)] * 2
    assert all(value.number is None for value in reading.values)


def test_a_ring_without_a_finger_has_no_values_whatever_it_repeats():
    reading = answered(RealTime(spo2=97, pulse_rate=70, worn=False))
    assert [value.reasons for value in reading.values] == [(Reason.NO_FINGER,)] * 2


def test_the_perfusion_index_is_used_only_where_what_is_unverified_may_be():
    content = Sensors(spo2=97, pulse_rate=70, perfusion=42)
    assert answered(content).value(Parameter.PERFUSION_INDEX) is None
    assert answered(content, unverified=True).value(Parameter.PERFUSION_INDEX).number == Decimal("4.2")
    none = Sensors(spo2=97, pulse_rate=70, perfusion=0)
    assert answered(none, unverified=True).value(Parameter.PERFUSION_INDEX) is None


def test_samples_come_upright_and_without_fillers():
    session = DRIVER.session(context())
    session.handle(LinkEstablished(at=NOON))
    wave = (100, 156, 98, 246, *[90] * 58)
    content = RealTime(spo2=97, pulse_rate=70, wave_len=len(wave), wave=wave)
    data = bytes(Response(content=content))
    commands = session.handle(ValueReceived(at=NOON, characteristic=NOTIFY, data=data))
    (chunk,) = [command.chunk for command in commands if isinstance(command, DeliverSamples)]
    assert chunk.samples[:5] == (155, None, 157, None, 165)
    assert chunk.rate_hz == 125
    assert chunk.started == NOON - timedelta(seconds=62 / 125)
    assert not chunk.gap_before


def test_a_second_of_samples_follows_the_other_without_a_gap():
    chunks = [command.chunk for command in talk(seconds=5).commands if isinstance(command, DeliverSamples)]
    assert len(chunks) == 8
    assert not any(chunk.gap_before for chunk in chunks)
    assert max(sample for chunk in chunks for sample in chunk.samples) == 205


def test_samples_without_a_finger_are_none():
    chunks = [
        command.chunk
        for command in talk(O2Ring(lambda now: Body(spo2=None, pulse_rate=None))).commands
        if isinstance(command, DeliverSamples)
    ]
    assert {sample for chunk in chunks for sample in chunk.samples} == {None}


@pytest.mark.parametrize("unknown", [Command.REAL_TIME, Command.SENSORS])
def test_a_firmware_that_knows_one_of_the_requests_is_asked_that_one(unknown: Command):
    model = O2Ring(lambda now: BODY, knows=frozenset(Command) - {unknown})
    conversation = talk(model, seconds=20)
    other = Command.SENSORS if unknown is Command.REAL_TIME else Command.REAL_TIME
    assert set(commands_asked(conversation)[-5:]) == {other}
    assert len(conversation.readings) > 14


def test_an_answer_without_numbers_is_taken_as_not_knowing_the_request():
    session = DRIVER.session(context())
    session.handle(LinkEstablished(at=NOON))
    session.handle(TimePassed(at=after(3)))  # the information is given up; now 0x1B is asked
    empty = bytes(Response(content=viatom_o2.Data()))
    session.handle(ValueReceived(at=after(4), characteristic=NOTIFY, data=empty))
    (write,) = session.handle(TimePassed(at=after(5)))
    assert write.data == bytes(Request(cmd=Command.SENSORS))


def test_the_battery_is_reported_when_it_changes():
    reports = [command for command in talk().commands if isinstance(command, ReportStatus)]
    assert [report.battery_percent for report in reports] == [81]


def test_recordings_are_placed_by_the_clock_as_it_was_before_it_was_set():
    model = O2Ring(lambda now: BODY, clock_ahead=2 * ONE_HOUR, files={"night.vld": bytes(NIGHT)})
    conversation = talk(model, stored=True, set_time=True)
    first, second = [reading for reading in conversation.readings if reading.stored]
    assert (first.measured, second.measured) == (
        datetime(2026, 11, 23, 1, 0, 0, tzinfo=NOON.tzinfo),
        datetime(2026, 11, 23, 1, 0, 8, tzinfo=NOON.tzinfo),
    )
    assert (second.device_time, second.record) == (datetime(2026, 11, 23, 3, 0, 8), 2)
    assert not second.time_uncertain
    assert second.value(Parameter.SPO2).number == 94
    assert second.value(Parameter.SPO2).reasons == (Reason.FROM_STORAGE,)
    assert second.raw == bytes(NIGHT.records[2])
    asked = commands_asked(conversation)
    assert asked.index(Command.CONFIGURE) > asked.index(Command.FILE_CLOSE)


def test_it_is_read_live_again_after_its_recordings():
    files = {"one.vld": bytes(NIGHT), "two.vld": bytes(NIGHT)}
    conversation = talk(O2Ring(lambda now: BODY, files=files), stored=True)
    asked = commands_asked(conversation)
    once = [Command.FILE_OPEN, Command.FILE_READ, Command.FILE_CLOSE]
    assert asked[:8] == [Command.INFO, *once, *once, Command.REAL_TIME]
    assert not conversation.readings[-1].stored


def test_recordings_stay_where_they_are_unless_they_are_asked_for():
    conversation = talk(O2Ring(lambda now: BODY, files={"night.vld": bytes(NIGHT)}))
    assert Command.FILE_OPEN not in commands_asked(conversation)


def test_a_recording_of_several_blocks_is_put_together():
    long = Recording(
        mode=1,
        timestamp=NIGHT.timestamp,
        size=0,
        duration_seconds=2400,
        score=None,
        records=tuple(Record(spo2=90 + place % 10, pulse_rate=60) for place in range(600)),
    )
    conversation = talk(O2Ring(lambda now: BODY, files={"long.vld": bytes(long)}), stored=True, seconds=10)
    stored = [reading for reading in conversation.readings if reading.stored]
    assert [reading.record for reading in stored] == list(range(600))
    assert max(request.block for request in conversation.model.asked) == 3040 // 240


def test_a_recording_that_was_delivered_is_not_fetched_on_the_next_connection():
    files, memory = {"night.vld": bytes(NIGHT)}, {}
    for expected in (2, 0):
        model = O2Ring(lambda now: BODY, files=files)
        conversation = Conversation(driver=DRIVER, model=model, options={"stored": True}, memory=memory).run(5)
        assert len([reading for reading in conversation.readings if reading.stored]) == expected


def test_a_recording_is_remembered_only_when_all_of_it_is_delivered():
    long = replace(NIGHT, duration_seconds=2400, records=NIGHT.records[:1] * 600)
    memory = {}
    for seconds, expected in ((2, {}), (6, {MEMORY_KEY: "long.vld"})):
        model = O2Ring(lambda now: BODY, files={"long.vld": bytes(long)})
        Conversation(driver=DRIVER, model=model, options={"stored": True}, memory=memory).run(seconds)
        assert memory == expected


def test_a_recording_without_a_time_that_can_be_told_is_uncertain():
    odd = Recording(mode=0, timestamp=NIGHT.timestamp, size=0, duration_seconds=7, score=None, records=NIGHT.records)
    conversation = talk(O2Ring(lambda now: BODY, files={"odd.vld": bytes(odd)}), stored=True)
    stored = [reading for reading in conversation.readings if reading.stored]
    assert [(reading.time_uncertain, reading.device_time) for reading in stored] == [(True, None)] * 2


def test_what_is_no_recording_is_said_and_the_next_one_fetched():
    files = {"bad.vld": b"\x02" + bytes(NIGHT)[1:], "good.vld": bytes(NIGHT)}
    conversation = talk(O2Ring(lambda now: BODY, files=files), stored=True)
    refused = [command.reason for command in conversation.commands if isinstance(command, ReportRefused)]
    assert refused == ["unknown_version"]
    assert len([reading for reading in conversation.readings if reading.stored]) == 2


def test_a_file_that_can_not_be_opened_is_closed_and_left():
    class Forgetful(O2Ring):
        def _opened(self, name: str) -> Response:
            return Response(status=9, content=viatom_o2.Data())

    conversation = talk(Forgetful(lambda now: BODY, files={"night.vld": bytes(NIGHT)}), stored=True)
    refused = [command.reason for command in conversation.commands if isinstance(command, ReportRefused)]
    assert refused == ["file_refused"]
    assert commands_asked(conversation)[1:4] == [Command.FILE_OPEN, Command.FILE_CLOSE, Command.REAL_TIME]
    assert conversation.memory == {}


@pytest.mark.parametrize("size", [0, FILE_LIMIT + 1])
def test_a_file_of_an_absurd_size_is_not_read(size: int):
    class Boasting(O2Ring):
        def _opened(self, name: str) -> Response:
            return Response(content=viatom_o2.Data(data=size.to_bytes(4, "little")))

    conversation = talk(Boasting(lambda now: BODY, files={"night.vld": bytes(NIGHT)}), stored=True)
    assert Command.FILE_READ not in commands_asked(conversation)


def test_a_file_that_ends_too_early_is_given_up():
    class Cut(O2Ring):
        def _opened(self, name: str) -> Response:
            super()._opened(name)
            return Response(content=viatom_o2.Data(data=(1000).to_bytes(4, "little")))

    conversation = talk(Cut(lambda now: BODY, files={"night.vld": bytes(NIGHT)}), stored=True)
    refused = [command.reason for command in conversation.commands if isinstance(command, ReportRefused)]
    assert refused == ["file_cut"]
    assert conversation.readings


def test_a_ring_that_stops_answering_in_the_middle_of_a_file_is_read_live_again():
    model = O2Ring(
        lambda now: BODY,
        files={"night.vld": bytes(NIGHT)},
        knows=frozenset(Command) - {Command.FILE_READ, Command.FILE_CLOSE},
    )
    conversation = talk(model, stored=True, seconds=20)
    refused = [command.reason for command in conversation.commands if isinstance(command, ReportRefused)]
    assert refused == ["file_unanswered"]
    assert conversation.readings
    assert conversation.memory == {}


def test_no_command_that_resets_can_be_encoded():
    entry = FORMATS["viatom-cmd"]
    for cmd in range(256):
        if cmd not in list(Command):
            with pytest.raises(ValueError, match="cmd"):
                entry.encode(Request(cmd=cmd))


def test_it_is_known_by_its_name_and_not_by_a_service_that_others_have_too():
    seen = Advertisement(address="00:11:22:33:44:55", name="O2Ring 1234", services=frozenset({SERVICE}))
    assert [driver.key for driver in drivers_for(seen)] == ["viatom-o2"]
    assert drivers_for(replace(seen, name=None)) == ()
