"""Passwords that people choose, and the PIN of the kiosks: which are taken, and how they are checked."""

from __future__ import annotations

import base64
import secrets
import threading
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher, Type
from argon2.exceptions import Argon2Error, InvalidHashError

from ampacity.api.attempts import TooManyAttempts
from ampacity.api.problems import Problem

LEAST, MOST = 10, 256
"""Characters."""
LEAST_DIFFERENT = 5
MOST_AT_ONCE = 8
"""Who wait for a check, the one that is made included; more are sent away. Each holds a thread of the app."""
BUSY_S = 2.0

_OFTEN = (
    *("password", "passw0rd", "passwort", "contraseña", "contrasena", "contrasenya", "motdepasse", "wachtwoord"),
    *("qwertyuiop", "qwertzuiop", "azertyuiop", "1q2w3e4r", "1qaz2wsx", "abcdefghij", "letmein", "iloveyou", "welcome"),
    *(
        "administrator",
        "changeme",
        "ampacity",
        "charger",
        "wallbox",
        "sunshine",
        "0123456789",
        "1234567890",
        "98765432",
    ),
)
"""What the commonest passwords begin with, in the app's languages; few characters follow."""
OFTEN_MORE = 4

TIME_COST, MEMORY_KIB = 2, 19 * 1024
"""OWASP's least for argon2id; RFC 9106 wants more memory, and this must fit a small board that controls a breaker."""


class PasswordWeak(Problem):
    """Too easy to guess."""

    code = "password-weak"
    status = 422
    remedy = f"Take at least {LEAST} characters that nobody guesses, such as four words that do not belong together."


def check_new(password: str, *, own: Iterable[str], place: str = "password") -> None:
    """`own`: what must not be the password: name and address of whose it is. `place`: the field it stands in.

    Raises:
        PasswordWeak
    """
    why = None
    if not password.isprintable():
        why = "The password has characters that can't be typed."
    elif len(password) < LEAST:
        why = f"The password has less than {LEAST} characters."
    elif len(password) > MOST:
        why = f"The password has more than {MOST} characters."
    elif len(set(password)) < LEAST_DIFFERENT or _is_often(password.lower()):
        why = "This password is one of the first that anybody tries."
    elif password.lower() in {one.lower() for one in own}:
        why = "The password is the name or the address."
    if why is not None:
        raise PasswordWeak(why, place=place, least=LEAST)


def _is_often(password: str) -> bool:
    return any(password.startswith(one) and len(password) <= len(one) + OFTEN_MORE for one in _OFTEN)


class Hashing:
    """argon2id, one at a time, so that guessing does not take the processor from control. For several threads."""

    def __init__(self, *, time_cost: int = TIME_COST, memory_kib: int = MEMORY_KIB) -> None:
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=1, type=Type.ID)
        self._of_nobody = _no_hash(time_cost, memory_kib)
        self._room = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._turn = threading.Lock()

    def hashed(self, secret: str) -> str:
        """
        Raises:
            TooManyAttempts: too many wait.
        """
        with self._one():
            return self._hasher.hash(_bytes(secret))

    def fits(self, secret: str, kept: str | None) -> bool:
        """`kept` None: there is none, which takes as long to find out.

        Raises:
            TooManyAttempts: too many wait.
        """
        with self._one():
            try:
                return self._hasher.verify(self._of_nobody if kept is None else kept, _bytes(secret))
            except (Argon2Error, InvalidHashError):
                return False

    def is_old(self, kept: str) -> bool:
        """Whether it was made under other parameters than today's."""
        return self._hasher.check_needs_rehash(kept)

    @contextmanager
    def _one(self) -> Iterator[None]:
        if not self._room.acquire(blocking=False):
            raise TooManyAttempts(BUSY_S)
        try:
            with self._turn:
                yield
        finally:
            self._room.release()


def _bytes(secret: str) -> bytes:
    """One form for what keyboards write in several (RFC 8265, OpaqueString)."""
    return unicodedata.normalize("NFC", secret).encode("utf-8", "surrogatepass")


def _no_hash(time_cost: int, memory_kib: int) -> str:
    """Costs as much to check as any other, and fits nothing."""
    salt, tag = (base64.b64encode(secrets.token_bytes(n)).decode().rstrip("=") for n in (16, 32))
    return f"$argon2id$v=19$m={memory_kib},t={time_cost},p=1${salt}${tag}"
