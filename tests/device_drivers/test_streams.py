"""Every driver's session on streams that are cut, noisy and damaged."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_drivers.driver import Driver
from device_drivers.framing import BUFFER_LIMIT, IN_A_ROW
from device_drivers.registry import DRIVERS, FORMATS
from device_drivers.sessions import (
    BytesReceived,
    Command,
    Event,
    LinkEstablished,
    Session,
    SessionContext,
    SubscribeTo,
    TimePassed,
    ValueReceived,
)
from tests.device_drivers.families import family
from tests.device_drivers.samples import BERLIN, NOON, after, discarded, readings
from tests.support.examples import at_most
from vitals.identifiers import DeviceKey

STREAMS = family.streams()
READ_BYTES = 4096


class Talk:
    """A driver whose device sends `Stream.unit`s."""

    def __init__(self, key: str) -> None:
        self.driver, self.stream = DRIVERS[key], STREAMS[key]

    def session(self) -> Session:
        """One whose link stands, and that believes the device: where frames have no checksum, it has heard some."""
        device = DeviceKey(device_type=self.driver.device_type, device_id="device-1")
        session = self.driver.session(SessionContext(device=device, zone=BERLIN))
        present = frozenset({self.stream.notify} if self.stream.notify else ())
        session.handle(LinkEstablished(at=after(-2), characteristics=present))
        if not self.stream.checked:
            self.feed(session, *[self.stream.unit(99)] * IN_A_ROW, seconds=-2)
        return session

    def feed(self, session: Session, *chunks: bytes, seconds: float = 0) -> list[Command]:
        at, where = after(seconds), self.stream.notify
        events: list[Event] = [
            BytesReceived(at=at, data=chunk)
            if where is None
            else ValueReceived(at=at, characteristic=where, data=chunk)
            for chunk in chunks
        ]
        return [command for event in events for command in session.handle(event)]

    def numbers(self, messages: list[bytes]) -> list[int | None]:
        """The number of each reading, where every message comes a second after the one before."""
        session = self.session()
        found = [
            reading
            for place, message in enumerate(messages)
            for reading in readings(self.feed(session, message, seconds=place))
        ]
        values = [reading.value(self.stream.parameter) for reading in found]
        return [value and value.number and int(value.number) for value in values]


@pytest.fixture(params=sorted(STREAMS))
def talk(request: pytest.FixtureRequest) -> Talk:
    return Talk(request.param)


def test_every_driver_that_reads_a_stream_has_one_here():
    streaming = {
        driver.key for driver in DRIVERS.values() if any(FORMATS[key].measure is not None for key in driver.formats)
    }
    assert streaming - STREAMS.keys() == set()
    assert STREAMS.keys() - DRIVERS.keys() == set(), "a driver that is not in the registry: name its module in MODULES"


def test_each_second_becomes_one_reading(talk: Talk):
    assert talk.numbers([talk.stream.unit(number) for number in (95, 96, 97)]) == [95, 96, 97]


def test_every_way_to_cut_a_message_gives_the_same_reading(talk: Talk):
    whole = talk.stream.unit(95)
    (expected,) = readings(talk.feed(talk.session(), whole))
    for cut in range(1, len(whole)):
        commands = talk.feed(talk.session(), whole[:cut], whole[cut:])
        assert readings(commands) == [expected]
        assert not discarded(commands)
    one_by_one = talk.feed(talk.session(), *(bytes((byte,)) for byte in whole))
    assert readings(one_by_one) == [expected]


@settings(max_examples=at_most(40))
@given(data=st.data())
@pytest.mark.parametrize("key", sorted(STREAMS))
def test_every_way_to_cut_a_stream_gives_the_same_commands(key: str, data: st.DataObject):
    talk = Talk(key)
    whole = b"".join(talk.stream.unit(number) for number in (90, 91, 92))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(whole)), max_size=12)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    together = talk.feed(talk.session(), whole)
    assert talk.feed(talk.session(), *pieces) == together


@pytest.mark.parametrize("seed", range(10))
def test_noise_between_messages_costs_no_more_than_two_of_them(talk: Talk, seed: int):
    noise = random.Random(seed).randbytes(40)
    messages = [talk.stream.unit(95), noise, *(talk.stream.unit(number) for number in (90, 91, 92, 93))]
    assert talk.numbers(messages)[-2:] == [92, 93]


@pytest.mark.parametrize("seed", range(10))
def test_noise_before_and_after_messages_changes_none_of_them(talk: Talk, seed: int):
    """The first may be lost to the noise before it where there is no checksum."""
    noise = random.Random(seed).randbytes(40)
    messages = [noise, *(talk.stream.unit(number) for number in (90, 91, 92, 93)), noise]
    numbers = talk.numbers(messages)
    assert [number for number in numbers if number in (92, 93)] == [92, 93]
    assert not talk.stream.checked or set(numbers) <= {90, 91, 92, 93}


@pytest.mark.parametrize("seed", range(10))
def test_a_stream_may_begin_anywhere(talk: Talk, seed: int):
    start = random.Random(seed).randrange(1, len(talk.stream.unit(95)))
    messages = [talk.stream.unit(95)[start:], *(talk.stream.unit(number) for number in (90, 91, 92, 93))]
    assert talk.numbers(messages)[-2:] == [92, 93]


def test_one_damaged_byte_costs_no_more_than_two_messages(talk: Talk):
    whole = talk.stream.unit(95)
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x80
        messages = [bytes(damaged), *(talk.stream.unit(number) for number in (90, 91, 92))]
        assert talk.numbers(messages)[-1] == 92


@given(noise=st.lists(st.binary(max_size=400), max_size=10))
@pytest.mark.parametrize("key", sorted(STREAMS))
def test_no_bytes_make_a_session_raise(key: str, noise: list[bytes]):
    talk = Talk(key)
    for command in talk.feed(talk.session(), *noise):
        assert isinstance(command, Command)


@pytest.mark.parametrize("size", [16, 64, 4096])
@pytest.mark.parametrize("seed", range(5))
def test_noise_makes_no_readings(talk: Talk, seed: int, size: int):
    """Some of any noise has the form of a frame without a checksum; `size` bytes are read at once, two milliseconds apart."""
    session, noise = talk.session(), random.Random(seed).randbytes(8192)
    talk.feed(session, talk.stream.unit(95))
    commands = [
        command
        for place in range(0, len(noise), size)
        for command in talk.feed(session, noise[place : place + size], seconds=1 + place / size * 0.002)
    ]
    assert not readings(commands)
    assert discarded(commands) > 8000
    assert readings(talk.feed(session, *(talk.stream.unit(number) for number in (96, 97, 98)), seconds=10))


@pytest.mark.parametrize("size", [4, 5, 6, 8, 12, 16])
def test_a_few_bytes_of_noise_make_no_reading_of_a_device_that_was_never_heard(talk: Talk, size: int):
    """A cable that is plugged in, or touched: of a thousand such bursts a few at most, which have three frames' length, are believed."""
    chance, found = random.Random(size), 0
    for _ in range(1000):
        session = every_session(talk.driver)
        session.handle(LinkEstablished(at=NOON))
        noise = chance.randbytes(size)
        cut = chance.randrange(1, size)
        found += len(readings(talk.feed(session, noise[:cut], noise[cut:])))
    assert found <= (5 if size > 10 else 0)


def test_bytes_that_come_now_and_then_make_no_reading(talk: Talk):
    session, chance = every_session(talk.driver), random.Random(7)
    session.handle(LinkEstablished(at=NOON))
    commands = [
        command for place in range(3000) for command in talk.feed(session, chance.randbytes(1), seconds=place * 0.7)
    ]
    assert not readings(commands)


def test_noise_is_counted_and_not_held(talk: Talk):
    assert discarded(talk.feed(talk.session(), *[b"\x00" * 1000] * 100)) >= 99_000


def test_a_burst_as_long_as_one_read_of_the_line_loses_nothing(talk: Talk):
    """The transport reads up to 4096 bytes at once, after a rest of a message."""
    whole = talk.stream.unit(95) * (READ_BYTES // len(talk.stream.unit(95)) + 1)
    session = talk.session()
    commands = [
        command
        for at in range(0, len(whole), READ_BYTES)
        for command in talk.feed(session, whole[at : at + READ_BYTES], seconds=at)
    ]
    assert not discarded(commands)
    assert BUFFER_LIMIT > READ_BYTES


def test_the_deciding_frame_is_kept_for_audit(talk: Talk):
    (reading,) = readings(talk.feed(talk.session(), talk.stream.unit(95)))
    expected = talk.stream.raw(95) if talk.stream.raw else talk.stream.unit(95)
    assert reading.raw == expected[:64]


def every_session(driver: Driver) -> Session:
    device = DeviceKey(device_type=driver.device_type, device_id="device-1")
    return driver.session(SessionContext(device=device, zone=BERLIN))


@settings(max_examples=at_most(25))
@given(data=st.data())
@pytest.mark.parametrize("key", sorted(DRIVERS))
def test_no_value_of_any_characteristic_makes_a_session_raise(key: str, data: st.DataObject):
    """Whatever a device sends where the session has subscribed or read, and however time passes."""
    session = every_session(DRIVERS[key])
    present = frozenset(data.draw(st.sets(st.sampled_from(family.characteristics()), max_size=12)))
    said = session.handle(LinkEstablished(at=NOON, characteristics=present))
    listening = [command.characteristic for command in said if isinstance(command, SubscribeTo)] or [None]
    for place in range(6):
        where = data.draw(st.sampled_from([*listening, *sorted(present)]))
        bytes_ = data.draw(st.binary(max_size=80))
        at = after(place * 2)
        event = (
            BytesReceived(at=at, data=bytes_)
            if where is None
            else ValueReceived(at=at, characteristic=where, data=bytes_)
        )
        for command in [*session.handle(event), *session.handle(TimePassed(at=at))]:
            assert isinstance(command, Command)


def test_a_second_of_frames_becomes_one_reading(talk: Talk):
    """Where a device sends more often than once a second."""
    session, rate = talk.session(), 60
    found = [
        command
        for frame in range(3 * rate)
        for command in talk.feed(session, talk.stream.unit(95), seconds=frame / rate)
    ]
    assert len(readings(found)) in ((3, 3 * rate) if talk.stream.repeats else (1,))
