"""When a cuff of a SunTech module may be inflated, and how a run ends that was begun by us."""

from datetime import timedelta

import pytest

from device_drivers.cuffs.suntech_frames import (
    ABORT,
    SEND_RESULT,
    Acknowledgement,
)
from device_drivers.driver import INFLATE
from device_drivers.registry import DRIVERS
from device_drivers.sessions import (
    BytesReceived,
    Command,
    CommandRefused,
    Event,
    Inflate,
    SendBytes,
)
from simulators.models.model import Body
from simulators.models.suntech import Advantage
from tests.device_drivers.conversation import Conversation
from tests.device_drivers.families.suntech import result
from tests.device_drivers.samples import after
from tests.device_drivers.suntech_talk import DOWN, EMPTY, START, UP, Talk, failed, resting


def test_a_cuff_is_not_inflated_by_default():
    assert not [command for command in resting().wait(4 * 3600) if isinstance(command, Inflate)]
    (option,) = DRIVERS["suntech-advantage"].options
    assert (option.name, option.default, option.low, option.high) == (INFLATE, 0, 0, 240)


def test_a_cuff_is_inflated_after_a_whole_period_and_not_before():
    talk = resting(every_minutes=15)
    assert START not in talk.wait(15 * 60 - 4)
    assert START in talk.wait(4)


def test_a_cuff_is_inflated_a_whole_period_after_any_measurement():
    """Whoever has started it."""
    talk = resting(every_minutes=15)
    talk.wait(14 * 60)
    talk.hear(UP, DOWN, result(120))
    assert START not in talk.wait(15 * 60 - 5)
    assert START in talk.wait(5)


def test_a_line_that_is_lost_again_and_again_inflates_no_more_often():
    memory: dict[str, str] = {}
    for _ in range(5):
        assert START not in resting(every_minutes=15, memory=memory).wait(14 * 60)


@pytest.mark.parametrize("hours", [-24, 24])
def test_a_clock_that_is_set_starts_no_measurement_and_keeps_none_from_its_end(hours):
    talk = resting(every_minutes=15)
    talk.wait(60)
    talk.seconds += hours * 3600
    assert START not in talk.wait(13 * 60)
    assert START in talk.wait(60)
    talk.hear(Acknowledgement(ack="O"), UP)
    talk.seconds += hours * 3600
    said = [command for _ in range(182) for command in talk.tick()]
    assert said.count(SendBytes(data=ABORT)) == 1


@pytest.mark.parametrize("unclear", [UP, Acknowledgement(ack="B"), None])
def test_a_cuff_is_not_inflated_while_it_is_up_or_nothing_is_known_of_it(unclear):
    talk = Talk(every_minutes=1)
    if unclear:
        talk.hear(unclear)
    said = [command for _ in range(120) for command in talk.tick()]
    assert START not in said


def test_a_cuff_is_not_inflated_after_its_hardware_failed():
    talk = resting(every_minutes=1)
    talk.hear(UP, DOWN, failed(89))
    assert START not in talk.wait(600)


def test_a_measurement_that_is_not_over_after_three_minutes_is_aborted():
    talk = resting(every_minutes=15)
    talk.wait(15 * 60)
    assert talk.commands.count(START) == 1
    talk.hear(Acknowledgement(ack="O"))
    said = []
    for _ in range(200):
        said += talk.tick()
        talk.session.handle(BytesReceived(at=after(talk.seconds), data=bytes(UP)))
    assert said.count(SendBytes(data=ABORT)) == 1
    assert 175 <= said.index(SendBytes(data=ABORT)) <= 181


def test_a_module_that_was_told_to_measure_is_not_asked_for_a_result_though_its_cuff_is_not_up_yet():
    """Its answer, that it is busy, would be taken for a refusal."""
    talk = resting(every_minutes=15)
    while START not in talk.commands:
        talk.wait(1)
    assert SendBytes(data=SEND_RESULT) not in talk.wait(60)


def test_a_late_answer_does_not_end_a_measurement_that_was_begun_here():
    talk = resting(every_minutes=15)
    while START not in talk.commands:
        talk.wait(1)
    talk.hear(EMPTY, Acknowledgement(ack="O"), UP)
    said = [command for _ in range(182) for command in talk.tick()]
    assert said.count(SendBytes(data=ABORT)) == 1


def test_a_measurement_that_was_not_begun_here_is_never_aborted():
    talk = resting()
    said = []
    for _ in range(300):
        said += talk.tick()
        talk.session.handle(BytesReceived(at=after(talk.seconds), data=bytes(UP)))
    assert SendBytes(data=ABORT) not in said


@pytest.mark.parametrize("answer", ["B", "E", "S"])
def test_a_start_that_the_module_refuses_is_not_aborted_later(answer):
    talk = resting(every_minutes=15)
    talk.wait(15 * 60)
    talk.hear(Acknowledgement(ack=answer))
    assert SendBytes(data=ABORT) not in talk.wait(300)


def test_a_start_that_the_gateway_does_not_allow_is_not_aborted_later():
    talk = resting(every_minutes=15)
    talk.wait(15 * 60)
    talk.session.handle(CommandRefused(at=after(talk.seconds), command=START, reason="not allowed"))
    assert SendBytes(data=ABORT) not in talk.wait(300)


def test_a_run_that_was_begun_here_ends_with_its_result():
    talk = resting(every_minutes=15)
    talk.wait(15 * 60)
    talk.hear(Acknowledgement(ack="O"), UP, DOWN, Acknowledgement(ack="K"), result(120))
    (reading,) = talk.readings
    assert not reading.time_uncertain
    assert SendBytes(data=ABORT) not in talk.wait(300)


def test_a_run_that_failed_before_the_cuff_was_seen_to_go_up_has_a_result_too():
    talk = resting(every_minutes=15)
    talk.wait(15 * 60)
    talk.hear(Acknowledgement(ack="O"), Acknowledgement(ack="K"), failed(85))
    assert len(talk.readings) == 1


class Allowed(Conversation):
    """Where the gateway's configuration allows inflation."""

    def _perform(self, command: Command) -> list[Event]:
        return super()._perform(command.command if isinstance(command, Inflate) else command)


def test_a_simulated_module_that_is_started_by_the_host_is_read_each_time():
    driver = DRIVERS["suntech-advantage"]
    conversation = Allowed(driver=driver, model=Advantage(lambda now: Body()), options={INFLATE: 1}).run(250)
    starts = [command for command in conversation.commands if isinstance(command, Inflate)]
    pressed, *started = conversation.readings
    assert len(starts) == len(started) >= 2
    assert not any(reading.time_uncertain for reading in (pressed, *started))
    assert started[0].measured - pressed.measured > timedelta(minutes=1)
