"""Revocations, break-glass and the audit log in the record, the same on each engine."""

from datetime import datetime, timedelta

import msgspec
import pytest
from sqlalchemy import insert, select, text

from hub.auth.access import Access, ChangeKind, Opening, Revocation
from hub.auth.errors import InvalidToken
from hub.auth.tokens import Claims, Role
from hub.errors import RecordUnavailable
from hub.record.access import AccessRecord, note_change
from hub.record.audit import first_break
from hub.record.engine import Engine
from hub.record.inbox import Inbox
from hub.record.record import Record
from hub.record.schema import audit, hospitals, inbox, patients
from tests.hub.record.conftest import now
from vitals.identifiers import SYSTEM

pytestmark = pytest.mark.slow


def claims(**said: object) -> Claims:
    usual = {"sub": "nurse1", "jti": "t1", "iss": "i", "aud": "a", "iat": int(now().timestamp()) - 60, "exp": 2**33}
    return Claims(**(usual | {"roles": frozenset({Role.CLINICIAN})} | said))


def opening(**said: object) -> Opening:
    usual = {"opening_id": "o1", "subject": "nurse1", "patient_id": "p1", "hospital_id": "h1", "reason": "collapsed"}
    return Opening(**(usual | {"starts": now(), "ends": now() + timedelta(hours=4)} | said))


async def revoke(record: Record, *, forget: timedelta = timedelta(days=400), **what: object) -> None:
    await record.access.revoke(Revocation(**what), author="admin1", reason="lost", forget=now() + forget)


@pytest.fixture
async def node(record: Record, other: Engine) -> Access:
    """Another process, which knows what it reads in the record and nothing else."""
    access = Access(AccessRecord(other, now, Inbox(other, now)), now=now)
    await access.load()
    return access


@pytest.fixture(autouse=True)
async def patient(record: Record) -> None:
    async with record.engine.writing() as connection:
        await connection.execute(insert(hospitals).values(hospital_id="h1", name="One", zone="UTC"))
        await connection.execute(
            insert(patients).values(patient_id="p1", hospital_id="h1", name="x", record_number="1", age_group="adult")
        )


async def test_a_token_is_revoked_for_other_nodes_by_their_next_look(record: Record, node: Access):
    node.check(claims())
    await revoke(record, token_id="t1")
    assert [change.kind for change in await node.follow()] == [ChangeKind.ACCESS]
    with pytest.raises(InvalidToken, match="revoked"):
        node.check(claims())
    node.check(claims(jti="t2"))
    assert await node.follow() == ()


async def test_a_users_tokens_are_revoked_up_to_now_and_later_ones_are_good(record: Record, node: Access):
    await revoke(record, subject="nurse1", issued_until=now())
    await revoke(record, subject="nurse1", issued_until=now() - timedelta(hours=1))
    await node.follow()
    with pytest.raises(InvalidToken):
        node.check(claims())
    node.check(claims(iat=int(now().timestamp()) + 1))
    node.check(claims(sub="nurse2"))


async def test_a_node_that_starts_later_knows_all_revocations(record: Record, other: Engine):
    await revoke(record, token_id="t1")
    access = Access(AccessRecord(other, now, Inbox(other, now)), now=now)
    await access.load()
    assert await access.follow() == ()
    with pytest.raises(InvalidToken):
        access.check(claims())


async def test_a_revocation_is_forgotten_when_no_token_can_be_so_old(record: Record):
    await revoke(record, token_id="t1", forget=timedelta(seconds=-1))
    await revoke(record, token_id="t2")
    assert [one.token_id for one in await record.access.revocations()] == ["t2"]


async def test_break_glass_opens_a_patient_to_its_user_until_it_ends_or_is_ended(record: Record, node: Access):
    await record.access.open_patient(opening())
    await node.follow()
    assert node.widened(claims()).opened == {"p1"}
    assert node.widened(claims(sub="nurse2")).opened == frozenset()
    assert await record.access.close_patient("nurse1", "p1", author="admin1") == "o1"
    await node.follow()
    assert node.widened(node.widened(claims())).opened == frozenset()
    assert await record.access.close_patient("nurse1", "p1", author="admin1") is None


async def test_break_glass_ends_by_itself_on_a_node_that_hears_nothing(record: Record, other: Engine):
    clock = [now()]
    access = Access(AccessRecord(other, now, Inbox(other, now)), now=lambda: clock[0])
    await record.access.open_patient(opening())
    await access.load()
    opened = access.widened(claims())
    clock[0] += timedelta(hours=4, seconds=1)
    assert (opened.opened, access.widened(opened).opened) == ({"p1"}, frozenset())


async def test_a_second_opening_takes_the_place_of_the_first(record: Record):
    await record.access.open_patient(opening())
    await record.access.open_patient(opening(opening_id="o2"))
    assert [one.opening_id for one in await record.access.openings()] == ["o2"]


async def test_what_is_not_committed_is_not_told(record: Record, node: Access):
    with pytest.raises(RecordUnavailable):
        await record.access.open_patient(opening(patient_id="nobody", hospital_id="h1" * 100))
    assert await node.follow() == ()
    async with record.engine.reading() as connection:
        assert (await connection.execute(select(audit))).all() == []


async def test_changes_are_told_once_in_order_also_many_of_them(record: Record, node: Access):
    for start in range(0, 600, 100):
        async with record.engine.writing() as connection:
            await note_change(connection, ChangeKind.PATIENT, *(f"p{n}" for n in range(start, start + 100)), at=now())
        assert [change.subject for change in await node.follow()] == [f"p{n}" for n in range(start, start + 100)]
    assert await node.follow() == ()


async def test_old_changes_are_dropped_and_numbers_go_on(record: Record, node: Access):
    for at in (now() - timedelta(days=2), now()):
        async with record.engine.writing() as connection:
            await note_change(connection, ChangeKind.DEVICE, "d", at=at)
    assert len(await record.access.changes(0)) == 1
    assert await record.access.newest_change() == 2
    assert len(await node.follow()) == 1


async def test_each_change_is_audited_and_told_to_admins(record: Record):
    await revoke(record, token_id="t1")
    await record.access.open_patient(opening())
    await record.access.close_patient("nurse1", "p1", author="admin1")
    async with record.engine.reading() as connection:
        entries = (await connection.execute(select(audit).order_by(audit.c.audit_id))).all()
        told = (await connection.execute(select(inbox.c.payload).where(inbox.c.hospital_id == SYSTEM))).scalars().all()
        assert await first_break(connection) is None
    assert [(entry.author, entry.action, entry.patient_id) for entry in entries] == [
        ("admin1", "revocation", None),
        ("nurse1", "break_glass", "p1"),
        ("admin1", "break_glass.ended", "p1"),
    ]
    details = msgspec.json.decode(entries[1].details)
    assert details["reason"] == "collapsed"
    assert datetime.fromisoformat(details["until"]) > datetime.fromisoformat(details["from"])
    data = [msgspec.json.decode(payload)["data"] for payload in told]
    assert [(one["what"], one["change"]) for one in data] == [
        ("token", "revoked"),
        ("break_glass", "opened"),
        ("break_glass", "ended"),
    ]


@pytest.mark.parametrize("spoil", ["UPDATE audit SET author = 'x'", "DELETE FROM audit"])
async def test_the_audit_log_can_not_be_changed(record: Record, spoil: str):
    await revoke(record, token_id="t1")
    with pytest.raises(RecordUnavailable):
        async with record.engine.writing() as connection:
            await connection.execute(text(spoil))


@pytest.mark.parametrize(
    "spoil",
    ["UPDATE audit SET author = 'x' WHERE audit_id = 2", "DELETE FROM audit WHERE audit_id = 2"],
    ids=["changed", "removed"],
)
async def test_who_changes_it_past_the_triggers_is_seen(record: Record, spoil: str):
    for number in range(4):
        await revoke(record, token_id=f"t{number}")
    drop = (
        ("DROP TRIGGER audit_no_update", "DROP TRIGGER audit_no_delete")
        if record.engine.is_sqlite
        else ("DROP TRIGGER audit_only_added_to ON audit",)
    )
    async with record.engine.writing() as connection:
        assert await first_break(connection) is None
        for statement in (*drop, spoil):
            await connection.execute(text(statement))
        assert await first_break(connection) == (2 if "UPDATE" in spoil else 3)
