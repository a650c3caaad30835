"""What is said to a SunTech module, and which of its results are measurements."""

from datetime import timedelta

import pytest

from device_drivers.cuffs.suntech import INFLATED
from device_drivers.cuffs.suntech_frames import (
    ABORT,
    SEND_PRESSURE,
    SEND_RESULT,
    START_ADULT,
    Acknowledgement,
    CuffPressure,
    HostCommand,
    Result,
    decode,
)
from device_drivers.errors import Malformed
from device_drivers.registry import DRIVERS
from device_drivers.sessions import (
    ReportStatus,
    SendBytes,
)
from simulators.models.model import Body
from simulators.models.suntech import Advantage
from tests.device_drivers.conversation import Conversation
from tests.device_drivers.families.suntech import result
from tests.device_drivers.samples import NOON, after
from tests.device_drivers.suntech_talk import DOWN, UP, Talk, failed, resting
from vitals.parameters import Parameter
from vitals.readings import Quality, Reason


def test_a_module_is_asked_for_its_pressure_and_then_for_its_last_result():
    talk = Talk()
    assert talk.commands == [SendBytes(data=SEND_PRESSURE)]
    assert talk.tick() == [SendBytes(data=SEND_RESULT)]


def test_a_module_is_asked_once_a_second_and_its_result_every_ten():
    talk = resting()
    talk.tick()
    said = talk.wait(60)
    assert len(said) == 60
    assert said.count(SendBytes(data=SEND_RESULT)) == 6


def test_a_busy_module_is_not_asked_for_a_result():
    talk = Talk()
    talk.hear(UP)
    assert all(talk.tick() == [SendBytes(data=SEND_PRESSURE)] for _ in range(30))


def test_a_result_is_asked_for_when_the_cuff_goes_down():
    talk = resting()
    talk.tick()
    talk.hear(UP, DOWN)
    assert talk.tick() == [SendBytes(data=SEND_RESULT)]


def test_a_result_that_was_there_before_anyone_looked_has_an_uncertain_time():
    talk = Talk()
    talk.hear(DOWN, result(120))
    (reading,) = talk.readings
    assert (reading.time_uncertain, reading.stored) == (True, True)


def test_a_module_that_has_measured_nothing_makes_no_reading():
    assert resting().readings == []


def test_a_measurement_that_was_seen_is_live():
    talk = resting()
    talk.hear(UP, DOWN, result(120))
    (reading,) = talk.readings
    assert (reading.time_uncertain, reading.stored, reading.measured) == (False, False, after(talk.seconds))


def test_a_result_that_was_seen_is_not_delivered_again():
    talk = resting()
    talk.hear(UP, DOWN, *[result(120)] * 5)
    assert len(talk.readings) == 1


def test_a_result_that_an_earlier_connection_has_delivered_is_not_delivered_again():
    first = resting()
    first.hear(UP, DOWN, result(120))
    second = Talk(memory=first.memory)
    second.hear(DOWN, result(120))
    assert second.readings == []


def test_another_result_than_an_earlier_connection_delivered_may_be_of_any_time_between():
    first = resting()
    first.hear(UP, DOWN, result(120))
    second = Talk(memory=first.memory)
    second.hear(DOWN, result(140))
    (reading,) = second.readings
    assert (reading.time_uncertain, reading.stored) == (True, True)


def test_another_result_is_a_measurement_also_where_nobody_saw_the_cuff_go_up():
    talk = resting()
    talk.hear(result(120), result(121))
    assert [reading.time_uncertain for reading in talk.readings] == [False, False]


def test_the_old_result_is_not_taken_for_the_new_one():
    """The module still has the old one when the cuff has just gone down."""
    talk = resting()
    talk.hear(UP, DOWN, result(120), UP, DOWN, result(120), result(131))
    systolic = [reading.value(Parameter.SYSTOLIC) for reading in talk.readings]
    assert [value and value.number for value in systolic] == [120, 131]


def test_the_same_result_long_after_the_cuff_went_down_is_another_measurement():
    talk = resting()
    talk.hear(UP, DOWN, result(120), UP, DOWN)
    talk.tick(5)
    talk.hear(result(120))
    assert len(talk.readings) == 2


def test_a_first_measurement_that_no_other_result_follows_is_delivered_when_it_has_settled():
    talk = Talk()
    talk.hear(UP, DOWN, result(120))
    talk.tick(5)
    talk.hear(result(120))
    (reading,) = talk.readings
    assert not reading.time_uncertain


def test_what_lay_in_the_module_while_a_first_measurement_ran_is_not_taken_for_it():
    talk = Talk()
    talk.hear(UP, DOWN, result(120))
    assert talk.readings == []
    talk.hear(result(131))
    (reading,) = talk.readings
    assert not reading.time_uncertain


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (1, Reason.WEAK_SIGNAL),
        (2, Reason.ARTIFACT),
        (3, Reason.MEASUREMENT_FAILED),
        (4, Reason.MEASUREMENT_FAILED),
        (85, Reason.SENSOR_FAULT),
        (86, Reason.NOT_MEASURED),
        (87, Reason.CUFF_LOOSE),
        (88, Reason.SENSOR_FAULT),
        (89, Reason.SENSOR_FAULT),
        (90, Reason.SENSOR_FAULT),
        (91, Reason.SENSOR_FAULT),
        (97, Reason.SENSOR_FAULT),
        (99, Reason.SENSOR_FAULT),
        (200, Reason.MEASUREMENT_FAILED),
    ],
)
def test_a_measurement_that_an_error_ended_has_no_numbers_and_says_why(code, reason):
    talk = resting()
    talk.hear(UP, DOWN, failed(code))
    (reading,) = talk.readings
    assert [value.reasons for value in reading.values] == [(reason,)] * 4
    assert all(value.number is None and value.quality is Quality.MISSING for value in reading.values)


@pytest.mark.parametrize("missing", ["systolic", "diastolic"])
def test_half_a_blood_pressure_is_none(missing):
    half = Result(**{**numbers(120), missing: None})
    talk = resting()
    talk.hear(UP, DOWN, half)
    (reading,) = talk.readings
    assert all(value.number is None for value in reading.values)


def test_numbers_beside_an_error_and_without_the_status_of_a_pressure_are_none():
    for doubtful in ({"error_code": 2}, {"bp_status": 0}):
        talk = resting()
        talk.hear(UP, DOWN, Result(**{**numbers(120), **doubtful}))
        (reading,) = talk.readings
        assert all(value.number is None for value in reading.values)


def test_a_mean_that_was_not_measured_takes_nothing_else_with_it():
    talk = resting()
    talk.hear(UP, DOWN, Result(**{**numbers(120), "mean": None}))
    (reading,) = talk.readings
    said = {value.parameter: (value.number, value.reasons) for value in reading.values}
    assert said[Parameter.MEAN] == (None, (Reason.NOT_MEASURED,))
    assert said[Parameter.SYSTOLIC] == (120, ())


def numbers(systolic: int) -> dict[str, int | None]:
    found = {"systolic": systolic, "diastolic": 80, "mean": 93, "pulse_rate": 70}
    return {**found, "beats": 20, "bp_status": 1, "error_code": 0}


def test_hardware_that_fails_is_a_fault_until_it_measures_again():
    talk = resting()
    talk.hear(UP, DOWN, failed(89))
    assert talk.commands[-1] == ReportStatus(at=after(talk.seconds), faults=("cuff_overpressure",))
    assert talk.hear(DOWN) == []
    talk.hear(UP, DOWN, result(120))
    assert talk.commands[-1] == ReportStatus(at=after(talk.seconds))


@pytest.mark.parametrize(("letter", "fault"), [("E", "module_error"), ("S", "module_asleep")])
def test_a_module_that_refuses_says_so_until_it_answers(letter, fault):
    talk = resting()
    assert talk.hear(Acknowledgement(ack=letter)) == [ReportStatus(at=after(talk.seconds), faults=(fault,))]
    assert talk.hear(DOWN) == [ReportStatus(at=after(talk.seconds))]


def test_a_simulated_module_is_read_when_somebody_presses_its_button():
    conversation = Conversation(driver=DRIVERS["suntech-advantage"], model=Advantage(lambda now: Body())).run(20)
    (reading,) = conversation.readings
    systolic = reading.value(Parameter.SYSTOLIC)
    assert systolic is not None
    assert (systolic.number, reading.time_uncertain) == (122, False)


def test_a_simulated_module_is_busy_while_it_measures_and_obeys_an_abort():
    model = Advantage(lambda now: Body())
    assert said(model, START_ADULT, 0) == Acknowledgement(ack="O")
    assert said(model, SEND_RESULT, 2) == Acknowledgement(ack="B")
    assert said(model, SEND_PRESSURE, 2).cuff_pressure >= INFLATED
    assert said(model, ABORT, 3) == Acknowledgement(ack="A")
    assert said(model, SEND_RESULT, 4).error_code == 86
    assert said(model, b"\x3a\x28\x9e", 4) == Acknowledgement(ack="E")


def said(model: Advantage, command: bytes, seconds: float) -> Acknowledgement | CuffPressure | Result:
    (one,) = model.received(NOON + timedelta(seconds=seconds), command)
    return decode(one.data)


def test_a_host_command_with_a_wrong_check_byte_can_not_be_said():
    with pytest.raises(ValueError, match="check byte"):
        bytes(HostCommand(command=0x20, arguments=b"", checksum=0))
    with pytest.raises(Malformed):
        HostCommand.from_bytes(b"\x3a\x20\xa7")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (START_ADULT, "inflates"),
        (ABORT, "abort"),
        (SEND_RESULT, "last result"),
        (SEND_PRESSURE, "pressure"),
        (bytes.fromhex("3a17a0000f"), "160 mmHg"),
    ],
)
def test_a_host_command_is_explained(command, words):
    assert words in HostCommand.from_bytes(command).words
