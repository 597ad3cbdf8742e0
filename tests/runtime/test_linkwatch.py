"""A link that gets poor is told once, and once when it is well again."""

from __future__ import annotations

from ampacity.links.tally import Tally
from ampacity.runtime.happenings import Event
from ampacity.runtime.linkwatch import LinkWatch


def test_a_poor_link_is_told_once_and_so_is_its_end() -> None:
    told: list[Event] = []
    watch, tally = LinkWatch(told.extend, lambda: 7.0), Tally()

    def minute(requests: int, timeouts: int) -> None:
        tally.requests += requests
        tally.timeouts += timeouts
        watch.look({"meter main": ("main", tally)})

    for _ in range(6):
        minute(60, 0)
    assert told == []
    minute(60, 30)
    minute(60, 30)
    assert [(one.code, one.params["device"], one.params["share_pct"]) for one in told] == [("link-poor", "main", 10.0)]
    for _ in range(4):
        minute(60, 1)
    assert len(told) == 1
    for _ in range(6):
        minute(60, 0)
    assert [one.code for one in told] == ["link-poor", "link-fine"]


def test_a_few_requests_tell_nothing() -> None:
    told: list[Event] = []
    watch, tally = LinkWatch(told.extend, lambda: 7.0), Tally()
    for _ in range(9):
        tally.requests += 2
        tally.timeouts += 2
        watch.look({"meter main": ("main", tally)})
    assert told == []
    watch.look({})
    assert told == []
