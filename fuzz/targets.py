"""What is fuzzed: each format's decoder with all that follows from a message, and each driver's session."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from device_drivers.driver import Driver, Option
from device_drivers.errors import Undecodable
from device_drivers.format import AnyFormat
from device_drivers.registry import DRIVERS, FORMATS
from device_drivers.sessions import (
    BytesReceived,
    Event,
    LinkEstablished,
    SessionContext,
    SubscribeTo,
    TimePassed,
    ValueReceived,
)
from vitals.identifiers import DeviceKey

Target = Callable[[bytes], None]

_START: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
_READ_OR_SUBSCRIBED: Final = 8
"""Characteristics at most that one input speaks on."""
_ONE_IN: Final = 8
FORMAT_PREFIX, SESSION_PREFIX = "format:", "session:"


def decoder(entry: AnyFormat) -> Target:
    """Decode; one in `_ONE_IN` of what decodes is also shown, explained, encoded and read again, which takes most of the time."""

    def target(data: bytes) -> None:
        try:
            message = entry.decode(data)
        except Undecodable:
            return
        if data and data[-1] % _ONE_IN:
            return
        fields = entry.fields(message)
        assert b"".join(part.data for part in entry.describe(data)) == data
        encoded = entry.encode(message)
        assert entry.decode(encoded) == message
        assert entry.message_from(fields) == message

    return target


def session(driver: Driver, characteristics: tuple[str, ...]) -> Target:
    """One conversation: the first byte of each piece says where it comes from, how long it is and how much time has passed; the last byte of
    all, whether every option is on. Nothing is remembered from one input to the next."""
    device = DeviceKey(device_type=driver.device_type, device_id="fuzzed")
    options = tuple({option.name: _value(option, on=on) for option in driver.all_options} for on in (False, True))

    def target(data: bytes) -> None:
        chosen = options[data[-1] & 1 if data else 0]
        context, at = SessionContext(device=device, zone=UTC, options=chosen), _START
        talk = driver.session(context)
        said = talk.handle(LinkEstablished(at=at, characteristics=frozenset(characteristics)))
        where = [command.characteristic for command in said if isinstance(command, SubscribeTo)]
        where += [uuid for uuid in characteristics if uuid not in where]
        for place, event in enumerate(_events(data, where[:_READ_OR_SUBSCRIBED], at)):
            talk.handle(event)
            if place % 4 == 3:
                talk.handle(TimePassed(at=event.at))

    return target


def _value(option: Option, *, on: bool) -> bool | int | str:
    """The option's default, or what it is when it is on."""
    if not on or isinstance(option.default, str):
        return option.default
    return True if isinstance(option.default, bool) else option.high or option.default


def _events(data: bytes, where: list[str], at: datetime) -> "list[Event]":
    events: list[Event] = []
    while data:
        head, size = data[0], data[1] if len(data) > 1 else 0
        piece, data = data[2 : 2 + size], data[2 + size :]
        at += timedelta(milliseconds=(head >> 4) * 200)
        if where:
            events.append(ValueReceived(at=at, characteristic=where[head % len(where)], data=piece))
        else:
            events.append(BytesReceived(at=at, data=piece))
    return events


def targets(characteristics: Callable[[str], tuple[str, ...]]) -> dict[str, Target]:
    """All of them by name. `characteristics` says which ones a driver's device has."""
    found = {f"{FORMAT_PREFIX}{key}": decoder(entry) for key, entry in FORMATS.items()}
    found |= {f"{SESSION_PREFIX}{key}": session(driver, characteristics(key)) for key, driver in DRIVERS.items()}
    return found
