"""Each step of the guide is answered from what was measured, and the likely cause comes first."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampacity.commission import selfcheck
from ampacity.commission.selfcheck import (
    STEPS,
    ChargerFacts,
    Facts,
    LinkFacts,
    MeterFacts,
    SettingFacts,
    Verdict,
    check,
)

GOOD_LINK = LinkFacts(
    requests=1000, answers=1000, connections=1, received_bytes=400, sent_bytes=80, age_s=0.4, median_s=0.04, slow_s=0.09
)
METER = MeterFacts(
    name="main (10.0.0.7:502, unit 1)",
    device="auto",
    model="EM340",
    serial=False,
    deadline_s=5.0,
    trouble=None,
    what="",
    connected=True,
    blind=None,
    link=GOOD_LINK,
)
CHARGER = ChargerFacts(
    name="Left", online=True, known=True, firmware="1.2", firmware_old=False, flag=None, link=LinkFacts(connections=1)
)
FINE = Facts(meters=[METER], chargers=[CHARGER], version="0.1", newer=None, reads_meter=True)


def of_meter(**changed: Any) -> Facts:
    return replace(FINE, meters=[replace(METER, **changed)])


def of_link(**changed: Any) -> Facts:
    return of_meter(link=replace(GOOD_LINK, **changed))


def of_charger(**changed: Any) -> Facts:
    return replace(FINE, chargers=[replace(CHARGER, **changed)])


def test_where_all_is_well_every_step_is_fine_and_nothing_is_likely() -> None:
    found = check(FINE)
    assert [step.code for step in found.steps] == list(STEPS)
    assert {step.verdict for step in found.steps} == {Verdict.FINE}
    assert found.likely is None


LYING = SettingFacts(what="measurement mode", now="0 (A)", right="1 (B)", at_the_board=False)
DEAD = {"received_bytes": 0, "answers": 0, "age_s": None}


@pytest.mark.parametrize(
    ("facts", "likely"),
    [
        (of_meter(connected=False, model=None, link=LinkFacts(requests=3)), "tx-dark"),
        (of_meter(model=None, link=replace(GOOD_LINK, received_bytes=0, age_s=None)), "rx-dark-network"),
        (of_meter(serial=True, model=None, link=replace(GOOD_LINK, received_bytes=0, age_s=None)), "rx-dark-serial"),
        (of_meter(trouble="meter-mismatch", model=None, what="EM24 answers"), "incompatible"),
        (of_link(age_s=40.0), "silent"),
        (of_link(age_s=None), "never-answered"),
        (of_meter(blind="turned"), "blind-turned"),
        (of_meter(blind="absurd"), "blind-absurd"),
        (of_meter(blind="frozen"), "blind-frozen"),
        (of_meter(blind="exchanged"), "blind-exchanged"),
        (of_meter(settings=[LYING]), "setting-lies"),
        (of_meter(settings=[replace(LYING, at_the_board=True)]), "setting-at-the-board"),
        (of_meter(wiring=["Phases are exchanged."]), "meter-wiring"),
        (of_link(garbled=100), "garbled-network"),
        (of_meter(serial=True, link=replace(GOOD_LINK, garbled=100)), "garbled-serial"),
        (of_link(timeouts=100), "misses"),
        (of_link(slow_s=0.9), "slow"),
        (of_charger(online=False), "charger-lost"),
        (of_charger(online=False, link=LinkFacts()), "charger-never"),
        (of_charger(flag="disobeys"), "charger-disobeys"),
        (of_charger(flag="refuses"), "charger-refuses"),
        (of_charger(flag="unguarded"), "charger-unguarded"),
        (of_charger(known=False), "charger-silent"),
        (of_charger(firmware_old=True), "firmware-old"),
        (replace(FINE, newer="0.2"), "newer"),
        (replace(FINE, meters=[]), "no-meter"),
        (replace(FINE, chargers=[]), "no-charger"),
    ],
)
def test_the_cause_is_named(facts: Facts, likely: str) -> None:
    found = check(facts).likely
    assert found is not None
    assert found.code == likely


OF_CHARGER = replace(
    METER,
    name="main (charger left)",
    device="charger",
    model="charger",
    deadline_s=30.0,
    charger="Left",
    link=GOOD_LINK,
)


def of_supply(**changed: Any) -> Facts:
    return replace(FINE, meters=[replace(OF_CHARGER, **changed)])


def test_what_a_charger_tells_of_the_supply_is_fine_while_it_tells() -> None:
    found = check(of_supply())
    assert {step.verdict for step in found.steps} == {Verdict.FINE}


@pytest.mark.parametrize(
    ("facts", "likely"),
    [
        (of_supply(connected=False, link=replace(GOOD_LINK, age_s=60.0)), "inlet-charger-gone"),
        (of_supply(model=None, link=LinkFacts()), "inlet-never"),
        (of_supply(link=replace(GOOD_LINK, age_s=60.0)), "inlet-silent"),
        (of_supply(trouble="meter-late", what="It is 300 s old."), "inlet-late"),
        (of_supply(trouble="meter-absurd", what="It does not tell."), "inlet-unusable"),
        (of_supply(blind="turned"), "blind-turned"),
    ],
)
def test_the_cause_is_named_of_what_a_charger_tells(facts: Facts, likely: str) -> None:
    found = check(facts).likely
    assert found is not None
    assert found.code == likely


def test_what_a_charger_tells_can_not_be_seen_where_no_controller_runs() -> None:
    found = check(replace(of_supply(model=None, connected=False, link=LinkFacts()), running=False))
    codes = {finding.code for step in found.steps for finding in step.findings}
    assert codes == {"inlet-not-running", "inlet-lights", "current", "not-running"}


def test_nobody_is_sent_to_wires_that_a_charger_does_not_have() -> None:
    languages = (Path(selfcheck.__file__).parents[1] / "web" / "texts").glob("*.json")
    told = [json.loads(one.read_text())["selfcheck"] for one in languages]
    words = [text for texts in told for code, text in texts.items() if code.startswith("inlet-")]
    assert len(words) == 6 * 11
    assert [one for one in words if re.search(r"D[+−-]|RS485|unit number", one)] == []


def test_what_explains_the_rest_comes_first() -> None:
    dark = replace(METER, model=None, connected=True, link=replace(GOOD_LINK, received_bytes=0, age_s=None))
    facts = replace(FINE, meters=[dark], chargers=[replace(CHARGER, online=False)], newer="0.2")
    found = check(facts).likely
    assert found is not None
    assert found.code == "rx-dark-network"


def test_where_no_meter_is_read_none_is_asked_for() -> None:
    found = check(replace(FINE, meters=[], reads_meter=False))
    assert found.likely is None


def test_a_few_misses_at_the_start_are_no_share() -> None:
    assert check(of_link(requests=10, timeouts=4)).likely is None


LINKS = st.builds(
    LinkFacts,
    requests=st.integers(0, 10**6),
    answers=st.integers(0, 10**6),
    timeouts=st.integers(0, 10**6),
    garbled=st.integers(0, 10**6),
    connections=st.integers(0, 9),
    received_bytes=st.integers(0, 9000),
    sent_bytes=st.integers(0, 900),
    age_s=st.none() | st.floats(0, 1e6),
    slow_s=st.none() | st.floats(0, 40),
)
METERS = st.builds(
    MeterFacts,
    name=st.just("main"),
    device=st.just("auto"),
    model=st.none() | st.just("EM340"),
    serial=st.booleans(),
    deadline_s=st.floats(5, 60),
    trouble=st.sampled_from([None, "meter-silent", "meter-mismatch", "meter-absurd", "meter-late"]),
    what=st.just("x"),
    connected=st.booleans(),
    blind=st.sampled_from([None, "silent", "frozen", "absurd", "turned", "exchanged", "recovering", "never-seen"]),
    settings=st.lists(
        st.builds(SettingFacts, what=st.just("x"), now=st.just("0"), right=st.just("1"), at_the_board=st.booleans()),
        max_size=2,
    ),
    wiring=st.lists(st.just("x"), max_size=2),
    charger=st.none() | st.just("Left"),
    link=LINKS,
)
CHARGERS = st.builds(
    ChargerFacts,
    name=st.just("Left"),
    online=st.booleans(),
    known=st.booleans(),
    firmware=st.just("1"),
    firmware_old=st.booleans(),
    flag=st.sampled_from([None, "disobeys", "refuses", "unguarded"]),
    link=LINKS,
)
SITES = st.builds(
    Facts,
    meters=st.lists(METERS, max_size=3),
    chargers=st.lists(CHARGERS, max_size=3),
    version=st.just("1"),
    newer=st.none() | st.just("2"),
    reads_meter=st.booleans(),
    running=st.booleans(),
)
TEXTS = json.loads((Path(selfcheck.__file__).parents[1] / "web" / "texts" / "en.json").read_text())["selfcheck"]


@given(SITES)
def test_whatever_is_seen_is_told_in_words_and_the_likely_cause_is_among_the_worst(facts: Facts) -> None:
    found = check(facts)
    told = [finding for step in found.steps for finding in step.findings]
    for finding in told:
        gaps = set(re.findall(r"\{(\w+)\}", TEXTS[finding.code]))
        assert gaps <= set(finding.params)
    worst = {finding.verdict for finding in told}
    if Verdict.WRONG in worst:
        assert found.likely is not None
        assert found.likely.verdict is Verdict.WRONG
    assert all(step.code in TEXTS for step in found.steps)
