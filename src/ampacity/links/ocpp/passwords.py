"""Passwords of chargers: hashing them, and checking what a charger gives."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import re
import secrets
import string
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import Enum, auto

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import Argon2Error, InvalidHashError

from ampacity.links.ocpp.endpoint import Endpoint
from ampacity.links.ocpp.pace import Paces

LENGTH = 20
"""Of a password we make. OCPP 1.6 security whitepaper, profile 1: 16 to 20 bytes."""
LONGEST_GIVEN = 128
"""Bytes; twice what a charger may hold, in hexadecimal digits, and some more."""
TRIES = 5
TRY_EACH_S = 2.0
"""Wrong passwords for one charger from one address: so many at once, then one in so many seconds."""
MOST_WAITING = 100
WAIT_S = 10.0
_MOST_KIB, _MOST_PASSES, _MOST_LANES = 64 * 1024, 10, 8
_MOST_KEPT = 1024
_ALPHABET = "".join(sorted(set(string.ascii_letters + string.digits) - set("0O1lI")))
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2})+")

# RFC 9106 wants more memory for passwords that people choose; this fits a small board that controls a breaker.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)


class Verdict(Enum):
    """What comes of a password."""

    RIGHT = auto()
    WRONG = auto()
    BUSY = auto()
    """Not looked at: too many wrong ones came before it, or too many wait."""


def new_password() -> str:
    """At random; no characters that look alike."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(LENGTH))


def hashed(password: str) -> str:
    """For site.toml: argon2id with its salt and costs."""
    return _HASHER.hash(password)


def is_usable_hash(text: str) -> bool:
    """Whether `hashed` may have made it, or another program that asks for no more than this machine should give."""
    try:
        costs = extract_parameters(text)
    except InvalidHashError:
        return False
    return (
        costs.type is Type.ID
        and costs.memory_cost <= _MOST_KIB
        and costs.time_cost <= _MOST_PASSES
        and costs.parallelism <= _MOST_LANES
    )


def given_password(authorization: str, ocpp_id: str) -> bytes | None:
    """Out of a header of Basic authentication, whose user is the charger's identity; None if it is none."""
    kind, _, token = authorization.partition(" ")
    try:
        plain = base64.b64decode(token.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    user = ocpp_id.encode() + b":"
    if kind.lower() != "basic" or not plain.startswith(user):
        return None
    return plain[len(user) :]


class Passwords:
    """Checks passwords beside the event loop, one at a time."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._wrong = Paces(TRIES, 1 / TRY_EACH_S, _MOST_KEPT, now_s)
        self._key = secrets.token_bytes(32)
        self._known: dict[str, bytes] = {}
        """By identity: what was right last, unreadable without this process's key."""
        self._waiting = 0
        # A thread of its own: one that hashes must not hold up the database's.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="passwords")

    async def verdict(self, endpoint: Endpoint, authorization: str, address: str) -> Verdict:
        """For an endpoint that has a password, or the hash of one."""
        given = given_password(authorization, endpoint.ocpp_id)
        if given is None or len(given) > LONGEST_GIVEN:
            return Verdict.WRONG
        mark = self._mark(endpoint, given)
        if hmac.compare_digest(self._known.get(endpoint.ocpp_id, b""), mark):
            return Verdict.RIGHT
        pace = self._wrong.of((address, endpoint.ocpp_id))
        if pace.wait_s(self._now_s()) > 0:
            return Verdict.BUSY
        pace.take(self._now_s())  # before the hashing, so that those who come together count too
        fits = await self._fits(endpoint, given)
        if fits is not False:
            pace.give_back()
        if fits is None:
            return Verdict.BUSY
        if fits:
            self._known[endpoint.ocpp_id] = mark
        return Verdict.RIGHT if fits else Verdict.WRONG

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _fits(self, endpoint: Endpoint, given: bytes) -> bool | None:
        """None: it was not looked at."""
        if endpoint.password is not None:
            return _fits_text(given, endpoint.password)
        if endpoint.password_hash is None:
            return False
        if self._waiting >= MOST_WAITING:
            return None
        self._waiting += 1
        # Counted until it is done and not only until nobody waits: a thread can't be cancelled.
        work = asyncio.get_running_loop().run_in_executor(self._thread, _fits_hash, given, endpoint.password_hash)
        work.add_done_callback(self._done)
        try:
            async with asyncio.timeout(WAIT_S):
                return await work
        except TimeoutError:
            return None

    def _done(self, _: object) -> None:
        self._waiting -= 1

    def _mark(self, endpoint: Endpoint, given: bytes) -> bytes:
        wanted = endpoint.password_hash or endpoint.password or ""
        return hmac.digest(self._key, f"{endpoint.ocpp_id}\0{wanted}\0".encode() + given, "sha256")


def _fits_text(given: bytes, password: str) -> bool:
    """A password may have been given to the charger as hexadecimal digits (OCPP 1.6 security whitepaper): then it
    sends either these or what they stand for."""
    wanted = password.encode()
    fits = hmac.compare_digest(given, wanted)
    fits |= hmac.compare_digest(given.lower(), wanted.hex().encode())
    with suppress(ValueError):  # it is no hexadecimal number
        fits |= hmac.compare_digest(given, bytes.fromhex(password))
    return fits


def _fits_hash(given: bytes, password_hash: str) -> bool:
    return any(_is_hash_of(form, password_hash) for form in _forms(given))


def _forms(given: bytes) -> Iterator[bytes]:
    """What the password may be, the likeliest first: as given; what its digits stand for; the digits of it."""
    yield given
    if _HEX.fullmatch(given):
        yield bytes.fromhex(given.decode())
    yield given.hex().encode()
    if given.hex().upper() != given.hex():
        yield given.hex().upper().encode()


def _is_hash_of(password: bytes, password_hash: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password)
    except (Argon2Error, InvalidHashError):
        return False
