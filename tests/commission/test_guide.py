"""The guided commissioning: what is to be done, what was done, and what no longer holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from tests.commission.conftest import LEFT, MAIN, METER, RIGHT, site

from ampacity.commission.basis import Basis
from ampacity.commission.dossier import Done, Dossier, Made
from ampacity.commission.expiry import Expiry, Fall, Open
from ampacity.commission.guide import ChargerNow, MeterNow, Task, Things, guide, is_checked
from ampacity.commission.selfcheck import Verdict
from ampacity.commission.steptest.following import Follows
from ampacity.commission.steptest.judgement import Answer
from ampacity.commission.steptest.judgement import Verdict as StepVerdict
from ampacity.commission.steptest.mounting import Wiring
from ampacity.commission.steptest.procedure import Ending
from ampacity.core.phases import Line
from ampacity.core.site import ChargerId, Site

INA = Done(by="Ina", at_s=1000.0)
NAMES = {LEFT: "Left", RIGHT: "Right"}
ORDER = (Line.L2, Line.L3, Line.L1)
FOLLOWS = Follows(dead_s=1.5, up_a_per_s=2.0, down_a_per_s=12.0, most_a=32.0)
FELL = Fall(True, 2.0, 16.0, 0.0)
STAYED = Fall(False, None, 16.0, 16.0)


def basis(**of: str) -> Basis:
    chargers: dict[str, str] = {LEFT: of.get("left", "CP1 main 3"), RIGHT: "CP2 main 3"}
    return Basis(
        supply="three-phase 230 V",
        chargers=chargers,
        meters={METER: of.get("meter", "em340 10.0.0.7")},
        numbers={METER: of["number"]} if "number" in of else {},
    )


def things(installed: Site | None = None, *, now: Basis | None = None, firmware: str = "1.0", **of: object) -> Things:
    installed = site() if installed is None else installed
    chargers = {
        one.id: ChargerNow(
            name=NAMES.get(one.id, one.id),
            vendor="Maker",
            model="Box",
            firmware=firmware,
            max_a=of.get("own_max_a"),  # type: ignore[arg-type]
            family=str(of.get("family", "")),
        )
        for one in installed.chargers
    }
    meter = MeterNow(id=METER, name="Meter", serial=bool(of.get("serial")), amps=of.get("amps", (9.0, 4.0, 3.0)))  # type: ignore[arg-type]
    return Things(
        site=installed,
        meters=[replace(meter, charger=of.get("told_by"))],  # type: ignore[arg-type]
        chargers=chargers,
        circuit_names={MAIN: "Main"},
        disclaimer=None,
        basis=basis() if now is None else now,
        may_guard={one.id: one.guarded for one in installed.chargers},
    )


def task(found: Things, dossier: Dossier, code: str, charger: ChargerId | None = None) -> Task:
    return next(one for one in guide(found, dossier).tasks if one.code == code and one.charger == charger)


def codes(one: Task) -> list[str]:
    return [finding.code for finding in one.findings]


def done(code: str, then: Basis | None = None, values: Mapping[str, float | str] | None = None) -> Dossier:
    found = things() if then is None else things(now=then)
    return Dossier().with_done(code, Done(by="Ina", at_s=1000.0, values=values or {}, basis=found.basis_of(code)))


def switches(**values: float | str) -> Dossier:
    return done("switches", values={key.replace("__", "."): value for key, value in values.items()})


def made(then: Basis | None = None) -> Made:
    return Made(by="Ina", at_s=1000.0, basis=basis() if then is None else then)


def verdict(wirings: Sequence[Wiring], ending: Ending = Ending.DONE) -> StepVerdict:
    return StepVerdict(LEFT, ending, Answer.YES, True, 3, tuple(wirings), 1.0, FOLLOWS, ())


def expired(linked: Fall | None = FELL, cut: Fall | None = FELL, firmware: str = "1.0", **of: Dossier) -> Dossier:
    before = of.get("before", Dossier())
    result = Expiry(LEFT, Ending.DONE, 0.0, linked, cut)
    return before.with_expiry(result, made(basis().of(chargers=[LEFT])), vendor="Maker", model="Box", firmware=firmware)


# --- the order of work ---


def test_the_order_is_the_guides_and_ends_with_proof_and_disclaimer() -> None:
    tasks = guide(things(serial=True), Dossier()).tasks
    told = [one.code for one in tasks]
    by_hand = ["wiring", "bus", "switches", "clamps", "order", "reading", "worst"]
    assert told == [*by_hand, "step", "step", "expiry", "expiry", "proof", "disclaimer"]
    assert not guide(things(), Dossier()).ready


def test_nothing_is_asked_of_a_line_that_is_not_there() -> None:
    assert "bus" not in [one.code for one in guide(things(serial=False), Dossier()).tasks]


@pytest.mark.parametrize(
    ("ohm", "code", "found"),
    [
        (60.0, "bus-right", Verdict.FINE),
        (120.0, "bus-one-missing", Verdict.WRONG),
        (40.0, "bus-one-too-many", Verdict.WRONG),
        (0.4, "bus-short", Verdict.WRONG),
        (1e9, "bus-open", Verdict.WRONG),
    ],
)
def test_a_measured_resistance_is_judged_with_its_cause(ohm: float, code: str, found: Verdict) -> None:
    one = task(things(serial=True), measured(ohm=ohm), "bus")
    assert (codes(one), one.verdict) == ([code], found)


def test_the_line_counts_as_measured_only_with_a_value() -> None:
    assert task(things(serial=True), measured(), "bus").verdict is Verdict.UNKNOWN


def measured(**values: float) -> Dossier:
    return Dossier().with_done("bus", replace(INA, values=values, basis=things(serial=True).basis_of("bus")))


# --- switches ---


def test_the_switch_of_the_line_belongs_in_position_t() -> None:
    assert codes(task(things(), switches(position="t"), "switches")) == ["switch-right"]
    assert task(things(), switches(position="NT"), "switches").verdict is Verdict.WRONG
    assert codes(task(things(), switches(position=""), "switches")) == ["switches-none"]


@pytest.mark.parametrize("rotary", [0.0, 8.0, 2.5])
def test_a_rotary_switch_goes_from_1_to_7(rotary: float) -> None:
    assert "rotary-out" in codes(task(things(), switches(rotary__left=rotary), "switches"))
    assert "rotary-out" not in codes(task(things(), switches(rotary__left=7.0), "switches"))


def test_the_current_it_means_is_held_against_site_toml_and_what_the_charger_reports() -> None:
    agrees = task(things(own_max_a=32.0), switches(means_a__left=32.0), "switches")
    assert codes(agrees) == ["switches-none", "rotary-agrees", "rotary-reported-agrees"]
    differs = task(things(own_max_a=16.0), switches(means_a__left=20.0), "switches")
    assert codes(differs) == ["switches-none", "rotary-differs", "rotary-reported-differs"]
    assert differs.verdict is Verdict.WRONG
    assert codes(task(things(), switches(means_a__left=32.0), "switches"))[-1] == "rotary-unreported"


def test_a_car_that_has_drawn_more_than_the_switch_means_tells_that_it_is_wrong() -> None:
    stepped = switches(means_a__left=16.0).with_step(verdict([ORDER]), 23.9, made())
    assert codes(task(things(), stepped, "switches"))[-1] == "rotary-exceeded"
    stepped = switches(means_a__left=16.0).with_step(verdict([ORDER]), 16.3, made())
    assert "rotary-exceeded" not in codes(task(things(), stepped, "switches"))


# --- the meter against a clamp ---


def read(*typed: float, shown: Sequence[float] = (9.0, 4.0, 3.0), then: Basis | None = None) -> Dossier:
    values = {f"main.L{n}": amps for n, amps in enumerate(typed, 1)}
    values |= {f"main.L{n}.shown": amps for n, amps in enumerate(shown, 1)}
    return done("reading", then, values)


def test_a_meter_that_agrees_with_a_clamp_in_any_order_may_be_gone_by() -> None:
    dossier = read(6.0, 5.5, 9.0, shown=(9.1, -6.2, 5.4))
    assert task(things(), dossier, "reading").verdict is Verdict.FINE
    assert is_checked(things(), dossier)


def test_a_meter_of_another_size_may_not() -> None:
    dossier = read(18.0, 8.0, 6.0)
    assert codes(task(things(), dossier, "reading")) == ["clampmeter-differs"]
    assert not is_checked(things(), dossier)


def test_where_too_little_flows_it_is_not_gone_by_either() -> None:
    dossier = read(9.0, 4.0, 0.2, shown=(9.0, 4.0, 0.3))
    assert codes(task(things(), dossier, "reading")) == ["clampmeter-agrees", "clampmeter-low"]
    assert not is_checked(things(), dossier)


def test_a_line_that_was_left_out_is_asked_for() -> None:
    assert codes(task(things(), read(9.0, 4.0), "reading")) == ["clampmeter-missing"]


# --- a changed site ---


def test_an_exchanged_meter_has_to_be_held_against_a_clamp_again() -> None:
    dossier = read(9.0, 6.0, 5.5, shown=(9.0, 6.0, 5.5), then=basis(number="A1"))
    assert is_checked(things(now=basis(number="A1")), dossier)
    for now in (basis(number="B2"), basis(meter="em24 10.0.0.9")):
        assert codes(task(things(now=now), dossier, "reading"))[-1] == "site-changed"
        assert not is_checked(things(now=now), dossier)


def test_a_meter_that_does_not_tell_its_number_now_is_taken_for_the_same() -> None:
    dossier = read(9.0, 6.0, 5.5, shown=(9.0, 6.0, 5.5), then=basis(number="A1"))
    assert is_checked(things(now=basis()), dossier)


def test_a_charger_that_came_later_is_to_be_looked_at_and_one_that_left_takes_nothing_with_it() -> None:
    only_right = basis().of(chargers=[RIGHT], meters=[METER])
    early = done("wiring", only_right)
    late = task(things(), early, "wiring")
    assert (codes(late), late.verdict) == (["site-changed"], Verdict.UNKNOWN)
    assert late.findings[0].params["what"] == "Left"
    assert task(things(now=only_right), done("wiring"), "wiring").verdict is Verdict.FINE


def test_a_step_test_holds_for_its_charger_and_its_meter_alone() -> None:
    dossier = Dossier().with_step(verdict([ORDER]), 24.0, made(basis(number="A1")))
    assert task(things(now=basis(number="A1")), dossier, "step", LEFT).learned == "L2-L3-L1"
    for now in (basis(number="B2"), basis(left="CP9 main 3")):
        one = task(things(now=now), dossier, "step", LEFT)
        assert (one.learned, one.verdict) == (None, Verdict.UNKNOWN)
        assert codes(one)[-1] == "site-changed"


# --- the step test ---


def test_what_it_finds_and_site_toml_does_not_say_is_learned() -> None:
    dossier = Dossier().with_step(verdict([ORDER]), 24.0, made())
    new = task(things(site(wiring=None)), dossier, "step", LEFT)
    assert (new.learned, codes(new)[-1], new.verdict) == ("L2-L3-L1", "wiring-new", Verdict.NOTE)
    other = task(things(site()), dossier, "step", LEFT)
    assert (other.learned, codes(other)[-1], other.verdict) == ("L2-L3-L1", "wiring-differs", Verdict.WRONG)
    same = task(things(site(wiring=ORDER)), dossier, "step", LEFT)
    assert same.learned is None


def test_two_tests_together_tell_more_than_one() -> None:
    first = [(Line.L2, Line.L1, Line.L3), ORDER]
    second = [ORDER, (Line.L3, Line.L2, Line.L1)]
    dossier = Dossier().with_step(verdict(first), None, made())
    assert dossier.wiring_of(LEFT, basis()) is None
    assert dossier.with_step(verdict(second), None, made()).wiring_of(LEFT, basis()) == ORDER


def test_a_test_that_contradicts_an_earlier_one_is_believed() -> None:
    dossier = Dossier().with_step(verdict([ORDER]), None, made())
    other = (Line.L1, Line.L2, Line.L3)
    assert dossier.with_step(verdict([other]), None, made()).wiring_of(LEFT, basis()) == other


@pytest.mark.parametrize("ending", [Ending.STOPPED, Ending.NO_CAR, Ending.OFFLINE, Ending.METER_SILENT])
def test_a_test_that_came_to_nothing_takes_nothing_away(ending: Ending) -> None:
    dossier = Dossier().with_step(verdict([ORDER]), 24.0, made())
    dossier = dossier.with_step(verdict([], ending), None, replace(made(), at_s=2000.0))
    one = task(things(site(wiring=ORDER)), dossier, "step", LEFT)
    assert codes(one)[0] == f"step-{ending.value}"
    assert one.verdict is Verdict.NOTE
    assert one.done == INA
    assert dossier.wiring_of(LEFT, basis()) == ORDER


def test_a_charger_that_disobeys_is_another_matter() -> None:
    dossier = Dossier().with_step(verdict([ORDER]), 24.0, made())
    dossier = dossier.with_step(verdict([ORDER], Ending.DISOBEYS), 30.0, made())
    assert task(things(), dossier, "step", LEFT).verdict is Verdict.WRONG


def test_a_fault_of_ours_is_told_and_what_was_found_stays() -> None:
    dossier = Dossier().with_step(verdict([ORDER]), 24.0, made()).with_failed("step", LEFT, made())
    assert codes(task(things(), dossier, "step", LEFT))[0] == "test-failed"
    assert dossier.wiring_of(LEFT, basis()) == ORDER
    assert codes(task(things(), Dossier().with_failed("expiry", LEFT, made()), "expiry", LEFT)) == ["test-failed"]


# --- the expiry test ---


def test_a_passed_test_is_fine_with_what_it_was_made_of() -> None:
    one = task(things(), expired(), "expiry", LEFT)
    assert (one.verdict, one.guarded) == (Verdict.FINE, None)
    assert one.done is not None
    assert one.done.values == {"vendor": "Maker", "model": "Box", "firmware": "1.0"}


def test_after_a_change_of_firmware_it_is_to_be_made_again_and_is_no_proof() -> None:
    one = task(things(firmware="1.1"), expired(), "expiry", LEFT)
    assert (codes(one)[-1], one.verdict) == ("expiry-firmware", Verdict.UNKNOWN)
    assert one.findings[-1].params == {"was": "1.0", "now": "1.1"}
    assert "Left" in untested(things(firmware="1.1"), expired())
    assert "Left" not in untested(things(), expired())


def untested(found: Things, dossier: Dossier) -> str:
    told = [one for one in task(found, dossier, "proof").findings if one.code == "proof-untested"]
    return str(told[0].params["chargers"]) if told else ""


def test_a_charger_that_is_not_connected_is_taken_for_the_same() -> None:
    assert task(things(firmware=""), expired(), "expiry", LEFT).verdict is Verdict.FINE


def test_another_charger_in_its_place_is_to_be_tested() -> None:
    assert "site-changed" in codes(task(things(now=basis(left="CP9 main 3")), expired(), "expiry", LEFT))
    exchanged = things()
    now = {**exchanged.chargers, LEFT: replace(exchanged.chargers[LEFT], vendor="Other")}
    assert codes(task(replace(exchanged, chargers=now), expired(), "expiry", LEFT))[-1] == "expiry-other"


def test_a_failed_test_that_site_toml_does_not_follow_offers_to_correct_it() -> None:
    one = task(things(), expired(STAYED, None), "expiry", LEFT)
    assert (codes(one)[-1], one.guarded, one.verdict) == ("guarded-not", False, Verdict.WRONG)
    one = task(things(site(guarded=False)), expired(STAYED, None), "expiry", LEFT)
    assert (codes(one), one.guarded) == (["expiry-linked-not"], None)


def test_a_passed_test_of_an_unguarded_charger_offers_to_count_on_it_again() -> None:
    one = task(things(site(guarded=False)), expired(), "expiry", LEFT)
    assert (codes(one)[-1], one.guarded, one.verdict) == ("guarded-again", True, Verdict.NOTE)
    assert task(things(site(guarded=False), firmware="2"), expired(), "expiry", LEFT).guarded is None


def test_a_test_that_saw_nothing_does_not_take_a_result_away() -> None:
    nothing = Fall(None, None, 0.0, None, Open.LEFT)
    for before, honoured in ((expired(), True), (expired(STAYED, None), False)):
        dossier = expired(nothing, None, before=before)
        assert dossier.expiries[LEFT].honoured is honoured
        assert codes(task(things(), dossier, "expiry", LEFT))[0] == "expiry-left"
    assert expired(nothing, None, firmware="2", before=expired()).expiries[LEFT].honoured is None


def test_a_family_without_leases_can_not_fall_back_and_the_proof_says_so() -> None:
    found = things(site(safe_a=8.0), family="Wallbox (wallbox)")
    one = task(found, Dossier(), "expiry", LEFT)
    assert (codes(one), one.verdict) == (["expiry-family"], Verdict.WRONG)
    assert codes(task(found, Dossier(), "proof"))[0] == "proof-fails-unguarded"


def test_a_safe_current_that_is_the_maximum_needs_no_test() -> None:
    assert codes(task(things(site(safe_a=32.0)), Dossier(), "expiry", LEFT)) == ["expiry-needless"]


def test_a_safe_current_that_was_changed_since_is_told() -> None:
    assert codes(task(things(site(safe_a=6.0)), expired(), "expiry", LEFT))[-1] == "expiry-safe-changed"


def test_who_tells_nothing_is_named() -> None:
    assert codes(task(things(amps=None), Dossier(), "order")) == ["meter-answers-not"]
    assert codes(task(things(amps=None, told_by="Left"), Dossier(), "order")) == ["supply-untold"]


# --- the end ---


def test_it_is_ready_when_everything_was_done_and_nothing_is_wrong() -> None:
    dossier = read(9.0, 6.0, 5.5, shown=(9.0, 6.0, 5.5))
    for code in ("wiring", "clamps", "order", "switches"):
        dossier = dossier.with_done(code, replace(INA, basis=things().basis_of(code)))
    right = StepVerdict(RIGHT, Ending.DONE, Answer.YES, True, 3, (), 1.0, FOLLOWS, ())
    dossier = dossier.with_step(verdict([]), 24.0, made()).with_step(right, 24.0, made())
    left, other = expired(before=dossier), Expiry(RIGHT, Ending.DONE, 0.0, FELL, FELL)
    dossier = left.with_expiry(other, made(), vendor="Maker", model="Box", firmware="1.0")
    found = replace(things(), disclaimer=INA)
    assert guide(found, dossier).ready
    assert not guide(things(), dossier).ready
    assert not guide(replace(found, site=site(limit_a=11.0)), dossier).ready
