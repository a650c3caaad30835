"""What is said to Omron's cuffs on USB, and what becomes of their replies."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from device_drivers.cuffs.omron_790it import Instruction, StoredMeasurement, in_reports
from device_drivers.date_time import DateTime
from device_drivers.driver import UsbId
from device_drivers.errors import Undecodable
from device_drivers.registry import DRIVERS, drivers_on
from device_drivers.sessions import BytesReceived, CloseLink, LinkEstablished, ReportRefused, SendBytes, TimePassed
from simulators.models.model import Body, DeviceModel, Said
from tests.device_drivers.conversation import Conversation
from tests.device_drivers.samples import BERLIN, CUFF, NOON, after, context
from vitals.readings import Reason

DRIVER = DRIVERS["omron-hem790it"]
LOCAL_NOON = DateTime.of(NOON.astimezone(BERLIN))


def measurement(**fields) -> StoredMeasurement:
    given = {"systolic": 131, "diastolic": 84, "pulse_rate": 64, "timestamp": LOCAL_NOON, **fields}
    return StoredMeasurement(**given)


class Cuff(DeviceModel):
    """Two banks of records, as the protocol's notes have it; it says NO to every second question of `reluctant`."""

    def __init__(self, *banks: Sequence[StoredMeasurement], reluctant: bool = False) -> None:
        super().__init__(lambda now: Body())
        self.banks, self.reluctant = banks, reluctant
        self.heard: list[bytes] = []
        self._command, self._cleared, self._questions = b"", False, 0

    def received(self, now: datetime, data: bytes, characteristic: str | None = None) -> Sequence[Said]:
        self._command += data[1 : 1 + data[0]]
        if data[0] == 7 and self._command.strip(b"\0"):
            if len(self._command) < 8:
                return ()
        elif data[0] == 7:
            return ()
        command, self._command = self._command, b""
        self.heard.append(command)
        return [Said(data=report) for report in in_reports(self._answer(command))]

    def _answer(self, command: bytes) -> bytes:
        if not self._cleared:
            self._cleared = True
            return b"OK"
        self._questions += 1
        if self.reluctant and self._questions % 2:
            return b"NO"
        instruction = Instruction.from_bytes(command)
        bank, index = instruction.arguments[1], instruction.arguments[3]
        if instruction.command == "GDC":
            count = len(self.banks[bank])
            return b"OK" + bytes((0, 0, 10, 0, count, 10 ^ count))
        return bytes(self.banks[bank][index])


def talk(cuff, **options):
    return Conversation(driver=DRIVER, model=cuff, options=options).run(20)


def test_the_cuff_is_cleared_counted_and_read_bank_by_bank():
    cuff = Cuff([measurement(), measurement(systolic=125)], [measurement(systolic=118)])
    conversation = talk(cuff)
    assert [reading.values[0].number for reading in conversation.readings] == [131, 125, 118]
    assert [command[:3] for command in cuff.heard] == [b"\0\0\0", b"GDC", b"GME", b"GME", b"GDC", b"GME"]
    assert cuff.heard[-1] == bytes.fromhex("474d450001000001")
    assert conversation.commands[-1] == CloseLink()
    assert all(len(sent) == 8 for sent in conversation.sent)


def test_a_cuff_without_records_is_left():
    conversation = talk(Cuff([], []))
    assert not conversation.readings
    assert conversation.closed


def test_what_is_answered_with_no_is_asked_again():
    conversation = talk(Cuff([measurement()], [], reluctant=True))
    assert len(conversation.readings) == 1
    assert conversation.closed


def test_a_measurement_of_now_is_live_and_an_older_one_has_an_uncertain_time():
    """The cuff's clock can't be read."""
    old = measurement(timestamp=DateTime.of(NOON.astimezone(BERLIN) - timedelta(hours=3)))
    live, stored = talk(Cuff([measurement(), old], [])).readings
    assert (live.stored, live.time_uncertain) == (False, False)
    assert (stored.stored, stored.time_uncertain) == (True, True)
    assert stored.raw == bytes(old)


def test_whose_the_banks_are_counts_only_where_unverified_facts_are_asked_for():
    assert [reading.user for reading in talk(Cuff([measurement()], [measurement()])).readings] == [None, None]
    users = [reading.user for reading in talk(Cuff([measurement()], [measurement()]), unverified=True).readings]
    assert users == [1, 2]


def test_what_the_cuff_remarks_stays_with_every_number():
    (reading,) = talk(Cuff([measurement(irregular=True, movement=True)], [])).readings
    assert {value.reasons for value in reading.values} == {(Reason.IRREGULAR_PULSE, Reason.MOTION)}


def test_a_pressure_in_a_unit_that_nobody_has_seen_is_none():
    """160 may be 16.0 kPa."""
    (reading,) = talk(Cuff([measurement(systolic=160, unit=1)], [])).readings
    assert [(value.number, value.reasons) for value in reading.values[:2]] == [(None, (Reason.UNVERIFIED,))] * 2
    assert reading.values[2].number == 64


def test_a_pressure_of_two_bytes_is_read_whole():
    (reading,) = talk(Cuff([measurement(systolic=287)], [])).readings
    assert reading.values[0].number == 287


def cleared():
    session = DRIVER.session(context(CUFF))
    session.handle(LinkEstablished(at=NOON))
    session.handle(BytesReceived(at=NOON, data=b"\x02OK\0\0\0\0\0"))
    return session


def test_a_silent_cuff_is_cleared_five_times_and_left():
    session = DRIVER.session(context(CUFF))
    assert session.handle(LinkEstablished(at=NOON)) == [
        SendBytes(data=b"\x07" + bytes(7)),
        SendBytes(data=b"\x05" + bytes(7)),
    ]
    said = [session.handle(TimePassed(at=after(2 * times))) for times in range(1, 6)]
    assert [len(commands) for commands in said] == [2, 2, 2, 2, 2]
    assert said[-1] == [ReportRefused(at=after(10), reason="no_answer", discarded=0), CloseLink()]


def test_garbage_is_refused_and_the_question_repeated():
    session = cleared()
    (refused,) = session.handle(BytesReceived(at=NOON, data=b"\x07XYZ0000"))
    assert refused == ReportRefused(at=NOON, reason="not_a_reply", discarded=8)
    assert len(session.handle(TimePassed(at=after(2)))) == 2


def test_a_damaged_reply_is_refused_and_the_question_repeated():
    session = cleared()
    session.handle(BytesReceived(at=NOON, data=b"\x07OK\x00\x00\x0a\x00\x01"))
    refused, *again = session.handle(BytesReceived(at=NOON, data=b"\x01\x00\0\0\0\0\0\0"))
    assert refused == ReportRefused(at=NOON, reason="checksum", discarded=8)
    assert again == [SendBytes(data=report) for report in in_reports(bytes(Instruction.of("GDC", 0, 0, 0, 0)))]


def test_the_cuff_is_known_by_its_usb_ids():
    assert [driver.key for driver in drivers_on(UsbId(vendor=0x0590, product=0x0028))] == ["omron-hem790it"]


@pytest.mark.parametrize("command", ["VE", "VERS", "ver", "V1R"])
def test_a_command_is_three_capital_letters(command):
    with pytest.raises(ValueError, match="command"):
        bytes(Instruction(command=command, arguments=b"0", checksum=0))
    with pytest.raises(Undecodable):
        Instruction.from_bytes(b"v1r00")
