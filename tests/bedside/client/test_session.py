"""The client without I/O, against a hub made of lists, under whatever can happen to a line and to a room's history.

What must hold: within a room nothing twice and nothing older after something newer; nothing left out between two shown messages unless a gap was told
between them; and once all is quiet, nothing left out at the end.
"""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedside.client.events import Closed, Event, Gap, Position, Recovered, Subscribed
from bedside.client.link import Link, Timings
from bedside.client.rooms import RoomRequest
from bedside.client.session import AskToken, Drop, Send, Session, Tell

ROOMS = ("patient:p1:alerts", "ward:h1:w1:alerts")
TIMINGS = Timings(stable_seconds=1e9)


class Room:
    """A room's history in a hub: messages `kept`, the newest with offset `top`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.epoch, self.top = 1, 0
        self.kept: list[dict[str, Any]] = []

    def publish(self, number: int) -> dict[str, Any]:
        self.top += 1
        message = {
            "type": "patient_alert",
            "event": "patient.x",
            "event_id": f"{self.name}-{number}",
            "room": self.name,
            "data": {"number": number},
            "timestamp": "2026-11-25T10:00:00Z",
            "epoch": str(self.epoch),
            "offset": self.top,
            "n": number,
        }
        self.kept.append(message)
        return message

    def begin(self) -> None:
        self.epoch, self.top, self.kept = self.epoch + 1, 0, []


class World:
    """A hub, a line and a client's session. Messages that are on the line may be lost with it, or come after all."""

    def __init__(self) -> None:
        self.rooms = {name: Room(name) for name in ROOMS}
        self.session = Session(timings=TIMINGS, random=lambda: 0.5)
        self.session.subscribe([RoomRequest(room=name) for name in ROOMS])
        self.line: list[dict[str, Any]] = []
        self.followed: set[str] = set()
        self.shown: list[Any] = []
        self.now, self.number = 0.0, 0
        self.session.start()
        self.run()

    def run(self) -> None:
        """Carry out commands, and connect where that is due."""
        while True:
            for command in self.session.commands():
                match command:
                    case Tell(event):
                        self.shown.append(event)
                    case Send(text):
                        self.answer(json.loads(text))
                    case Drop():
                        self.session.lost(self.now, 1006, "dropped")
            match self.session.link:
                case Link.ASKING:
                    self.session.token_given("t")
                case Link.OPENING:
                    self.line, self.followed = [], set()
                    self.session.opened(self.now)
                case _:
                    return

    def answer(self, request: dict[str, Any]) -> None:
        for wanted in request.get("rooms", ()) if request["type"] == "subscribe" else ():
            self.line += self.subscription(self.rooms[wanted["room"]], wanted.get("since"), request["id"])
            self.followed.add(wanted["room"])

    def subscription(self, room: Room, since: dict[str, Any] | None, request_id: int) -> Iterator[dict[str, Any]]:
        """As the hub answers: recovered with what was missed, or the gap."""
        answer = {"type": "subscription", "id": request_id, "room": room.name, "status": "subscribed", "n": self.number}
        here = answer | {"epoch": str(room.epoch), "offset": room.top, "recovered": False, "replayed": 0}
        if since is None:
            yield here
            return
        first = since["offset"] + 1
        missed = [message for message in room.kept if message["offset"] >= first]
        if since["epoch"] == str(room.epoch) and since["offset"] <= room.top and len(missed) == room.top - first + 1:
            yield here | {"recovered": True, "replayed": len(missed)}
            yield from missed
        else:
            yield here | {"missing": {"epoch": since["epoch"], "first": first, "last": None}}

    def publish(self, name: str) -> None:
        self.number += 1
        message = self.rooms[name].publish(self.number)
        if name in self.followed:
            self.line.append(message)

    def deliver(self, many: int) -> None:
        for _ in range(min(many, len(self.line))):
            if self.line and self.session.link is Link.OPEN:
                self.session.received(self.now, json.dumps(self.line.pop(0)))
                self.run()

    def lose(self) -> None:
        """A message is lost, though the line stands: no TCP does this, but a bug of a hub might."""
        events = [message for message in self.line if "event" in message]
        if events:
            self.line.remove(events[0])

    def repeat(self) -> None:
        if self.line:
            self.line.insert(0, self.line[0])

    def cut(self) -> None:
        self.session.lost(self.now, 1006, "cut")
        self.wait()

    def wait(self) -> None:
        self.now += 30
        if self.session.link is Link.WAITING:
            self.session.woken(self.now)
        self.run()

    def settle(self) -> None:
        """Let all come that is under way; a last message in each room reveals a hole before it."""
        self.wait()
        for name in ROOMS:
            self.publish(name)
        while self.line:
            self.deliver(len(self.line))


ACTIONS = st.one_of(
    st.tuples(st.just("publish"), st.sampled_from(ROOMS)),
    st.tuples(st.just("deliver"), st.integers(1, 5)),
    st.tuples(st.sampled_from(["cut", "lose", "repeat"])),
    st.tuples(st.just("trim"), st.sampled_from(ROOMS)),
    st.tuples(st.just("begin"), st.sampled_from(ROOMS)),
)


@given(st.lists(ACTIONS, max_size=60))
def test_nothing_is_shown_twice_or_out_of_order_or_left_out_unsaid(actions):
    world = World()
    for action, *about in actions:
        match action:
            case "trim":
                del world.rooms[about[0]].kept[:2]
            case "begin":
                world.rooms[about[0]].begin()
            case _:
                getattr(world, action)(*about)
        world.run()
    world.settle()
    for name in ROOMS:
        hold(world, name)


def hold(world: World, name: str) -> None:
    last: tuple[int, int] | None = None
    for event in world.shown:
        if getattr(event, "room", None) != name:
            continue
        match event:
            case Subscribed() | Gap():
                assert last is None or (int(event.epoch), event.offset) >= last or isinstance(event, Gap)
                last = (int(event.epoch), event.offset)
            case Event():
                assert last is not None, "shown before the room held"
                assert (int(event.epoch), event.offset) == (last[0], last[1] + 1)
                last = (int(event.epoch), event.offset)
    room = world.rooms[name]
    assert last == (room.epoch, room.top)


def events(session: Session) -> list[Any]:
    return [command.event for command in session.commands() if isinstance(command, Tell)]


def opened() -> Session:
    session = Session(timings=Timings(), random=lambda: 1.0)
    session.subscribe([RoomRequest(room=ROOMS[0])])
    session.start()
    session.token_given("t")
    session.opened(0.0)
    session.commands()
    return session


def test_without_a_frame_for_60_seconds_the_line_is_dropped_and_it_pings_every_20():
    session = opened()
    done: list[tuple[float, str]] = []
    while not done or done[-1][1] != "Drop":
        now = session.wake_at
        session.woken(now)
        done += [(now, type(command).__name__) for command in session.commands()]
    assert done == [(20, "Send"), (40, "Send"), (60, "Drop")]
    session.lost(60.0, 1006, "")
    (closed,) = events(session)
    assert (closed.silent_seconds, closed.terminal) == (60, False)


def test_many_rooms_are_asked_for_in_messages_that_the_hub_takes():
    session = Session(timings=Timings(), random=lambda: 1.0)
    since = Position(epoch="e" * 64, offset=2**53)
    rooms = [RoomRequest(room=f"ward:{'h' * 64}:{'w' * 60}{number:04}:alerts", since=since) for number in range(512)]
    session.subscribe(rooms)
    session.start()
    session.token_given("t")
    session.opened(0.0)
    texts = [command.text for command in session.commands() if isinstance(command, Send)]
    asked = [entry["room"] for text in texts for entry in json.loads(text)["rooms"]]
    assert asked == [room.room for room in rooms]
    assert max(map(len, texts)) < 64 * 1024


@pytest.mark.parametrize("answer", [Recovered(room="r", replayed=1), Closed(code=1, reason="", terminal=True)])
def test_kinds_are_named_in_json(answer):
    assert json.loads(msgspec.json.encode(answer))["kind"] == type(answer).__name__.lower()


def test_a_token_that_ends_as_soon_as_it_was_given_is_asked_for_again_after_a_while():
    session = opened()
    asked = []
    now = 0.0
    while now < 30:
        session.received(now, '{"type": "expiring"}')
        session.woken(now)
        asked += [now for command in session.commands() if isinstance(command, AskToken)]
        now += 0.5
    assert asked == [0, 5, 10, 15, 20, 25]
