"""Requests to the running app learn parameters, how far they are, and to be stopped."""

import sqlalchemy as sa
from alembic import op

from turnout.state.table import Utc

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    with op.batch_alter_table("job_request") as table:
        table.add_column(sa.Column("parameters", sa.Text(), nullable=True))
        table.add_column(sa.Column("doing", sa.Text(), nullable=True))
        table.add_column(sa.Column("done", sa.Integer(), nullable=True))
        table.add_column(sa.Column("total", sa.Integer(), nullable=True))
        table.add_column(sa.Column("stop_asked_at", Utc(), nullable=True))
        table.add_column(sa.Column("result", sa.Text(), nullable=True))
