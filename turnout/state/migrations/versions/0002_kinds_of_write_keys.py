"""Write keys learn where they live, from where they may be used, and how much they may send."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("write_key") as table:
        table.add_column(sa.Column("kind", sa.Text(), nullable=False, server_default="server"))
        table.add_column(sa.Column("origins", sa.Text(), nullable=False, server_default=""))
        table.add_column(sa.Column("ip", sa.Text(), nullable=False, server_default="truncate"))
        table.add_column(sa.Column("rate_per_s", sa.Integer(), nullable=True))
