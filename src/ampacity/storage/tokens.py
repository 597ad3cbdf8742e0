"""Tokens for machines. Only a hash of each is kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, delete, func, insert, select, update

from ampacity.core.errors import AmpacityError
from ampacity.storage.accounts import OWNER, digest, new_secret, note
from ampacity.storage.schema import accounts, tokens
from ampacity.storage.transactions import keeping, reading

PREFIX = "amp_"
"""So that people, and programs that look for leaked secrets, know what it is."""
MOST = 100


class TooManyTokens(AmpacityError):
    """So many are in force."""

    code = "too-many-tokens"
    remedy = "Remove tokens that no machine uses."


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a machine shows instead of signing in. Times are UTC seconds since 1970."""

    id: int
    account: int
    """The owner who made it."""
    name: str
    scopes: frozenset[str]
    made_s: float
    seen_s: float | None
    """None: never used."""
    until_s: float | None
    """None: without end."""


def make_token(
    engine: Engine, *, account: int, name: str, scopes: Iterable[str], until_s: float | None, who: str, now_s: float
) -> tuple[Token, str]:
    """The token's row, and the token itself, which can't be read again.

    Raises:
        TooManyTokens, StorageError
    """
    secret = PREFIX + new_secret()
    with keeping(engine) as connection:
        if int(connection.execute(select(func.count()).select_from(tokens)).scalar_one()) >= MOST:
            raise TooManyTokens(f"There are {MOST} tokens.")
        row: dict[str, Any] = {"account": account, "name": name, "made_s": now_s, "seen_s": None, "until_s": until_s}
        kept = " ".join(sorted(scopes))
        new = insert(tokens).values(secret_hash=digest(secret), scopes=kept, **row).returning(tokens.c.id)
        number = connection.execute(new).scalar_one()
        note(connection, now_s, who, f"tokens.{number}", None, f"{name}: {kept}")
    return Token(id=number, scopes=frozenset(kept.split()), **row), secret


def all_tokens(engine: Engine) -> list[Token]:
    """Newest first; those that have ended as well."""
    with reading(engine) as connection:
        rows = connection.execute(select(*_FIELDS).order_by(tokens.c.id.desc())).mappings()
        return [_token(dict(row)) for row in rows]


def token_of(engine: Engine, secret_hash: str, now_s: float) -> Token | None:
    """None: it was never made, has ended, or who made it is no owner any more."""
    good = (tokens.c.secret_hash == secret_hash) & (accounts.c.role == OWNER) & accounts.c.disabled.is_(False)
    query = select(*_FIELDS).join_from(tokens, accounts, tokens.c.account == accounts.c.id).where(good)
    with reading(engine) as connection:
        row = connection.execute(query).mappings().one_or_none()
    if row is None or (row["until_s"] is not None and row["until_s"] <= now_s):
        return None
    return _token(dict(row))


def token_used(engine: Engine, token: int, now_s: float) -> None:
    with keeping(engine) as connection:
        connection.execute(update(tokens).where(tokens.c.id == token).values(seen_s=now_s))


def remove_token(engine: Engine, token: int, *, who: str, now_s: float) -> bool:
    """False: there is none such."""
    with keeping(engine) as connection:
        gone = delete(tokens).where(tokens.c.id == token).returning(tokens.c.name, tokens.c.scopes)
        row = connection.execute(gone).one_or_none()
        if row is None:
            return False
        note(connection, now_s, who, f"tokens.{token}", f"{row.name}: {row.scopes}", None)
        return True


_FIELDS = [tokens.c[name] for name in ("id", "account", "name", "scopes", "made_s", "seen_s", "until_s")]


def _token(row: dict[str, Any]) -> Token:
    return Token(**{**row, "scopes": frozenset(row["scopes"].split())})
