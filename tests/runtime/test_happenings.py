"""What people are told of what happened: each thing once, and little of what comes and goes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from tests.core.test_obedience import disobedient
from tests.core.test_trust import LEFT, MAIN, SITE, car, house
from tests.properties.house import Fault, House

from ampacity.core.decision import Blindness, Flag
from ampacity.core.observations import (
    ChargerLink,
    ChargerReport,
    ChargerState,
    Observation,
    SessionEnded,
    SessionStarted,
    Wish,
)
from ampacity.core.site import ChargerId, CircuitId, MeterId
from ampacity.runtime.happenings import _BLIND, _CONDITIONS, _FLAGS, CODES, Condition, Event, Happenings

WALL_S = 1_800_000_000.0


class Called:
    """Names for people."""

    def name_of(self, charger: ChargerId) -> str:
        return f"the {charger} one"

    def circuit_name_of(self, circuit: CircuitId) -> str:
        return "Main breaker"


class Follower:
    """Follows a house from pass to pass."""

    def __init__(self, one: House) -> None:
        self.events: list[Event] = []
        self.lost = 0
        self.seen: list[Observation] = []
        self.one = one
        self.standins: dict[MeterId, MeterId | None] = {}
        self.happenings = Happenings(
            Called, self.events_told, lambda: WALL_S + one.now_s, lambda: self.lost, lambda: self.standins
        )
        one.after = self.watch

    def events_told(self, events: Collection[Event]) -> None:
        self.events += events

    def watch(self, at: House) -> None:
        if at.decision is None or at.decision.at_s != at.now_s:
            return
        seen, self.seen = self.seen, []
        observed = at.observed.with_(at.site, seen)
        self.happenings(at.site, observed, seen, at.decision)

    def run(self, seconds: float) -> list[str]:
        """The codes of what was told meanwhile."""
        before = len(self.events)
        self.one.run(seconds)
        return [event.code for event in self.events[before:]]


def plugged() -> tuple[House, Follower]:
    one = house()
    one.step_load(0, 0, 4.0)
    one.plug_in(0, car())
    follower = Follower(one)
    follower.run(60)
    return one, follower


def test_every_kind_of_blindness_every_flag_and_every_condition_has_its_code() -> None:
    assert set(_BLIND) == set(Blindness)
    assert set(_FLAGS) == set(Flag)
    assert set(_CONDITIONS) == set(Condition)
    used = {code for code in _BLIND.values() if code} | {code for _, code in _FLAGS.values()}
    used |= {told.over for told in _CONDITIONS.values() if told.over}
    assert used <= set(CODES)


def test_a_house_where_all_is_well_has_nothing_to_tell() -> None:
    _, follower = plugged()
    assert follower.run(600) == []
    assert follower.events == []


def test_a_silent_meter_is_told_once_with_its_circuits_name_and_so_is_its_return() -> None:
    one, follower = plugged()
    one.spoil(one.sensors[0], Fault.SILENT)
    assert follower.run(600) == ["meter-silent"]
    event = follower.events[-1]
    assert event.params == {"circuit": "Main breaker", "circuit_id": MAIN}
    assert WALL_S + 60 < event.at_s < WALL_S + 120
    one.spoil(one.sensors[0], Fault.NONE)
    assert follower.run(300) == ["meter-believed"]


def test_a_meter_that_comes_and_goes_is_told_once() -> None:
    one, follower = plugged()
    for _ in range(10):
        one.spoil(one.sensors[0], Fault.SILENT)
        follower.run(40)
        one.spoil(one.sensors[0], Fault.NONE)
        follower.run(20)
    assert [event.code for event in follower.events] == ["meter-silent"]


def test_a_standby_meter_that_takes_over_is_told_once_and_so_is_the_first_ones_return() -> None:
    _, follower = plugged()
    follower.standins = {MeterId("main"): MeterId("spare")}
    assert follower.run(300) == ["meter-standby"]
    assert follower.events[-1].params == {"meter": "main", "standby": "spare"}
    follower.standins = {MeterId("main"): None}
    assert follower.run(20) == []
    assert follower.run(60) == ["meter-first-again"]
    assert follower.events[-1].thing == "main"


def test_a_first_meter_that_comes_and_goes_makes_one_event() -> None:
    _, follower = plugged()
    told = []
    for _ in range(10):
        follower.standins = {MeterId("main"): MeterId("spare")}
        told += follower.run(10)
        follower.standins = {MeterId("main"): None}
        told += follower.run(10)
    assert told == ["meter-standby"]


def test_a_meter_that_is_no_more_is_not_told_to_be_used_again() -> None:
    _, follower = plugged()
    follower.standins = {MeterId("main"): MeterId("spare")}
    follower.run(60)
    follower.standins = {}
    assert follower.run(120) == []


def test_a_charger_is_offline_after_two_minutes_and_not_before() -> None:
    one, follower = plugged()
    one.lose_link(0, 0.5)
    assert follower.run(110) == []
    assert follower.run(20) == ["charger-offline"]
    assert follower.events[-1].params == {"charger": "the left one", "charger_id": LEFT}
    one.regain_link(0)
    assert follower.run(120) == ["charger-online"]


def test_a_link_that_flaps_makes_two_events_at_the_most() -> None:
    one, follower = plugged()
    for _ in range(20):
        one.lose_link(0, 0.5)
        follower.run(25)
        one.regain_link(0)
        follower.run(5)
    assert [event.code for event in follower.events] == ["charger-offline"]
    assert follower.run(120) == ["charger-online"]


def test_a_charger_that_disobeys_is_told_and_that_it_is_stopped() -> None:
    one = disobedient()
    follower = Follower(one)
    told = follower.run(300)
    assert (told.count("charger-disobeys"), told.count("charger-stopped")) == (1, 1)


def test_a_fault_is_told_and_its_end() -> None:
    _, follower = plugged()
    happenings, one = follower.happenings, follower.one
    observed, decision = one.observed, one.decision
    assert decision is not None

    def say(state: ChargerState, after_s: float) -> list[str]:
        at_s = decision.at_s + after_s
        report = ChargerReport(charger=LEFT, at_s=at_s, state=state)
        before = len(follower.events)
        seen = observed.with_(SITE, [ChargerLink(charger=LEFT, at_s=at_s, online=True), report])
        happenings(SITE, seen, [report], replace(decision, at_s=at_s))
        return [event.code for event in follower.events[before:]]

    assert say(ChargerState.FAULTED, 1) == []
    assert say(ChargerState.FAULTED, 7) == ["charger-faulted"]
    assert say(ChargerState.AVAILABLE, 8) == []
    assert say(ChargerState.AVAILABLE, 40) == ["charger-mended"]


def test_sessions_are_told_once_however_often_the_charger_repeats_them() -> None:
    _, follower = plugged()
    for _ in range(3):
        follower.seen.append(SessionStarted(charger=LEFT, at_s=1.0, session="7"))
        follower.run(5)
    for _ in range(3):
        follower.seen.append(SessionEnded(charger=LEFT, at_s=2.0, session="7", energy_wh=12_345))
        follower.run(5)
    assert [event.code for event in follower.events] == ["session-started", "session-ended"]
    assert follower.events[-1].params["energy_kwh"] == 12.35


def test_a_session_whose_begin_was_not_seen_ends_without_a_figure() -> None:
    _, follower = plugged()
    follower.seen.append(SessionEnded(charger=LEFT, at_s=2.0, session="7"))
    assert follower.run(5) == ["session-ended-unmeasured"]


def test_a_wish_is_told_with_who_and_until_when() -> None:
    one, follower = plugged()
    follower.seen.append(Wish(charger=LEFT, at_s=one.now_s, paused=True, until_s=one.now_s + 600, by="Ann"))
    follower.seen.append(Wish(charger=LEFT, at_s=one.now_s, paused=False, first=True, by="Ann"))
    assert follower.run(1) == ["wish-pause", "wish-resume", "wish-first"]
    params = follower.events[-3].params
    assert params["by"] == "Ann"
    until_s = params["until_s"]
    assert isinstance(until_s, float)
    assert abs(until_s - (WALL_S + 660)) < 2
    assert follower.events[-1].params["until_s"] is None


def test_a_session_that_waits_for_room_is_told_as_paused_and_as_resumed() -> None:
    one, follower = plugged()
    follower.seen.append(SessionStarted(charger=LEFT, at_s=1.0, session="7"))
    one.observed = one.observed.with_(SITE, follower.seen)
    follower.run(5)
    one.step_load(0, 0, 38.0)
    assert follower.run(120) == ["charging-paused"]
    one.step_load(0, 0, 4.0)
    assert follower.run(600) == ["charging-resumed"]


def test_a_building_above_the_limit_is_told_when_it_lasts() -> None:
    one, follower = plugged()
    one.step_load(0, 0, 45.0)
    told = follower.run(60)
    assert told.count("limit-exceeded") == 1
    event = next(event for event in follower.events if event.code == "limit-exceeded")
    assert (event.params["line"], event.params["limit_a"]) == ("L1", 40.0)
    one.step_load(0, 0, 4.0)
    assert "limit-kept" in follower.run(300)


def test_a_trip_budget_is_told_above_a_half_and_again_only_once_it_was_low() -> None:
    _, follower = plugged()
    decision = follower.one.decision
    assert decision is not None
    told: list[str] = []
    for at, budget in enumerate([0.4, 0.6, 0.45, 0.6, 0.3, 0.9, 0.2, 0.2, 0.7]):
        view = replace(decision.circuits[0], budget=budget)
        before = len(follower.events)
        passed = replace(decision, at_s=decision.at_s + at + 1, circuits=(view,))
        follower.happenings(SITE, follower.one.observed, [], passed)
        told += [event.code for event in follower.events[before:]]
    assert told == ["budget-half", "budget-fine", "budget-half"]
    assert follower.events[-1].params["used_pct"] == 70


def test_a_gap_in_the_record_is_told_once_while_it_grows() -> None:
    _, follower = plugged()
    told = []
    for _ in range(5):
        follower.lost += 10
        told += follower.run(60)
    assert told == ["record-gap"]


def test_a_changed_site_is_told_and_what_is_no_more_is_forgotten() -> None:
    one, follower = plugged()
    one.lose_link(0, 0.5)
    assert follower.run(130) == ["charger-offline"]
    decision = one.decision
    assert decision is not None
    smaller = replace(SITE, chargers=SITE.chargers[1:])
    seen = decision.setpoints[1:]
    follower.happenings(smaller, one.observed, [], replace(decision, at_s=decision.at_s + 1, setpoints=seen))
    follower.happenings(smaller, one.observed, [], replace(decision, at_s=decision.at_s + 400, setpoints=seen))
    assert [event.code for event in follower.events[1:]] == ["site-changed"]


def test_a_start_is_told_with_its_version() -> None:
    follower = Follower(house())
    follower.happenings.begin("1.2.3")
    assert [(event.code, event.params) for event in follower.events] == [("controller-started", {"version": "1.2.3"})]
