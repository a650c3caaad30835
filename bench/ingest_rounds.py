"""One round of the ingest benchmark: the hub in step with its rooms, the hub flat out, and each baseline, on the same ward's readings."""

import itertools
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.baselines import sqlite
from bench.errors import BenchFailed
from bench.gateway import Gateway, connected_gateway
from bench.machine import Cores, cpu_seconds
from bench.results import Results
from bench.stack import RunningBroker, Stack, pid_of, python, running_broker, running_stack, started
from bench.ward import BATCH, GATEWAY, Batch, batches
from edge_agent.window import BATCHES
from vitals.envelope import decode_batch, decode_entry

IN_STEP: Final = 8
"""Batches unacknowledged at a time while the rooms are waited for."""
BEHIND: Final = 16
"""Batches by which the rooms may be behind the record: well within what the hub keeps waiting, so nothing is coalesced."""
FLAT_OUT: Final = BATCHES
"""Batches that an agent sends unacknowledged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """CPU time of what is measured, and wall time, in seconds."""

    cpu: float
    wall: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round's costs.

    `in_step`: until record and rooms had everything. `flat_out`: until everything was acknowledged; `reached` is the share of its
    messages that the rooms had in the end, the rest was coalesced.
    """

    in_step: Cost
    flat_out: Cost
    reached: float
    mosquitto: Cost
    sqlite: Cost
    decoding: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Batches of one outbox epoch, and what they must cause: `n` publications, `messages` in rooms, `alerts`."""

    epoch: str
    batches: Sequence[Batch]
    readings: int

    @property
    def alerts(self) -> int:
        return sum(batch.alerts for batch in self.batches)

    @property
    def n(self) -> int:
        """Device data and vitals of each reading, and each alert, has an N of its own."""
        return 2 * self.readings + self.alerts

    @property
    def messages(self) -> int:
        """Device data goes to one room, vitals to two, an alert to three."""
        return 3 * self.readings + 3 * self.alerts


@dataclass(slots=True, kw_only=True)
class Bench:
    """Everything that runs. `copy` is the database of the baseline, up to the hub's row `copied`."""

    folder: Path
    cores: Cores
    stack: Stack
    gateway: Gateway
    results: Results
    alone: RunningBroker
    copy: sqlite3.Connection
    copied: int = 0

    def run_round(self, readings: int) -> Round:
        """Every contender once. Raises BenchFailed where record or rooms are not as they must be."""
        sent = self._made(readings)
        in_step, reached = self._through_the_hub(sent, self._send_in_step, rooms=True)
        if reached != 1:
            raise BenchFailed(f"the rooms got {reached:.1%} of the messages, though they were waited for")
        flat_out, reached = self._through_the_hub(self._made(readings), self._send_flat_out, rooms=False)
        return Round(
            in_step=in_step,
            flat_out=flat_out,
            reached=reached,
            mosquitto=self._mosquitto_alone(sent),
            sqlite=self._sqlite_alone(readings),
            decoding=self._decoding_alone(sent),
        )

    def _made(self, readings: int) -> Sent:
        epoch = secrets.token_hex(8)
        made = batches(readings, epoch=epoch, record_epoch=self.gateway.greeted(), at=datetime.now(UTC))
        return Sent(epoch=epoch, batches=made, readings=readings)

    def _through_the_hub(self, sent: Sent, send: Callable[[Sent], None], *, rooms: bool) -> tuple[Cost, float]:
        """The hub's cost, with `rooms` until they have everything too; and the share of messages that came into the rooms."""
        before, alerts = self.results.wait_for_rooms(), self.results.alerts()
        cpu, began = cpu_seconds(self.stack.pid), time.perf_counter()
        send(sent)
        if rooms:
            self.results.wait_for_rooms()
        cost = Cost(cpu=cpu_seconds(self.stack.pid) - cpu, wall=time.perf_counter() - began)
        after = self.results.wait_for_rooms()
        self.results.check_record(sent.epoch, sent.readings)
        raised = self.results.alerts() - alerts
        if raised != sent.alerts or after.n - before.n != sent.n:
            raise BenchFailed(
                f"{raised} alerts instead of {sent.alerts}, N by {after.n - before.n} instead of {sent.n}"
            )
        came = after.messages - (before.messages if after.epoch == before.epoch else 0)
        return cost, came / sent.messages

    def _send_in_step(self, sent: Sent) -> None:
        """As fast as record and rooms take it."""
        began = self.results.committed_n()
        after = itertools.accumulate((2 * batch.count + batch.alerts for batch in sent.batches), initial=began)
        due = [began] * BEHIND + list(after)
        self.gateway.begin(sent.epoch)
        for batch, n in zip(sent.batches, due, strict=False):
            self.results.wait_for_n(n)
            self.gateway.publish(batch, window=IN_STEP * BATCH)
        self.gateway.finish()

    def _send_flat_out(self, sent: Sent) -> None:
        send_all(self.gateway, sent, window=FLAT_OUT * BATCH)

    def _mosquitto_alone(self, sent: Sent) -> Cost:
        password = self.folder / "subscriber-password"
        password.write_text(self.alone.passwords["hub"], encoding="utf-8")
        port = self.alone.broker.port
        words = [str(port), sent.epoch, str(BATCH), str(password)]
        subscriber = python("subscriber", "bench.baselines.subscriber", words, self.folder)
        with connected_gateway(port, self.alone.passwords[GATEWAY]) as gateway, ExitStack() as open_:
            with self.cores.serving():
                open_.enter_context(started(subscriber))
            gateway.greeted()
            cpu, began = cpu_seconds(pid_of(subscriber)), time.perf_counter()
            send_all(gateway, sent, window=FLAT_OUT * BATCH)
            return Cost(cpu=cpu_seconds(pid_of(subscriber)) - cpu, wall=time.perf_counter() - began)

    def _sqlite_alone(self, readings: int) -> Cost:
        """All rows that the hub has written since the last time, into a database that grows as the hub's does; for `readings` of them."""
        rows = self.results.rows_after(self.copied)
        self.copied = rows[-1][0]
        with _measured(self.cores) as cost:
            sqlite.insert_all(self.copy, rows)
        share = readings / len(rows)
        return Cost(cpu=cost().cpu * share, wall=cost().wall * share)

    def _decoding_alone(self, sent: Sent) -> Cost:
        with _measured(self.cores) as cost:
            for batch in sent.batches:
                for raw in decode_batch(batch.payload).entries:
                    decode_entry(raw)
        return cost()


def send_all(gateway: Gateway, sent: Sent, *, window: int) -> None:
    """Publish all, at most `window` readings unacknowledged, and wait for every acknowledgement."""
    gateway.begin(sent.epoch)
    for batch in sent.batches:
        gateway.publish(batch, window=window)
    gateway.finish()


@contextmanager
def _measured(cores: Cores) -> Iterator[Callable[[], Cost]]:
    """What this thread does within the block, on the server's core; the answer is for after it."""
    found: list[Cost] = []
    with cores.serving():
        cpu, began = time.thread_time(), time.perf_counter()
        yield lambda: found[0]
        found.append(Cost(cpu=time.thread_time() - cpu, wall=time.perf_counter() - began))


@contextmanager
def opened(folder: Path, cores: Cores) -> Iterator[Bench]:
    """A hub with its services, and a second broker for the baseline."""
    with (
        running_stack(folder, cores) as stack,
        running_broker(folder / "alone") as alone,
        connected_gateway(stack.broker, stack.passwords[GATEWAY]) as gateway,
        closing(Results(stack)) as results,
        closing(sqlite.empty_database(folder / "copy.db", sqlite.schema_of(stack.record))) as copy,
    ):
        gateway.introduce()
        yield Bench(folder=folder, cores=cores, stack=stack, gateway=gateway, results=results, alone=alone, copy=copy)
