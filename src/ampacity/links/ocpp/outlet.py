"""One charger's socket, as its messages tell of it: what they say becomes observations, whatever their version."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from ampacity.core.observations import (
    ChargerLink,
    ChargerReport,
    ChargerState,
    SessionEnded,
    SessionStarted,
    Wish,
)
from ampacity.devices.charger_family import ChargerFamily, recognised
from ampacity.devices.charger_reports import Sampled, report_of
from ampacity.devices.phase_rotation import in_own_phases
from ampacity.devices.verified import unconfirmed
from ampacity.links.ocpp.endpoint import CarNeeds, Endpoint, OwnLimit, StationFacts
from ampacity.links.ocpp.fields import Scalar, text, whole
from ampacity.links.ocpp.inlet import Supply, SupplyTold
from ampacity.links.ocpp.remembered import Remembered
from ampacity.links.ocpp.steering import Put, Steering
from ampacity.links.ocpp.tags import LONGEST_TAG, OWN_TAG, Authorise, TagVerdict, normal_tag
from ampacity.links.ocpp.told_time import ToldTime
from ampacity.links.ocpp.transactions import TransactionId

HEARTBEAT_S = 60
LATE_S = 60.0
"""Values older than this by the charger's clock were held back while it was offline, and say nothing of now."""
BACKLOG_S = 120.0
"""How long after connecting such values come."""
SOCKET_S = 60.0
"""How long the socket's own values count before those of the whole station (connector 0)."""
MOST_COMPLAINTS = 50
BY_TAGS = "tags"
"""Who wishes that a car whose tag is refused gets nothing."""

_DOWN = (ChargerState.FAULTED, ChargerState.UNAVAILABLE)

_log = structlog.get_logger("ampacity.charger")


class Outlet:
    """Over one connection. Never blocks. Of several sockets the first is steered; `connector` is a socket's number,
    0 the station as a whole."""

    def __init__(
        self,
        endpoint: Endpoint,
        families: dict[str, ChargerFamily],
        family: ChargerFamily,
        remembered: Remembered,
        steering: Steering,
        *,
        version: str,
        told: ToldTime,
        put: Put,
        now_s: Callable[[], float],
        wall: Callable[[], datetime],
        authorise: Authorise,
        tell_supply: Supply,
    ) -> None:
        """`tell_supply` hears what it tells of the building's supply."""
        self.endpoint = endpoint
        self.family = family
        self.facts = StationFacts(family=family.id, version=version)
        self.ended: SessionEnded | None = None
        """The session whose end is about to be acknowledged."""
        self.state: ChargerState | None = None
        """The socket's own, as it was told last."""
        self.transactions = remembered.transactions
        self._families = families
        self._remembered = remembered
        self._steering = steering
        self._told = told
        self._put = put
        self._now_s = now_s
        self._wall = wall
        self._authorise = authorise
        self._tell_supply = tell_supply
        self._connected_s = now_s()
        self._booted = False
        self._remote_started = False
        self._station_state: ChargerState | None = None
        self._socket_values_s: float | None = None
        self._complaints: set[str] = set()

    # --- the station ---

    def time(self) -> str:
        """What it is told to be now."""
        return self._told.at(self._now_s()).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def beats(self) -> str:
        """A heartbeat came; returns the time to answer."""
        in_use = self.transactions.current is not None or self.state is not ChargerState.AVAILABLE
        self._follow_wall(in_use=in_use)
        return self.time()

    def introduces(self, vendor: str, model: str, firmware: str, *, triggered: bool = False) -> dict[str, object]:
        """A BootNotification came; `triggered`: it says that it was asked for it. Returns the answer."""
        if self.endpoint.family is None:
            self.family = recognised(self._families.values(), vendor, model, firmware)
            if self.family.is_unconfirmed and self._remembered.family is not self.family:
                self.complain("charger-unconfirmed", unconfirmed(self.family.id, self.family.verified))
        self._remembered.family = self.family
        self.facts = replace(
            self.facts, vendor=vendor[:60], model=model[:60], firmware=firmware[:60], family=self.family.id
        )
        started = self._steering.is_start() and not triggered
        _log.info(
            "charger-booted" if started else "charger-introduced",
            charger=self.endpoint.charger,
            vendor=vendor[:60],
            model=model[:60],
            firmware=firmware[:60],
            family=self.family.id,
            version=self.facts.version,
        )
        if started and self._booted:
            # It started anew over the same connection: what it was told may be gone.
            self._put(ChargerLink(charger=self.endpoint.charger, at_s=self._now_s(), online=True))
            self._follow_wall(in_use=self.transactions.current is not None)
        self._booted = True
        self._steering.introduced(self.family, started=started)
        return {"status": "Accepted", "currentTime": self.time(), "interval": HEARTBEAT_S}

    def stamped(self, stamp: Scalar) -> float | None:
        """Works in a stamp of its clock; returns how old it is by that clock, None where it is no stamp."""
        age_s = self._remembered.clock.note(stamp, self._now_s(), self._told.at(self._now_s()))
        if self._steering.is_clock_moved():
            # The lease of what it was told ends too soon or too late: it has to be told again.
            self._put(ChargerLink(charger=self.endpoint.charger, at_s=self._now_s(), online=True))
        return age_s

    def is_late(self, age_s: float | None) -> bool:
        """Whether what is so old was held back while it was offline."""
        return (
            age_s is not None
            and age_s > LATE_S
            and self._remembered.clock.known
            and self._now_s() - self._connected_s < BACKLOG_S
        )

    def is_steered(self, connector: Scalar) -> bool:
        number = whole(connector)
        if number is None or number in (0, 1):
            return True
        self.complain("ocpp-connector", f"connector {number} is left alone: only the first is steered")
        return False

    def supply(self, told: Mapping[Scalar, Iterable[Sampled]]) -> None:
        """It told what flows into the building, by the stamps: nothing that its socket draws."""
        for stamp, values in told.items():
            held_back = self.is_late(self.stamped(stamp))
            now_s = self._now_s()
            age_s = self._remembered.clock.age_s(stamp, self._told.at(now_s))
            if age_s is None:
                held_back = now_s - self._connected_s < BACKLOG_S  # nobody knows
            if not held_back:
                self._steering.supply_told_s = now_s
                self._tell_supply(SupplyTold(None if age_s is None else now_s - age_s, tuple(values)))

    # --- the socket ---

    def values(
        self,
        connector: Scalar,
        age_s: float | None,
        transaction: TransactionId | None,
        sampled: Collection[Sampled],
    ) -> None:
        """Meter values of a socket that is steered came. `age_s`: as `stamped` tells; `transaction`: during which."""
        now_s = self._now_s()
        if self.transactions.mention(transaction):
            # It began before this controller did: recognised, not stopped.
            self._begun(SessionStarted(charger=self.endpoint.charger, at_s=now_s, session=str(transaction)))
        if not sampled or self.is_late(age_s) or self._is_of_the_station(connector, now_s):
            return
        self._steering.reported_s = now_s
        rotation = self._remembered.rotation
        if self.family.rotates and rotation is not None:
            sampled = list(in_own_phases(sampled, rotation))
        report, unused = report_of(self.endpoint.charger, now_s, self.endpoint.phases, self.endpoint.volts, sampled)
        if unused:
            self.complain("ocpp-unused-value", unused)
        if report is not None and self.family.rotates and rotation is None and report.currents is not None:
            # By whose phases it reports is not known yet.
            report = replace(report, currents=None, current_a=max(report.currents.values))
        if report is not None:
            self._put(report)
        if transaction is not None and transaction == self.transactions.current:
            self._steering.in_session()

    def register_wh(self, sampled: Iterable[Sampled]) -> int | None:
        """The energy register among these values."""
        report, _ = report_of(self.endpoint.charger, self._now_s(), self.endpoint.phases, self.endpoint.volts, sampled)
        return None if report is None else report.energy_wh

    def shows(self, connector: Scalar, state: ChargerState) -> None:
        """It shows a state, of a socket that is steered or of itself."""
        if whole(connector) == 0:
            # Of the station itself only that it is down matters; and, when it was, that it is up again.
            was_down = self._station_state is not None
            self._station_state = state if state in _DOWN else None
            if self._station_state is None and not was_down:
                return
        else:
            if state is ChargerState.CHARGING and self.state is ChargerState.SUSPENDED_EVSE:
                self._steering.charges_again()
            self.state = state
        told = self._station_state or self.state
        if told is not None:
            self._put(ChargerReport(charger=self.endpoint.charger, at_s=self._now_s(), state=told))
        self._start_if_needed()

    def needs(self, car: CarNeeds) -> None:
        """The car told what it wants."""
        if car != self.facts.car:
            self.facts = replace(self.facts, car=car)
            _log.info(
                "charger-car-needs",
                charger=self.endpoint.charger,
                mode=car.mode,
                max_a=car.max_a,
                energy_wh=car.energy_wh,
                departure=car.departure,
            )

    def limited(self, own_limit: OwnLimit | None) -> None:
        """It has a limit from elsewhere, or none any more."""
        if own_limit == self.facts.own_limit:
            return
        self.facts = replace(self.facts, own_limit=own_limit)
        if own_limit is None:
            _log.info("charger-own-limit-gone", charger=self.endpoint.charger)
            return
        amount = "a limit" if own_limit.limit_a is None else f"{own_limit.limit_a:g} A"
        self.complain("charger-own-limit", f"It has {amount} from elsewhere ({own_limit.source or 'unknown'}).")

    # --- sessions ---

    def verdict(self, tag: Scalar) -> TagVerdict:
        shown = text(tag)
        if self._remote_started and normal_tag(shown) == normal_tag(OWN_TAG):
            return TagVerdict.ACCEPTED  # it was asked to start with this one
        return self._authorise(self.endpoint.charger, shown)

    def begins(self, session: TransactionId, meter_wh: int | None, tag: Scalar, age_s: float | None) -> TagVerdict:
        """A new session begins with this tag; `age_s`: as `stamped` tells. Returns the verdict on the tag."""
        verdict = self.verdict(tag)
        self.begins_untagged(session, meter_wh, age_s, tag=tag, verdict=verdict)
        self._judged(session, verdict)
        return verdict

    def begins_untagged(
        self,
        session: TransactionId,
        meter_wh: int | None,
        age_s: float | None,
        *,
        tag: Scalar = None,
        verdict: TagVerdict | None = None,
    ) -> None:
        """A new session begins, and a tag may come later."""
        self._begun(
            SessionStarted(
                charger=self.endpoint.charger,
                at_s=self._now_s(),
                session=str(session),
                meter_wh=meter_wh,
                tag=_shown_tag(tag),
            )
        )
        if self.is_late(age_s):
            _log.info(
                "charger-started-offline",
                charger=self.endpoint.charger,
                session=str(session),
                verdict=None if verdict is None else verdict.value,
                what=f"It began a session {age_s or 0.0:.0f} s ago, on its own, and reports it now.",
            )

    def tagged(self, session: TransactionId, tag: Scalar) -> TagVerdict:
        """A tag is told of the session that goes on. The first one is its; another that ends it is only judged."""
        shown, begun = _shown_tag(tag), self._remembered.begun
        if begun is None or begun.session != str(session):
            return self.verdict(tag)
        if begun.tag is not None:
            return self.verdict_on(session) if shown == begun.tag else self.verdict(tag)
        verdict = self.verdict(tag)
        if shown is not None:
            self._begun(replace(begun, tag=shown))
        self._judged(session, verdict)
        return verdict

    def verdict_on(self, session: TransactionId) -> TagVerdict:
        """What the verdict on its tag was."""
        refused, verdict = self._remembered.refused or (None, TagVerdict.ACCEPTED)
        return verdict if refused == session else TagVerdict.ACCEPTED

    def ends(self, session: TransactionId | None, meter_wh: int | None, reason: str) -> None:
        """A session ended. It is to be acknowledged only once `ended` is safe."""
        self.ended, is_news = self.transactions.stop(session, meter_wh, reason[:60], self._now_s())
        if is_news:
            self._put(self.ended)
            self.facts = replace(self.facts, car=None)
            self._steering.session_changed()
        refused, _ = self._remembered.refused or (None, None)
        if self.ended.session == str(refused):
            self._remembered.refused = None

    def complain(self, code: str, what: str) -> None:
        """Once for each thing, not once for each message."""
        told = f"{code} {what}"
        if told not in self._complaints and len(self._complaints) < MOST_COMPLAINTS:
            self._complaints.add(told)
            _log.warning(code, charger=self.endpoint.charger, what=what, remedy=_REMEDIES.get(code, _PASSED_OVER))

    # --- steps ---

    def _begun(self, begun: SessionStarted) -> None:
        self._remembered.begun = begun
        self._put(begun)
        self._steering.session_changed()

    def _follow_wall(self, *, in_use: bool) -> None:
        moved_s = self._told.follow(self._wall(), self._now_s(), in_use=in_use)
        self._remembered.clock.told_time_moved(moved_s)

    def _is_of_the_station(self, connector: Scalar, now_s: float) -> bool:
        """Whether a value is of the whole station, whose socket speaks for itself. (An ABB Terra AC that is asked
        answers for connector 0 alone.)"""
        if whole(connector) != 0:
            self._socket_values_s = now_s
            return False
        return self._socket_values_s is not None and now_s - self._socket_values_s < SOCKET_S

    def _start_if_needed(self) -> None:
        """Where known tags are asked for, a car is started by one only."""
        if self.state is ChargerState.PREPARING and self.family.remote_start and not self._remote_started:
            if self._authorise(self.endpoint.charger, OWN_TAG) is TagVerdict.ACCEPTED:
                self._remote_started = True
                self._steering.start_remotely()
        elif self.state is ChargerState.AVAILABLE:
            self._remote_started = False

    def _judged(self, session: TransactionId, verdict: TagVerdict) -> None:
        """A car whose tag is refused gets no current, for as long as the charger goes on with it."""
        charger, now_s = self.endpoint.charger, self._now_s()
        if verdict is not TagVerdict.ACCEPTED:
            self._remembered.refused = (session, verdict)
            self._put(Wish(charger=charger, at_s=now_s, paused=True, by=BY_TAGS))
            self._steering.end_refused()
            _log.info("charger-tag-refused", charger=charger, session=str(session), verdict=verdict.value)
        elif self._remembered.refused is not None:
            self._remembered.refused = None  # its end was never told
            self._put(Wish(charger=charger, at_s=now_s, paused=False, by=BY_TAGS))


def _shown_tag(tag: Scalar) -> str | None:
    """As it is kept with the session; None: nobody held one."""
    shown = normal_tag(text(tag))[:LONGEST_TAG]
    return shown if shown and shown != normal_tag(OWN_TAG) else None


_PASSED_OVER = "It is passed over; the rest counts."
_REMEDIES = {
    "charger-events-missing": "Its session goes on. If this comes often, look at the network between it and here.",
    "charger-faulted": "Look at the charger; it gets current again when it reports that the fault is gone.",
    "charger-own-limit": "It gets no more than that, whatever it is allowed here. Find out who limits it.",
    "charger-security-event": "Look at the charger: who has worked on it, and is its firmware current?",
    "charger-unconfirmed": "Make the step test and the expiry test, and tell the project what came of them.",
    "ocpp-answer-refused": "Report this with the log around it.",
    "ocpp-connector": "Give each socket an identity of its own at the charger, where it can do that.",
}
