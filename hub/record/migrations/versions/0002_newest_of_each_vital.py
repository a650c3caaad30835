"""The newest reading of each vital of a patient is found without reading the others"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("readings", schema=None) as batch_op:
        batch_op.drop_index("ix_readings_patient_id_measured")
        batch_op.create_index(
            "ix_readings_patient_id_data_type_measured", ["patient_id", "data_type", "measured"], unique=False
        )
        batch_op.create_index(
            "ix_readings_replaces",
            ["replaces"],
            unique=False,
            sqlite_where=sa.text("replaces IS NOT NULL"),
            postgresql_where=sa.text("replaces IS NOT NULL"),
        )


def downgrade() -> None:
    with op.batch_alter_table("readings", schema=None) as batch_op:
        batch_op.drop_index("ix_readings_replaces")
        batch_op.drop_index("ix_readings_patient_id_data_type_measured")
        batch_op.create_index("ix_readings_patient_id_measured", ["patient_id", "measured"], unique=False)
