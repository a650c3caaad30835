"""The conversation with Viatom's BP2 cuffs."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from device_drivers.advertisement import Advertisement
from device_drivers.cuffs import lepu_bp2
from device_drivers.cuffs.lepu_bp2 import RealTime, Status
from device_drivers.cuffs.lepu_bp2_list import Record
from device_drivers.cuffs.lepu_bp2_session import ATTEMPTS, NOTIFY, SERVICE
from device_drivers.oximeters.lepu_frames import answer, request
from device_drivers.registry import DRIVERS, FORMATS, drivers_for
from device_drivers.sessions import Command, LinkEstablished, ReportRefused, ReportStatus, ValueReceived
from simulators.models.lepu_bp2 import BP2
from simulators.models.model import Body, Said
from tests.device_drivers.conversation import Conversation
from tests.device_drivers.families.lepu_bp2 import measuring, result
from tests.device_drivers.samples import CUFF, NOON, after, context, readings
from vitals.parameters import Parameter
from vitals.readings import Reason

DRIVER = DRIVERS["lepu-bp2"]
BODY = Body(systolic=131, diastolic=84, mean=99, pulse_rate=64)
ONE_HOUR = timedelta(hours=1)
YESTERDAY = Record(
    timestamp=datetime(2026, 11, 22, 14, 0, 0), user=7, systolic=142, diastolic=90, mean=107, pulse_rate=71, result=1
)


def talk(model: BP2 | None = None, seconds: float = 15, **options) -> Conversation:
    return Conversation(driver=DRIVER, model=model or BP2(lambda now: BODY), options=options).run(seconds)


def commands_asked(conversation: Conversation) -> list[int]:
    return [message.cmd for message in conversation.model.asked]


def said(*frames: bytes, **options) -> list[Command]:
    session = DRIVER.session(context(CUFF, **options))
    session.handle(LinkEstablished(at=NOON))
    return [
        command
        for frame in frames
        for command in session.handle(ValueReceived(at=NOON, characteristic=NOTIFY, data=frame))
    ]


def numbers(reading) -> list:
    return [value.number for value in reading.values]


def test_a_result_is_delivered_once_however_long_it_is_shown():
    (reading,) = talk(seconds=20).readings
    assert numbers(reading) == [131, 84, 99, 64]
    assert after(8) <= reading.measured <= after(10)
    assert not reading.time_uncertain
    assert not reading.stored


def test_the_same_result_of_another_measurement_is_another_reading():
    again = [measuring(), result(84), result(84), measuring(), result(84)]
    assert len(readings(said(*again))) == 2


def test_a_result_that_was_shown_before_anyone_looked_is_of_an_uncertain_time():
    (reading,) = talk(BP2(lambda now: BODY, shows_result=True)).readings
    assert reading.time_uncertain


@pytest.mark.parametrize(
    ("error", "reasons"),
    [
        (1, (Reason.MEASUREMENT_FAILED, Reason.CUFF_LOOSE)),
        (2, (Reason.MEASUREMENT_FAILED, Reason.MOTION)),
        (3, (Reason.MEASUREMENT_FAILED, Reason.WEAK_SIGNAL)),
        (255, (Reason.MEASUREMENT_FAILED,)),
    ],
)
def test_a_measurement_that_failed_has_no_values_but_a_reason(error: int, reasons: tuple[Reason, ...]):
    (reading,) = talk(BP2(lambda now: BODY, error=error)).readings
    assert [(value.number, value.reasons) for value in reading.values] == [(None, reasons)] * 4


def test_numbers_that_are_no_pressures_are_refused():
    live = RealTime(phase=1, systolic=3715, diastolic=84, mean=99, pulse_rate=64)
    commands = said(bytes(answer(lepu_bp2.REAL_TIME, live)), unverified=True)
    assert not readings(commands)
    assert [command.reason for command in commands if isinstance(command, ReportRefused)] == ["absurd_pressure"]


def test_the_last_result_that_is_repeated_in_another_state_is_none():
    live = RealTime(
        phase=1,
        status=Status(state=lepu_bp2.READY),
        systolic=131,
        diastolic=84,
        mean=99,
        pulse_rate=64,
        deflating=False,
        error=0,
    )
    assert not readings(said(bytes(answer(lepu_bp2.REAL_TIME, live))))


def test_the_short_layout_is_read_only_where_what_is_unverified_may_be():
    shown = RealTime(phase=0, cuff_pressure=90), RealTime(phase=1, systolic=131, diastolic=84, mean=99, pulse_rate=64)
    frames = [bytes(answer(lepu_bp2.REAL_TIME, live)) for live in shown]
    (reading,) = readings(said(*frames, unverified=True))
    assert numbers(reading) == [131, 84, 99, 64]
    refused = [command.reason for command in said(*frames) if isinstance(command, ReportRefused)]
    assert (readings(said(*frames)), refused) == ([], ["unverified_layout"] * 2)


def test_a_result_that_is_still_shown_after_the_connection_was_lost_is_not_delivered_again():
    memory: dict[str, str] = {}
    first = Conversation(driver=DRIVER, model=BP2(lambda now: BODY), memory=memory).run(15)
    again = Conversation(driver=DRIVER, model=BP2(lambda now: BODY, shows_result=True), memory=memory).run(5)
    assert (len(first.readings), again.readings) == (1, [])


def test_a_late_part_of_the_list_is_not_put_where_another_was_asked_for():
    """Two records swapped by 128 bytes would be numbers that nobody had."""

    class Late(BP2):
        def received(self, now, data, characteristic=None):
            message = lepu_bp2.decode(data)
            said = super().received(now, data, characteristic)
            if message.cmd != lepu_bp2.FILE_READ:
                return said
            stale = replace(answer(message.cmd, lepu_bp2.Data(data=b"\x55" * 37)), seq=message.seq - 1)
            return [Said(data=bytes(stale), characteristic=NOTIFY), *said]

    conversation = talk(Late(lambda now: BODY, records=[YESTERDAY]), stored=True)
    assert [numbers(reading) for reading in conversation.readings[:1]] == [[142, 90, 107, 71]]


def test_the_clock_is_read_and_then_set_to_the_wards_time():
    conversation = talk(BP2(lambda now: BODY, clock_ahead=timedelta(days=-400)))
    assert commands_asked(conversation)[:2] == [lepu_bp2.INFO, lepu_bp2.SET_TIME]
    assert conversation.model.clock_ahead == ONE_HOUR  # Berlin's


def test_the_clock_is_left_alone_where_that_is_asked_for():
    conversation = talk(BP2(lambda now: BODY, clock_ahead=timedelta(days=-400)), set_time=False)
    assert lepu_bp2.SET_TIME not in commands_asked(conversation)


def test_the_battery_is_reported_with_what_is_wrong_with_it():
    low = RealTime(phase=0, battery=9, battery_state=lepu_bp2.LOW_BATTERY, cuff_pressure=0)
    full = RealTime(phase=0, battery=100, battery_state=2, cuff_pressure=0)
    frames = [bytes(answer(lepu_bp2.REAL_TIME, live)) for live in (low, low, full)]
    reports = [command for command in said(*frames, unverified=True) if isinstance(command, ReportStatus)]
    assert [(report.battery_percent, report.faults) for report in reports] == [(9, ("low_battery",)), (100, ())]


def test_stored_measurements_are_placed_by_the_clock_as_it_was_before_it_was_set():
    model = BP2(lambda now: BODY, clock_ahead=2 * ONE_HOUR, records=[YESTERDAY])
    conversation = talk(model, stored=True)
    old, new = conversation.readings
    assert (old.measured, old.stored, old.time_uncertain) == (NOON - timedelta(days=1), True, False)
    assert (old.device_time, old.user) == (YESTERDAY.timestamp, 7)
    assert numbers(old) == [142, 90, 107, 71]
    assert old.value(Parameter.SYSTOLIC).reasons == (Reason.IRREGULAR_PULSE,)
    assert old.raw == bytes(YESTERDAY)
    asked = commands_asked(conversation)
    assert asked.index(lepu_bp2.SET_TIME) > asked.index(lepu_bp2.FILE_CLOSE)
    assert numbers(new) == [131, 84, 99, 64]


def test_with_the_list_a_new_result_comes_from_it_with_time_and_user_and_is_live():
    (reading,) = talk(stored=True, seconds=20).readings
    assert reading.user == 218071
    assert not reading.stored
    assert reading.device_time
    assert after(8) <= reading.measured <= after(12)


def test_the_list_is_not_asked_for_while_a_cuff_measures():
    class Measuring(BP2):
        def _state(self, now: datetime) -> int:
            return lepu_bp2.MEASURING_PRESSURE if now < after(10) else lepu_bp2.READY

    conversation = talk(Measuring(lambda now: BODY, records=[YESTERDAY]), stored=True)
    assert commands_asked(conversation).count(lepu_bp2.FILE_OPEN) == 1
    (reading,) = conversation.readings
    assert reading.received >= after(10)


def test_a_cuff_without_a_list_is_not_asked_for_it_for_ever_and_its_results_are_taken_as_shown():
    class Without(BP2):
        def _answer(self, now, message):
            return None if message.cmd in (lepu_bp2.FILE_OPEN, lepu_bp2.FILE_CLOSE) else super()._answer(now, message)

        def _state(self, now: datetime) -> int:
            return super()._state(now - timedelta(seconds=30))

    conversation = talk(Without(lambda now: BODY, clock_ahead=timedelta(days=9)), stored=True, seconds=60)
    assert commands_asked(conversation).count(lepu_bp2.FILE_OPEN) == ATTEMPTS
    (reading,) = conversation.readings
    assert numbers(reading) == [131, 84, 99, 64]
    assert conversation.model.clock_ahead == ONE_HOUR


def test_a_result_that_is_not_in_the_list_yet_is_looked_for_again():
    class Slow(BP2):
        def step(self, now: datetime):
            return super().step(now) if now > after(11) else ()

    (reading,) = talk(Slow(lambda now: BODY), stored=True).readings
    assert reading.user == 218071
    assert after(11) <= reading.received <= after(14)


def test_a_measurement_that_failed_is_in_no_list_and_taken_as_shown():
    conversation = talk(BP2(lambda now: BODY, error=1, keeps=False), stored=True)
    (reading,) = conversation.readings
    assert reading.value(Parameter.SYSTOLIC).reasons == (Reason.MEASUREMENT_FAILED, Reason.CUFF_LOOSE)
    assert commands_asked(conversation).count(lepu_bp2.FILE_OPEN) == 1


@pytest.mark.parametrize("size", [0, 10])
def test_an_empty_list_is_no_fault(size: int):
    class Empty(BP2):
        def _answer(self, now, message):
            answer = super()._answer(now, message)
            self._open = bytes(size)
            return lepu_bp2.Data(data=size.to_bytes(4, "little")) if message.cmd == lepu_bp2.FILE_OPEN else answer

    conversation = talk(Empty(lambda now: BODY), stored=True, seconds=5)
    assert not [command for command in conversation.commands if isinstance(command, ReportRefused)]
    assert lepu_bp2.SET_TIME in commands_asked(conversation)


def test_half_a_record_is_said_and_results_are_taken_as_shown():
    class Broken(BP2):
        def _answer(self, now, message):
            answer = super()._answer(now, message)
            self._open = bytes(20)
            return lepu_bp2.Data(data=(20).to_bytes(4, "little")) if message.cmd == lepu_bp2.FILE_OPEN else answer

    conversation = talk(Broken(lambda now: BODY), stored=True, seconds=20)
    refused = [command.reason for command in conversation.commands if isinstance(command, ReportRefused)]
    assert refused == ["truncated"] * ATTEMPTS
    assert conversation.readings


def test_a_list_that_is_refused_is_closed():
    session = DRIVER.session(context(CUFF, stored=True))
    session.handle(LinkEstablished(at=NOON))
    ready = RealTime(phase=0, status=Status(state=lepu_bp2.READY), cuff_pressure=0, pulse_rate=0, deflating=False)

    def hear(frame: bytes) -> list[Command]:
        return session.handle(ValueReceived(at=NOON, characteristic=NOTIFY, data=frame))

    model = BP2(lambda now: BODY)
    hear(bytes(answer(lepu_bp2.INFO, model._info(NOON))))
    (opening,) = [command for command in hear(bytes(answer(lepu_bp2.REAL_TIME, ready))) if hasattr(command, "data")]
    assert lepu_bp2.decode(opening.data).cmd == lepu_bp2.FILE_OPEN
    refusal = bytes(replace(answer(lepu_bp2.FILE_OPEN, lepu_bp2.Data()), flag=0xE0))
    said_no, closing = hear(refusal)
    assert isinstance(said_no, ReportRefused)
    assert lepu_bp2.decode(closing.data).cmd == lepu_bp2.FILE_CLOSE


def test_byte_8_of_a_record_is_a_sign_of_an_irregular_pulse_only_where_what_is_unverified_may_be():
    record = replace(YESTERDAY, result=0, mode=1)
    for options, reasons in (({}, ()), ({"unverified": True}, (Reason.IRREGULAR_PULSE,))):
        reading = record.reading(context(CUFF, **options), at=NOON, offset=None)
        assert reading.value(Parameter.SYSTOLIC).reasons == reasons
    assert record.reading(context(CUFF), at=NOON, offset=None).time_uncertain


def test_motion_is_a_reason():
    reading = replace(YESTERDAY, result=2).reading(context(CUFF), at=NOON, offset=timedelta(0))
    assert reading.value(Parameter.MEAN).reasons == (Reason.MOTION,)


def test_no_command_that_inflates_resets_or_erases_can_be_encoded():
    for cmd in (0x04, 0x09, 0x0A, 0x0B, 0x24, 0x25, 0x39, 0xE2, 0xE3, 0xEE):
        with pytest.raises(ValueError, match="cmd"):
            FORMATS["lepu-bp2"].encode(request(cmd))


def test_it_is_known_by_its_name():
    for name in ("BP2 0042", "BP2A 0042", "LP-BP2W 0042", "Checkme BP2"):
        seen = Advertisement(address="00:11:22:33:44:55", name=name, services=frozenset({SERVICE}))
        assert [driver.key for driver in drivers_for(seen)] == ["lepu-bp2"]
