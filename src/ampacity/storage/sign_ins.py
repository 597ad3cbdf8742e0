"""Devices that are signed in, people's and kiosks. A cookie holds a secret; only a hash of it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select, update

from ampacity.storage.accounts import Account, connection_account, digest, new_secret, note
from ampacity.storage.schema import accounts, sign_ins
from ampacity.storage.transactions import keeping, reading

DAY_S = 86400.0
IDLE_S = 30 * DAY_S
"""A sign-in that is not used for so long ends."""
LONGEST_S = 180 * DAY_S
MOST_EACH = 50
"""Of one account; the one that was not seen for the longest ends."""
UNLOCKED_S = 300.0
"""How long a kiosk stays unlocked."""
KIOSK = "kiosk"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A device that is signed in. Times are UTC seconds since 1970."""

    id: int
    account: Account | None
    """None: a kiosk."""
    language: str
    device: str
    """A browser and what it runs on; the name of a kiosk."""
    address: str
    begun_s: float
    seen_s: float
    unlocked_until_s: float | None
    """Of a kiosk; None: it is locked."""

    @property
    def until_s(self) -> float | None:
        """None: a kiosk lasts until it is ended."""
        if self.account is None:
            return None
        return min(self.begun_s + LONGEST_S, self.seen_s + IDLE_S)


def begin(engine: Engine, account: Account, *, device: str, address: str, now_s: float) -> tuple[SignedIn, str]:
    """Signs a device in: what it is, and the secret for its cookie.

    Raises:
        AccountUnknown, StorageError
    """
    secret = new_secret()
    with keeping(engine) as connection:
        account = connection_account(connection, account.id)
        _make_room(connection, account.id, now_s)
        row = {"device": device, "address": address, "begun_s": now_s, "seen_s": now_s, "unlocked_until_s": None}
        new = insert(sign_ins).values(secret_hash=digest(secret), account=account.id, **row).returning(sign_ins.c.id)
        number = connection.execute(new).scalar_one()
        note(connection, now_s, account.name, "sign-in", None, f"{device}, {address}")
    made = SignedIn(
        id=number,
        account=account,
        language=account.language,
        device=device,
        address=address,
        begun_s=now_s,
        seen_s=now_s,
        unlocked_until_s=None,
    )
    return made, secret


def signed_in(engine: Engine, secret_hash: str, now_s: float) -> SignedIn | None:
    """None: it was never made, has ended, or its account is disabled."""
    found = _select(engine, sign_ins.c.secret_hash == secret_hash)
    if not found or (found[0].until_s is not None and found[0].until_s <= now_s):
        return None
    return found[0]


def all_sign_ins(engine: Engine, now_s: float, account: int | None = None) -> list[SignedIn]:
    """Those in force, of one account or of all; the one seen last first."""
    which = sign_ins.c.account == account if account is not None else None
    return [one for one in _select(engine, which) if one.until_s is None or one.until_s > now_s]


def seen(engine: Engine, sign_in: int, *, address: str, now_s: float) -> None:
    """It goes on for IDLE_S from now."""
    with keeping(engine) as connection:
        row = update(sign_ins).where(sign_ins.c.id == sign_in)
        connection.execute(row.values(seen_s=now_s, address=address))


def end(engine: Engine, sign_in: int, *, who: str, now_s: float, account: int | None = None) -> bool:
    """`account`: only if it is of this account. False: there is none such."""
    mine = sign_ins.c.id == sign_in
    if account is not None:
        mine &= sign_ins.c.account == account
    with keeping(engine) as connection:
        row = connection.execute(select(sign_ins.c.device, sign_ins.c.address).where(mine)).one_or_none()
        if row is None:
            return False
        connection.execute(delete(sign_ins).where(mine))
        note(connection, now_s, who, "sign-in", f"{row.device}, {row.address}", None)
        return True


def enrol_kiosk(
    engine: Engine, sign_in: int, *, name: str, language: str, who: str, now_s: float
) -> tuple[SignedIn, str] | None:
    """Turns the sign-in of a device into a kiosk's, under a new secret. None: it has ended meanwhile."""
    secret = new_secret()
    with keeping(engine) as connection:
        row: dict[str, Any] = {"device": name, "begun_s": now_s, "seen_s": now_s, "unlocked_until_s": None}
        row["language"] = language
        changed = connection.execute(
            update(sign_ins)
            .where((sign_ins.c.id == sign_in) & sign_ins.c.account.is_not(None))
            .values(secret_hash=digest(secret), account=None, **row)
            .returning(sign_ins.c.address)
        ).scalar()
        if changed is None:
            return None
        note(connection, now_s, who, f"kiosks.{sign_in}", None, f"{name}, {changed}")
    return SignedIn(id=sign_in, account=None, address=changed, **row), secret


def unlock(engine: Engine, sign_in: int, *, who: str, now_s: float) -> float | None:
    """Until when the kiosk is unlocked; None: it is none, or has ended."""
    until_s = now_s + UNLOCKED_S
    with keeping(engine) as connection:
        if not _set_unlocked(connection, sign_in, until_s):
            return None
        note(connection, now_s, who, f"kiosks.{sign_in}", "locked", "unlocked")
    return until_s


def lock(engine: Engine, sign_in: int, *, who: str, now_s: float) -> None:
    with keeping(engine) as connection:
        if _set_unlocked(connection, sign_in, None):
            note(connection, now_s, who, f"kiosks.{sign_in}", "unlocked", "locked")


def lock_all(connection: Connection) -> None:
    """Inside a transaction of `keeping`."""
    connection.execute(update(sign_ins).values(unlocked_until_s=None))


def _select(engine: Engine, which: Any) -> list[SignedIn]:
    people = [accounts.c[name].label(f"account_{name}") for name in Account.__dataclass_fields__]
    query = select(*_FIELDS, *people).outerjoin_from(sign_ins, accounts, sign_ins.c.account == accounts.c.id)
    if which is not None:
        query = query.where(which)
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(sign_ins.c.seen_s.desc(), sign_ins.c.id.desc())).mappings().all()
    return [made for row in rows if (made := _signed_in(dict(row))) is not None]


def _signed_in(row: dict[str, Any]) -> SignedIn | None:
    of = row.pop("account")
    person = {name: row.pop(f"account_{name}") for name in Account.__dataclass_fields__}
    account = Account(**person) if person["id"] is not None else None
    if of is not None and (account is None or account.disabled):
        return None
    language = row.pop("language") or (account.language if account is not None else "en")
    return SignedIn(account=account, language=language, **row)


_FIELDS = [
    sign_ins.c[name]
    for name in ("id", "account", "language", "device", "address", "begun_s", "seen_s", "unlocked_until_s")
]


def _make_room(connection: Connection, account: int, now_s: float) -> None:
    ended = (sign_ins.c.seen_s <= now_s - IDLE_S) | (sign_ins.c.begun_s <= now_s - LONGEST_S)
    connection.execute(delete(sign_ins).where(ended & sign_ins.c.account.is_not(None)))
    mine = select(sign_ins.c.id).where(sign_ins.c.account == account).order_by(sign_ins.c.seen_s.desc())
    for number in connection.execute(mine.offset(MOST_EACH - 1)).scalars().all():
        connection.execute(delete(sign_ins).where(sign_ins.c.id == number))


def _set_unlocked(connection: Connection, sign_in: int, until_s: float | None) -> bool:
    mine = (sign_ins.c.id == sign_in) & sign_ins.c.account.is_(None)
    changed = update(sign_ins).where(mine).values(unlocked_until_s=until_s).returning(sign_ins.c.id)
    return connection.execute(changed).scalar() is not None
