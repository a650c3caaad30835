"""The record's first tables"""

import sqlalchemy as sa
from alembic import op

from hub.record.schema import Instant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "announcements",
        sa.Column("hospital_id", sa.String(length=64), nullable=False),
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.Column("event_data", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("test", sa.Boolean(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("hospital_id", "n", name=op.f("pk_announcements")),
    )
    op.create_table(
        "episodes",
        sa.Column("episode_id", sa.String(length=64), nullable=False),
        sa.Column("hospital_id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("alert_type", sa.String(length=64), nullable=False),
        sa.Column("repeats", sa.Integer(), nullable=False),
        sa.Column("started", Instant(), nullable=False),
        sa.Column("latest", Instant(), nullable=False),
        sa.Column("ended", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("episode_id", name=op.f("pk_episodes")),
    )
    with op.batch_alter_table("episodes", schema=None) as batch_op:
        batch_op.create_index("ix_episodes_hospital_id_ended", ["hospital_id", "ended"], unique=False)

    op.create_table(
        "hospitals",
        sa.Column("hospital_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("hospital_id", name=op.f("pk_hospitals")),
    )
    op.create_table(
        "inbox",
        sa.Column("request_key", sa.String(length=64), nullable=False),
        sa.Column("hospital_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("submitted", Instant(), nullable=False),
        sa.Column("deadline", Instant(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("request_key", name=op.f("pk_inbox")),
    )
    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.create_index("ix_inbox_hospital_id_state", ["hospital_id", "state"], unique=False)

    op.create_table(
        "losses",
        sa.Column("gateway_id", sa.String(length=64), nullable=False),
        sa.Column("outbox_epoch", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("gateway_id", "outbox_epoch", "sequence", name=op.f("pk_losses")),
    )
    op.create_table(
        "outbox_fates",
        sa.Column("gateway_id", sa.String(length=64), nullable=False),
        sa.Column("outbox_epoch", sa.String(length=64), nullable=False),
        sa.Column("committed", sa.Text(), nullable=False),
        sa.Column("rejected", sa.Text(), nullable=False),
        sa.Column("previous_epoch", sa.String(length=64), nullable=True),
        sa.Column("previous_top", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("gateway_id", "outbox_epoch", name=op.f("pk_outbox_fates")),
    )
    op.create_table(
        "ownership",
        sa.Column("hospital_id", sa.String(length=64), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.String(length=100), nullable=False),
        sa.Column("lease_ends", sa.Float(precision=53), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("published_through", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hospital_id", name=op.f("pk_ownership")),
    )
    op.create_table(
        "readings",
        sa.Column(
            "reading_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("hospital_id", sa.String(length=64), nullable=False),
        sa.Column("gateway_id", sa.String(length=64), nullable=True),
        sa.Column("outbox_epoch", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("device_type", sa.String(length=64), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=True),
        sa.Column("ward_id", sa.String(length=64), nullable=True),
        sa.Column("data_type", sa.String(length=32), nullable=False),
        sa.Column("vital_values", sa.Text(), nullable=False),
        sa.Column("measured", Instant(), nullable=False),
        sa.Column("received", Instant(), nullable=False),
        sa.Column("committed", Instant(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("device_time", sa.String(length=32), nullable=True),
        sa.Column("record_number", sa.BigInteger(), nullable=True),
        sa.Column("user_number", sa.Integer(), nullable=True),
        sa.Column("stored", sa.Boolean(), nullable=False),
        sa.Column("time_uncertain", sa.Boolean(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("replayed", sa.Text(), nullable=True),
        sa.Column("n_data", sa.BigInteger(), nullable=True),
        sa.Column("n_vitals", sa.BigInteger(), nullable=True),
        sa.Column("replaces", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("withdrawn", Instant(), nullable=True),
        sa.Column("author", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("reading_id", name=op.f("pk_readings")),
    )
    with op.batch_alter_table("readings", schema=None) as batch_op:
        batch_op.create_index(
            "ix_readings_device_type_device_id_device_time",
            ["device_type", "device_id", "device_time"],
            unique=False,
            sqlite_where=sa.text("device_time IS NOT NULL"),
            postgresql_where=sa.text("device_time IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_readings_device_type_device_id_measured", ["device_type", "device_id", "measured"], unique=False
        )
        batch_op.create_index("ix_readings_hospital_id_n_data", ["hospital_id", "n_data"], unique=False)
        batch_op.create_index("ix_readings_patient_id_measured", ["patient_id", "measured"], unique=False)

    op.create_table(
        "record_meta",
        sa.Column("only_row", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("record_epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("only_row", name=op.f("pk_record_meta")),
    )
    op.create_table(
        "gateways",
        sa.Column("gateway_id", sa.String(length=64), nullable=False),
        sa.Column("hospital_id", sa.String(length=64), nullable=False),
        sa.Column("session", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("online", sa.Boolean(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.hospital_id"], name=op.f("fk_gateways_hospital_id")),
        sa.PrimaryKeyConstraint("gateway_id", name=op.f("pk_gateways")),
    )
    op.create_table(
        "patients",
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("hospital_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("record_number", sa.String(length=64), nullable=False),
        sa.Column("birth_date", sa.String(length=10), nullable=True),
        sa.Column("sex", sa.String(length=16), nullable=True),
        sa.Column("age_group", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=100), nullable=True),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.hospital_id"], name=op.f("fk_patients_hospital_id")),
        sa.PrimaryKeyConstraint("patient_id", name=op.f("pk_patients")),
    )
    op.create_table(
        "wards",
        sa.Column("hospital_id", sa.String(length=64), nullable=False),
        sa.Column("ward_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.hospital_id"], name=op.f("fk_wards_hospital_id")),
        sa.PrimaryKeyConstraint("hospital_id", "ward_id", name=op.f("pk_wards")),
    )
    op.create_table(
        "beds",
        sa.Column("hospital_id", sa.String(length=64), nullable=False),
        sa.Column("ward_id", sa.String(length=64), nullable=False),
        sa.Column("bed_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id", "ward_id"], ["wards.hospital_id", "wards.ward_id"], name=op.f("fk_beds_hospital_id_ward_id")
        ),
        sa.PrimaryKeyConstraint("hospital_id", "ward_id", "bed_id", name=op.f("pk_beds")),
    )
    op.create_table(
        "devices",
        sa.Column("device_type", sa.String(length=64), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("hospital_id", sa.String(length=64), nullable=False),
        sa.Column("gateway_id", sa.String(length=64), nullable=True),
        sa.Column("status", sa.String(length=100), server_default="unknown", nullable=False),
        sa.Column("battery_percent", sa.Integer(), nullable=True),
        sa.Column("faults", sa.Text(), server_default="[]", nullable=False),
        sa.Column("status_since", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["gateway_id"], ["gateways.gateway_id"], name=op.f("fk_devices_gateway_id")),
        sa.ForeignKeyConstraint(["hospital_id"], ["hospitals.hospital_id"], name=op.f("fk_devices_hospital_id")),
        sa.PrimaryKeyConstraint("device_type", "device_id", name=op.f("pk_devices")),
    )
    op.create_table(
        "assignments",
        sa.Column("assignment_id", sa.String(length=64), nullable=False),
        sa.Column("device_type", sa.String(length=64), nullable=False),
        sa.Column("device_id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("starts", Instant(), nullable=False),
        sa.Column("ends", Instant(), nullable=True),
        sa.Column("author", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_type", "device_id"],
            ["devices.device_type", "devices.device_id"],
            name=op.f("fk_assignments_device_type_device_id"),
        ),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.patient_id"], name=op.f("fk_assignments_patient_id")),
        sa.PrimaryKeyConstraint("assignment_id", name=op.f("pk_assignments")),
    )
    with op.batch_alter_table("assignments", schema=None) as batch_op:
        batch_op.create_index(
            "ix_assignments_device_type_device_id_starts", ["device_type", "device_id", "starts"], unique=False
        )

    op.create_table(
        "stays",
        sa.Column("stay_id", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.String(length=64), nullable=False),
        sa.Column("hospital_id", sa.String(length=64), nullable=False),
        sa.Column("ward_id", sa.String(length=64), nullable=False),
        sa.Column("bed_id", sa.String(length=64), nullable=False),
        sa.Column("admitted", Instant(), nullable=False),
        sa.Column("discharged", Instant(), nullable=True),
        sa.Column("admitted_by", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["hospital_id", "ward_id", "bed_id"],
            ["beds.hospital_id", "beds.ward_id", "beds.bed_id"],
            name=op.f("fk_stays_hospital_id_ward_id_bed_id"),
        ),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.patient_id"], name=op.f("fk_stays_patient_id")),
        sa.PrimaryKeyConstraint("stay_id", name=op.f("pk_stays")),
    )
    with op.batch_alter_table("stays", schema=None) as batch_op:
        batch_op.create_index("ix_stays_patient_id_admitted", ["patient_id", "admitted"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("stays", schema=None) as batch_op:
        batch_op.drop_index("ix_stays_patient_id_admitted")

    op.drop_table("stays")
    with op.batch_alter_table("assignments", schema=None) as batch_op:
        batch_op.drop_index("ix_assignments_device_type_device_id_starts")

    op.drop_table("assignments")
    op.drop_table("devices")
    op.drop_table("beds")
    op.drop_table("wards")
    op.drop_table("patients")
    op.drop_table("gateways")
    op.drop_table("record_meta")
    with op.batch_alter_table("readings", schema=None) as batch_op:
        batch_op.drop_index("ix_readings_patient_id_measured")
        batch_op.drop_index("ix_readings_hospital_id_n_data")
        batch_op.drop_index("ix_readings_device_type_device_id_measured")

    op.drop_table("readings")
    op.drop_table("ownership")
    op.drop_table("outbox_fates")
    op.drop_table("losses")
    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.drop_index("ix_inbox_hospital_id_state")

    op.drop_table("inbox")
    op.drop_table("hospitals")
    with op.batch_alter_table("episodes", schema=None) as batch_op:
        batch_op.drop_index("ix_episodes_hospital_id_ended")

    op.drop_table("episodes")
    op.drop_table("announcements")
