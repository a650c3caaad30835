"""When a device's status is to be announced"""

import sqlalchemy as sa
from alembic import op

from hub.record.schema import Instant

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("devices", sa.Column("status_due", Instant(), nullable=True))
