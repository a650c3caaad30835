"""The tables, in SQLAlchemy Core. Migrations in `migrations/` bring a database to exactly this.

Instants are whole microseconds of UTC since 1970 (`Instant`), because SQLite has no type with a zone; JSON is text that is written and
read by msgspec. Hospitals keep their publication sequence N in `ownership`, beside the lease that fences who may advance it.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_BIG: Final = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER counts by itself in SQLite
_ID: Final = String(64)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """An aware `datetime` as microseconds since 1970, UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: object) -> int | None:
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: object) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(microseconds=value)


record_meta = Table(
    "record_meta",
    metadata,
    Column("only_row", Integer, primary_key=True, autoincrement=False),
    Column("record_epoch", BigInteger, nullable=False),
)

ownership = Table(
    "ownership",
    metadata,
    Column("hospital_id", _ID, primary_key=True),
    Column("token", BigInteger, nullable=False),
    Column("owner", String(100), nullable=False),
    Column("lease_ends", Float(53), nullable=False),  # the database's clock, seconds since 1970
    Column("n", BigInteger, nullable=False),
    Column("published_through", BigInteger, nullable=False),
)

hospitals = Table(
    "hospitals",
    metadata,
    Column("hospital_id", _ID, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("zone", String(64), nullable=False),
)

wards = Table(
    "wards",
    metadata,
    Column("hospital_id", _ID, ForeignKey("hospitals.hospital_id"), primary_key=True),
    Column("ward_id", _ID, primary_key=True),
    Column("name", String(200), nullable=False),
)

beds = Table(
    "beds",
    metadata,
    Column("hospital_id", _ID, primary_key=True),
    Column("ward_id", _ID, primary_key=True),
    Column("bed_id", _ID, primary_key=True),
    ForeignKeyConstraint(["hospital_id", "ward_id"], ["wards.hospital_id", "wards.ward_id"]),
)

patients = Table(
    "patients",
    metadata,
    Column("patient_id", _ID, primary_key=True),
    Column("hospital_id", _ID, ForeignKey("hospitals.hospital_id"), nullable=False),
    Column("name", String(200), nullable=False),
    Column("record_number", String(64), nullable=False),
    Column("birth_date", String(10)),
    Column("sex", String(16)),
    Column("age_group", String(16), nullable=False),
    Column("status", String(100)),
)

stays = Table(
    "stays",
    metadata,
    Column("stay_id", _ID, primary_key=True),
    Column("patient_id", _ID, ForeignKey("patients.patient_id"), nullable=False),
    Column("hospital_id", _ID, nullable=False),
    Column("ward_id", _ID, nullable=False),
    Column("bed_id", _ID, nullable=False),
    Column("admitted", Instant, nullable=False),
    Column("discharged", Instant),
    Column("admitted_by", String(200), nullable=False),
    ForeignKeyConstraint(["hospital_id", "ward_id", "bed_id"], ["beds.hospital_id", "beds.ward_id", "beds.bed_id"]),
    Index("ix_stays_patient_id_admitted", "patient_id", "admitted"),
)

gateways = Table(
    "gateways",
    metadata,
    Column("gateway_id", _ID, primary_key=True),
    Column("hospital_id", _ID, ForeignKey("hospitals.hospital_id"), nullable=False),
    Column("session", BigInteger, nullable=False, server_default="0"),
    Column("online", Boolean, nullable=False, server_default="0"),
)

devices = Table(
    "devices",
    metadata,
    Column("device_type", _ID, primary_key=True),
    Column("device_id", _ID, primary_key=True),
    Column("hospital_id", _ID, ForeignKey("hospitals.hospital_id"), nullable=False),
    Column("gateway_id", _ID, ForeignKey("gateways.gateway_id")),
    Column("status", String(100), nullable=False, server_default="unknown"),
    Column("battery_percent", Integer),
    Column("faults", Text, nullable=False, server_default="[]"),
    Column("status_since", Instant),
    Column("status_due", Instant),
)

assignments = Table(
    "assignments",
    metadata,
    Column("assignment_id", _ID, primary_key=True),
    Column("device_type", _ID, nullable=False),
    Column("device_id", _ID, nullable=False),
    Column("patient_id", _ID, ForeignKey("patients.patient_id"), nullable=False),
    Column("starts", Instant, nullable=False),
    Column("ends", Instant),
    Column("author", String(200), nullable=False),
    ForeignKeyConstraint(["device_type", "device_id"], ["devices.device_type", "devices.device_id"]),
    Index("ix_assignments_device_type_device_id_starts", "device_type", "device_id", "starts"),
)

readings = Table(
    "readings",
    metadata,
    Column("reading_id", _BIG, primary_key=True, autoincrement=True),
    Column("hospital_id", _ID, nullable=False),
    Column("gateway_id", _ID),  # null: entered over REST, then outbox_epoch is the request's key
    Column("outbox_epoch", _ID, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("device_type", _ID, nullable=False),
    Column("device_id", _ID, nullable=False),
    Column("patient_id", _ID),  # null: in the unassigned tray
    Column("ward_id", _ID),
    Column("data_type", String(32), nullable=False),
    Column("vital_values", Text, nullable=False),  # JSON of vitals.readings.Value
    Column("measured", Instant, nullable=False),
    Column("received", Instant, nullable=False),
    Column("committed", Instant, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("device_time", String(32)),
    Column("record_number", BigInteger),
    Column("user_number", Integer),
    Column("stored", Boolean, nullable=False),
    Column("time_uncertain", Boolean, nullable=False),
    Column("late", Boolean, nullable=False),
    Column("replayed", Text),  # JSON of vitals.readings.Replayed
    Column("n_data", BigInteger),
    Column("n_vitals", BigInteger),
    Column("replaces", _BIG),  # the reading that this one corrects
    Column("withdrawn", Instant),
    Column("author", String(200)),
    Index("ix_readings_hospital_id_n_data", "hospital_id", "n_data"),
    Index("ix_readings_patient_id_data_type_measured", "patient_id", "data_type", "measured"),
    Index("ix_readings_device_type_device_id_measured", "device_type", "device_id", "measured"),
    Index(  # only of those that have one: for the others it would cost a third of writing them
        "ix_readings_device_type_device_id_device_time",
        "device_type",
        "device_id",
        "device_time",
        sqlite_where=text("device_time IS NOT NULL"),
        postgresql_where=text("device_time IS NOT NULL"),
    ),
    Index(
        "ix_readings_replaces",
        "replaces",
        sqlite_where=text("replaces IS NOT NULL"),
        postgresql_where=text("replaces IS NOT NULL"),
    ),
)

announcements = Table(
    "announcements",
    metadata,
    Column("hospital_id", _ID, primary_key=True),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("event", String(64), nullable=False),
    Column("event_id", _ID, nullable=False),
    Column("event_data", Text, nullable=False),
    Column("scope", Text, nullable=False),  # JSON of vitals.events.Scope
    Column("at", Instant, nullable=False),
    Column("test", Boolean, nullable=False),
    Column("late", Boolean, nullable=False),
)

episodes = Table(
    "episodes",
    metadata,
    Column("episode_id", _ID, primary_key=True),
    Column("hospital_id", _ID, nullable=False),
    Column("patient_id", _ID, nullable=False),
    Column("alert_type", String(64), nullable=False),
    Column("repeats", Integer, nullable=False),
    Column("started", Instant, nullable=False),
    Column("latest", Instant, nullable=False),
    Column("ended", Instant),
    Index("ix_episodes_hospital_id_ended", "hospital_id", "ended"),
)

outbox_fates = Table(
    "outbox_fates",
    metadata,
    Column("gateway_id", _ID, primary_key=True),
    Column("outbox_epoch", _ID, primary_key=True),
    Column("committed", Text, nullable=False),  # JSON ranges of sequences, in order
    Column("rejected", Text, nullable=False),  # JSON of sequence -> reason
    Column("previous_epoch", _ID),
    Column("previous_top", BigInteger),
)

losses = Table(
    "losses",
    metadata,
    Column("gateway_id", _ID, primary_key=True),
    Column("outbox_epoch", _ID, primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("reason", String(200), nullable=False),
)

inbox = Table(
    "inbox",
    metadata,
    Column("request_key", _ID, primary_key=True),
    Column("hospital_id", _ID, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("payload", Text, nullable=False),
    Column("submitted", Instant, nullable=False),
    Column("deadline", Instant, nullable=False),
    Column("state", String(16), nullable=False),
    Column("answer", Text),
    Index("ix_inbox_hospital_id_state", "hospital_id", "state"),
)

revocations = Table(
    "revocations",
    metadata,
    Column("revocation_id", _BIG, primary_key=True, autoincrement=True),
    Column("token_id", String(200)),
    Column("subject", String(200)),
    Column("issued_until", Instant),
    Column("at", Instant, nullable=False),
    Column("forget", Instant, nullable=False),  # by then every token that it concerns has ended
)

openings = Table(  # break-glass
    "openings",
    metadata,
    Column("opening_id", _ID, primary_key=True),
    Column("subject", String(200), nullable=False),
    Column("patient_id", _ID, ForeignKey("patients.patient_id"), nullable=False),
    Column("hospital_id", _ID, nullable=False),
    Column("reason", Text, nullable=False),
    Column("starts", Instant, nullable=False),
    Column("ends", Instant, nullable=False),
    Column("ended_by", String(200)),
    Index("ix_openings_ends", "ends"),
)

access_changes = Table(  # what may change what open connections may see, for every node to follow
    "access_changes",
    metadata,
    Column("change_id", _BIG, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("at", Instant, nullable=False),
)

audit = Table(  # only ever added to; each row's digest covers the one before
    "audit",
    metadata,
    Column("audit_id", _BIG, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("author", String(200), nullable=False),
    Column("action", String(64), nullable=False),
    Column("patient_id", _ID),
    Column("details", Text, nullable=False),
    Column("digest", String(64), nullable=False),
)
