"""Meters that speak JSON: every family reads its own samples, and a map of the user's own is held to what it names."""

from __future__ import annotations

import json

import pytest

from ampacity.core.site import MeterId
from ampacity.devices.catalogue import json_families
from ampacity.devices.json_family import JsonFamily, JsonSample, json_map_of
from ampacity.devices.readings import FrameAbsurd

FAMILIES = json_families()
SAMPLES = [(family, sample) for family in FAMILIES.values() for sample in family.samples]
MAIN = MeterId("main")


@pytest.mark.parametrize(("family", "sample"), SAMPLES, ids=[family.id for family, _ in SAMPLES])
def test_a_sample_says_what_it_should(family: JsonFamily, sample: JsonSample) -> None:
    reading = family.map.reading(MAIN, json.loads(sample.document), 5.0, family.phases, [230.0])
    assert reading.currents.values == pytest.approx(sample.currents)
    assert (None if reading.powers is None else reading.powers.values) == sample.powers
    assert (None if reading.voltages is None else reading.voltages.values) == sample.voltages


@pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
def test_every_family_has_a_source_and_says_how_well_it_is_verified(family: JsonFamily) -> None:
    assert family.source
    assert family.verified


def test_currents_follow_from_powers_and_voltages_where_none_are_told() -> None:
    where = json_map_of({"powers": ["p"], "voltages": ["v"]})
    assert where.reading(MAIN, {"p": 2300, "v": 230}, 5.0, 1, [230.0]).currents.values == (10.0,)


@pytest.mark.parametrize("told", [{}, {"v": [400, 400, 400]}, {"v": [231, 231, 231]}])
def test_without_a_neutral_a_power_is_that_to_the_star_point(told: dict[str, object]) -> None:
    where = json_map_of(
        {"powers": ["p[0]", "p[1]", "p[2]"], "voltages": ["v[0]", "v[1]", "v[2]"]}
        if told
        else {"powers": ["p[0]", "p[1]", "p[2]"]}
    )
    found = where.reading(MAIN, {"p": [2310, 2310, 2310], **told}, 5.0, 3, [400.0, 400.0 / 3**0.5])
    assert found.currents.values == pytest.approx((10.0, 10.0, 10.0), rel=0.01)


def test_reactive_power_counts_in_a_current_that_is_not_told() -> None:
    where = json_map_of({"powers": ["p"], "voltages": ["v"], "reactive": ["q"]})
    assert where.reading(MAIN, {"p": 300, "v": 100, "q": 400}, 5.0, 1, [100.0]).currents.values == (5.0,)


def test_a_scale_makes_amperes_of_milliamperes() -> None:
    where = json_map_of({"currents": {"at": ["ma"], "scale": 0.001}})
    assert where.reading(MAIN, {"ma": 6500}, 5.0, 1, [230.0]).currents.values == (6.5,)


@pytest.mark.parametrize(
    ("places", "document", "what"),
    [
        ({"currents": ["a"]}, {"b": 1}, "There is nothing at a"),
        ({"currents": ["a"]}, {"a": "many"}, "stands no number"),
        ({"currents": ["a"]}, {"a": [1, 2]}, "stands no number"),
        ({"currents": ["a"], "valid": "ok"}, {"a": 1, "ok": False}, "not valid"),
        ({"currents": ["a"]}, json.loads('{"a": NaN}'), "no number"),
        ({"currents": ["a"], "voltages": ["v"]}, {"a": 1, "v": 23}, "shows 23 V"),
        ({"currents": ["a"], "powers": ["p"]}, {"a": 1, "p": 9000}, "shows 9000 W"),
    ],
)
def test_what_can_not_be_is_no_reading(places: dict[str, object], document: object, what: str) -> None:
    with pytest.raises(FrameAbsurd, match=what):
        json_map_of(places).reading(MAIN, document, 5.0, 1, [230.0])


@pytest.mark.parametrize(
    ("places", "what"),
    [
        ({}, "currents are missing"),
        ({"currents": ["a["]}, "no JMESPath"),
        ({"amps": ["a"]}, "amps is no quantity"),
    ],
)
def test_a_map_that_can_not_be_used_says_why(places: dict[str, object], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        json_map_of(places)
