"""One fenced transaction of an owner: what it takes in, the rows that it writes, and what is to be said once it has committed.

Nothing is acknowledged or published from here; the owner does that after the commit, with what it finds in here.
"""

from collections.abc import Callable, Hashable
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.alerts.judging import Judgement
from hub.ingest.memory import Memory
from hub.publication import Publication
from hub.record import publications
from hub.record.fates import Fates, load_fates
from hub.record.ownership import Tenure
from hub.record.places import PatientPlace
from hub.record.rows import reading_columns
from hub.record.schema import announcements, episodes, losses, readings
from vitals.events import EventData, EventName, Scope
from vitals.identifiers import GatewayId, OutboxEpoch
from vitals.readings import Reading

_INSERTS: Final = (insert(readings), insert(announcements), insert(losses))
FateKey = tuple[GatewayId, OutboxEpoch]


class Transaction:
    """Rows are gathered and written at the end in as few statements as there are tables. N advances by one a message (rule 16).

    `identities` are of measurements that it takes in and that devices may send again.
    """

    def __init__(self, tenure: Tenure, memory: Memory, *, record_epoch: int, new_id: Callable[[], str]) -> None:
        self.tenure = tenure
        self.memory = memory
        self.now = tenure.now
        self.publications: list[Publication] = []
        self.fates: dict[FateKey, Fates] = {}
        self.identities: set[Hashable] = set()
        self.registry_changed = False
        self.new_id = new_id
        self._record_epoch = record_epoch
        self._readings: list[dict[str, Any]] = []
        self._announcements: list[dict[str, Any]] = []
        self._losses: list[dict[str, Any]] = []
        self._judgements: list[Judgement] = []

    @property
    def connection(self) -> AsyncConnection:
        return self.tenure.connection

    async def fates_of(self, gateway_id: GatewayId, epoch: OutboxEpoch) -> Fates:
        """The fates of an outbox epoch, locked and kept for this transaction."""
        key = gateway_id, epoch
        if key not in self.fates:
            self.fates[key] = await load_fates(self.connection, gateway_id, epoch)
        return self.fates[key]

    def announce(
        self,
        event: EventName,
        data: EventData | dict[str, Any],
        scope: Scope,
        *,
        test: bool = False,
        late: bool = False,
    ) -> Publication:
        """Record an event and give it its N."""
        self.tenure.n += 1
        row = publications.announcement_row(
            hospital_id=self.memory.hospital_id,
            n=self.tenure.n,
            event=event,
            event_id=self.new_id(),
            data=data,
            scope=scope,
            at=self.now,
            test=test,
            late=late,
        )
        self._announcements.append(row)
        made = publications.of_announcement(row, self._record_epoch)
        self.publications.append(made)
        return made

    def record(self, reading: Reading, patient: PatientPlace | None, *, late: bool, **identity: object) -> int:
        """Record a reading, give its messages their N, and judge it if it is of now and somebody's; the N of its device data.

        `identity` are gateway_id, outbox_epoch, sequence, and what else a row of `readings` holds beside the reading.
        """
        self.tenure.n += 1
        n_data = self.tenure.n
        if patient is not None:
            self.tenure.n += 1
        row: dict[str, Any] = {
            **reading_columns(reading),
            "hospital_id": self.memory.hospital_id,
            "patient_id": patient.patient_id if patient else None,
            "ward_id": patient.ward_id if patient else None,
            "committed": self.now,
            "late": late,
            "n_data": n_data,
            "n_vitals": self.tenure.n if patient else None,
            "replaces": None,
            "author": None,
            **identity,
        }
        self._readings.append(row)
        self.publications += publications.of_reading(row, self._record_epoch)
        if patient is not None and not late and not reading.time_uncertain:
            self._judge(reading, patient)
        return n_data

    def lose(self, gateway_id: GatewayId, epoch: OutboxEpoch, sequence: int, at: datetime, reason: str) -> None:
        """Record that an entry is gone: a declared loss."""
        self._losses.append(
            {"gateway_id": gateway_id, "outbox_epoch": epoch, "sequence": sequence, "at": at, "reason": reason[:200]}
        )

    async def write(self) -> None:
        """Write all that was gathered."""
        gathered = (self._readings, self._announcements, self._losses)
        for statement, rows in zip(_INSERTS, gathered, strict=True):
            if rows:
                await self.connection.execute(statement, rows)
        for judgement in self._judgements:
            await self._save_episode(judgement)
        for fates in self.fates.values():
            await fates.save(self.connection)

    def _judge(self, reading: Reading, patient: PatientPlace) -> None:
        for judgement in self.memory.judge.judge(reading, patient.patient_id):
            self._judgements.append(judgement)
            if judgement.alert is not None:
                self.announce(EventName.PATIENT_ALERT, judgement.alert, patient.scope)

    async def _save_episode(self, judgement: Judgement) -> None:
        values = msgspec.structs.asdict(judgement.episode)
        known = await self.connection.scalar(
            select(episodes.c.repeats).where(episodes.c.episode_id == judgement.episode.episode_id)
        )
        if known is None:
            await self.connection.execute(insert(episodes).values(hospital_id=self.memory.hospital_id, **values))
        else:
            await self.connection.execute(
                update(episodes).where(episodes.c.episode_id == judgement.episode.episode_id).values(**values)
            )
