"""Requests of REST as the owner carries them out, on a real Redis and both databases: once, in time, and with the outcome in the row."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from hub.alerts.rules import load_rules
from hub.errors import Conflict, NotFound, RecordUnavailable
from hub.ingest import owner
from hub.ingest.ingest import Ingest
from hub.record.engine import Engine
from hub.record.inbox import Inbox, Request, RequestKind, RequestState
from hub.record.record import Record
from hub.record.schema import announcements, inbox, patients, readings
from hub.registry_file import apply_registry
from hub.rooms.rooms import Rooms
from tests.hub.ingest.support import HOSPITAL, PATIENT, REGISTRY, count, filled, now, pressure, rows
from tests.support.waiting import eventually
from vitals.envelope import encode
from vitals.events import EventName, Scope, Severity

LONG, SHORT = timedelta(seconds=10), timedelta(seconds=0.2)


@pytest.fixture
async def record(database_url: str) -> AsyncIterator[Record]:
    """A record with the ward in it, and no owner yet."""
    opened = await Record.open(database_url, clock=now)
    await apply_registry(opened.engine, REGISTRY)
    yield opened
    await opened.close()


@pytest.fixture
async def rooms(redis_server) -> AsyncIterator[Rooms]:
    opened = Rooms.connect(redis_server.url)
    yield opened
    await opened.close()


@pytest.fixture
async def elsewhere(record: Record, database_url: str) -> AsyncIterator[Inbox]:
    """The inbox of another process."""
    opened = Engine(database_url)
    yield Inbox(opened, now)
    await opened.close()


@asynccontextmanager
async def owning(record: Record, rooms: Rooms, name: str = "hub-1") -> AsyncIterator[Ingest]:
    """An owner that hears nothing but the inbox."""
    ingest = Ingest(record, rooms, None, load_rules(None), name=name, new_id=lambda: secrets.token_hex(12))
    task = asyncio.create_task(ingest.run())
    try:
        await eventually(lambda: ingest.alive_at)
        yield ingest
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def request(kind: RequestKind, payload: object, key: str = "k1", *, within: timedelta = LONG) -> Request:
    return Request(hospital_id=HOSPITAL, request_key=key, kind=kind, payload=encode(payload), deadline=now() + within)


def entered(key: str = "k1", *, within: timedelta = LONG) -> Request:
    """A nurse's reading."""
    return request(RequestKind.DEVICE_DATA, {"reading": pressure(150, 95), "author": "nurse"}, key, within=within)


async def test_however_often_a_request_is_made_it_has_one_effect_and_one_answer(record, rooms, elsewhere):
    """Delivery rule 15: the request key, from two processes at once and again afterwards."""
    asked = entered()
    async with owning(record, rooms):
        inboxes = (record.inbox, elsewhere) * 3
        outcomes = await asyncio.gather(*(each.submit(asked) for each in inboxes))
        outcomes += [await record.inbox.submit(asked)]
        assert outcomes == outcomes[:1] * 7
        assert outcomes[0].answer["patient_id"] == PATIENT
        assert (await count(record, readings), await count(record, announcements)) == (1, 1)
        assert len(await filled(rooms, f"patient:{PATIENT}:alerts", 1)) == 1
    async with owning(record, rooms, "hub-2"):
        assert await record.inbox.submit(asked) == outcomes[0]
        assert await count(record, readings) == 1


async def test_requests_of_this_process_wait_for_no_look_into_the_inbox(record, rooms, monkeypatch):
    """An owner that has just looked, and would not again by itself, carries out what is asked now; also when somebody else wrote it."""
    monkeypatch.setattr(owner, "INBOX_SECONDS", 1000.0)
    monkeypatch.setattr(owner, "IDLE_SECONDS", 1000.0)
    async with owning(record, rooms), asyncio.timeout(5):
        for key in ("k1", "k2", "k3"):
            assert (await record.inbox.submit(entered(key))).state is RequestState.DONE
        async with record.engine.writing() as connection:
            await record.inbox.add(connection, entered("k4"))
        record.inbox.wake(HOSPITAL)
        await eventually(lambda: counted(record, 4))


async def test_requests_of_another_process_are_found_soon_after_a_busy_owner_has_not_looked(record, rooms, elsewhere):
    """A transaction that did not look, for the last look was just before, is not followed by a long sleep."""
    loop = asyncio.get_running_loop()
    async with owning(record, rooms):
        await record.inbox.submit(entered("k1"))
        async with record.engine.writing() as connection:
            await elsewhere.add(connection, entered("k2"))
        record.inbox.arrived(HOSPITAL).set()  # as a reading would
        began = loop.time()
        await eventually(lambda: counted(record, 2))
        assert loop.time() - began < 1


async def counted(record: Record, expected: int) -> bool:
    return await count(record, readings) == expected


async def test_an_effect_and_its_outcome_are_committed_together_or_not_at_all(record, rooms):
    """Delivery rule 15: where marking the row fails, so does what was asked; it is then done once, when the row can be marked."""
    async with owning(record, rooms) as ingest:
        async with marking_refused(record):
            asking = asyncio.create_task(record.inbox.submit(entered()))
            await eventually(lambda: ingest.alive_at is None)
            assert await count(record, readings) == 0
            assert [row["state"] for row in await rows(record, inbox)] == ["pending"]
        assert (await asking).state is RequestState.DONE
        assert (await count(record, readings), await count(record, announcements)) == (1, 1)


@asynccontextmanager
async def marking_refused(record: Record) -> AsyncIterator[None]:
    """A constraint lets nothing become done."""
    sqlite = record.engine.is_sqlite
    body = "BEGIN SELECT RAISE(ABORT, 'refused'); END" if sqlite else "FOR EACH ROW EXECUTE FUNCTION refuse()"
    function = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''refused''; END'"
    async with record.engine.writing() as connection:
        if not sqlite:
            await connection.exec_driver_sql(function)
        await connection.exec_driver_sql(f"CREATE TRIGGER refusing BEFORE UPDATE ON inbox {body}")
    yield
    async with record.engine.writing() as connection:
        await connection.exec_driver_sql("DROP TRIGGER refusing" if sqlite else "DROP TRIGGER refusing ON inbox")


async def test_what_nobody_carried_out_in_time_is_never_carried_out(record, rooms):
    """Delivery rule 15: who asked was told so."""
    asked = entered(within=SHORT)
    with pytest.raises(RecordUnavailable):
        await record.inbox.submit(asked)
    async with owning(record, rooms):
        await record.inbox.submit(request(RequestKind.DISCHARGE, {"patient_id": PATIENT, "author": "nurse"}, "k2"))
        with pytest.raises(RecordUnavailable):
            await record.inbox.submit(asked)
        assert await count(record, readings) == 0


async def test_a_request_whose_asker_died_is_not_carried_out_after_its_deadline_either(record, rooms):
    """Delivery rule 15: the owner looks at the deadline by the database's clock."""
    asked = entered(within=-SHORT)
    async with record.engine.writing() as connection:
        await connection.execute(
            insert(inbox).values(
                request_key=asked.request_key,
                hospital_id=asked.hospital_id,
                kind=asked.kind.value,
                payload=asked.payload.decode(),
                submitted=now() - LONG,
                deadline=asked.deadline,
                state=RequestState.PENDING.value,
            )
        )
    async with owning(record, rooms):

        async def decided() -> list[str]:
            return [row["state"] for row in await rows(record, inbox) if row["state"] != "pending"]

        assert await eventually(decided) == ["expired"]
        assert await count(record, readings) == 0


async def test_a_refusal_is_kept_like_an_outcome(record, rooms):
    """Delivery rule 15: asked again after its reason has gone, it is refused again."""
    nobody = request(RequestKind.DISCHARGE, {"patient_id": "p404", "author": "nurse"}, "k1")
    twice = request(RequestKind.ADMIT, {"patient_id": PATIENT, "ward_id": "w1", "bed_id": "2", "author": "x"}, "k2")
    async with owning(record, rooms):
        for asked, error in ((nobody, NotFound), (twice, Conflict)):
            with pytest.raises(error) as first:
                await record.inbox.submit(asked)
            async with record.engine.writing() as connection:
                await connection.execute(update(patients).where(patients.c.patient_id == "p2").values(status="x"))
            with pytest.raises(error) as second:
                await record.inbox.submit(asked)
            assert str(first.value) == str(second.value)


async def test_requests_of_one_hospital_are_carried_out_in_the_order_in_which_they_came(record, rooms):
    """Before there is an owner they wait."""
    statuses = [f"status {number}" for number in range(5)]
    asking = []
    for number, status in enumerate(statuses):
        payload = {"patient_id": PATIENT, "status": status, "author": "nurse"}
        asking.append(
            asyncio.create_task(record.inbox.submit(request(RequestKind.STATUS_CHANGE, payload, f"k{number}")))
        )

        async def written(size: int = number + 1) -> bool:
            return await count(record, inbox) == size

        await eventually(written)
    async with owning(record, rooms):
        outcomes = await asyncio.gather(*asking)
    assert [outcome.answer["previous"] for outcome in outcomes] == [None, *statuses[:-1]]


async def test_a_trial_event_takes_an_n_like_any_other(record, rooms):
    """Delivery rule 16: whatever takes an offset has an N."""
    notice = {"hospital_id": HOSPITAL, "severity": Severity.INFO, "message": "a trial", "data": {}}
    trial = {"event": EventName.HOSPITAL_ALERT, "data": notice, "scope": Scope(hospital_id=HOSPITAL)}
    async with owning(record, rooms):
        before = await record.inbox.submit(request(RequestKind.TEST_PUBLISH, trial, "k1"))
        await record.inbox.submit(entered("k2"))
        after = await record.inbox.submit(request(RequestKind.TEST_PUBLISH, trial, "k3"))
        assert (before.answer["n"], after.answer["n"]) == (1, 5)
        seen = await filled(rooms, f"hospital:{HOSPITAL}:alerts", 3)
    assert [data["message"] for _, data in seen] == ["a trial", "High blood pressure detected: 150/95", "a trial"]


async def test_a_system_announcement_has_an_n_of_its_own_sequence(record, rooms):
    """Delivery rule 16: system rooms too."""
    notice = {"event": EventName.SYSTEM_UPDATE, "data": {"message": "hello"}, "scope": Scope()}
    asked = Request(
        hospital_id="system",
        request_key="k1",
        kind=RequestKind.ANNOUNCE,
        payload=encode(notice),
        deadline=now() + LONG,
    )
    async with owning(record, rooms):
        assert (await record.inbox.submit(asked)).answer["n"] == 1
        assert (await record.inbox.submit(entered("k2"))).answer["patient_id"] == PATIENT

        async def published() -> bool:
            tops = [await rooms.top(hospital) for hospital in ("system", HOSPITAL)]
            return [top.n if top else 0 for top in tops] == [1, 3]

        await eventually(published)
