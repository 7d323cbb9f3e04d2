"""People: who they are, how they prove it, how long a browser stays signed in.

Passwords are kept as argon2 hashes; of sessions and invitations only the hash of their token is
kept. Whoever guesses learns nothing: an unknown name and a wrong password look and take the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from turnout.access.token import hash_of, new_token
from turnout.errors import BadRequest, NotAllowed, NotFound
from turnout.state import State
from turnout.state.table import invitation, person, session

NAME_CHARS_MAX = 80
PASSWORD_CHARS_MIN = 10
PASSWORD_CHARS_MAX = 1_000  # hashing a longer one would be somebody's attack
SESSION_VALID = timedelta(days=30)

OWNER = "owner"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in. `role` is 'owner' or 'member'."""

    id: int
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class Invitation:
    """An open one-time link: for `person`, or, without one, to become the owner."""

    person: Person | None
    expires_at: datetime


class People:
    """Everybody who may sign in here."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._hasher = PasswordHasher()

    def owner(self) -> Person | None:
        """The owner, once there is one."""
        with self._state.connect() as connection:
            return _owner(connection)

    def find(self, name: str) -> Person:
        """The person of that name; `NotFound` when there is none."""
        with self._state.connect() as connection:
            row = connection.execute(sa.select(person).where(person.c.name == name)).first()
        if row is None:
            raise NotFound(f"There is nobody called '{name}' here.")
        return Person(row.id, row.name, row.role)

    def add(
        self, name: str, role: str = "member", password: str | None = None, *, now: datetime
    ) -> Person:
        """A new person; without a `password` only a one-time link signs them in."""
        name = _checked_name(name)
        with self._state.begin() as connection:
            return self._insert(connection, name, role, self._hash(password), now)

    def invite(self, person: Person | None, *, now: datetime, valid_s: float = 86_400) -> str:
        """The token of a one-time link. With nobody given it makes the owner's account."""
        token = new_token()
        with self._state.begin() as connection:
            connection.execute(
                invitation.insert().values(
                    token_hash=hash_of(token),
                    person_id=person.id if person else None,
                    created_at=now,
                    expires_at=now + timedelta(seconds=valid_s),
                )
            )
        return token

    def invitation(self, token: str, *, now: datetime) -> Invitation:
        """What an open one-time link is for; `NotFound` when unknown, used or expired."""
        query = (
            sa.select(person.c.id, person.c.name, person.c.role, invitation.c.expires_at)
            .select_from(invitation.outerjoin(person))
            .where(_open_invitation(token, now))
        )
        with self._state.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise _no_invitation()
        return Invitation(Person(row.id, row.name, row.role) if row.id else None, row.expires_at)

    def claim(self, token: str, name: str, password: str, *, now: datetime) -> Person:
        """Make the owner's account by a one-time link.

        Only once: whoever comes second gets `NotAllowed`, whichever link they hold.
        """
        name, password_hash = _checked_name(name), self._hash(_checked_password(password))
        with self._state.begin() as connection:
            # Writing first takes the database's write lock, so two claimers come one by one.
            used = connection.execute(
                invitation.update()
                .where(_open_invitation(token, now), invitation.c.person_id.is_(None))
                .values(used_at=now)
            ).rowcount
            if _owner(connection) is not None:
                raise NotAllowed("This Turnout already has an owner.", hint="Sign in instead.")
            if not used:
                raise _no_invitation()
            connection.execute(
                invitation.update()
                .where(invitation.c.person_id.is_(None), invitation.c.used_at.is_(None))
                .values(used_at=now)
            )
            return self._insert(connection, name, OWNER, password_hash, now)

    def welcome(self, token: str, *, now: datetime) -> Person:
        """The person a one-time link was made for; the link is used up by this."""
        with self._state.begin() as connection:
            row = connection.execute(
                invitation.update()
                .where(_open_invitation(token, now), invitation.c.person_id.is_not(None))
                .values(used_at=now)
                .returning(invitation.c.person_id)
            ).first()
            if row is None:
                raise _no_invitation()
            found = connection.execute(sa.select(person).where(person.c.id == row.person_id)).one()
            return Person(found.id, found.name, found.role)

    def sign_in(self, name: str, password: str) -> Person:
        """Who this is; `NotAllowed`, always the same, when name and password do not fit."""
        query = sa.select(person).where(person.c.name == name.strip())
        with self._state.connect() as connection:
            row = connection.execute(query).first()
        password_hash = (row.password_hash if row else "") or _hash_of_nobody()
        if not self._fits(password_hash, password) or row is None:
            raise NotAllowed("Name and password do not fit together.")
        return Person(row.id, row.name, row.role)

    def open_session(self, person: Person, *, now: datetime) -> str:
        """The token of a new session, valid for 30 days. Clears away expired ones."""
        token = new_token()
        with self._state.begin() as connection:
            connection.execute(session.delete().where(session.c.expires_at <= now))
            connection.execute(
                session.insert().values(
                    token_hash=hash_of(token),
                    person_id=person.id,
                    created_at=now,
                    expires_at=now + SESSION_VALID,
                )
            )
        return token

    def session(self, token: str, *, now: datetime) -> Person | None:
        """Who is signed in by this token, if anybody still is."""
        query = (
            sa.select(person.c.id, person.c.name, person.c.role)
            .join(session)
            .where(session.c.token_hash == hash_of(token), session.c.expires_at > now)
        )
        with self._state.connect() as connection:
            row = connection.execute(query).first()
        return Person(row.id, row.name, row.role) if row else None

    def close_session(self, token: str) -> None:
        """Sign out. Harmless to repeat."""
        with self._state.begin() as connection:
            connection.execute(session.delete().where(session.c.token_hash == hash_of(token)))

    def _insert(
        self, connection: sa.Connection, name: str, role: str, password_hash: str, now: datetime
    ) -> Person:
        try:
            key = connection.execute(
                person.insert().values(
                    name=name, role=role, password_hash=password_hash, created_at=now
                )
            ).inserted_primary_key
        except sa.exc.IntegrityError:
            raise BadRequest(f"Somebody called '{name}' is here already.") from None
        return Person(key[0] if key else 0, name, role)

    def _hash(self, password: str | None) -> str:
        return self._hasher.hash(password) if password else ""

    def _fits(self, password_hash: str, password: str) -> bool:
        if len(password) > PASSWORD_CHARS_MAX:
            return False
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False


@cache
def _hash_of_nobody() -> str:
    """A hash no password fits, checked for unknown names so that they take as long as known."""
    return PasswordHasher().hash(new_token())


def _owner(connection: sa.Connection) -> Person | None:
    query = sa.select(person).where(person.c.role == OWNER).order_by(person.c.id)
    row = connection.execute(query).first()
    return Person(row.id, row.name, row.role) if row else None


def _open_invitation(token: str, now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(
        invitation.c.token_hash == hash_of(token),
        invitation.c.used_at.is_(None),
        invitation.c.expires_at > now,
    )


def _no_invitation() -> NotFound:
    return NotFound(
        "This one-time link is not valid: it was used, or it is too old.",
        hint="Ask for a new one, or sign in.",
    )


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 0 < len(name) <= NAME_CHARS_MAX or not name.isprintable():
        raise BadRequest(f"A name has 1 to {NAME_CHARS_MAX} printable characters.")
    return name


def _checked_password(password: str) -> str:
    if len(password) < PASSWORD_CHARS_MIN:
        raise BadRequest(f"A password has at least {PASSWORD_CHARS_MIN} characters.")
    if len(password) > PASSWORD_CHARS_MAX:
        raise BadRequest(f"A password has at most {PASSWORD_CHARS_MAX} characters.")
    return password
