"""How often somebody may try what can be guessed: so many at once, then one in so many seconds."""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from ampacity.api.problems import Problem

MOST_KEPT = 4096
"""Of each kind. Strangers make up addresses and accounts."""

_log = structlog.get_logger("ampacity.api")


@dataclass(frozen=True, slots=True)
class Limit:
    """`at_once` tries, and one more each `each_s`."""

    at_once: int
    each_s: float


ONE_ACCOUNT_FROM_ONE_ADDRESS = Limit(5, 15.0)
ONE_ACCOUNT = Limit(30, 20.0)
"""From everywhere. Higher than the one before: who guesses from one place does not shut out the account's owner."""
ONE_ADDRESS = Limit(30, 5.0)
LINKS_OF_ONE_ADDRESS = Limit(20, 5.0)
ONE_KIOSK = Limit(5, 300.0)
"""Four digits are 10 000: half of them take 17 days."""
ALL_KIOSKS = Limit(15, 100.0)

Key = tuple[str, ...]


class TooManyAttempts(Problem):
    """It was tried too often."""

    code = "too-many-attempts"
    status = 429
    remedy = "Wait, and try again."

    def __init__(self, wait_s: float) -> None:
        after_s = max(1, math.ceil(wait_s))
        super().__init__(
            f"This was tried too often; the next try is in {after_s} s.",
            headers={"Retry-After": str(after_s)},
            wait_s=after_s,
        )


@dataclass(slots=True)
class _Bucket:
    left: float
    at_s: float
    limit: Limit

    def fill(self, now_s: float) -> None:
        self.left = min(self.limit.at_once, self.left + (now_s - self.at_s) / self.limit.each_s)
        self.at_s = now_s

    def wait_s(self) -> float:
        return max(0.0, (1.0 - self.left) * self.limit.each_s)


class Attempts:
    """Counts tries, in memory. May be used by several threads."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic, most: int = MOST_KEPT) -> None:
        self._now_s = now_s
        self._most = most
        self._lock = threading.Lock()
        self._of: dict[Limit, dict[Key, _Bucket]] = {}

    def take(self, keys: Mapping[Limit, Key]) -> None:
        """One try under each of these limits; before it is known how it ends, so that those at once count as well.

        Raises:
            TooManyAttempts: one of them is used up; then none counts.
        """
        with self._lock:
            buckets = [self._bucket(limit, key) for limit, key in keys.items()]
            if (wait_s := max(one.wait_s() for one in buckets)) > 0.0:
                raise TooManyAttempts(wait_s)
            for bucket in buckets:
                bucket.left -= 1.0
            used_up = any(bucket.left < 1.0 for bucket in buckets)
        if used_up:
            _log.warning("attempts-used-up", what=" ".join(sorted({part for key in keys.values() for part in key})))

    def give_back(self, keys: Mapping[Limit, Key]) -> None:
        """The try was right: it does not count."""
        with self._lock:
            for limit, key in keys.items():
                bucket = self._bucket(limit, key)
                bucket.left = min(limit.at_once, bucket.left + 1.0)

    def kept(self) -> int:
        return sum(len(one) for one in self._of.values())

    def _bucket(self, limit: Limit, key: Key) -> _Bucket:
        of = self._of.setdefault(limit, {})
        now_s = self._now_s()
        bucket = of.get(key)
        if bucket is None:
            if len(of) >= self._most:
                self._forget_some(of, now_s)
            bucket = of[key] = _Bucket(limit.at_once, now_s, limit)
        bucket.fill(now_s)
        return bucket

    def _forget_some(self, of: dict[Key, _Bucket], now_s: float) -> None:
        """Those with most tries left: keys that are made up do not push out the one that is guessed at."""
        for bucket in of.values():
            bucket.fill(now_s)
        for key in sorted(of, key=lambda key: of[key].left, reverse=True)[: max(1, self._most // 4)]:
            del of[key]


def for_sign_in(email: str, address: str) -> dict[Limit, Key]:
    """`email` in its normal form."""
    place = place_of(address)
    return {ONE_ACCOUNT_FROM_ONE_ADDRESS: (email, place), ONE_ACCOUNT: (email,), ONE_ADDRESS: (place,)}


def for_link(address: str) -> dict[Limit, Key]:
    return {LINKS_OF_ONE_ADDRESS: (place_of(address),)}


def for_pin(kiosk: int) -> dict[Limit, Key]:
    return {ONE_KIOSK: (f"kiosk {kiosk}",), ALL_KIOSKS: ("kiosks",)}


def place_of(address: str) -> str:
    """An address as one that can be counted: of IPv6 a network of 64 bits, which is one household's."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)
