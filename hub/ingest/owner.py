"""The owner of one hospital: takes what came in, commits it, and only then acknowledges and publishes.

Group commit without a timer: a transaction takes everything that arrived while the last one was committing, so it is quick when
quiet and dense under load. When the fence falls, or a commit's fate is unknown, everything in memory is loaded anew (delivery
rules 11 to 14).
"""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import select, update

from hub.alerts.rules import Rule
from hub.errors import Conflict, Fenced, HubError, Invalid, NotFound, RecordUnavailable
from hub.ingest.broker import Broker, Delivery
from hub.ingest.counters import Counters
from hub.ingest.device_events import take_state
from hub.ingest.device_status import announce_due
from hub.ingest.entries import take_batch
from hub.ingest.memory import Memory, load_memory
from hub.ingest.newest import Newest
from hub.ingest.operations import carry_out
from hub.ingest.publisher import Publisher
from hub.ingest.transaction import FateKey, Transaction
from hub.publication import Fence
from hub.record.fates import committed_of
from hub.record.inbox import RequestKind, RequestState
from hub.record.ownership import Lease
from hub.record.record import Record
from hub.record.registry import Placement
from hub.record.schema import inbox
from hub.rooms.rooms import Rooms
from vitals.envelope import Acknowledgement, Batch, GatewayState, Greeting, encode, ranges_of
from vitals.identifiers import GatewayId, HospitalId
from vitals.topics import Channel, topic

log = logging.getLogger(__name__)

LEASE_SECONDS: Final = 10.0
BATCHES_PER_TRANSACTION: Final = 64
REQUESTS_PER_TRANSACTION: Final = 64
IDLE_SECONDS: Final = 2.0
INBOX_SECONDS: Final = 0.25
"""Requests of other processes are looked for no more often, those of this one at once; an idle owner looks every IDLE_SECONDS."""
RETRY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A batch, and the MQTT message that brought it."""

    batch: Batch
    delivery: Delivery


class Owner:
    """One hospital's. `alive_at` is when it last held its lease for certain."""

    def __init__(
        self,
        hospital_id: HospitalId,
        record: Record,
        rooms: Rooms,
        rules: Sequence[Rule],
        counters: Counters,
        *,
        name: str,
        new_id: Callable[[], str],
    ) -> None:
        self.hospital_id = hospital_id
        self.alive_at: datetime | None = None
        self._record = record
        self._rules = rules
        self._counters = counters
        self._new_id = new_id
        self._lease = Lease(record.engine, hospital_id, owner=name, seconds=LEASE_SECONDS)
        self._publisher = Publisher(record.engine, rooms, hospital_id, lambda: self._lease.fence, new_id)
        self._memory: Memory | None = None
        self._arrived: deque[Arrival] = deque()
        self._states: dict[GatewayId, GatewayState] = {}
        self._changed: set[GatewayId] = set()
        self._work = record.inbox.arrived(hospital_id)
        self._looked_at = -INBOX_SECONDS
        self._has_looked = False
        self._answered: int | None = None
        self._greeted: dict[GatewayId, int] = {}
        self._broker: Broker | None = None

    @property
    def is_owner(self) -> bool:
        return self._memory is not None

    @property
    def placement(self) -> Placement | None:
        """The registry as of the last transaction; None where this process does not own the hospital."""
        return self._memory.placement if self._memory and self._lease.is_held else None

    @property
    def fence(self) -> Fence:
        """Raises Fenced where there is none."""
        return self._lease.fence

    def now(self) -> datetime:
        return self._record.clock()

    def attach(self, broker: Broker) -> None:
        """The broker through which acknowledgements go out."""
        self._broker = broker

    def arrived(self, arrival: Arrival) -> None:
        """Take it in. Bounded by the broker, which has at most its in-flight window outstanding with us.

        Who is not the owner lets it go: the outbox is the buffer, and sends again when an owner greets it.
        """
        if self._memory is None:
            self._acknowledge(arrival.delivery)
            return
        self._arrived.append(arrival)
        self._work.set()

    def state_arrived(self, gateway_id: GatewayId, state: GatewayState) -> None:
        """Keep a gateway's state of its newest session: whoever becomes the owner needs it too."""
        known = self._states.get(gateway_id)
        if known is not None and state.session < known.session:
            return
        self._states[gateway_id] = state
        self._changed.add(gateway_id)
        self._work.set()

    def greet_again(self) -> None:
        """After a new connection to the broker nobody has heard our greetings."""
        self._greeted.clear()
        self._work.set()

    async def run(self) -> None:
        """Own the hospital whenever the lease can be had, until cancelled."""
        try:
            while True:
                await self._reign()
        finally:
            await self._step_down()

    async def _reign(self) -> None:
        try:
            if not await self._lease.take():
                await asyncio.sleep(RETRY_SECONDS)
                return
            await self._load(Newest())
            self._changed.update(self._states)
            log.info("owner of %s, token %d", self.hospital_id, self._lease.fence.token)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._publisher.run(), name=f"publisher {self.hospital_id}")
                tasks.create_task(self._commit_for_ever(), name=f"commits {self.hospital_id}")
        except* Fenced as lost:
            log.warning("no longer the owner of %s: %s", self.hospital_id, lost.exceptions[0])
        except* RecordUnavailable as lost:
            log.warning("ingest of %s stands still: %s", self.hospital_id, lost.exceptions[0])
        self._memory = None
        self._let_go([*self._arrived])
        self._arrived.clear()
        await asyncio.sleep(RETRY_SECONDS)

    async def _load(self, newest: Newest) -> None:
        async with self._lease.transaction() as tenure:  # delivery rule 12
            self._memory = await load_memory(tenure.connection, self.hospital_id, self._rules, newest, self._new_id)
            self.alive_at = tenure.now
        self._greeted.clear()

    async def _commit_for_ever(self) -> None:
        while True:
            self._work.clear()
            await self._greet()
            arrivals = [self._arrived.popleft() for _ in range(min(BATCHES_PER_TRANSACTION, len(self._arrived)))]
            try:
                more = await self._commit(arrivals)
            finally:  # after a failure too, or the broker's window fills up: the outboxes send again
                self._let_go(arrivals)
            if self._arrived or more:
                continue
            try:
                async with asyncio.timeout(self._idle_seconds()):
                    await self._work.wait()
            except TimeoutError:
                continue  # delivery rule 13: an empty transaction renews the lease, or finds out that it is lost

    def _idle_seconds(self) -> float:
        """Until something is due, as of the last transaction, but not for long."""
        assert self._memory is not None  # noqa: S101 - see `_commit`
        idle = IDLE_SECONDS if self._has_looked else min(IDLE_SECONDS, INBOX_SECONDS)
        soonest = min(self._memory.status_due.values(), default=None)
        if soonest is None or self.alive_at is None:
            return idle
        return min(idle, max(0.0, (soonest - self.alive_at).total_seconds()))

    async def _commit(self, arrivals: list[Arrival]) -> bool:
        """One transaction and what follows from it; whether the inbox may hold more."""
        assert self._memory is not None  # noqa: S101 - set by `_load`, unset only after this task has ended
        answered: dict[FateKey, list[int]] = defaultdict(list)
        fence = self._lease.fence
        changed, self._changed = sorted(self._changed), set()
        asked, looked_at = self._record.inbox.asked(self.hospital_id), asyncio.get_running_loop().time()
        looks = asked != self._answered or looked_at - self._looked_at >= INBOX_SECONDS
        async with self._lease.transaction() as tenure:
            transaction = Transaction(tenure, self._memory, record_epoch=fence.record_epoch, new_id=self._new_id)
            for gateway_id in changed:
                await take_state(transaction, gateway_id, self._states[gateway_id])
            for arrival in arrivals:
                batch = arrival.batch
                answered[batch.gateway, batch.epoch] += await take_batch(transaction, batch, self._counters)
            decided = await self._drain_inbox(transaction) if looks else []
            await announce_due(transaction)
            await transaction.write()
            tenure.published_through = self._publisher.through
        self.alive_at = transaction.now
        for (gateway_id, epoch), sequences in answered.items():  # delivery rule 14
            fates = transaction.fates[gateway_id, epoch]
            self._send(
                gateway_id,
                Acknowledgement(
                    record_epoch=fence.record_epoch,
                    token=fence.token,
                    epoch=epoch,
                    committed=ranges_of([s for s in sequences if fates.is_committed(s)]),
                    rejected=fates.rejections(sequences),
                ),
            )
        self._record.inbox.decided(decided)
        self._publisher.hand_over(transaction.publications)
        if transaction.registry_changed:
            await self._load(self._memory.newest)
        more = len(decided) == REQUESTS_PER_TRANSACTION
        self._has_looked = looks
        if looks:
            self._looked_at, self._answered = looked_at, None if more else asked
        return more

    async def _drain_inbox(self, transaction: Transaction) -> list[str]:
        """Carry out what REST asked for, each in its place, with its outcome (delivery rule 15); the keys that are decided."""
        found = await transaction.connection.execute(
            select(inbox)
            .where(inbox.c.hospital_id == self.hospital_id, inbox.c.state == RequestState.PENDING.value)
            .order_by(inbox.c.submitted)
            .limit(REQUESTS_PER_TRANSACTION)
        )
        rows = found.mappings().all()
        for row in rows:
            state: RequestState = RequestState.EXPIRED
            answer: dict[str, object] = {}
            if transaction.now <= row["deadline"]:
                state, answer = await self._carried_out(transaction, row["kind"], row["payload"], row["request_key"])
            await transaction.connection.execute(
                update(inbox)
                .where(inbox.c.request_key == row["request_key"])
                .values(state=state.value, answer=msgspec.json.encode(answer).decode())
            )
        return [row["request_key"] for row in rows]

    async def _carried_out(
        self, transaction: Transaction, kind: str, payload: str, request_key: str
    ) -> tuple[RequestState, dict[str, object]]:
        try:
            answer = await carry_out(transaction, RequestKind(kind), payload, request_key)
        except (Invalid, NotFound, Conflict) as refusal:
            return RequestState.REJECTED, _said(refusal)
        return RequestState.DONE, answer

    async def _greet(self) -> None:
        """Tell gateways what is committed, until they name the record epoch that is in force (delivery rule 8)."""
        assert self._memory is not None  # noqa: S101 - see `_commit`
        fence = self._lease.fence
        waiting = [gateway for gateway in self._memory.gateways if self._greeted.get(gateway) != fence.token]
        if not waiting or self._broker is None or not self._broker.is_connected:
            return
        async with self._record.engine.reading() as connection:
            for gateway in waiting:
                committed = await committed_of(connection, gateway)
                self._send(gateway, Greeting(record_epoch=fence.record_epoch, token=fence.token, committed=committed))
                self._greeted[gateway] = fence.token

    def heard(self, batch: Batch) -> None:
        """A gateway that does not yet know the record epoch in force is greeted again."""
        if self._lease.is_held and batch.record_epoch != self._lease.fence.record_epoch:
            self._greeted.pop(batch.gateway, None)

    def _send(self, gateway_id: GatewayId, message: Acknowledgement | Greeting) -> None:
        if self._broker is not None:
            self._broker.publish(topic(gateway_id, Channel.ACK), encode(message))

    def _let_go(self, arrivals: Sequence[Arrival]) -> None:
        """The broker may forget them."""
        for arrival in arrivals:
            self._acknowledge(arrival.delivery)

    def _acknowledge(self, delivery: Delivery) -> None:
        if self._broker is not None:
            self._broker.acknowledge(delivery)

    async def _step_down(self) -> None:
        self._memory = None
        try:
            await self._lease.release()
        except HubError:
            log.info("the lease of %s ends by itself", self.hospital_id)


def _said(refusal: HubError) -> dict[str, object]:
    """A refusal as the inbox keeps it."""
    if isinstance(refusal, NotFound):
        return {"error": "not_found", "kind": refusal.kind, "name": refusal.name}
    if isinstance(refusal, Conflict):
        return {"error": "conflict", "message": str(refusal)}
    return {"error": "invalid", "faults": list(refusal.faults) if isinstance(refusal, Invalid) else [str(refusal)]}
