"""Share links: each opens one clip to whoever holds its token.

The token is derived from a random seed in the database and the secret in a file, so its maker can
copy it again while neither of the two alone gives it away.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from turnout.access.token import link_hash, link_token
from turnout.errors import BadRequest, NotFound
from turnout.state import State
from turnout.state.table import link as link_table

SEED_BYTES = 16
LABEL_CHARS_MAX = 120
# Uses are counted in memory and written together: a thousand pollers cost one write.
USES_WRITTEN_EVERY = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Link:
    """One share link of the clip `clip_id`. Without `expires_at` it never expires.

    `pinned` fixes values of the clip's parameters, by name.
    """

    id: int
    clip_id: str
    label: str
    shows_sql: bool
    maker: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    uses: int
    pinned: Mapping[str, Sequence[str]]

    def is_open(self, now: datetime) -> bool:
        """Whether its holder still sees the clip."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


class Links:
    """All share links. One process counts their uses; any may read and revoke."""

    def __init__(self, state: State, secret: bytes) -> None:
        self._state = state
        self._secret = secret
        self._uses: dict[int, tuple[int, datetime]] = {}  # by link: how often, last when
        self._counting_since: datetime | None = None
        self._lock = threading.Lock()

    def create(  # noqa: PLR0913  each argument is one field of the link
        self,
        clip_id: str,
        maker: str,
        *,
        label: str = "",
        shows_sql: bool = False,
        pinned: Mapping[str, Sequence[str]] | None = None,
        expires_at: datetime | None,
        now: datetime,
    ) -> tuple[Link, str]:
        """A new link and its token, 28 letters a-z."""
        label = " ".join(label.split())
        if len(label) > LABEL_CHARS_MAX:
            raise BadRequest(f"A label has at most {LABEL_CHARS_MAX} characters.")
        if expires_at is not None and expires_at <= now:
            raise BadRequest("A link cannot expire in the past.")
        seed = secrets.token_bytes(SEED_BYTES)
        token = link_token(self._secret, seed)
        values = {
            "clip_id": clip_id,
            "label": label,
            "shows_sql": shows_sql,
            "maker": maker,
            "created_at": now,
            "expires_at": expires_at,
            "uses": 0,
            "pinned": {name: list(texts) for name, texts in (pinned or {}).items()},
        }
        hidden = {"token_hash": link_hash(self._secret, token), "token_seed": seed}
        with self._state.begin() as connection:
            key = connection.execute(link_table.insert().values(**values, **hidden))
            row = connection.execute(_select().where(link_table.c.id == key.lastrowid)).one()
        return _link(row), token

    def token(self, link: Link) -> str:
        """The token of `link`, derived again."""
        query = sa.select(link_table.c.token_seed).where(link_table.c.id == link.id)
        with self._state.connect() as connection:
            seed = connection.execute(query).scalar()
        if seed is None:
            raise no_link()
        return link_token(self._secret, seed)

    def of(self, clip_id: str) -> list[Link]:
        """The links of a clip, newest first, their uses counted up to this moment."""
        self.write_uses()
        query = _select().where(link_table.c.clip_id == clip_id).order_by(link_table.c.id.desc())
        with self._state.connect() as connection:
            return [_link(row) for row in connection.execute(query)]

    def open(self, token: str, *, now: datetime) -> Link:
        """The link of a token; counts the use.

        Raises `NotFound`, always the same, when it is unknown, revoked or expired.
        """
        # Every token is hashed and looked up, whatever it looks like: refusals take alike long.
        query = _select().where(link_table.c.token_hash == link_hash(self._secret, token))
        with self._state.connect() as connection:
            row = connection.execute(query).first()
        if row is None or not _link(row).is_open(now):
            raise no_link()
        self._count(row.id, now)
        return _link(row)

    def revoke(self, link_id: int, *, now: datetime) -> None:
        """Close a link at once and for good. Harmless to repeat."""
        with self._state.begin() as connection:
            found = connection.execute(
                link_table.update()
                .where(link_table.c.id == link_id)
                .values(revoked_at=sa.func.coalesce(link_table.c.revoked_at, now))
            ).rowcount
        if not found:
            raise no_link()

    def write_uses(self) -> None:
        """Put the counted uses into the database; called by itself, and once at the end."""
        with self._lock:
            uses, self._uses, self._counting_since = self._uses, {}, None
        if not uses:
            return
        with self._state.begin() as connection:
            for link_id, (count, used_at) in uses.items():
                connection.execute(
                    link_table.update()
                    .where(link_table.c.id == link_id)
                    .values(uses=link_table.c.uses + count, last_used_at=used_at)
                )

    def _count(self, link_id: int, now: datetime) -> None:
        with self._lock:
            count, _ = self._uses.get(link_id, (0, now))
            self._uses[link_id] = (count + 1, now)
            self._counting_since = self._counting_since or now
            is_due = now - self._counting_since >= USES_WRITTEN_EVERY
        if is_due:
            self.write_uses()


def _select() -> sa.Select[tuple[object, ...]]:
    hidden = {"token_hash", "token_seed"}
    return sa.select(*(column for column in link_table.c if column.name not in hidden))


def _link(row: sa.Row[tuple[object, ...]]) -> Link:
    return Link(**row._mapping)  # noqa: SLF001  a row's mapping is SQLAlchemy's public name for it


def no_link() -> NotFound:
    """The one answer for every link that opens nothing, whatever the reason."""
    return NotFound("There is no clip at this address.", hint="Ask who sent it for a new link.")
