"""The expiry test, told what a charger does second by second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.commission.conftest import LEFT, METER, site

from ampacity.commission.expiry import (
    LEASE_S,
    Expiry,
    ExpiryTest,
    NoSureRoom,
    Open,
    Stage,
    is_needless,
    sure_room,
)
from ampacity.commission.steptest.procedure import Ending
from ampacity.core.decision import Command
from ampacity.core.observations import (
    ChargerLink,
    ChargerReport,
    ChargerState,
    MeterReading,
    Observation,
    SetpointAnswer,
)
from ampacity.core.phases import PhaseAmps
from ampacity.core.site import Site


@dataclass
class Wallbox:
    """A charger and its car, driven by what the test asks for."""

    safe_a: float = 0.0
    car_a: float = 32.0
    reports: str = "currents"
    """currents, sum, power or nothing."""
    phases: int = 3
    """Of the car."""
    honours: bool = True
    honours_alone: bool = True
    """It honours a lease while its link is cut."""
    takes_lease: bool = True
    late_s: float = 0.0
    every_s: float = 2.0
    comes_back: bool = True
    on_meter: bool = True
    leaves_s: float | None = None
    """When its car stops by itself."""
    changes: Callable[[Wallbox, float], None] = lambda _, __: None
    limit_a: float = 0.0
    lease_end_s: float = 1e9
    renewed_s: float = -1e9
    online: bool = True
    told: list[float] = field(default_factory=list)

    def draws_a(self, now_s: float) -> float:
        alone = not self.online and not self.honours_alone
        over = now_s >= self.lease_end_s + self.late_s and self.honours and not alone
        offer_a = self.safe_a if over else self.limit_a
        if self.leaves_s is not None and now_s >= self.leaves_s:
            return 0.0
        return min(offer_a, self.car_a) if offer_a >= 6.0 else 0.0

    def report(self, now_s: float) -> list[Observation]:
        amps = self.draws_a(now_s)
        state = ChargerState.CHARGING if amps else ChargerState.SUSPENDED_EVSE
        if self.leaves_s is not None and now_s >= self.leaves_s:
            state = ChargerState.SUSPENDED_EV
        said: dict[str, Any] = {}
        match self.reports:
            case "currents":
                said = {"currents": PhaseAmps(tuple(amps if n < self.phases else 0.0 for n in range(3)))}
            case "sum":
                said = {"current_a": amps * self.phases}
            case "power":
                said = {"power_w": amps * self.phases * 230.0}
        return [ChargerReport(charger=LEFT, at_s=now_s, state=state, **said)]


def made(box: Wallbox, installed: Site | None = None, lease_s: float = LEASE_S, most_s: float = 900.0) -> Expiry:
    """The test, to its end."""
    installed = site(safe_a=box.safe_a) if installed is None else installed
    now_s = 0.0
    test = ExpiryTest(installed, LEFT, now_s, lease_s=lease_s)
    asked_a = 0.0
    while test.stage is not Stage.ENDED:
        now_s += 0.5
        assert now_s < most_s, "it does not end"
        box.changes(box, now_s)
        seen: list[Observation] = []
        if test.cut is box.online and (box.comes_back or box.online):
            box.online = not test.cut
            seen.append(ChargerLink(charger=LEFT, at_s=now_s, online=box.online))
        most_a = test.most_a()[LEFT]
        if box.online and (most_a != asked_a or now_s - box.renewed_s >= lease_s / 2):
            command = Command(charger=LEFT, limit_a=most_a, safe_a=box.safe_a, lease_s=lease_s, renewal=False)
            if not test.holds_back(command, ()):
                box.told.append(most_a)
                asked_a, box.limit_a, box.renewed_s, box.lease_end_s = most_a, most_a, now_s, now_s + lease_s
                end_s = box.lease_end_s if box.takes_lease and most_a > box.safe_a else None
                seen.append(SetpointAnswer(charger=LEFT, at_s=now_s, limit_a=most_a, accepted=True, lease_end_s=end_s))
        if box.online and now_s % box.every_s == 0:
            seen += box.report(now_s)
        car_a = box.draws_a(now_s) if box.on_meter else 0.0
        lines = PhaseAmps(tuple(5.0 + (car_a if n < box.phases else 0.0) for n in range(3)))
        seen.append(MeterReading(meter=METER, at_s=now_s, currents=lines))
        test.see(seen, None, now_s)
    return test.result


def test_a_charger_that_falls_both_times_honours_its_lease() -> None:
    result = made(Wallbox())
    assert result.honoured is True
    assert result.linked is not None
    assert result.linked.before_a == 28.0
    assert result.linked.after_s is not None
    assert result.linked.after_s <= 2.0


@pytest.mark.parametrize("reports", ["currents", "sum", "power"])
@pytest.mark.parametrize("phases", [1, 3])
@pytest.mark.parametrize("safe_a", [0.0, 6.0])
def test_what_a_charger_says_of_its_draw_never_makes_a_wrong_answer(reports: str, phases: int, safe_a: float) -> None:
    honest = made(Wallbox(reports=reports, phases=phases, safe_a=safe_a))
    stubborn = made(Wallbox(reports=reports, phases=phases, safe_a=safe_a, honours=False))
    assert honest.honoured is not False
    assert stubborn.honoured is not True
    if reports == "currents" or phases == 3 or safe_a == 0.0:
        assert (honest.honoured, stubborn.honoured) == (True, False)


def test_a_charger_that_stays_does_not_honour_it_and_its_link_is_not_cut_for_that() -> None:
    result = made(Wallbox(honours=False))
    assert result.honoured is False
    assert result.linked is not None
    assert result.linked.last_a == 28.0
    assert result.cut is None


def test_a_charger_that_takes_no_lease_is_measured_all_the_same() -> None:
    assert made(Wallbox(honours=False, takes_lease=False)).honoured is False


def test_a_charger_that_stays_only_while_it_is_alone_is_seen_by_the_meter() -> None:
    result = made(Wallbox(honours_alone=False))
    assert result.linked is not None
    assert result.linked.fell is True
    assert result.honoured is False


def test_where_the_meter_does_not_see_the_charger_its_own_word_counts() -> None:
    assert made(Wallbox(on_meter=False)).honoured is True


def test_a_charger_that_falls_slowly_has_fallen() -> None:
    result = made(Wallbox(late_s=12.0))
    assert result.honoured is True
    assert result.linked is not None
    assert result.linked.after_s is not None
    assert 12.0 <= result.linked.after_s <= 14.0


def test_a_charger_that_reports_seldom_is_waited_for() -> None:
    assert made(Wallbox(every_s=20.0)).honoured is True
    assert made(Wallbox(every_s=20.0, honours=False)).honoured is False


def test_a_charger_that_does_not_come_back_proves_nothing() -> None:
    result = made(Wallbox(comes_back=False))
    assert result.honoured is None
    assert result.ending is Ending.OFFLINE
    assert result.cut is not None
    assert result.cut.why is Open.UNSEEN


def test_a_charger_without_measurements_proves_nothing() -> None:
    result = made(Wallbox(reports="nothing"))
    assert result.linked is not None
    assert (result.honoured, result.linked.why) == (None, Open.NO_CURRENT)


def test_a_car_that_draws_too_little_proves_nothing() -> None:
    result = made(Wallbox(safe_a=6.0, car_a=7.0))
    assert result.linked is not None
    assert (result.honoured, result.linked.why) == (None, Open.NOT_RAISED)


def test_a_car_that_takes_less_than_it_is_given_will_do() -> None:
    assert made(Wallbox(car_a=11.0)).honoured is True
    assert made(Wallbox(car_a=11.0, honours=False)).honoured is False


def test_a_car_that_stops_by_itself_before_the_lease_has_ended_proves_nothing() -> None:
    result = made(Wallbox(leaves_s=40.0))
    assert result.linked is not None
    assert (result.honoured, result.linked.why) == (None, Open.LEFT)


def test_a_longer_lease_of_the_family_is_waited_out() -> None:
    assert made(Wallbox(), lease_s=300.0, most_s=2000.0).honoured is True


def test_a_command_that_takes_current_away_passes_and_ends_the_test() -> None:
    now_s, test = 0.0, ExpiryTest(site(), LEFT, 0.0)
    while test.stage is not Stage.WAITING:
        now_s += 1.0
        amps = test.most_a()[LEFT]
        answer = SetpointAnswer(charger=LEFT, at_s=min(now_s, 12.0), limit_a=amps, accepted=True, lease_end_s=52.0)
        test.see([answer, ChargerReport(charger=LEFT, at_s=now_s, currents=PhaseAmps((amps,) * 3))], None, now_s)
    assert test.holds_back(command(28.0), ())
    assert not test.holds_back(command(10.0), ())
    test.see([], None, now_s + 1.0)
    assert test.ending is Ending.DONE
    assert test.result.linked is not None
    assert test.result.linked.why is Open.NEEDED


def test_a_command_that_leaves_the_car_what_it_draws_can_wait() -> None:
    now_s, test = 0.0, ExpiryTest(site(), LEFT, 0.0)
    while test.stage is not Stage.WAITING:
        now_s += 1.0
        amps = test.most_a()[LEFT]
        answer = SetpointAnswer(charger=LEFT, at_s=min(now_s, 12.0), limit_a=amps, accepted=True, lease_end_s=52.0)
        drawn = PhaseAmps((min(amps, 16.0),) * 3)
        test.see([answer, ChargerReport(charger=LEFT, at_s=now_s, currents=drawn)], None, now_s)
    assert test.holds_back(command(17.5), ())
    fallen = ChargerReport(charger=LEFT, at_s=now_s, currents=PhaseAmps((0.0,) * 3))
    assert test.holds_back(command(6.0), [fallen])


def command(limit_a: float) -> Command:
    return Command(charger=LEFT, limit_a=limit_a, safe_a=0.0, lease_s=40.0, renewal=True)


# --- what is sure ---


def test_its_current_comes_from_the_worst_load_alone() -> None:
    assert sure_room(site(worst_a=12.0), LEFT).high_a == 28.0
    assert sure_room(site(worst_a=25.0), LEFT).high_a == 15.0
    with pytest.raises(NoSureRoom, match="worst load"):
        sure_room(site(worst_a=32.0), LEFT)
    with pytest.raises(NoSureRoom, match="not stated"):
        sure_room(site(worst_a=None), LEFT)


def test_it_goes_above_the_safe_current_and_the_minimum_stays_as_installed() -> None:
    room = sure_room(site(worst_a=12.0, safe_a=16.0), LEFT)
    assert room.high_a == 28.0
    assert room.site.chargers[0].min_a == 6.0
    with pytest.raises(NoSureRoom, match="safe 30 A"):
        sure_room(site(safe_a=30.0), LEFT)


def test_who_falls_back_to_the_maximum_has_nothing_to_fall_from() -> None:
    assert is_needless(site(safe_a=32.0).chargers[0])
    assert not is_needless(site(safe_a=16.0).chargers[0])


def test_all_others_are_paused_while_it_lasts() -> None:
    test = ExpiryTest(site(), LEFT, 0.0)
    assert set(test.most_a().values()) == {0.0}
    test.see([], None, 30.0)
    assert test.most_a() == {"left": 0.0, "right": 0.0}
    test.see([], None, 31.0)
    assert test.most_a() == {"left": 28.0, "right": 0.0}
