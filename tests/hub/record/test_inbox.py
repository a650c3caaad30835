"""Requests to the owner: one key, one row, one outcome, and the answer is the row's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, update

from hub.errors import Conflict, Invalid, NotFound, RecordUnavailable
from hub.record.engine import Engine
from hub.record.inbox import Inbox, Outcome, Request, RequestKind, RequestState
from hub.record.ownership import Lease
from hub.record.record import Record
from hub.record.schema import inbox
from tests.hub.record.conftest import now
from tests.support.waiting import eventually

HOSPITAL = "h1"
WAIT_SECONDS = 10
SHORT = timedelta(seconds=0.2)
LONG = timedelta(seconds=10)


def request(key: str = "k1", *, within: timedelta = LONG, payload: bytes = b"{}") -> Request:
    return Request(
        hospital_id=HOSPITAL, request_key=key, kind=RequestKind.WITHDRAW, payload=payload, deadline=now() + within
    )


async def rows(engine: Engine) -> list[dict[str, Any]]:
    async with engine.reading() as connection:
        return [dict(row) for row in (await connection.execute(select(inbox))).mappings()]


@asynccontextmanager
async def deciding(owner: Lease, key: str, state: RequestState, answer: object) -> AsyncIterator[None]:
    """An owner's transaction that decides a request, open until the end of the block."""
    async with owner.transaction() as tenure:
        done = update(inbox).where(inbox.c.request_key == key, inbox.c.state == RequestState.PENDING.value)
        await tenure.connection.execute(done.values(state=state.value, answer=msgspec.json.encode(answer).decode()))
        yield


async def decide(owner: Lease, key: str, state: RequestState, answer: object) -> None:
    async with deciding(owner, key, state, answer):
        pass


@pytest.fixture
async def owner(record: Record) -> Lease:
    lease = Lease(record.engine, HOSPITAL, owner="one", seconds=60)
    await lease.take()
    return lease


@pytest.fixture
def elsewhere(other: Engine) -> Inbox:
    """Another process's."""
    return Inbox(other, now)


async def written(record: Record, size: int = 1) -> None:
    async def there() -> bool:
        return len(await rows(record.engine)) == size

    await eventually(there)


async def test_a_request_waits_in_its_row_and_is_answered_from_it(record: Record, owner: Lease):
    """Delivery rule 15."""
    asking = asyncio.create_task(record.inbox.submit(request(payload=b'{"reading_id":7}')))
    await asyncio.wait_for(record.inbox.arrived(HOSPITAL).wait(), WAIT_SECONDS)
    (row,) = await rows(record.engine)
    assert (row["state"], row["payload"], row["kind"]) == ("pending", '{"reading_id":7}', "withdraw")
    assert not asking.done()
    await decide(owner, "k1", RequestState.DONE, {"withdrawn": 7})
    record.inbox.decided(["k1"])
    outcome = await asyncio.wait_for(asking, WAIT_SECONDS)
    assert outcome == Outcome(state=RequestState.DONE, answer={"withdrawn": 7})


async def test_an_owner_in_another_process_is_heard_too(record: Record, owner: Lease, elsewhere: Inbox):
    asking = asyncio.create_task(elsewhere.submit(request()))
    await written(record)
    await decide(owner, "k1", RequestState.DONE, {})
    assert (await asyncio.wait_for(asking, WAIT_SECONDS)).state is RequestState.DONE


async def test_one_key_is_one_row_whoever_asks_how_often(record: Record, owner: Lease, elsewhere: Inbox):
    """Delivery rule 15: the request key is unique, and kept."""
    asking = [asyncio.create_task(each.submit(request())) for each in (record.inbox, elsewhere) * 4]
    await written(record)
    await decide(owner, "k1", RequestState.DONE, {"n": 1})
    outcomes = await asyncio.wait_for(asyncio.gather(*asking), WAIT_SECONDS)
    assert outcomes == [Outcome(state=RequestState.DONE, answer={"n": 1})] * 8
    assert await elsewhere.submit(request()) == outcomes[0]
    assert len(await rows(record.engine)) == 1


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        ({"error": "not_found", "kind": "bed", "name": "w1:9"}, NotFound, "there is no bed 'w1:9'"),
        ({"error": "conflict", "message": "the bed is occupied"}, Conflict, "the bed is occupied"),
        ({"error": "invalid", "faults": ["a: missing", "b: missing"]}, Invalid, "a: missing; b: missing"),
    ],
)
async def test_a_rejection_is_the_same_error_each_time(
    record: Record, owner: Lease, answer: dict[str, object], error: type[Exception], said: str
):
    """Delivery rule 15."""
    asking = asyncio.create_task(record.inbox.submit(request()))
    await written(record)
    await decide(owner, "k1", RequestState.REJECTED, answer)
    for ask in (asking, record.inbox.submit(request())):
        with pytest.raises(error) as refusal:
            await asyncio.wait_for(ask, WAIT_SECONDS)
        assert str(refusal.value) == said


async def test_what_nobody_decided_in_time_is_expired_for_good(record: Record, owner: Lease):
    """Delivery rule 15: whoever was told that it is not done finds it not done."""
    for _ in range(2):
        with pytest.raises(RecordUnavailable, match="not be done later"):
            await record.inbox.submit(request(within=SHORT))
    (row,) = await rows(record.engine)
    assert row["state"] == "expired"
    await decide(owner, "k1", RequestState.DONE, {})
    assert (await rows(record.engine))[0]["state"] == "expired"


async def test_a_decision_that_began_in_time_is_waited_for_past_the_deadline(record: Record, owner: Lease, elsewhere):
    """Delivery rule 15: the answer comes from the row's outcome, not from the asker's clock."""
    asked = request(within=SHORT)
    asking = asyncio.create_task(elsewhere.submit(asked))
    await written(record)
    async with deciding(owner, "k1", RequestState.DONE, {"n": 1}):
        await passed(asked.deadline + timedelta(seconds=1))  # longer than it takes to look again
        assert not asking.done()
    assert await asyncio.wait_for(asking, WAIT_SECONDS) == Outcome(state=RequestState.DONE, answer={"n": 1})


async def test_a_decision_that_failed_leaves_nothing_behind_but_the_request(record: Record, owner: Lease, elsewhere):
    """Delivery rule 15: effect and outcome are one transaction."""
    asking = asyncio.create_task(elsewhere.submit(request()))
    await written(record)

    async def fail() -> None:
        async with deciding(owner, "k1", RequestState.DONE, {"n": 1}):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert (await rows(record.engine))[0]["state"] == "pending"
    await decide(owner, "k1", RequestState.DONE, {"n": 2})
    assert (await asyncio.wait_for(asking, WAIT_SECONDS)).answer == {"n": 2}


async def test_a_request_that_is_given_up_by_who_asked_stays_in_its_row(record: Record, owner: Lease):
    """A client that goes away has asked all the same; asking again tells what became of it."""
    asking = asyncio.create_task(record.inbox.submit(request()))
    await written(record)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await decide(owner, "k1", RequestState.DONE, {"n": 1})
    assert (await record.inbox.submit(request())).answer == {"n": 1}


async def passed(instant: datetime) -> None:
    await eventually(lambda: now() > instant)
