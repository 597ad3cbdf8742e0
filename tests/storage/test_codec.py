"""Values of the core survive as bytes to the last bit; bytes of anybody else are an error."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import fields
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampacity.core.decision import Command, Decision
from ampacity.core.memory import ChargerMemory, CircuitMemory, Memory, PlaceMemory, Want
from ampacity.core.observations import (
    Allowance,
    ChargerLink,
    ChargerReport,
    ChargerSeen,
    ChargerState,
    Hold,
    MeterReading,
    Observation,
    Observed,
    SessionEnded,
    SessionStarted,
    SetpointAnswer,
    Wish,
)
from ampacity.core.phases import Line, PhaseAmps, PhaseVars, PhaseVolts, PhaseWatts, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, PauseMode, Site
from ampacity.storage.codec import (
    decoded_observation,
    encoded_observation,
    encoded_pass,
    packed,
    packed_passes,
    packed_site,
    packed_start,
    unpacked_passes,
    unpacked_site,
    unpacked_start,
)
from ampacity.storage.errors import StorageDamaged
from ampacity.storage.rollup import minute_of, span_of

numbers = st.floats(allow_nan=False)
maybe = st.none() | numbers
whole = st.integers(-(2**63), 2**64 - 1)
ids = st.text(max_size=8)
chargers = ids.map(ChargerId)
phases = st.lists(numbers, min_size=1, max_size=3).map(tuple)
amps = phases.map(PhaseAmps)
states = st.none() | st.sampled_from(ChargerState)

answers = st.builds(
    SetpointAnswer,
    charger=chargers,
    at_s=numbers,
    limit_a=numbers,
    accepted=st.booleans(),
    lease_end_s=maybe,
    reason=st.text(max_size=9),
)
readings = st.builds(
    MeterReading,
    meter=ids.map(MeterId),
    at_s=numbers,
    currents=amps,
    powers=st.none() | phases.map(PhaseWatts),
    voltages=st.none() | phases.map(PhaseVolts),
    reactive=st.none() | phases.map(PhaseVars),
    energy_import_wh=st.none() | whole,
)
observations: st.SearchStrategy[Observation] = st.one_of(
    readings,
    st.builds(
        ChargerReport,
        charger=chargers,
        at_s=numbers,
        state=states,
        currents=st.none() | amps,
        current_a=maybe,
        power_w=maybe,
        energy_wh=st.none() | whole,
        soc_pct=maybe,
        phases_on=st.none() | whole,
    ),
    st.builds(ChargerLink, charger=chargers, at_s=numbers, online=st.booleans()),
    answers,
    st.builds(SessionStarted, charger=chargers, at_s=numbers, session=ids, tag=st.none() | st.text()),
    st.builds(SessionEnded, charger=chargers, at_s=numbers, session=ids, energy_wh=st.none() | whole, reason=ids),
    st.builds(
        Wish,
        charger=chargers,
        at_s=numbers,
        paused=st.none() | st.booleans(),
        first=st.none() | st.booleans(),
        until_s=maybe,
        by=st.text(),
    ),
    st.builds(Allowance, charger=chargers, at_s=numbers, most_a=maybe, hold=st.sampled_from(Hold)),
)
memories = st.builds(
    Memory,
    start_s=maybe,
    chargers=st.none()
    | st.dictionaries(
        ids,
        st.builds(
            ChargerMemory,
            news=whole,
            due_s=numbers,
            limit_a=maybe,
            refusals=whole,
            strays=whole,
            mask=whole,
            phases_on=st.none() | whole,
            want=st.sampled_from(Want),
        ),
        max_size=2,
    ),
    circuits=st.none()
    | st.dictionaries(
        ids,
        st.builds(
            CircuitMemory,
            at_s=maybe,
            good=whole,
            frozen_s=maybe,
            absurd_s=maybe,
            turns=whole,
            against=st.lists(whole, max_size=3).map(tuple),
            places=st.lists(
                st.builds(
                    PlaceMemory, *[numbers] * 7, peaks=st.lists(st.tuples(numbers, numbers), max_size=3).map(tuple)
                ),
                max_size=2,
            ).map(tuple),
        ),
        max_size=2,
    ),
)
seen_of_chargers = st.builds(
    ChargerSeen,
    news=whole,
    energy_wh=st.none() | whole,
    answer=st.none() | answers,
    paused_until_s=maybe,
    first=st.booleans(),
    most_a=maybe,
    hold=st.none() | st.sampled_from(Hold),
    phases_on=st.none() | whole,
)
observeds = st.builds(
    Observed,
    st.dictionaries(ids.map(MeterId), readings, max_size=2),
    st.dictionaries(chargers, seen_of_chargers, max_size=2),
    memories,
)
commands = st.builds(Command, charger=chargers, limit_a=numbers, safe_a=numbers, lease_s=maybe, renewal=st.booleans())
limits = st.dictionaries(ids, numbers, max_size=3)


@given(observations)
def test_an_observation_survives_to_the_last_bit(one: Observation) -> None:
    name, body = encoded_observation(one)
    again = decoded_observation(name, body)
    assert type(again) is type(one)
    assert again == one
    assert encoded_observation(again) == (name, body)


@given(observeds, limits)
def test_what_was_known_survives_to_the_last_bit(observed: Observed, before: dict[str, float]) -> None:
    body = packed_start(observed, before)
    again, limits_again = unpacked_start(body)
    assert repr((again, limits_again)) == repr((observed, before))  # tells every bit, and NaN is NaN
    assert packed_start(again, limits_again) == body


@given(st.lists(observations, max_size=3), st.lists(commands, max_size=3), limits, numbers)
def test_a_pass_survives_to_the_last_bit(
    seen: list[Observation], sent: list[Command], changed: dict[str, float], at_s: float
) -> None:
    decision = Decision(at_s=at_s, setpoints=(), commands=tuple(sent), circuits=(), memory=Memory())
    (again,) = unpacked_passes(packed_passes([encoded_pass(seen, decision, changed)]))
    assert (again.at_s, again.limits, again.commands) == (at_s, changed, sent)
    assert [decoded_observation(name, body) for name, body in again.seen] == seen
    assert len(again.digest) == 8


FULL = Site(
    name="köln",
    supply=Supply.LINE_TO_LINE,
    nominal_v=208.0,
    circuits=(
        Circuit(id=CircuitId("main"), rating_a=PhaseAmps((63.0, 63.0, 50.0)), meter=MeterId("main")),
        Circuit(
            id=CircuitId("garage"),
            parent=CircuitId("main"),
            rating_a=PhaseAmps((40.0, 40.0, 40.0)),
            continuous_factor=0.8,
            other_load_a=1.5,
            worst_load_a=PhaseAmps((1.0, 2.0, 3.0)),
        ),
    ),
    meters=(Meter(id=MeterId("main"), period_s=0.2, deadline_s=7.0),),
    chargers=(
        Charger(id=ChargerId("a"), circuit=CircuitId("garage"), wiring=(Line.L3, Line.L1), phases=2, weight=1 / 3),
        Charger(id=ChargerId("b"), circuit=CircuitId("main"), wiring=None, guarded=False),
    ),
    pause_mode=PauseMode.STRICT,
)


def test_a_site_survives() -> None:
    assert unpacked_site(packed_site(FULL)) == FULL


def test_a_site_of_a_version_with_more_fields_is_read() -> None:
    kept = {field.name: getattr(FULL, field.name) for field in fields(Site) if field.init}
    assert unpacked_site(packed({**kept, "colour": "green"})) == FULL


DECODERS: list[Callable[[bytes], object]] = [
    unpacked_passes,
    unpacked_start,
    unpacked_site,
    minute_of,
    span_of,
    *((lambda body, name=kind.__name__: decoded_observation(name, body)) for kind in get_args(Observation)),
]
trees = st.recursive(
    st.none() | st.booleans() | whole | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize("decode", DECODERS)
@given(
    st.binary(max_size=60)
    | st.binary(max_size=60).map(zlib.compress)
    | trees.map(msgspec.msgpack.encode)
    | trees.map(packed)
)
def test_bytes_of_anybody_else_are_an_error(decode: Callable[[bytes], object], body: bytes) -> None:
    try:
        decode(body)
    except StorageDamaged as error:
        assert error.remedy


@given(st.sampled_from([field.name for field in fields(Site) if field.init]), trees)
def test_a_site_with_a_damaged_field_is_an_error(name: str, value: object) -> None:
    kept = {field.name: getattr(FULL, field.name) for field in fields(Site) if field.init}
    try:
        unpacked_site(packed({**kept, name: value}))
    except StorageDamaged as error:
        assert "site" in error.what


def test_an_unknown_kind_of_observation_is_an_error() -> None:
    with pytest.raises(StorageDamaged, match="unknown kind"):
        decoded_observation("Thought", b"\x80")
