"""Write keys remember when they were last used, so that an old one can be revoked in peace."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    with op.batch_alter_table("write_key") as table:
        table.add_column(sa.Column("last_used_at", sa.DateTime(), nullable=True))
