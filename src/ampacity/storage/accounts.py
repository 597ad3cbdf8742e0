"""Who may sign in, and what for. Passwords are kept as hashes; each change has a line in the audit."""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ampacity.core.errors import AmpacityError
from ampacity.storage.schema import accounts, audit, invitations, sign_ins, tokens
from ampacity.storage.transactions import keeping, reading

OWNER = "owner"
ROLES = (OWNER, "installer", "driver")

LONGEST_EMAIL = 254
"""RFC 5321, 4.5.3.1.3, without the angle brackets."""
_EMAIL = re.compile(r"[^\s@<>(),;:\"\\]+@[^\s@<>(),;:\"\\.]+(\.[^\s@<>(),;:\"\\.]+)*")


class LastOwner(AmpacityError):
    """A site without an owner could never get one again."""

    code = "last-owner"
    remedy = "Make somebody else an owner first."


class EmailTaken(AmpacityError):
    """Two accounts can't share an address."""

    code = "email-taken"
    remedy = "Sign in with it, or give another address."


class EmailInvalid(AmpacityError):
    """It is no address of e-mail."""

    code = "email-invalid"
    remedy = "Write it as name@example.org."


class AccountUnknown(AmpacityError):
    """There is no such account, or there is none any more."""

    code = "account-unknown"
    remedy = "Look at the list of accounts."


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody who may sign in."""

    id: int
    """Never used again for another."""
    name: str
    email: str
    role: str
    """One of ROLES."""
    language: str
    disabled: bool
    made_s: float
    """UTC seconds since 1970."""


def new_secret() -> str:
    """256 bit at random, as text for a cookie or a link."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is kept of a secret that was made at random: SHA-256, in hexadecimal digits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def normal_email(text: str) -> str:
    """One form for what people write in several.

    Raises:
        EmailInvalid
    """
    email = unicodedata.normalize("NFKC", text).strip().lower()
    if len(email) > LONGEST_EMAIL or not email.isprintable() or not _EMAIL.fullmatch(email):
        raise EmailInvalid("This is no e-mail address.")
    return email


def has_owner(engine: Engine) -> bool:
    """False: the site waits for its first start."""
    with reading(engine) as connection:
        return count_of_owners(connection) > 0


def all_accounts(engine: Engine) -> list[Account]:
    with reading(engine) as connection:
        rows = connection.execute(_ACCOUNT.order_by(accounts.c.name, accounts.c.id)).mappings()
        return [Account(**row) for row in rows]


def account_by_email(engine: Engine, email: str) -> tuple[Account, str] | None:
    """With the hash of its password; None: there is none. `email` is in its normal form."""
    return _with_password(engine, accounts.c.email == email)


def account_by_id(engine: Engine, account: int) -> tuple[Account, str] | None:
    """With the hash of its password."""
    return _with_password(engine, accounts.c.id == account)


def add_account(
    connection: Connection, *, name: str, email: str, role: str, language: str, password_hash: str, now_s: float
) -> Account:
    """Inside a transaction of `keeping`. `email` is in its normal form.

    Raises:
        EmailTaken
    """
    row = {"name": name, "email": email, "role": role, "language": language, "disabled": False, "made_s": now_s}
    try:
        made = connection.execute(insert(accounts).values(password_hash=password_hash, **row).returning(accounts.c.id))
        number = made.scalar_one()
    except IntegrityError as error:
        raise EmailTaken("There is an account with this e-mail address.") from error
    account = Account(id=number, name=name, email=email, role=role, language=language, disabled=False, made_s=now_s)
    note(connection, now_s, name, f"accounts.{account.id}", None, f"{name} <{email}>, {role}")
    return account


def change_account(
    engine: Engine,
    account: int,
    *,
    who: str,
    now_s: float,
    name: str | None = None,
    language: str | None = None,
    role: str | None = None,
    disabled: bool | None = None,
) -> Account:
    """Changes what is not None. Who is disabled is signed out everywhere.

    Raises:
        AccountUnknown, LastOwner, StorageError
    """
    given = {"name": name, "language": language, "role": role, "disabled": disabled}
    with keeping(engine) as connection:
        old = _locked(connection, account)
        new = {key: value for key, value in given.items() if value is not None and value != getattr(old, key)}
        if new.get("disabled") or new.get("role", OWNER) != OWNER:
            _keep_an_owner(connection, old)
        if new:
            connection.execute(update(accounts).where(accounts.c.id == account).values(**new))
        if new.get("disabled"):
            _end_all_of(connection, account)
        for key, value in new.items():
            note(connection, now_s, who, f"accounts.{account}.{key}", _text(getattr(old, key)), _text(value))
        return connection_account(connection, account)


def remove_account(engine: Engine, account: int, *, who: str, now_s: float) -> None:
    """With its sign-ins, tokens and links.

    Raises:
        AccountUnknown, LastOwner, StorageError
    """
    with keeping(engine) as connection:
        old = _locked(connection, account)
        _keep_an_owner(connection, old)
        _end_all_of(connection, account)
        connection.execute(delete(tokens).where(tokens.c.account == account))
        connection.execute(delete(accounts).where(accounts.c.id == account))
        note(connection, now_s, who, f"accounts.{account}", f"{old.name} <{old.email}>, {old.role}", None)


def set_password(
    engine: Engine, account: int, password_hash: str, *, who: str, now_s: float, keep_sign_in: int | None = None
) -> None:
    """Ends all sign-ins of the account but one, and its open links.

    Raises:
        AccountUnknown, StorageError
    """
    with keeping(engine) as connection:
        write_password(connection, account, password_hash, who=who, now_s=now_s, keep_sign_in=keep_sign_in)


def write_password(
    connection: Connection,
    account: int,
    password_hash: str,
    *,
    who: str,
    now_s: float,
    keep_sign_in: int | None = None,
) -> None:
    """Inside a transaction of `keeping`: as `set_password`."""
    connection_account(connection, account)
    connection.execute(update(accounts).where(accounts.c.id == account).values(password_hash=password_hash))
    _end_all_of(connection, account, but=keep_sign_in)
    note(connection, now_s, who, f"accounts.{account}.password", "***", "***")


def keep_rehashed(engine: Engine, account: int, old_hash: str, new_hash: str) -> None:
    """The same password under newer parameters."""
    with keeping(engine) as connection:
        row = (accounts.c.id == account) & (accounts.c.password_hash == old_hash)
        connection.execute(update(accounts).where(row).values(password_hash=new_hash))


def count_of_owners(connection: Connection) -> int:
    count = select(func.count()).select_from(accounts).where(accounts.c.role == OWNER)
    return int(connection.execute(count).scalar_one())


def connection_account(connection: Connection, account: int) -> Account:
    """
    Raises:
        AccountUnknown
    """
    row = connection.execute(_ACCOUNT.where(accounts.c.id == account)).mappings().one_or_none()
    if row is None:
        raise AccountUnknown("There is no such account.")
    return Account(**row)


def note(connection: Connection, now_s: float, who: str, key: str, old: str | None, new: str | None) -> None:
    """A line in the audit, in the transaction of what it tells. Never a secret, nor the hash of one."""
    connection.execute(insert(audit).values(at_s=now_s, who=who, key=key, old=old, new=new))


_FIELDS = [accounts.c[name] for name in ("id", "name", "email", "role", "language", "disabled", "made_s")]
_ACCOUNT = select(*_FIELDS)


def _with_password(engine: Engine, which: Any) -> tuple[Account, str] | None:
    with reading(engine) as connection:
        row = connection.execute(select(*_FIELDS, accounts.c.password_hash).where(which)).mappings().one_or_none()
    if row is None:
        return None
    told = dict(row)
    password_hash = str(told.pop("password_hash"))
    return Account(**told), password_hash


def _locked(connection: Connection, account: int) -> Account:
    """All owners are locked as well: two who remove each other at once must take turns."""
    held = select(accounts.c.id).where((accounts.c.role == OWNER) | (accounts.c.id == account)).order_by(accounts.c.id)
    connection.execute(held.with_for_update()).all()
    return connection_account(connection, account)


def _keep_an_owner(connection: Connection, old: Account) -> None:
    if old.role != OWNER or old.disabled:
        return
    others = (accounts.c.role == OWNER) & (accounts.c.id != old.id) & accounts.c.disabled.is_(False)
    if connection.execute(select(accounts.c.id).where(others).limit(1)).first() is None:
        raise LastOwner(f"{old.name} is the only owner of this site.")


def _end_all_of(connection: Connection, account: int, *, but: int | None = None) -> None:
    """Its sign-ins, and its links to a new password."""
    mine = sign_ins.c.account == account
    if but is not None:
        mine &= sign_ins.c.id != but
    connection.execute(delete(sign_ins).where(mine))
    connection.execute(delete(invitations).where(invitations.c.account == account))


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
