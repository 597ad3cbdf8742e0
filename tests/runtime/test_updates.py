"""The index of packages is asked once a day, and only where the owner wants it."""

from __future__ import annotations

import subprocess

import pytest

from ampacity.runtime.happenings import Event
from ampacity.runtime.updates import DAY_S, Checked, Updates, checked_from, checked_text, is_newer, newest_in

SAID = "ampacity (0.3.0)\nAvailable versions: 0.3.0, 0.2.0, 0.1.0\n  INSTALLED: 0.1.0\n  LATEST:    0.3.0\n"


class Store:
    def __init__(self) -> None:
        self.on = True
        self.checked = Checked()

    def is_on(self) -> bool:
        return self.on

    def read(self) -> Checked:
        return self.checked

    def keep(self, checked: Checked) -> None:
        self.checked = checked


class Asked:
    """An index that says what the test wants, a clock, and who looks."""

    def __init__(self, said: str | Exception = SAID, version: str = "0.1.0") -> None:
        self.store, self.said, self.times, self.now_s = Store(), said, 0, 1_800_000_000.0
        self.told: list[Event] = []
        self.updates = Updates(self.store, version, self.told.extend, ask=self.ask, wall_s=lambda: self.now_s)

    def ask(self) -> str:
        self.times += 1
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


def test_a_newer_version_is_told_once() -> None:
    one = Asked()
    for _ in range(3):
        one.updates.look()
        one.now_s += DAY_S
    assert [(event.code, event.params) for event in one.told] == [("update-available", {"version": "0.3.0"})]
    assert (one.store.checked.newest, one.times) == ("0.3.0", 3)


def test_it_is_asked_once_a_day_whatever_comes_of_it() -> None:
    one = Asked(subprocess.TimeoutExpired("pip", 60))
    one.updates.look()
    one.now_s += DAY_S - 1
    one.updates.look()
    assert one.times == 1
    one.now_s += 1
    one.updates.look()
    assert one.times == 2
    assert one.told == []


def test_nobody_is_asked_where_the_owner_does_not_want_it() -> None:
    one = Asked()
    one.store.on = False
    one.updates.look()
    assert one.times == 0


def test_a_clock_that_was_set_back_does_not_put_it_off() -> None:
    one = Asked()
    one.updates.look()
    one.now_s -= 400 * DAY_S
    one.updates.look()
    assert one.times == 2


@pytest.mark.parametrize("said", ["", "ERROR: No matching distribution found for ampacity", "ampacity (evil; rm)"])
def test_what_tells_no_version_is_passed_over(said: str) -> None:
    one = Asked(said)
    one.updates.look()
    assert newest_in(said) is None
    assert (one.told, one.store.checked.newest) == ([], None)


@pytest.mark.parametrize(
    ("one", "than", "newer"),
    [
        ("0.10.0", "0.9.9", True),
        ("0.2", "0.2.0", False),
        ("0.2.0", "0.2.0", False),
        ("0.1.9", "0.2.0", False),
        ("1", "0.9.dev3+local", True),
    ],
)
def test_versions_go_by_their_numbers(one: str, than: str, newer: bool) -> None:
    assert is_newer(one, than) is newer


def test_what_is_kept_is_read_again_and_damage_is_as_if_never_looked() -> None:
    checked = Checked(checked_s=5.0, newest="1.0", told="1.0")
    assert checked_from(checked_text(checked)) == checked
    assert checked_from("{") == checked_from(None) == Checked()


def test_it_ends_when_it_is_told_to() -> None:
    one = Asked()
    one.updates.start()
    one.updates.close()
    assert one.times == 0
