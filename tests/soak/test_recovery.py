"""The recovery matrix in short: `./dev soak` goes on for as long as one likes."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.errors import HypothesisException
from hypothesis.stateful import run_state_machine_as_test

from bedside.services.redis import Redis, redis
from hub.rooms.feed import Feed
from hub.rooms.messages import Gap, Message, Position, Recovered, RoomAddress
from hub.rooms.rooms import Rooms
from hub.rooms.states import States
from hub.rooms.watched import Entrant, Mark, Snapshot, Watched
from soak import world
from soak.recovery import Recovery
from soak.world import PromiseBroken

pytestmark = pytest.mark.slow

SHORT = settings(
    max_examples=20,
    stateful_step_count=30,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)


@pytest.fixture
def server(services_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Redis]:
    """A Redis of this test's own, to which anything may be done."""
    service = redis(services_folder / f"soak-{tmp_path.name}")
    service.start()
    monkeypatch.setattr(Recovery, "redis", service, raising=False)
    monkeypatch.setattr(Recovery, "broken", [])
    yield service
    Recovery.bury()
    service.stop()


@pytest.mark.usefixtures("server")
def test_nothing_is_missed_in_silence_nor_comes_twice_nor_in_disorder():
    run_state_machine_as_test(Recovery, settings=SHORT)
    assert Recovery.gaps > 0


def deaf_to_jumps(monkeypatch: pytest.MonkeyPatch) -> None:
    def accept(self: Watched[Message], message: Message) -> None:
        if self.position is None or message.offset <= self.position.offset:
            return
        self.position, self.n = message.position, message.n
        self._pass_on(message)

    monkeypatch.setattr(Watched, "accept", accept)


def blind_to_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    def accept(self: Watched[Message], message: Message) -> None:
        if self.position is not None and message.offset == self.position.offset + 1:
            self.position, self.n = message.position, message.n
            self._pass_on(message)
        elif self.position is not None and message.offset > self.position.offset:
            self.behind = True

    monkeypatch.setattr(Watched, "accept", accept)


def never_compares_tops(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(_: Feed[Message]) -> None:
        pass

    monkeypatch.setattr(Feed, "_check_tops", nothing)


def claims_more_than_it_read(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = States.snapshot

    def more(self: States, address: RoomAddress, mark: Mark) -> Snapshot | None:
        found = snapshot(self, address, mark)
        return found and msgspec.structs.replace(found, n=found.n + 2)

    monkeypatch.setattr(States, "snapshot", more)


def forgets_what_came_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Entrant, "arrived", property(lambda _: [], lambda *_: None), raising=False)


def tells_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    def skip(self: Watched[Message], gap: Gap) -> None:
        self.position, self.n = gap.top.position, gap.top.n

    monkeypatch.setattr(Watched, "skip", skip)


def tells_gaps_that_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async def lost(self: Rooms, wanted: Mapping[RoomAddress, Position]) -> dict[RoomAddress, Recovered | Gap]:
        tops = await self.room_tops([*wanted])
        return {address: Gap(top=top) for address, top in tops.items() if top is not None}

    monkeypatch.setattr(Rooms, "read_many", lost)


FAULTS = (
    deaf_to_jumps,
    blind_to_epochs,
    never_compares_tops,
    claims_more_than_it_read,
    forgets_what_came_meanwhile,
    tells_no_gap,
    tells_gaps_that_are_none,
)


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_feed_with_one_rule_taken_out_is_found(
    monkeypatch: pytest.MonkeyPatch, fault: Callable[[pytest.MonkeyPatch], None]
):
    """Delivery rules 24, 25 and 27: each is what keeps a promise here. What depends on time need not fail again the same way."""
    fault(monkeypatch)
    monkeypatch.setattr(world, "QUIET_SECONDS", 1.0)
    monkeypatch.setattr(Recovery, "restarts", False)
    hunt = settings(SHORT, max_examples=40, phases=[Phase.generate], report_multiple_bugs=False, derandomize=False)
    for number in range(10):
        with contextlib.suppress(PromiseBroken, HypothesisException, ExceptionGroup):
            run_state_machine_as_test(seed(number)(type("Life", (Recovery,), {})), settings=hunt)
        Recovery.bury()
        if Recovery.broken:
            return
    pytest.fail("no promise was broken")
