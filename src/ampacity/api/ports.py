"""What the API needs of the controller around it. The composition root provides it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Protocol
from zoneinfo import ZoneInfo

from fastapi import Depends, Request
from sqlalchemy import Engine

from ampacity.api.access import Identify
from ampacity.commission.selfcheck import Facts
from ampacity.commission.tester import Progress as TestProgress
from ampacity.config.installation import Installation
from ampacity.core.observations import MeterReading, Observation
from ampacity.core.site import ChargerId, MeterId
from ampacity.links.ocpp.admission import Knock as Knock
from ampacity.links.ocpp.endpoint import StationFacts as StationFacts
from ampacity.runtime.chronicle import Chronicle, NoEvents
from ampacity.runtime.desk import Latest as Latest
from ampacity.runtime.notifications import Notifications, Sender, Settings
from ampacity.runtime.sessions import Sessions
from ampacity.runtime.tags import Tags
from ampacity.web.texts import text


class Control(Protocol):
    """The running controller. All methods may be called from any thread and return at once, but for `use`."""

    @property
    def installation(self) -> Installation:
        """The site.toml in use."""
        ...

    @property
    def latest(self) -> Latest | None:
        """None: before the first pass."""
        ...

    def put(self, one: Observation) -> None:
        """A person's wish, through the same door as everything else. `at_s` is the controller's clock: `now_s`."""
        ...

    def now_s(self) -> float:
        """The controller's monotonic clock."""
        ...

    def stations(self) -> Mapping[ChargerId, StationFacts]: ...

    def knocking(self) -> Sequence[Knock]:
        """Unknown chargers that want in, but for those that were refused; the newest first."""
        ...

    def refuse(self, ocpp_id: str) -> None:
        """It is not shown as knocking any more, nor adopted, until the controller is started anew or it is linked."""
        ...

    def watch(self, told: Callable[[Latest], None]) -> Callable[[], None]:
        """`told` is called after every decision, on the control thread: it must return at once. Returns how to stop
        it."""
        ...

    def facts(self) -> Facts:
        """What the self-check goes by."""
        ...

    def readings(self) -> Mapping[MeterId, MeterReading]:
        """What each meter said last, also while a test keeps it from the controller."""
        ...

    def begin_test(self, kind: str, charger: ChargerId, *, checked: bool, by: str) -> None:
        """Begins a "step" or an "expiry" test. Returns once it is under way. `checked`: the meters were held against
        a clamp, and a step test may go by them.

        Raises:
            AmpacityError: it can't be made; nothing was changed.
        """
        ...

    def stop_test(self) -> None:
        """Whatever test is under way ends."""
        ...

    def test_progress(self) -> TestProgress | None:
        """Of the test that is under way; None: there is none."""
        ...

    def switch_phases(self, charger: ChargerId, phases: int) -> None:
        """Begins to charge on one phase or on three. Returns once that is under way.

        Raises:
            PhasesFixed: it can't, or not now.
        """
        ...

    def restart(self) -> None:
        """Ends the controller, which starts anew. Returns before it does."""
        ...

    def use(self, installation: Installation) -> None:
        """From the next pass on this is the site, its meters and its chargers. Blocks until it is.

        Raises:
            AmpacityError: it can't be used; the one before is still in use.
        """
        ...


def _nobody() -> Sender:
    return Sender(site="", zone=ZoneInfo("UTC"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """All that routes reach for."""

    control: Control
    engine: Callable[[], Engine]
    """The database; blocks while it opens. Raises StorageError."""
    identify: Identify
    wall_s: Callable[[], float]
    """UTC seconds since 1970."""
    tags: Tags = field(default_factory=Tags)
    """Whose card or tag may charge."""
    events: Chronicle = field(default_factory=lambda: Chronicle(NoEvents()))
    """What happened."""
    notifications: Notifications = field(default_factory=lambda: Notifications(Settings, _nobody, text))
    """Tells people who are not looking."""
    sessions: Sessions = field(default_factory=Sessions)
    """Those that go on."""
    drawing: threading.Lock = field(default_factory=threading.Lock)
    """Held while a picture is drawn."""
    saving: threading.Lock = field(default_factory=threading.Lock)
    """Held while site.toml is read, checked and written: two people who save at once do so one after the other."""

    def driver_of(self, charger: ChargerId) -> int | None:
        """The account whose tag the session belongs to that goes on there; None: nobody's, or none goes on."""
        latest = self.control.latest
        seen = None if latest is None else latest.observed.chargers.get(charger)
        running = None if seen is None else self.sessions.of(charger, seen.session)
        if running is None:
            return None
        known = None if running.account is not None or running.tag is None else self.tags.get(running.tag)
        return running.account if known is None else known.account


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Reach = Annotated[Services, Depends(_services)]
"""A route's argument: `services: Reach`."""
