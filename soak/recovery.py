"""The recovery matrix as a hypothesis state machine: what can happen to a world, in any order, on a real Redis.

Hypothesis picks the steps; the promises are those of `soak.subscriber`. Whatever it finds it says with the steps that led there.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, ClassVar, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bedside.services.redis import Redis
from hub.rooms.messages import RoomAddress
from soak.record import ROOMS
from soak.world import PromiseBroken, World

WHO: Final = st.sampled_from(("ann", "ben", "cem"))
NODES: Final = st.sampled_from(("a", "b"))
SOME_ROOMS: Final = st.lists(st.sampled_from(ROOMS), min_size=1, max_size=3, unique=True)
FEW: Final = st.integers(1, 4)


class Recovery(RuleBasedStateMachine):
    """One life of a world. `redis` is the server that it may do anything to, `steps` counts over all lives."""

    redis: ClassVar[Redis]
    steps: ClassVar[int] = 0
    gaps: ClassVar[int] = 0
    restarts: ClassVar[bool] = True
    broken: ClassVar[list[str]] = []
    _living: ClassVar[set["Recovery"]] = set()

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._world = self._runner.run(self._begun())
        self._living.add(self)

    @classmethod
    def bury(cls) -> None:
        """End what hypothesis left alive, as it does where a failure does not come again in the same way."""
        for life in tuple(cls._living):
            life._end()

    def _end(self) -> None:
        self._living.discard(self)
        self._runner.run(self._world.end())
        self._runner.close()

    async def _begun(self) -> World:
        world = World(self.redis)
        await world.begin()
        return world

    def _do(self, step: Coroutine[Any, Any, None]) -> None:
        Recovery.steps += 1
        try:
            self._runner.run(step)
        except PromiseBroken as broken:
            self.broken.append(str(broken))
            raise

    @rule(rooms=SOME_ROOMS, count=FEW)
    def messages_are_published(self, rooms: list[RoomAddress], count: int) -> None:
        self._do(self._commit_and_publish(rooms, count))

    async def _commit_and_publish(self, rooms: list[RoomAddress], count: int, *, silently: bool = False) -> None:
        await self._world.commit(rooms, count)
        await self._world.publish(silently=silently)

    @rule(rooms=SOME_ROOMS, count=FEW)
    def messages_are_committed_and_not_yet_published(self, rooms: list[RoomAddress], count: int) -> None:
        self._do(self._world.commit(rooms, count))

    @rule(coalesced=st.booleans())
    def the_owner_publishes_what_is_due(self, *, coalesced: bool) -> None:
        self._do(self._world.publish(coalesced=coalesced))

    @rule(rooms=SOME_ROOMS, count=FEW)
    def live_messages_are_lost(self, rooms: list[RoomAddress], count: int) -> None:
        self._do(self._commit_and_publish(rooms, count, silently=True))

    @rule(address=st.sampled_from(ROOMS), left=st.integers(0, 3))
    def a_history_is_trimmed(self, address: RoomAddress, left: int) -> None:
        self._do(self._world.trim(address, left))

    @rule(
        who=WHO,
        node=NODES,
        rooms=SOME_ROOMS,
        resume=st.booleans(),
        snapshot=st.booleans(),
        meanwhile=st.integers(0, 3),
    )
    def someone_comes(
        self, who: str, node: str, rooms: list[RoomAddress], *, resume: bool, snapshot: bool, meanwhile: int
    ) -> None:
        coming = self._world.come(who, node, rooms, resume=resume, snapshot=snapshot, meanwhile=meanwhile)
        self._do(coming)

    @rule(who=WHO, rooms=SOME_ROOMS)
    def someone_leaves(self, who: str, rooms: list[RoomAddress]) -> None:
        self._world.leave(who, rooms)

    @rule(away=st.booleans())
    def the_record_goes_away_or_comes_back(self, *, away: bool) -> None:
        self._world.record.away = away

    @rule(commits=FEW)
    def the_record_is_read_from_a_standby(self, commits: int) -> None:
        self._world.record.lag = commits

    @rule(node=NODES)
    def a_node_dies_and_another_takes_its_place(self, node: str) -> None:
        self._do(self._world.replace_node(node))

    @rule()
    def live_sides_are_cut(self) -> None:
        self._do(self._world.cut_live_sides())

    @rule(what=st.sampled_from(("state", "everything", "scripts")))
    def redis_forgets(self, what: str) -> None:
        world = self._world
        self._do({"state": world.lose_state, "everything": world.flush, "scripts": world.forget_scripts}[what]())

    @rule(lost=st.integers(0, 5))
    def the_database_is_restored(self, lost: int) -> None:
        self._do(self._world.restore(lost))

    @rule(really=st.integers(0, 9))
    def redis_is_killed_and_starts_again(self, really: int) -> None:
        if self.restarts and not really:
            self._do(self._world.restart())

    @rule()
    def all_comes_to_rest(self) -> None:
        self._do(self._world.settle())

    @invariant()
    def no_promise_is_broken(self) -> None:
        if faults := self._world.faults():
            self.broken.extend(faults)
            raise PromiseBroken("; ".join(faults))

    def teardown(self) -> None:
        try:
            self._do(self._world.settle())
            self.no_promise_is_broken()
            Recovery.gaps += sum(subscriber.gaps for subscriber in self._world.subscribers.values())
        finally:
            self._end()
