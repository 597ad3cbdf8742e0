"""Links that work once: the first start, invitations, new passwords. Only a hash of what they carry is kept."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select

from ampacity.core.errors import AmpacityError
from ampacity.storage.accounts import (
    OWNER,
    Account,
    AccountUnknown,
    add_account,
    connection_account,
    count_of_owners,
    digest,
    new_secret,
    note,
    write_password,
)
from ampacity.storage.schema import accounts, invitations
from ampacity.storage.transactions import keeping, reading

DAY_S = 86400.0
FIRST_START_S = 7 * DAY_S
INVITED_S = 7 * DAY_S
RESET_S = 3600.0
"""Whoever has the link has the account."""
MOST_OPEN = 100


class LinkKind(Enum):
    """What a link is for."""

    FIRST_START = "first-start"
    INVITATION = "invitation"
    RESET = "reset"


class LinkInvalid(AmpacityError):
    """It was used, it has ended, it was taken back, or it is not whole: it is not told which."""

    code = "link-invalid"
    remedy = "Ask for a new link."


class TooManyLinks(AmpacityError):
    """So many wait already."""

    code = "too-many-links"
    remedy = "Take back invitations that nobody uses."


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One that was not used yet. Times are UTC seconds since 1970."""

    id: int
    kind: LinkKind
    role: str
    """What the new account will be."""
    name: str
    """Whom it is for, in the words of who made it."""
    account: int | None
    """Whose password it sets; None: it makes a new account."""
    made_by: str
    made_s: float
    until_s: float


def make_first_start(engine: Engine, now_s: float) -> str | None:
    """The key of a link to the first start; earlier ones end. None: there is an owner.

    Raises:
        StorageError
    """
    with keeping(engine) as connection:
        if count_of_owners(connection) > 0:
            return None
        connection.execute(delete(invitations).where(invitations.c.kind == LinkKind.FIRST_START.value))
        _, key = _make(connection, LinkKind.FIRST_START, OWNER, "", None, "the terminal", now_s, FIRST_START_S)
        return key


def first_start(
    engine: Engine, key: str, *, name: str, email: str, password_hash: str, language: str, now_s: float
) -> Account:
    """Makes the first owner.

    Raises:
        LinkInvalid: also when there is an owner already.
        StorageError
    """
    with keeping(engine) as connection:
        link = _take(connection, LinkKind.FIRST_START, key, now_s)
        if count_of_owners(connection) > 0:
            raise _invalid()
        person = {"name": name, "email": email, "language": language, "password_hash": password_hash}
        return add_account(connection, role=link.role, now_s=now_s, **person)


def invite(engine: Engine, *, role: str, name: str, who: str, now_s: float) -> tuple[Link, str]:
    """The invitation and the key of its link.

    Raises:
        TooManyLinks, StorageError
    """
    with keeping(engine) as connection:
        made = _make(connection, LinkKind.INVITATION, role, name, None, who, now_s, INVITED_S)
        note(connection, now_s, who, f"invitations.{made[0].id}", None, f"{name}, {role}")
        return made


def open_invitations(engine: Engine, now_s: float) -> list[Link]:
    """Newest first."""
    mine = (invitations.c.kind == LinkKind.INVITATION.value) & (invitations.c.until_s > now_s)
    with reading(engine) as connection:
        rows = connection.execute(select(*_FIELDS).where(mine).order_by(invitations.c.id.desc())).mappings()
        return [_link(dict(row)) for row in rows]


def take_back(engine: Engine, invitation: int, *, who: str, now_s: float) -> bool:
    """False: it is not there any more."""
    mine = (invitations.c.kind == LinkKind.INVITATION.value) & (invitations.c.id == invitation)
    with keeping(engine) as connection:
        row = connection.execute(select(*_FIELDS).where(mine)).mappings().one_or_none()
        if row is None:
            return False
        connection.execute(delete(invitations).where(mine))
        note(connection, now_s, who, f"invitations.{invitation}", f"{row['name']}, {row['role']}", None)
        return True


def link_of(engine: Engine, kind: LinkKind, key: str, now_s: float) -> Link:
    """It stays usable.

    Raises:
        LinkInvalid, StorageError
    """
    with reading(engine) as connection:
        row = connection.execute(select(*_FIELDS).where(_is(kind, key, now_s))).mappings().one_or_none()
    if row is None:
        raise _invalid()
    return _link(dict(row))


def accept(
    engine: Engine, key: str, *, name: str, email: str, password_hash: str, language: str, now_s: float
) -> Account:
    """Makes the account that an invitation promises.

    Raises:
        LinkInvalid
        EmailTaken: the invitation stays usable.
        StorageError
    """
    with keeping(engine) as connection:
        link = _take(connection, LinkKind.INVITATION, key, now_s)
        person = {"name": name, "email": email, "language": language, "password_hash": password_hash}
        account = add_account(connection, role=link.role, now_s=now_s, **person)
        note(connection, now_s, name, f"invitations.{link.id}", f"{link.name}, {link.role}", f"accounts.{account.id}")
        return account


def make_reset(engine: Engine, email: str, *, who: str, now_s: float) -> tuple[Account, str]:
    """The account and the key of a link to a new password; earlier ones end. `email` is in its normal form.

    Raises:
        AccountUnknown, StorageError
    """
    with keeping(engine) as connection:
        found = connection.execute(select(accounts.c.id).where(accounts.c.email == email)).scalar()
        if found is None:
            raise AccountUnknown(f"There is no account {email}.")
        account = connection_account(connection, found)
        connection.execute(delete(invitations).where(invitations.c.account == account.id))
        _, key = _make(connection, LinkKind.RESET, account.role, account.name, account.id, who, now_s, RESET_S)
        note(connection, now_s, who, f"accounts.{account.id}.password", "***", "a link to a new one")
        return account, key


def reset(engine: Engine, key: str, password_hash: str, now_s: float) -> Account:
    """Sets the password and ends all sign-ins of the account.

    Raises:
        LinkInvalid: also when the account is disabled.
        StorageError
    """
    with keeping(engine) as connection:
        link = _take(connection, LinkKind.RESET, key, now_s)
        account = connection_account(connection, link.account or 0)
        if account.disabled:
            raise _invalid()
        write_password(connection, account.id, password_hash, who=account.name, now_s=now_s)
        return account


def _make(
    connection: Connection,
    kind: LinkKind,
    role: str,
    name: str,
    account: int | None,
    who: str,
    now_s: float,
    lasts_s: float,
) -> tuple[Link, str]:
    connection.execute(delete(invitations).where(invitations.c.until_s <= now_s))
    waiting = connection.execute(select(invitations.c.id).where(invitations.c.kind == kind.value)).all()
    if len(waiting) >= MOST_OPEN:
        raise TooManyLinks(f"{MOST_OPEN} links wait to be used.")
    key = new_secret()
    row: dict[str, Any] = {"role": role, "name": name, "account": account, "made_by": who, "made_s": now_s}
    row["until_s"] = now_s + lasts_s
    new = insert(invitations).values(key_hash=digest(key), kind=kind.value, **row).returning(invitations.c.id)
    return Link(id=connection.execute(new).scalar_one(), kind=kind, **row), key


def _take(connection: Connection, kind: LinkKind, key: str, now_s: float) -> Link:
    """Deleted as it is read: of two who come with the same key at once, one gets it."""
    taken = connection.execute(delete(invitations).where(_is(kind, key, now_s)).returning(*_FIELDS))
    row = taken.mappings().one_or_none()
    if row is None:
        raise _invalid()
    return _link(dict(row))


_FIELDS = [invitations.c[name] for name in ("id", "kind", "role", "name", "account", "made_by", "made_s", "until_s")]


def _is(kind: LinkKind, key: str, now_s: float) -> Any:
    row = invitations.c
    return (row.key_hash == digest(key)) & (row.kind == kind.value) & (row.until_s > now_s)


def _link(row: dict[str, Any]) -> Link:
    return Link(**{**row, "kind": LinkKind(row["kind"])})


def _invalid() -> LinkInvalid:
    return LinkInvalid("This link was used already, or has ended, or is not whole.")
