"""The conversations with the O2Ring-S, the PC-60FW and the JKS50F."""

import hashlib
from dataclasses import replace
from decimal import Decimal

import pytest

from device_drivers.advertisement import Advertisement
from device_drivers.oximeters import jks50f, oxyii, oxyii_session, pc60fw
from device_drivers.oximeters.lepu_frames import Message, answer, request
from device_drivers.oximeters.pc60fw import Frame, Parameters, Wave
from device_drivers.registry import DRIVERS, FORMATS, drivers_for
from device_drivers.sessions import DeliverSamples, LinkEstablished, ReportStatus, Session, TimePassed, ValueReceived
from simulators.models.model import Body
from simulators.models.viatom import JKS50F, PC60FW, O2RingS
from tests.device_drivers.conversation import Conversation
from tests.device_drivers.samples import NOON, OXIMETER, after, context, readings
from vitals.parameters import Parameter
from vitals.readings import Quality, Reading, Reason

BODY = Body(spo2=96, pulse_rate=64, perfusion_index=Decimal("4.2"))
NOBODY = Body(spo2=None, pulse_rate=None)


def begun(key: str, **options) -> Session:
    session = DRIVERS[key].session(context(OXIMETER, **options))
    session.handle(LinkEstablished(at=NOON))
    return session


def heard(key: str, characteristic: str, data: bytes) -> Reading:
    (reading,) = readings(begun(key).handle(ValueReceived(at=NOON, characteristic=characteristic, data=data)))
    return reading


def samples(conversation: Conversation) -> list[int | None]:
    chunks = [command.chunk for command in conversation.commands if isinstance(command, DeliverSamples)]
    return [sample for chunk in chunks for sample in chunk.samples]


def ring_s(seconds: float = 5, body: Body = BODY, **options) -> Conversation:
    return Conversation(driver=DRIVERS["o2ring-s"], model=O2RingS(lambda now: body), options=options).run(seconds)


def asked(conversation: Conversation) -> list[Message]:
    return [oxyii.decode(sent) for sent in conversation.sent]


class TestO2RingS:
    def test_it_is_authenticated_and_set_up_before_it_is_read(self):
        conversation = ring_s(seconds=3)
        commands = [message.cmd for message in asked(conversation)]
        assert commands == [oxyii.AUTHENTICATE, oxyii.SETUP, oxyii.LIVE, oxyii.LIVE, oxyii.LIVE]
        assert len(conversation.readings) == 3

    def test_what_authenticates_is_a_digest_a_serial_number_and_the_time_by_bits(self):
        """As nglessner/o2ring-s-protocol, README, "cmd=0xFF authentication", has it."""
        salt = hashlib.md5(b"lepucloud", usedforsecurity=False).digest()
        seconds = 0x655F_1234
        key = [*(salt[2 * place] for place in range(8)), *b"0000", *((seconds >> bit) % 256 for bit in range(4))]
        assert oxyii.authentication(seconds) == bytes(key[place] ^ salt[place] for place in range(16))

    def test_a_request_that_stays_unanswered_is_given_up(self):
        session = begun("o2ring-s")
        sent = [command for second in range(1, 8) for command in session.handle(TimePassed(at=after(second)))]
        assert [oxyii.decode(command.data).cmd for command in sent] == [oxyii.LIVE, oxyii.LIVE]

    def test_its_clock_is_set_only_where_that_is_asked_for(self):
        assert ring_s().model.clock is None
        assert str(ring_s(set_time=True).model.clock) == "2026-11-23T13:00:00"

    def test_without_a_finger_nothing_is_measured(self):
        reading = ring_s(body=NOBODY).readings[-1]
        assert [value.reasons for value in reading.values] == [(Reason.NO_FINGER,)] * 2

    def test_numbers_of_zero_on_a_finger_are_searched_for(self):
        live = oxyii.Live(spo2=None, pulse_rate=None, state=1)
        reading = heard("o2ring-s", oxyii_session.NOTIFY, bytes(answer(oxyii.LIVE, live)))
        assert [value.reasons for value in reading.values] == [(Reason.SEARCHING,)] * 2

    def test_what_it_repeats_without_a_finger_is_no_value(self):
        live = oxyii.Live(spo2=97, pulse_rate=70, state=oxyii.NO_CONTACT)
        reading = heard("o2ring-s", oxyii_session.NOTIFY, bytes(answer(oxyii.LIVE, live)))
        assert all(value.number is None for value in reading.values)

    def test_samples_are_delivered_only_where_what_is_unverified_may_be(self):
        assert samples(ring_s()) == []
        assert len(samples(ring_s(unverified=True))) == 500

    def test_the_battery_is_reported_when_it_changes(self):
        reports = [command for command in ring_s().commands if isinstance(command, ReportStatus)]
        assert [report.battery_percent for report in reports] == [77]

    def test_no_command_that_resets_or_sets_can_be_encoded(self):
        for cmd in (0xE3, 0xEE, 0x01):
            with pytest.raises(ValueError, match="cmd"):
                FORMATS["oxyii"].encode(request(cmd))

    def test_it_is_known_by_its_name_or_by_its_service(self):
        seen = Advertisement(address="00:11:22:33:44:55", name=None, services=frozenset({oxyii_session.SERVICE}))
        for found in (seen, replace(seen, name="S8-AW 1234", services=frozenset())):
            assert [driver.key for driver in drivers_for(found)] == ["o2ring-s"]
        both = replace(seen, name="O2Ring S 1234")
        assert {driver.key for driver in drivers_for(both)} == {"o2ring-s", "viatom-o2"}


class TestPC60FW:
    def numbers(self, **options) -> Reading:
        content = Parameters(**{"spo2": 97, "pulse_rate": 70, "perfusion_index": Decimal("4.5"), **options})
        return heard("viatom-pc60fw", pc60fw.NOTIFY, bytes(Frame(type=1, content=content)))

    def test_nothing_is_said_to_it(self):
        assert Conversation(driver=DRIVERS["viatom-pc60fw"], model=PC60FW(lambda now: BODY)).run(5).sent == []

    def test_its_perfusion_index_is_in_tenths(self):
        assert self.numbers().value(Parameter.PERFUSION_INDEX).number == Decimal("4.5")

    def test_without_a_finger_nothing_is_measured_whatever_it_repeats(self):
        assert {value.reasons for value in self.numbers(probe_off=True).values} == {(Reason.NO_FINGER,)}

    def test_zeros_are_none(self):
        searching = self.numbers(spo2=None, pulse_rate=None, perfusion_index=None, searching=True)
        assert {value.reasons for value in searching.values} == {(Reason.SEARCHING,)}
        silent = self.numbers(spo2=None, pulse_rate=None, perfusion_index=None)
        assert {value.reasons for value in silent.values} == {(Reason.NO_PULSE_FOUND,)}

    def test_numbers_while_it_searches_are_in_doubt(self):
        assert {value.quality for value in self.numbers(searching=True).values} == {Quality.QUESTIONABLE}

    def test_samples_come_at_50_a_second_and_are_none_without_a_finger(self):
        conversation = Conversation(driver=DRIVERS["viatom-pc60fw"], model=PC60FW(lambda now: BODY)).run(4)
        assert len(samples(conversation)) == 200
        nobody = Conversation(driver=DRIVERS["viatom-pc60fw"], model=PC60FW(lambda now: NOBODY)).run(4)
        assert set(samples(nobody)[5:]) == {None}

    def test_bytes_that_are_lost_leave_a_gap(self):
        session = begun("viatom-pc60fw")
        wave = bytes(Frame(type=2, content=Wave(wave=(1, 2, 3, 4, 5))))
        sent = wave * 5 + wave[3:] + wave * 5
        commands = session.handle(ValueReceived(at=NOON, characteristic=pc60fw.NOTIFY, data=sent))
        gaps = [command.chunk.gap_before for command in commands if isinstance(command, DeliverSamples)]
        assert gaps == [False, True]

    def test_an_empty_battery_is_a_fault(self):
        session = begun("viatom-pc60fw")
        faults = []
        for level in (3, 3, 0, 2):
            data = bytes(Frame(token=pc60fw.EQUIPMENT, type=3, content=pc60fw.Battery(level=level)))
            commands = session.handle(ValueReceived(at=NOON, characteristic=pc60fw.NOTIFY, data=data))
            faults += [command.faults for command in commands if isinstance(command, ReportStatus)]
        assert faults == [(), ("low_battery",), ()]

    def test_it_is_known_by_its_name(self):
        seen = Advertisement(address="00:11:22:33:44:55", name="PC-60F_SN123456", services=frozenset({pc60fw.SERVICE}))
        assert [driver.key for driver in drivers_for(seen)] == ["viatom-pc60fw"]
        assert drivers_for(replace(seen, name=None)) == ()


class TestJKS50F:
    def frame(self, **options) -> bytes:
        numbers = {"finger": True, "spo2": 97, "pulse_rate": 70, "perfusion_index": Decimal("3.5")}
        return bytes(jks50f.Frame(**{**numbers, **options}))

    def test_a_finger_that_leaves_is_said_at_once(self):
        conversation = Conversation(
            driver=DRIVERS["jks50f"], model=JKS50F(lambda now: BODY if now < after(3.6) else NOBODY)
        ).run(6)
        first = next(reading for reading in conversation.readings if reading.values[0].reasons == (Reason.NO_FINGER,))
        assert first.measured < after(4.2)

    def test_two_frames_a_second_make_one_reading(self):
        conversation = Conversation(driver=DRIVERS["jks50f"], model=JKS50F(lambda now: BODY)).run(10)
        assert len(conversation.readings) in (10, 11)

    def test_a_pulse_of_127_is_out_of_what_it_can_show(self):
        reading = heard("jks50f", jks50f.NOTIFY, self.frame(pulse_rate=None))
        assert reading.value(Parameter.OXIMETER_PULSE_RATE).reasons == (Reason.OUT_OF_RANGE,)
        assert reading.value(Parameter.SPO2).number == 97

    def test_neither_number_is_searched_for(self):
        reading = heard("jks50f", jks50f.NOTIFY, self.frame(spo2=None, pulse_rate=None, perfusion_index=None))
        assert {value.reasons for value in reading.values} == {(Reason.SEARCHING,)}

    def test_numbers_without_a_finger_are_none(self):
        reading = heard("jks50f", jks50f.NOTIFY, self.frame(finger=False))
        assert {value.reasons for value in reading.values} == {(Reason.NO_FINGER,)}

    def test_its_service_alone_marks_nothing_and_its_name_alone_not_either(self):
        seen = Advertisement(address="00:11:22:33:44:55", name="OXIMETER", services=frozenset({jks50f.SERVICE}))
        assert [driver.key for driver in drivers_for(seen)] == ["jks50f"]
        assert "jks50f" not in [driver.key for driver in drivers_for(replace(seen, name="HMSoft"))]
        assert "jks50f" not in [driver.key for driver in drivers_for(replace(seen, services=frozenset()))]
