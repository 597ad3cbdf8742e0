"""Who sends a request, by its cookie or its token; and the PIN of the kiosks."""

from __future__ import annotations

import base64
import hmac
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from fastapi import Request
from sqlalchemy import Engine, delete, insert

from ampacity.api.access import Person, Role, Scope
from ampacity.api.passwords import Hashing
from ampacity.api.ports import Services
from ampacity.api.problems import Problem
from ampacity.storage.accounts import digest, note
from ampacity.storage.errors import StorageError
from ampacity.storage.records import setting
from ampacity.storage.schema import settings
from ampacity.storage.sign_ins import SignedIn, lock_all, seen, signed_in
from ampacity.storage.tokens import PREFIX, token_of, token_used
from ampacity.storage.transactions import keeping

COOKIE = "ampacity"
REMEMBERED_S = 3.0
"""So long a change that another program makes may take to show; one that the app makes shows at once."""
SEEN_EACH_S = 600.0
"""How exactly it is kept when somebody was here last: a disk wears by writing."""
MOST_REMEMBERED = 1000
LONGEST_SECRET = 200

PIN_KEY = "kiosk.pin"
PIN = re.compile(r"[0-9]{4,12}")

_log = structlog.get_logger("ampacity.api")


@dataclass(frozen=True, slots=True)
class _Known:
    person: Person
    until_s: float
    """Of the monotonic clock."""


class Identity:
    """`Services.identify` of a real controller. For several threads."""

    def __init__(
        self,
        engine: Callable[[], Engine],
        wall_s: Callable[[], float] = time.time,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._wall_s = wall_s
        self._now_s = now_s
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}
        self._changes = 0

    def __call__(self, request: Request) -> Person | None:
        """
        Raises:
            StorageError: the database can't be read now.
        """
        secret, is_token = _shown(request)
        if secret is None:
            return None
        key = digest(("token " if is_token else "cookie ") + secret)
        with self._lock:
            known = self._known.get(key)
            changes = self._changes
        if known is not None and known.until_s > self._now_s():
            return known.person
        person = self._token(secret) if is_token else self._sign_in(secret, address_of(request))
        if person is not None:
            self._remember(key, person, changes)
        return person

    def forget(self) -> None:
        """Something about accounts, sign-ins or tokens has changed: from now on all are looked up again."""
        with self._lock:
            self._changes += 1
            self._known.clear()

    def _remember(self, key: str, person: Person, changes: int) -> None:
        with self._lock:
            if changes != self._changes:  # what was read may be older than the change
                return
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[key] = _Known(person, self._now_s() + REMEMBERED_S)

    def _sign_in(self, secret: str, address: str) -> Person | None:
        now_s = self._wall_s()
        found = signed_in(self._engine(), digest(secret), now_s)
        if found is None:
            return None
        if now_s - found.seen_s > SEEN_EACH_S:
            try:
                seen(self._engine(), found.id, address=address, now_s=now_s)
            except StorageError as error:  # who can be let in is, also while the disk is full
                _log.warning("sign-in-not-kept", what=error.what, remedy=error.remedy)
        return person_of(found, secret)

    def _token(self, secret: str) -> Person | None:
        now_s = self._wall_s()
        found = token_of(self._engine(), digest(secret), now_s)
        if found is None:
            return None
        if found.seen_s is None or now_s - found.seen_s > SEEN_EACH_S:
            try:
                token_used(self._engine(), found.id, now_s)
            except StorageError as error:
                _log.warning("token-not-kept", what=error.what, remedy=error.remedy)
        scopes = frozenset(Scope(one) for one in found.scopes)
        return Person(account=None, name=f"token {found.name}", role=Role.OWNER, scopes=scopes, token=found.id)


def forget(services: Services) -> None:
    """To be called after every change of who may do what: it holds from the next request on."""
    if isinstance(services.identify, Identity):
        services.identify.forget()


def person_of(found: SignedIn, secret: str) -> Person:
    """Whom a cookie stands for."""
    csrf = csrf_of(secret)
    if found.account is None:
        return Person(
            account=None,
            name=f"kiosk {found.device}",
            role=Role.KIOSK,
            sign_in=found.id,
            csrf=csrf,
            unlocked_until_s=found.unlocked_until_s,
            language=found.language,
        )
    return Person(
        account=found.account.id,
        name=found.account.name,
        role=Role(found.account.role),
        sign_in=found.id,
        csrf=csrf,
        language=found.language,
    )


def csrf_of(secret: str) -> str:
    """What the app shows with an unsafe request. Only who has the cookie's secret can make it; it is kept nowhere."""
    made = hmac.digest(secret.encode("utf-8", "surrogatepass"), b"ampacity csrf", "sha256")
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


def cookie_of(request: Request) -> str | None:
    secret = request.cookies.get(COOKIE)
    return secret if secret and len(secret) <= LONGEST_SECRET else None


def address_of(request: Request) -> str:
    """Of the other end of the connection: what headers claim is not believed."""
    return request.client.host[:64] if request.client is not None else ""


def device_of(request: Request) -> str:
    """A browser and what it runs on, for people: "Firefox on Android"."""
    agent = request.headers.get("user-agent", "")
    browser = next((name for mark, name in _BROWSERS if mark in agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or "a device"


_BROWSERS = (
    ("SamsungBrowser/", "Samsung Internet"),
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("python", "Python"),
)
"""The first that fits: most claim to be others as well."""
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
)


# --- the kiosks' PIN ---


class PinInvalid(Problem):
    """It is none."""

    code = "pin-invalid"
    status = 422
    remedy = "Take 4 to 12 digits; the more, the better."


def set_pin(
    engine: Engine,
    pin: str | None,
    *,
    who: str = "the app",
    now_s: float | None = None,
    hashing: Hashing | None = None,
) -> None:
    """Sets the PIN of the kiosks, or with None removes it; kiosks that are unlocked are locked.

    Raises:
        PinInvalid, StorageError
    """
    if pin is not None and (not PIN.fullmatch(pin) or len(set(pin)) == 1 or pin in "01234567890123"):
        raise PinInvalid("A PIN has 4 to 12 digits, not all the same, and not in their order.", place="kiosk_pin")
    kept = None if pin is None else (hashing or Hashing()).hashed(pin)
    at_s = time.time() if now_s is None else now_s
    with keeping(engine) as connection:
        had = connection.execute(delete(settings).where(settings.c.key == PIN_KEY)).rowcount > 0
        if kept is not None:
            connection.execute(insert(settings).values(key=PIN_KEY, value=kept))
        lock_all(connection)
        note(connection, at_s, who, PIN_KEY, "***" if had else None, "***" if kept is not None else None)


def has_pin(engine: Engine) -> bool:
    """
    Raises:
        StorageError
    """
    return setting(engine, PIN_KEY) is not None


def _shown(request: Request) -> tuple[str | None, bool]:
    """What the request shows, and whether it is a token. A token counts before a cookie: who sends one means it."""
    authorization = request.headers.get("authorization")
    if authorization is None:
        return cookie_of(request), False
    kind, _, token = authorization.partition(" ")
    token = token.strip()
    if kind.lower() != "bearer" or not token.startswith(PREFIX) or len(token) > LONGEST_SECRET:
        return None, True
    return token, True
