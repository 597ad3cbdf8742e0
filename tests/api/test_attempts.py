"""Tries are counted by account and by address, in bounded memory."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.api.conftest import Wall

from ampacity.api.attempts import Attempts, Limit, TooManyAttempts, for_sign_in, place_of
from ampacity.api.passwords import MOST_AT_ONCE, Hashing

THREE = Limit(3, 10.0)
WIDE = Limit(100, 1.0)


def tries(attempts: Attempts, limit: Limit, key: str, count: int) -> int:
    """How many of so many are let through."""
    let = 0
    for _ in range(count):
        try:
            attempts.take({limit: (key,)})
            let += 1
        except TooManyAttempts:
            pass
    return let


def test_so_many_at_once_then_one_in_so_many_seconds() -> None:
    wall = Wall()
    attempts = Attempts(wall)
    assert tries(attempts, THREE, "a", 5) == 3
    wall.at_s += 10
    assert tries(attempts, THREE, "a", 5) == 1
    wall.at_s += 1000
    assert tries(attempts, THREE, "a", 5) == 3


def test_the_wait_is_told_in_whole_seconds() -> None:
    wall = Wall()
    attempts = Attempts(wall)
    tries(attempts, THREE, "a", 3)
    wall.at_s += 0.5
    with pytest.raises(TooManyAttempts) as caught:
        attempts.take({THREE: ("a",)})
    assert caught.value.headers["Retry-After"] == "10"


def test_a_try_that_is_refused_counts_nowhere() -> None:
    attempts = Attempts(Wall())
    tries(attempts, THREE, "a", 3)
    for _ in range(100):
        with pytest.raises(TooManyAttempts):
            attempts.take({THREE: ("a",), WIDE: ("b",)})
    assert tries(attempts, WIDE, "b", 200) == 100


def test_a_try_that_was_right_is_given_back() -> None:
    attempts = Attempts(Wall())
    for _ in range(10):
        attempts.take({THREE: ("a",)})
        attempts.give_back({THREE: ("a",)})
    assert tries(attempts, THREE, "a", 5) == 3


def test_those_who_come_at_once_count_all() -> None:
    attempts = Attempts(Wall())
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: tries(attempts, THREE, "a", 10), range(8))) == 3


def test_memory_is_bounded_and_made_up_keys_do_not_free_the_one_that_is_guessed_at() -> None:
    attempts = Attempts(Wall(), most=100)
    tries(attempts, THREE, "owner", 3)
    for n in range(5000):
        tries(attempts, THREE, f"made up {n}", 1)
    assert attempts.kept() <= 100
    assert tries(attempts, THREE, "owner", 1) == 0


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("10.0.0.9", "10.0.0.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.9", "10.0.0.9"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_an_address_counts_as_the_place_it_is_in(address: str, place: str) -> None:
    assert place_of(address) == place


def test_a_sign_in_counts_for_the_account_and_for_the_address() -> None:
    assert set(for_sign_in("ann@x.org", "10.0.0.9").values()) == {
        ("ann@x.org", "10.0.0.9"),
        ("ann@x.org",),
        ("10.0.0.9",),
    }


class Held(Hashing):
    """Hashes only when the test lets it."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_kib=8)
        self.begun = threading.Semaphore(0)
        self.go = threading.Event()

    def hold(self) -> bool:
        with self._one():
            self.begun.release()
            return self.go.wait(30)


def test_no_more_than_a_few_wait_for_a_hash_and_the_others_are_sent_away() -> None:
    hashing = Held()
    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        waiting = [pool.submit(hashing.hold) for _ in range(MOST_AT_ONCE)]
        hashing.begun.acquire()
        while hashing._room.acquire(blocking=False):  # until all have come in
            hashing._room.release()
        with pytest.raises(TooManyAttempts):
            hashing.fits("secret", None)
        hashing.go.set()
        assert all(one.result() for one in waiting)
    assert not hashing.fits("secret", None)
