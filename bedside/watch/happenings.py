"""What happens to a screen: its link to the hub, what it has read, what it is told."""

from typing import TypeAlias

import msgspec

from bedside.watch.answers import View
from bedside.watch.messages import Event, Message, Sign


class LinkLive(msgspec.Struct, frozen=True, kw_only=True):
    """Connected, and every room holds."""


class LinkLost(msgspec.Struct, frozen=True, kw_only=True):
    """Not, or no longer, connected; `problem` says why, `silent_seconds` how long nothing had come when it was noticed."""

    problem: str
    silent_seconds: float = 0.0


class BedsRead(msgspec.Struct, frozen=True, kw_only=True):
    view: View


class ReadingsRead(msgspec.Struct, frozen=True, kw_only=True):
    """The last reading of each device: from here on the picture is whole."""

    signs: tuple[Sign, ...]


class HistoryRead(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts and notices of before."""

    events: tuple[Event, ...]


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it came, once however many rooms it came in; `message` None where it can't be read."""

    text: str
    message: Message | None


class Missed(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a screen should have had is not to be had; `what` is a sentence."""

    what: str


Happening: TypeAlias = LinkLive | LinkLost | BedsRead | ReadingsRead | HistoryRead | Received | Missed
