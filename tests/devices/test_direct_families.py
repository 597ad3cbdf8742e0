"""Every family of chargers over Modbus or HTTP says where its facts are from, and is decoded from its samples."""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampacity.core.observations import ChargerState
from ampacity.core.site import ChargerId
from ampacity.devices.catalogue import charger_families, direct_families
from ampacity.devices.direct_charger import (
    STARTING_S,
    ChargerAbsurd,
    Reading,
    Value,
    charger_state,
    of_json,
    reading_of,
    report_of,
    timeout_within,
)
from ampacity.devices.direct_family import DirectFamily, Point, Sample
from ampacity.devices.direct_file import direct_family_of
from ampacity.devices.new_charger import new_charger
from ampacity.devices.registers import WORDS

FAMILIES = direct_families()
by_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda f: f.id)
SAMPLES = [(family, sample) for family in FAMILIES.values() for sample in family.samples]
by_sample = pytest.mark.parametrize(("family", "sample"), SAMPLES, ids=[f"{f.id}: {s.what}" for f, s in SAMPLES])
WANTED = {
    "abb-terra-ac-modbus",
    "alfen-eve",
    "amperfied-connect",
    "bender-cc61x",
    "daheimladen",
    "eprowallbox",
    "go-e-http",
    "go-e-modbus",
    "heidelberg-energy-control",
    "keba-p30",
    "keba-p40",
    "mennekes-compact",
    "mennekes-hcc3",
    "openwb-pro",
    "peblar",
    "phoenix-charx",
    "phoenix-em-eth",
    "phoenix-ev-eth",
    "schneider-evlink-pro",
    "smartfox-cion",
    "vestel-evc04",
    "webasto-next",
}


def read(family: DirectFamily, sample: Sample) -> dict[Point, Value]:
    """The sample, as a link would give it."""
    points = [*family.fast_points, *([family.energy] if family.energy is not None else [])]
    found: dict[Point, Value] = {}
    if sample.json:
        document = json.loads(sample.json)
        for one in points:
            value = of_json(str(one.at), document)
            found[one] = value * one.scale if isinstance(value, float) else value
        return found
    words = {(f, first + n): w for (f, first), block in sample.registers.items() for n, w in enumerate(block)}
    for one in points:
        raw = [words[one.read, int(one.at) + n] for n in range(one.registers)]
        found[one] = family.value_of(one, raw)
    return found


def test_every_family_that_was_promised_is_there() -> None:
    assert set(FAMILIES) >= WANTED


def test_no_family_has_the_name_of_one_with_ocpp() -> None:
    assert FAMILIES.keys() & charger_families().keys() == set()


@by_sample
def test_a_sample_says_what_its_file_says_it_does(family: DirectFamily, sample: Sample) -> None:
    said = reading_of(family, read(family, sample))
    assert said.state == sample.state
    assert said.currents == (None if sample.currents is None else pytest.approx(sample.currents, abs=1e-4))
    assert said.power_w == pytest.approx(sample.power_w, abs=1e-3)
    assert said.energy_wh == pytest.approx(sample.energy_wh, abs=1e-2)
    assert said.limit_a == pytest.approx(sample.limit_a, abs=1e-4)


@by_family
def test_a_family_says_where_its_facts_and_samples_are_from(family: DirectFamily) -> None:
    assert family.source
    assert family.verified
    assert len(family.samples) >= 2
    assert all(sample.seen for sample in family.samples)


@by_family
def test_a_family_shows_how_a_car_charges_and_how_it_does_not(family: DirectFamily) -> None:
    states = {sample.state for sample in family.samples}
    assert states & {"C", "B"}
    assert len(states) > 1


@by_family
@given(amps=st.floats(0, 200))
def test_a_setpoint_is_rounded_down_to_what_the_family_knows(family: DirectFamily, amps: float) -> None:
    limit = family.limit
    set_a = limit.grid_a(amps)
    assert set_a == 0.0 or limit.least_a <= set_a <= limit.most_a
    assert set_a <= amps + 1e-6


@by_family
def test_the_current_of_every_step_fits_into_its_register(family: DirectFamily) -> None:
    limit = family.limit
    if family.protocol == "modbus":
        for n in range(int(min(limit.most_a, 63.0) / limit.step_a)):
            amps = limit.grid_a(n * limit.step_a)
            words = family.words_of(limit.point, amps)
            back = family.value_of(limit.point, words)
            assert back == pytest.approx(amps, abs=1e-4)


@by_family
def test_no_register_that_is_written_to_eeprom_is_in_a_file(family: DirectFamily) -> None:
    limit, watchdog = family.limit, family.watchdog
    written = [limit.point.at, *(one.point.at for one in (*limit.pause, *limit.go))]
    written += [] if watchdog is None else [one.point.at for one in watchdog.feed]
    eeprom = {"go-e-modbus": {300}, "keba-p30": {5020}, "keba-p40": {5020}}.get(family.id, set())
    assert not eeprom & set(written)


@by_family
def test_a_watchdogs_time_is_within_what_the_family_takes(family: DirectFamily) -> None:
    if family.watchdog is not None:
        for lease_s in (10.0, 40.0, 120.0, 86_400.0):
            wanted_s = timeout_within(family, lease_s)
            assert family.watchdog.least_s <= wanted_s <= family.watchdog.most_s
            point = family.watchdog.timeout
            if point is not None and point.write:
                assert family.words_of(point, wanted_s)


def test_keba_is_read_one_value_a_request() -> None:
    family = FAMILIES["keba-p30"]
    asked = family.reads_of([one for one in family.fast_points if one.read])
    assert {count for _, _, count in asked} == {2}


def test_registers_next_to_each_other_are_read_together_and_no_others() -> None:
    points = [Point(at=at, type="uint16", read=3) for at in (10, 11, 13)]
    assert replace(FAMILIES["keba-p30"], single_reads=False).reads_of(points) == [(3, 10, 2), (3, 13, 1)]


@given(st.sampled_from(sorted(WORDS.keys() - {"t5", "t6"})), st.integers(0, 32_000), st.booleans())
def test_what_is_written_into_registers_is_what_is_read_from_them(kind: str, number: int, low_first: bool) -> None:
    family = replace(FAMILIES["keba-p30"], low_word_first=low_first)
    point = Point(at=0, type=kind)
    assert family.value_of(point, family.words_of(point, float(number))) == number


def test_bits_of_a_register_are_read_alone() -> None:
    assert FAMILIES["keba-p30"].value_of(Point(at=0, mask=0x0F00), [0xA5FF]) == 5.0


def test_a_number_that_does_not_fit_is_refused_with_its_address() -> None:
    with pytest.raises(ValueError, match="7: 70000 does not fit into uint16"):
        FAMILIES["keba-p30"].words_of(Point(at=7, type="uint16"), 70_000.0)


@pytest.mark.parametrize("kind", ["t5", "t6"])
def test_a_number_with_a_power_of_ten_is_not_written(kind: str) -> None:
    with pytest.raises(ValueError, match="only read"):
        FAMILIES["keba-p30"].words_of(Point(at=7, type=kind), 1.0)


# --- states ---


@pytest.mark.parametrize(
    ("state", "draw_a", "limit_a", "offered_s", "means"),
    [
        ("A", 0.0, 0.0, 0.0, ChargerState.AVAILABLE),
        ("A", 9.0, 10.0, 0.0, None),
        ("B", 0.0, 0.0, 0.0, ChargerState.SUSPENDED_EVSE),
        ("B", 0.0, 10.0, STARTING_S - 1, ChargerState.PREPARING),
        ("B", 0.0, 10.0, STARTING_S, ChargerState.SUSPENDED_EV),
        ("B", 9.0, 10.0, 0.0, ChargerState.CHARGING),
        ("C", 9.0, 10.0, 0.0, ChargerState.CHARGING),
        ("C", 9.0, 0.0, 0.0, ChargerState.CHARGING),
        ("C", 0.0, 0.0, 0.0, ChargerState.SUSPENDED_EVSE),
        ("E", 0.0, 0.0, 0.0, ChargerState.FAULTED),
        ("F", 0.0, 0.0, 0.0, ChargerState.UNAVAILABLE),
        (None, 0.0, 0.0, 0.0, None),
    ],
)
def test_a_state_means_what_its_letter_limit_and_draw_say(
    state: str | None, draw_a: float, limit_a: float, offered_s: float, means: ChargerState | None
) -> None:
    assert charger_state(Reading(state=state, currents=(draw_a,)), limit_a, offered_s) is means


@pytest.mark.parametrize(
    ("amps", "phases", "currents", "current_a"),
    [
        ((10.0, 9.0, 8.0), 3, (10.0, 9.0, 8.0), None),
        ((10.0, 0.0, 0.0), 1, (10.0,), None),
        ((0.0, 0.0, 7.0), 1, (7.0,), None),
        ((10.0, 9.0, 0.2), 2, (10.0, 9.0), None),
        ((10.0, 9.0, 8.0), 2, None, 10.0),
        ((12.0,), 3, None, 12.0),
    ],
)
def test_currents_are_those_of_the_phases_that_are_wired(
    amps: tuple[float, ...], phases: int, currents: tuple[float, ...] | None, current_a: float | None
) -> None:
    said = Reading(state="C", currents=amps)
    report = report_of(said, ChargerId("a"), 1.0, phases=phases, limit_a=16.0, offered_s=0.0)
    assert (None if report.currents is None else report.currents.values, report.current_a) == (currents, current_a)


@pytest.mark.parametrize("amps", [math.nan, math.inf, 4e9, -2000.0])
def test_a_current_that_can_not_be_is_refused(amps: float) -> None:
    family = FAMILIES["heidelberg-energy-control"]
    with pytest.raises(ChargerAbsurd):
        reading_of(family, dict.fromkeys(family.currents, amps))


def test_a_phase_that_alfen_does_not_measure_is_nothing() -> None:
    family = FAMILIES["alfen-eve"]
    said = reading_of(family, dict(zip(family.currents, (9.0, math.nan, math.nan), strict=True)))
    assert said.currents == (9.0, 0.0, 0.0)


def test_a_current_that_is_not_known_is_none() -> None:
    family = FAMILIES["bender-cc61x"]
    assert reading_of(family, dict.fromkeys(family.currents, None)).currents is None


def test_a_state_that_is_not_known_is_told() -> None:
    family = FAMILIES["webasto-next"]
    assert reading_of(family, {family.state[0].point: 99.0}).unknown == "99"


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=12) | st.dictionaries(st.sampled_from(["nrg", "car", "amp"]), inner),
        max_leaves=20,
    )
)
def test_whatever_json_comes_is_a_value_or_nothing(document: Any) -> None:
    for key in ("nrg.4", "car", "amp"):
        value = of_json(key, document)
        assert value is None or isinstance(value, float | str)


# --- the file ---

ALFEN = tomllib.loads(
    Path(str(resources.files("ampacity.devices"))).joinpath("chargers", "alfen-eve.toml").read_text(encoding="utf-8")
)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"colour": "red"}, "colour"),
        ({"limit": {"at": {"address": 1}, "step_a": 0}}, "step_a"),
        ({"limit": {"at": {"address": 1}, "step_a": 1, "keeps_current": True}}, "nothing pauses it"),
        ({"limit": {"at": {"address": 1, "write": 0}, "step_a": 1}}, "can't be written"),
        ({"power": {"address": 1, "type": "float16"}}, "float16"),
        ({"power": {"address": 1, "scal": 2}}, "scal"),
        ({"state": [{"at": {"address": 1}, "values": {"1": "Z"}}]}, "state Z"),
        ({"state": []}, r"\[\[state\]\] is missing"),
        ({"watchdog": {"kind": "prayer"}}, "prayer"),
        ({"transports": ["tcp", "rtu"]}, "serial"),
        ({"transports": ["pigeon"]}, "pigeon"),
        ({"firmware_min": "new"}, "no version"),
        ({"currents": {"address": [1, 2], "type": "uint16"}}, "2 entries"),
        ({"word_order": "sideways"}, "sideways"),
    ],
)
def test_a_file_that_is_not_right_is_refused_with_what_is_wrong(changed: dict[str, Any], said: str) -> None:
    with pytest.raises((ValueError, TypeError, KeyError), match=said):
        direct_family_of({**ALFEN, **changed})


def test_a_new_file_is_right_but_for_its_sample() -> None:
    family = direct_family_of(tomllib.loads(new_charger("maker-model")))
    assert family.id == "maker-model"
    (sample,) = family.samples
    assert reading_of(family, read(family, sample)).currents != sample.currents


def test_a_name_that_can_not_be_an_id_is_refused() -> None:
    with pytest.raises(ValueError, match="small letters"):
        new_charger("../Maker")
