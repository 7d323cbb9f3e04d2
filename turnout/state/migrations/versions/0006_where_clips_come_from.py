"""A copied clip remembers what it was copied from."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    with op.batch_alter_table("clip") as table:
        table.add_column(sa.Column("origin", sa.Text(), nullable=True))
        table.add_column(sa.Column("origin_version", sa.Integer(), nullable=True))
