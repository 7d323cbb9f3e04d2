"""A link may fix the values of a clip's parameters."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    with op.batch_alter_table("link") as table:
        table.add_column(sa.Column("pinned", sa.JSON(), nullable=False, server_default="{}"))
