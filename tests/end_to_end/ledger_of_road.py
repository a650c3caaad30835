"""What the road says of itself after faults: readings and alerts in the record, what the gateway's outbox holds, and the times for
which nobody can have kept anything. Held against the simulators' ledger it shows what was lost and what took effect twice.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from simulators.ledger import Gap, Recorded, Verdict, compare, read
from simulators.places import LEDGER
from tests.end_to_end.outbox_of_road import believed_recorded
from tests.end_to_end.road import Road
from vitals.parameters import Parameter
from vitals.readings import Value

HIGH = {Parameter.SYSTOLIC: 140, Parameter.DIASTOLIC: 90}
"""The guide's rule."""
_decode_values = msgspec.json.Decoder(tuple[Value, ...]).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A row of the record's readings."""

    identity: tuple[str, str, int]
    device_id: str
    patient_id: str
    measured: datetime
    numbers: dict[str, float]
    n_data: int
    n_vitals: int
    late: bool

    @property
    def is_high(self) -> bool:
        return any(self.numbers.get(parameter, 0) > limit for parameter, limit in HIGH.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A row of the record's announcements."""

    n: int
    event: str
    data: dict


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSeen:
    """The record at one instant."""

    readings: list[Reading]
    announcements: list[Announcement]
    rejected: list[str]
    losses: int
    n: int
    repeats: int

    def numbers_of(self, patient_id: str) -> list[int]:
        """The N of every message of the patient's vitals."""
        return [reading.n_vitals for reading in self.readings if reading.patient_id == patient_id]

    def alerts_of(self, patient_id: str) -> list[int]:
        """The N of every alert of the patient."""
        return [alert.n for alert in self.alerts if alert.data["patient_id"] == patient_id]

    @property
    def alerts(self) -> list[Announcement]:
        return [announcement for announcement in self.announcements if announcement.event == "patient.alert"]


def record_of(road: Road) -> RecordSeen:
    """Everything in one read transaction."""
    with closing(_open(road.layout.record)) as database:
        database.execute("BEGIN")
        hospital = road.ready["hospital_id"]
        return RecordSeen(
            readings=list(_readings(database)),
            announcements=[
                Announcement(n=n, event=event, data=msgspec.json.decode(data))
                for n, event, data in database.execute(
                    "SELECT n, event, event_data FROM announcements WHERE hospital_id = ?", (hospital,)
                )
            ],
            rejected=[rejected for (rejected,) in database.execute("SELECT rejected FROM outbox_fates")],
            losses=database.execute("SELECT count(*) FROM losses").fetchone()[0],
            n=database.execute("SELECT n FROM ownership WHERE hospital_id = ?", (hospital,)).fetchone()[0],
            repeats=database.execute("SELECT coalesce(sum(repeats), 0) FROM episodes").fetchone()[0],
        )


def verdict_of(road: Road, record: RecordSeen, gaps: list[Gap], *, until: datetime) -> Verdict:
    """Ledger against record, for what was heard before `until`."""
    rows = [
        Recorded(device_id=reading.device_id, measured=reading.measured, numbers=reading.numbers)
        for reading in record.readings
    ]
    made, heard = read(road.state / LEDGER)  # after the record, so that it knows everything that is recorded
    return compare(made, heard, rows, [*gaps, Gap(since=until, until=datetime.max.replace(tzinfo=UTC))])


def wrongly_acknowledged(road: Road) -> list[str]:
    """Entries that the gateway believes recorded, and that are not (property P2 of the delivery protocol)."""
    believed = believed_recorded(road)  # before the record, which by then knows all of it
    with closing(_open(road.layout.record)) as database:
        fates = dict(database.execute("SELECT outbox_epoch, committed FROM outbox_fates").fetchall())
    committed = {epoch: msgspec.json.decode(ranges) for epoch, ranges in fates.items()}
    return [
        f"{sequence} of {epoch}"
        for epoch, sequence in believed
        if not any(first <= sequence <= last for first, last in committed.get(epoch, []))
    ]


def repeated_effects(record: RecordSeen) -> list[str]:
    """Effects that there are twice, or not at all: of readings, of alerts, of the publication sequence."""
    return [*_repeated_readings(record), *_wrong_alerts(record), *_wrong_sequence(record)]


def _repeated_readings(record: RecordSeen) -> Iterator[str]:
    identities = Counter(reading.identity for reading in record.readings)
    yield from (f"recorded {times} times: {identity}" for identity, times in identities.items() if times > 1)
    yield from (f"rejected: {rejected}" for rejected in record.rejected if rejected != "{}")
    if record.losses:
        yield f"{record.losses} losses are declared though nothing was evicted"


def _wrong_alerts(record: RecordSeen) -> Iterator[str]:
    """One alert a high reading that isn't late, and none else; the episodes count the same."""
    raised = Counter(
        (alert.data["data"]["device_id"], msgspec.convert(alert.data["timestamp"], datetime)) for alert in record.alerts
    )
    due = Counter(
        (reading.device_id, reading.measured) for reading in record.readings if reading.is_high and not reading.late
    )
    yield from (f"{raised[key]} alerts, not {due[key]}: {key}" for key in raised | due if raised[key] != due[key])
    if record.repeats != len(record.alerts):
        yield f"episodes count {record.repeats} alerts, of {len(record.alerts)}"


def _wrong_sequence(record: RecordSeen) -> Iterator[str]:
    """Each message has its own N, and N advances by exactly one (delivery rules 16 and 19)."""
    of_readings = [n for reading in record.readings for n in (reading.n_data, reading.n_vitals)]
    numbers = Counter([*of_readings, *(announcement.n for announcement in record.announcements)])
    yield from (f"N {n} was given {times} times" for n, times in numbers.items() if times > 1)
    if numbers.keys() != set(range(1, record.n + 1)):
        yield f"N is {record.n}, of which {record.n - len(numbers)} were given to nothing"


def _readings(database: sqlite3.Connection) -> Iterator[Reading]:
    found = database.execute(
        "SELECT gateway_id, outbox_epoch, sequence, device_id, patient_id, measured, vital_values, n_data, n_vitals, late"
        " FROM readings"
    )
    for gateway, epoch, sequence, device_id, patient_id, measured, values, n_data, n_vitals, late in found:
        yield Reading(
            identity=(gateway, epoch, sequence),
            device_id=device_id,
            patient_id=patient_id,
            measured=datetime.fromtimestamp(0, UTC) + timedelta(microseconds=measured),
            numbers={
                value.parameter.value: float(value.number)
                for value in _decode_values(values)
                if value.number is not None
            },
            n_data=n_data,
            n_vitals=n_vitals,
            late=bool(late),
        )


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
