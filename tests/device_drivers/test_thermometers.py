"""Which temperatures of thermometers without a standard become readings."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from device_drivers.advertisement import Advertisement
from device_drivers.errors import Undecodable
from device_drivers.registry import DRIVERS, FORMATS, drivers_for
from device_drivers.sessions import (
    Command,
    LinkEstablished,
    ReportRefused,
    ReportStatus,
    SendBytes,
    Session,
    SessionContext,
    SubscribeTo,
    TimePassed,
    ValueReceived,
)
from device_drivers.thermometers import gaomu, suretemp, temp_sitter
from device_drivers.thermometers.ds18b20 import Scratchpad
from device_drivers.thermometers.suretemp_packets import Packet, TemperatureRecord
from simulators.models.model import Body
from simulators.models.thermometers import SureTempPlus
from tests.device_drivers import vectors
from tests.device_drivers.conversation import Conversation
from tests.device_drivers.families.thermometers import record
from tests.device_drivers.samples import BERLIN, NOON, after, feed, readings
from vitals.identifiers import DeviceKey, DeviceType
from vitals.readings import Quality, Reason, Value
from vitals.units import Unit

THERMOMETER = DeviceKey(device_type=DeviceType.THERMOMETER, device_id="thermometer-1")


def session(key: str, memory: dict[str, str] | None = None) -> Session:
    context = SessionContext(device=THERMOMETER, zone=BERLIN, memory={} if memory is None else memory)
    return DRIVERS[key].session(context)


def looked_at(memory: dict[str, str] | None = None) -> Session:
    """A SureTemp that had no final temperature when its line was opened."""
    found = session("suretemp-plus", memory)
    feed(found, bytes(record(None)))
    return found


def only_value(commands: list[Command]) -> Value:
    (reading,) = readings(commands)
    (value,) = reading.values
    return value


def faults(commands: list[Command]) -> list[tuple[str, ...]]:
    return [command.faults for command in commands if isinstance(command, ReportStatus)]


def test_a_suretemp_is_asked_for_its_record_once_a_second():
    found = session("suretemp-plus")
    asked = [SendBytes(data=bytes.fromhex("030210941c0100003a"))]
    assert found.handle(LinkEstablished(at=NOON)) == asked
    assert all(found.handle(TimePassed(at=after(second))) == asked for second in range(1, 10))


def test_a_final_temperature_is_read_in_kelvin_as_sent_and_in_celsius():
    value = only_value(feed(looked_at(), bytes(record(Decimal("37.4")))))
    assert (value.number, value.unit) == (Decimal("37.4"), Unit.CELSIUS)
    assert (value.sent_number, value.sent_unit) == (Decimal("310.549988"), Unit.KELVIN)


def test_a_record_without_a_final_temperature_is_no_reading():
    """The manual's example: read as a temperature, 0 K is -273.15 °C."""
    example = next(vector for vector in vectors.ALL if vector["id"] == "V146")
    assert readings(feed(session("suretemp-plus"), vectors.data(example))) == []


def test_a_final_temperature_is_delivered_once():
    found = looked_at()
    packets = [bytes(record(37, counter=counter)) for counter in range(78, 98)]
    assert len(readings(feed(found, *packets))) == 1


def test_the_same_final_temperature_after_none_is_another_measurement():
    assert len(readings(feed(looked_at(), *map(bytes, (record(37), record(None), record(37)))))) == 2


def test_another_final_temperature_is_another_measurement():
    assert len(readings(feed(looked_at(), *map(bytes, (record(37), record(38)))))) == 2


def test_a_counter_that_begins_anew_makes_no_measurement_of_an_old_temperature():
    """It counts samples, and a module may show its last temperature while it takes the next."""
    commands = feed(looked_at(), bytes(record(37, counter=900)), bytes(record(37, counter=3)))
    assert len(readings(commands)) == 1


def test_a_final_temperature_that_was_there_before_anyone_looked_has_an_uncertain_time():
    (reading,) = readings(feed(session("suretemp-plus"), bytes(record(37))))
    assert (reading.stored, reading.time_uncertain) == (True, True)
    (reading,) = readings(feed(looked_at(), bytes(record(37))))
    assert (reading.stored, reading.time_uncertain) == (False, False)


def test_a_final_temperature_that_an_earlier_connection_has_delivered_is_not_delivered_again():
    memory: dict[str, str] = {}
    feed(looked_at(memory), bytes(record(37)))
    assert readings(feed(session("suretemp-plus", memory), bytes(record(37)))) == []


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"error": 12}, "error_12"),
        ({"state": 20}, "error_0"),
        ({"probe_type": 1}, "calibration_key"),
        ({"algorithm": 3}, "calibration_key"),
        ({"probe_type": 3}, "sensor_disconnected"),
    ],
)
def test_a_temperature_beside_an_error_is_none_and_the_error_is_a_fault(said, fault):
    found = looked_at()
    commands = feed(found, bytes(record(37, **said)))
    assert (readings(commands), faults(commands)) == ([], [(fault,)])
    commands = feed(found, bytes(record(37)))
    assert (len(readings(commands)), faults(commands)) == (1, [()])


@pytest.mark.parametrize(
    ("state", "reasons"),
    [
        (4, ()),
        (6, ()),
        (7, (Reason.IMPROPER_POSITION,)),
        (8, (Reason.OUT_OF_RANGE,)),
        (9, (Reason.OUT_OF_RANGE, Reason.IMPROPER_POSITION)),
        (10, (Reason.OUT_OF_RANGE,)),
    ],
)
def test_what_the_state_says_stays_with_the_temperature(state, reasons):
    value = only_value(feed(looked_at(), bytes(record(37, state=state))))
    assert (value.reasons, value.quality) == (reasons, Quality.QUESTIONABLE if reasons else Quality.VALID)


def test_a_module_that_refuses_a_command_says_so():
    commands = feed(looked_at(), bytes(Packet(command="941c", type=3, data=b"\x01")))
    assert faults(commands) == [("refused_by_device",)]


def test_a_monitored_temperature_is_a_reading_a_minute():
    found, delivered = looked_at(), []
    for second in range(180):
        packet = bytes(record(Decimal(37) + Decimal(second) / 100, method=1, state=12))
        delivered += readings(feed(found, packet, at=after(second)))
    assert [reading.measured for reading in delivered] == [after(second) for second in (0, 60, 120)]


def test_the_longer_record_is_read_too():
    long = record(37, heater=300)
    assert len(bytes(long)) == 9 + 33
    assert only_value(feed(looked_at(), bytes(long))).number == 37


def test_a_temperature_may_be_said_in_celsius_alone():
    entry = FORMATS["suretemp"]
    said = {name: value for name, value in entry.fields(record(None)).items() if "kelvin" not in name}
    message = entry.message_from({**said, "final_celsius": 37.4})
    assert isinstance(message, TemperatureRecord)
    assert entry.fields(entry.decode(bytes(message)))["final_celsius"] == 37.4


def test_a_simulated_module_shows_a_temperature_after_a_while_and_once():
    conversation = Conversation(driver=DRIVERS["suretemp-plus"], model=SureTempPlus(lambda now: Body())).run(20)
    (reading,) = conversation.readings
    assert reading.measured - NOON >= timedelta(seconds=5)
    assert not reading.time_uncertain


def test_a_sitters_frame_that_was_captured_is_read():
    example = next(vector for vector in vectors.ALL if vector["id"] == "V151")
    found = session("temp-sitter")
    assert found.handle(LinkEstablished(at=NOON)) == [SubscribeTo(characteristic=temp_sitter.NOTIFY)]
    value = only_value(tell(found, temp_sitter.NOTIFY, vectors.data(example)))
    assert value.number == Decimal("33.9")


def tell(found: Session, characteristic: str, data: bytes) -> list[Command]:
    return list(found.handle(ValueReceived(at=NOON, characteristic=characteristic, data=data)))


def test_a_sitters_other_messages_are_refused():
    other = bytes.fromhex("aa061200490d006e")
    (refused,) = tell(session("temp-sitter"), temp_sitter.NOTIFY, other)
    assert refused == ReportRefused(at=NOON, reason="another_message", discarded=8)


def test_a_room_is_no_patient():
    frame = bytes(temp_sitter.TemperatureFrame(temperature=Decimal("18.5")))
    value = only_value(tell(session("temp-sitter"), temp_sitter.NOTIFY, frame))
    assert (value.quality, value.reasons) == (Quality.QUESTIONABLE, (Reason.IMPLAUSIBLE,))


@pytest.mark.parametrize("service", [temp_sitter.SERVICE, gaomu.SERVICE])
def test_a_service_that_many_devices_have_marks_no_thermometer(service):
    found = Advertisement(address="00:11:22:33:44:55", name="OBDII", services=frozenset({service}))
    keys = {driver.key for driver in drivers_for(found)}
    assert not keys & {"temp-sitter", "gaomu-thermometer"}


def test_a_sitter_is_known_by_its_name():
    found = Advertisement(address="00:11:22:33:44:55", name="BLT_MODT", services=frozenset())
    assert [driver.key for driver in drivers_for(found)] == ["temp-sitter"]


def test_each_notification_of_a_gaomu_is_a_measurement():
    found = session("gaomu-thermometer")
    assert found.handle(LinkEstablished(at=NOON)) == [SubscribeTo(characteristic=gaomu.NOTIFY)]
    assert only_value(tell(found, gaomu.NOTIFY, b"\x01\x01\x6e")).number == Decimal("36.6")


def test_a_car_adapters_words_are_no_temperature():
    assert tell(session("gaomu-thermometer"), gaomu.NOTIFY, b"ELM327 v1.5") == [
        ReportRefused(at=NOON, reason="absurd_temperature", discarded=11)
    ]


def test_a_sensor_that_has_not_converted_yet_has_no_temperature():
    """+85 is what its register holds after power-up."""
    example = next(vector for vector in vectors.ALL if vector["id"] == "V153")
    value = only_value(feed(session("ds18b20"), vectors.data(example)))
    assert (value.number, value.reasons) == (None, (Reason.NOT_MEASURED,))


@pytest.mark.parametrize("celsius", ["84.9375", "85.0625", "36.5", "-10.125"])
def test_every_other_temperature_of_a_sensor_is_one(celsius):
    pad = bytes(Scratchpad(temperature=Decimal(celsius), alarm_high=75, alarm_low=70))
    assert only_value(feed(session("ds18b20"), pad)).number == Decimal(celsius)


def test_several_scratchpads_at_once_are_as_many_readings():
    pad = bytes(Scratchpad(temperature=Decimal(37), alarm_high=75, alarm_low=70))
    assert len(readings(feed(session("ds18b20"), pad * 3))) == 3


@pytest.mark.parametrize(
    ("data", "reason"),
    [(bytes(9), "not_a_scratchpad"), (b"\xff" * 9, "checksum"), (bytes(4), "truncated"), (bytes(73), "oversized")],
)
def test_what_a_broken_bus_gives_is_refused(data, reason):
    assert feed(session("ds18b20"), data) == [ReportRefused(at=NOON, reason=reason, discarded=len(data))]


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("suretemp", record(37, counter=2**32)),
        ("suretemp", record(37, method=256)),
        ("suretemp", replace(record(37), command="2900")),
        ("suretemp", replace(record(37, heater=1), battery=Decimal("4.505"))),
        ("suretemp", Packet(command="94", type=1)),
        ("suretemp", Packet(command="941c", type=2, data=bytes(19))),
        ("temp-sitter", temp_sitter.TemperatureFrame(temperature=Decimal("36.605"))),
        ("temp-sitter", temp_sitter.TemperatureFrame(temperature=Decimal(-1))),
        ("gaomu", gaomu.TemperatureValue(temperature=Decimal("36.65"))),
        ("gaomu", gaomu.TemperatureValue(temperature=Decimal("NaN"))),
        ("ds18b20", Scratchpad(temperature=Decimal("36.6"), alarm_high=0, alarm_low=0)),
        ("ds18b20", Scratchpad(temperature=Decimal("36.0625"), alarm_high=0, alarm_low=0, resolution=9)),
        ("ds18b20", Scratchpad(temperature=Decimal(36), alarm_high=200, alarm_low=0)),
    ],
)
def test_what_a_format_has_no_room_for_can_not_be_said(key, wrong):
    with pytest.raises(ValueError, match=r"."):
        FORMATS[key].encode(wrong)


def test_a_request_that_is_cut_is_refused():
    for length in range(len(suretemp.SEND_RECORD)):
        with pytest.raises(Undecodable):
            FORMATS["suretemp"].decode(suretemp.SEND_RECORD[:length])
