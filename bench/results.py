"""What the hub left behind after a round, looked at from outside: rows in its record, offsets in its rooms."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from redis import Redis

from bench.errors import BenchFailed
from bench.stack import Stack, wait_until
from bench.ward import HOSPITAL
from hub.rooms.rooms import state_key

ROOMS_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The hospital's publication sequence N, its stream epoch, and how many messages all rooms together have had in it."""

    n: int
    epoch: str
    messages: int


class Results:
    """Looks at one running stack."""

    def __init__(self, stack: Stack) -> None:
        self._record = stack.record
        self._redis = Redis.from_url(stack.redis_url)

    def close(self) -> None:
        self._redis.close()

    def committed_n(self) -> int:
        """N as the record has it."""
        ((n,),) = self._asked("SELECT n FROM ownership WHERE hospital_id = ?", HOSPITAL)
        return int(n)

    def rooms(self) -> Standing:
        """Where the rooms stand."""
        state: Any = self._redis.hgetall(state_key(HOSPITAL))
        offsets = [int(value) for key, value in state.items() if key.startswith(b"o:")]
        return Standing(n=int(state.get(b"n", 0)), epoch=state.get(b"epoch", b"").decode(), messages=sum(offsets))

    def wait_for_rooms(self) -> Standing:
        """Where the rooms stand once they have all that is committed. Raises BenchFailed after ROOMS_SECONDS."""
        self.wait_for_n(self.committed_n())
        return self.rooms()

    def wait_for_n(self, n: int) -> None:
        """Return when the rooms have all messages up to `n`. Raises BenchFailed after ROOMS_SECONDS."""
        wait_until(lambda: self._rooms_n() >= n, f"rooms at N={n}", seconds=ROOMS_SECONDS)

    def rows_after(self, reading_id: int) -> list[tuple[Any, ...]]:
        """All columns of the readings after one, in order; the first column is `reading_id`."""
        return self._asked("SELECT * FROM readings WHERE reading_id > ? ORDER BY reading_id", reading_id)

    def check_record(self, epoch: str, readings: int) -> None:
        """Raises BenchFailed where the record does not hold exactly these readings, each once, each with its two messages."""
        sequences = self._asked("SELECT sequence, n_data, n_vitals, late FROM readings WHERE outbox_epoch = ?", epoch)
        found = sorted(sequence for sequence, *_ in sequences)
        if found != list(range(1, readings + 1)):
            raise BenchFailed(f"the record holds {len(found)} rows of {readings} readings sent, or not each once")
        if any(n_data is None or n_vitals is None or late for _, n_data, n_vitals, late in sequences):
            raise BenchFailed("a reading was recorded as late, or without its patient")

    def alerts(self) -> int:
        """Alerts announced since the beginning."""
        ((count,),) = self._asked("SELECT count(*) FROM announcements WHERE event = ?", "patient.alert")
        return int(count)

    def _rooms_n(self) -> int:
        n: Any = self._redis.hget(state_key(HOSPITAL), "n")
        return int(n or 0)

    def _asked(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self._record}?mode=ro", uri=True)) as connection:
            return connection.execute(sql, arguments).fetchall()
