"""The tables of the state database. A change here comes with a migration."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Utc(sa.types.TypeDecorator[datetime]):
    """An aware UTC time, kept without its zone."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(
        self,
        value: datetime | None,
        dialect: Any,  # noqa: ARG002 - SQLAlchemy hands it in
    ) -> datetime | None:
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(
        self,
        value: datetime | None,
        dialect: Any,  # noqa: ARG002 - SQLAlchemy hands it in
    ) -> datetime | None:
        return value.replace(tzinfo=UTC) if value else None


# Who may sign in. `role` is 'owner' or 'member'.
person = sa.Table(
    "person",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("created_at", Utc, nullable=False),
)

# A browser that is signed in. Only the hash of its cookie is kept.
session = sa.Table(
    "session",
    metadata,
    sa.Column("token_hash", sa.Text, primary_key=True),
    sa.Column("person_id", sa.ForeignKey("person.id", ondelete="CASCADE"), nullable=False),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("expires_at", Utc, nullable=False),
)

# A one-time link printed on the console: without a person it makes the owner account, with one
# it signs that person in.
invitation = sa.Table(
    "invitation",
    metadata,
    sa.Column("token_hash", sa.Text, primary_key=True),
    sa.Column("person_id", sa.ForeignKey("person.id", ondelete="CASCADE")),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("expires_at", Utc, nullable=False),
    sa.Column("used_at", Utc),
)

# A write key: it lets an SDK write to one event source (one warehouse schema), nothing more.
write_key = sa.Table(
    "write_key",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("schema", sa.Text, nullable=False),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("revoked_at", Utc),
    # 'server', 'browser' or 'mobile': where the key lives, and so who can read it.
    sa.Column("kind", sa.Text, nullable=False, server_default="server"),
    # Web origins it may be used from, with spaces between them; '' means any.
    sa.Column("origins", sa.Text, nullable=False, server_default=""),
    # What becomes of senders' addresses: 'keep', 'truncate' or 'drop'.
    sa.Column("ip", sa.Text, nullable=False, server_default="truncate"),
    # Requests a second; NULL means no limit.
    sa.Column("rate_per_s", sa.Integer),
    sa.Column("last_used_at", Utc),
)

# A saved query with an address. Its SQL lives in its newest version.
clip = sa.Table(
    "clip",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("pinned", sa.Boolean, nullable=False),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("archived_at", Utc),
    # The clip it was copied from; it may be gone.
    sa.Column("origin", sa.Text),
    sa.Column("origin_version", sa.Integer),
)

clip_version = sa.Table(
    "clip_version",
    metadata,
    sa.Column("clip_id", sa.ForeignKey("clip.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("sql", sa.Text, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("created_at", Utc, nullable=False),
)

# A share link: opens one clip to whoever holds its token. The token is not kept: it is derived
# from the seed and the secret key, so its maker can copy it again, and looked up by its hash.
link = sa.Table(
    "link",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("clip_id", sa.ForeignKey("clip.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("token_hash", sa.Text, nullable=False, unique=True),
    sa.Column("token_seed", sa.LargeBinary, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("shows_sql", sa.Boolean, nullable=False),
    # Values of the clip's parameters that its holder neither sees nor changes, by name.
    sa.Column("pinned", sa.JSON, nullable=False, server_default="{}"),
    sa.Column("maker", sa.Text, nullable=False),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("expires_at", Utc),
    sa.Column("revoked_at", Utc),
    sa.Column("last_used_at", Utc),
    sa.Column("uses", sa.Integer, nullable=False),
)

# A word from the operator (or the demo) that the home page shows while it is there.
# `done` and `total` draw a progress bar when `total` is not zero.
notice = sa.Table(
    "notice",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("done", sa.Integer, nullable=False),
    sa.Column("total", sa.Integer, nullable=False),
    sa.Column("updated_at", Utc, nullable=False),
)

# Work asked of the running app from outside its process, such as `turnout sync`.
# `parameters` and `result` are JSON objects; `parameters` is emptied at the end. `doing`, `done`
# and `total` draw a progress bar when `total` is not zero. `outcome` is a sentence, written with
# `finished_at`; `failed` says which kind.
job_request = sa.Table(
    "job_request",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("job", sa.Text, nullable=False),
    sa.Column("parameters", sa.Text),
    sa.Column("requested_at", Utc, nullable=False),
    sa.Column("doing", sa.Text),
    sa.Column("done", sa.Integer),
    sa.Column("total", sa.Integer),
    sa.Column("stop_asked_at", Utc),
    sa.Column("finished_at", Utc),
    sa.Column("failed", sa.Boolean),
    sa.Column("outcome", sa.Text),
    sa.Column("result", sa.Text),
)
