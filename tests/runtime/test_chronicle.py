"""Events reach the record when it can be written, and everybody who watches at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

from ampacity.core.errors import AmpacityError
from ampacity.runtime.chronicle import MOST_WAITING, Chronicle, KeptEvent
from ampacity.runtime.happenings import Event


class Disk:
    """A record that can be full."""

    def __init__(self) -> None:
        self.kept: list[Event] = []
        self.full = False
        self.broken = False
        self.asked = threading.Event()

    def append(self, events: Sequence[Event]) -> None:
        self.asked.set()
        if self.broken:
            raise RuntimeError("a fault of ours")
        if self.full:
            raise AmpacityError("The disk is full.", remedy="Make room.")
        self.kept += events

    def newest(self, limit: int, *, before: int | None = None, without: Collection[str] = ()) -> Sequence[KeptEvent]:
        return []


def event(number: int = 0) -> Event:
    return Event(at_s=float(number), code="site-changed", params={})


@contextmanager
def running(disk: Disk) -> Iterator[Chronicle]:
    chronicle = Chronicle(disk, pause_s=0.01)
    chronicle.start()
    try:
        yield chronicle
    finally:
        chronicle.close()


def until(so: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 30
    while not so():
        assert time.monotonic() < end_s
        time.sleep(0.005)


def test_events_are_written_in_their_order() -> None:
    disk = Disk()
    with running(disk) as chronicle:
        for number in range(20):
            chronicle.put([event(number)])
    assert [one.at_s for one in disk.kept] == list(range(20))


def test_a_full_disk_loses_nothing_that_fits_into_memory_and_keeps_nobody_waiting() -> None:
    disk = Disk()
    disk.full = True
    with running(disk) as chronicle:
        chronicle.put([event(1), event(2)])
        assert disk.asked.wait(30)
        chronicle.put([event(3)])
        assert len(chronicle.since(0)) == 3
        disk.full = False
        until(lambda: len(disk.kept) == 3)
    assert [one.at_s for one in disk.kept] == [1, 2, 3]


def test_what_waits_has_an_end_and_the_oldest_is_given_up() -> None:
    disk = Disk()
    chronicle = Chronicle(disk)
    for number in range(MOST_WAITING + 50):
        chronicle.put([event(number)])
    chronicle.start()
    chronicle.close()
    assert [one.at_s for one in disk.kept] == list(range(50, MOST_WAITING + 50))


def test_a_fault_in_the_record_does_not_end_the_writing() -> None:
    disk = Disk()
    disk.broken = True
    with running(disk) as chronicle:
        chronicle.put([event(1)])
        assert disk.asked.wait(30)
        disk.broken = False
        chronicle.put([event(2)])
        until(lambda: bool(disk.kept) and disk.kept[-1].at_s == 2)


def test_who_watches_is_told_until_it_stops() -> None:
    chronicle, told = Chronicle(Disk()), list[Event]()
    stop = chronicle.watch(told.append)
    chronicle.put([event(1)])
    stop()
    chronicle.put([event(2)])
    assert [one.at_s for one in told] == [1]


def test_a_page_asks_for_what_it_has_not_seen() -> None:
    chronicle = Chronicle(Disk())
    chronicle.put([event(1), event(2)])
    seen = chronicle.number
    assert chronicle.since(seen) == ()
    chronicle.put([event(3)])
    assert [(one.number, one.event.at_s) for one in chronicle.since(seen)] == [(3, 3)]
