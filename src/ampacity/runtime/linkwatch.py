"""Tells when a link gets poor: from its counts, minute by minute."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from ampacity.links.tally import Tally
from ampacity.runtime.happenings import Event

WINDOW = 5
"""Looks; one a minute."""
LEAST_REQUESTS = 30
POOR, FINE = 0.05, 0.01
"""Shares of requests without a good answer: it is told above the first, and its end below the second."""


@dataclass(slots=True)
class _Watched:
    looks: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=WINDOW + 1))
    """Requests and failures so far."""
    poor: bool = False


class LinkWatch:
    """Call `look` once a minute."""

    def __init__(self, tell: Callable[[Collection[Event]], None], wall_s: Callable[[], float]) -> None:
        self._tell = tell
        self._wall_s = wall_s
        self._watched: dict[str, _Watched] = {}

    def look(self, tallies: Mapping[str, tuple[str, Tally]]) -> None:
        """`tallies`: by device, with what people call it."""
        events = []
        for device, (name, tally) in tallies.items():
            watched = self._watched.setdefault(device, _Watched())
            watched.looks.append((tally.requests, tally.failures))
            (first, failed), (last, failing) = watched.looks[0], watched.looks[-1]
            requests, failures = last - first, failing - failed
            if requests < LEAST_REQUESTS:
                continue
            share = failures / requests
            if share > POOR and not watched.poor:
                watched.poor = True
                params: Mapping[str, str | float | None] = {
                    "device": name,
                    "share_pct": round(100 * share, 1),
                }
                events.append(Event(at_s=self._wall_s(), code="link-poor", params=params))
            elif share < FINE and watched.poor:
                watched.poor = False
                events.append(Event(at_s=self._wall_s(), code="link-fine", params={"device": name}))
        for gone in self._watched.keys() - tallies.keys():
            del self._watched[gone]
        if events:
            self._tell(events)
