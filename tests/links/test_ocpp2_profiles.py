"""Limits as charging profiles of OCPP 2, and what a charger says that it holds."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.links.peer2 import schema

from ampacity.core.decision import Command
from ampacity.core.site import ChargerId
from ampacity.devices.catalogue import charger_families
from ampacity.links.ocpp import framing, profiles
from ampacity.links.ocpp.fields import Out
from ampacity.links.ocpp.installed import Finding, Held, finding_of
from ampacity.links.ocpp.profiles import BASE_PROFILE, OPERATING_PROFILE, Form, Plan
from ampacity.links.ocpp.settings import Setting, form_within
from ampacity.links.ocpp.words2 import Words2

FAMILIES = charger_families()
GENERIC = FAMILIES["generic"]
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def form(version: str = "2.1", **changes: Any) -> Form:
    return replace(Words2(version).form(profiles.form_of(GENERIC, phases=3, volts=230.0)), **changes)


def command(limit_a: float = 13.37, lease_s: float | None = 120.0) -> Command:
    return Command(charger=ChargerId("left"), limit_a=limit_a, safe_a=6.0, lease_s=lease_s, renewal=False)


def payload_of(message: Out, version: str = "2.1") -> dict[str, Any]:
    """As it goes out; it fits its schema."""
    _, _, action, payload = json.loads(framing.call_text("x", message))
    schema(version, f"{action}Request").validate(payload)
    return dict(payload)


def profile_of(plan: Plan, version: str = "2.1") -> dict[str, Any]:
    return dict(payload_of(Words2(version).set_profile(plan), version)["chargingProfile"])


def test_a_limit_is_a_lease_of_two_periods() -> None:
    profile = profile_of(profiles.operating(command(), form("2.0.1"), GENERIC, NOW), "2.0.1")
    assert profile == {
        "id": OPERATING_PROFILE,
        "stackLevel": 1,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [
            {
                "id": OPERATING_PROFILE,
                "startSchedule": "2026-01-01T11:59:00Z",
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 13.3}, {"startPeriod": 180, "limit": 6.0}],
            }
        ],
    }


def test_in_2_1_it_says_beside_that_how_long_it_holds_without_a_connection() -> None:
    profile = profile_of(profiles.operating(command(), form(), GENERIC, NOW))
    assert (profile["maxOfflineDuration"], profile["invalidAfterOfflineDuration"]) == (120, True)
    assert len(profile["chargingSchedule"][0]["chargingSchedulePeriod"]) == 2


@pytest.mark.parametrize(
    ("lease_s", "changes"),
    [(None, {}), (120.0, {"stack_level": 0}), (120.0, {"offline_end": False})],
    ids=["for ever", "nothing below", "not supported"],
)
def test_it_does_not_end_offline_where_no_safe_current_lies_below(
    lease_s: float | None, changes: dict[str, Any]
) -> None:
    profile = profile_of(profiles.operating(command(lease_s=lease_s), form(**changes), GENERIC, NOW))
    assert "maxOfflineDuration" not in profile
    assert "invalidAfterOfflineDuration" not in profile


def test_the_safe_current_lies_below_for_ever() -> None:
    profile = profile_of(profiles.base(6.0, form(), GENERIC, NOW))
    assert (profile["id"], profile["stackLevel"]) == (BASE_PROFILE, 0)
    assert "maxOfflineDuration" not in profile
    assert "duration" not in profile["chargingSchedule"][0]


def test_where_one_profile_fits_it_replaces_the_safe_one_by_its_id() -> None:
    plan = profiles.operating(command(), form(stack_level=0), GENERIC, NOW)
    assert (plan.id, plan.stack_level) == (BASE_PROFILE, 0)


def test_limits_that_differ_by_phase_are_said_so_in_2_1() -> None:
    plan = profiles.operating(command(), form(), GENERIC, NOW)
    limits = profiles.limits_of((16.0, 10.0, 6.04), form(), GENERIC)
    uneven = replace(plan, periods=(replace(plan.periods[0], limits=limits), plan.periods[1]))
    first, second = profile_of(uneven)["chargingSchedule"][0]["chargingSchedulePeriod"]
    assert first == {"startPeriod": 0, "limit": 16.0, "limit_L2": 10.0, "limit_L3": 6.0}
    assert second == {"startPeriod": 180, "limit": 6.0}


def test_where_phases_can_not_be_told_apart_the_smallest_counts_for_all() -> None:
    plan = profiles.operating(command(), form("2.0.1"), GENERIC, NOW)
    uneven = replace(plan, periods=(replace(plan.periods[0], limits=(16.0, 10.0, 6.0)),))
    assert profile_of(uneven, "2.0.1")["chargingSchedule"][0]["chargingSchedulePeriod"] == [
        {"startPeriod": 0, "limit": 6.0}
    ]
    assert profiles.limits_of((16.0, 10.0, 6.0), form(watts=True), GENERIC) == (6.0 * 230 * 3,)


@given(
    st.sampled_from(sorted(FAMILIES)),
    st.sampled_from(["2.0.1", "2.1"]),
    st.floats(0, 80),
    st.sampled_from([0.0, 6.0, 10.0]),
    st.none() | st.floats(10, 86_400),
    st.integers(1, 3),
    st.sampled_from(["two-period", "duration", "none"]),
    st.none() | st.just("T1"),
)
def test_every_profile_we_send_fits_the_schema_and_allows_no_more(
    name: str,
    version: str,
    limit: float,
    safe: float,
    lease: float | None,
    phases: int,
    lease_form: str,
    transaction: str | None,
) -> None:
    family, words = FAMILIES[name], Words2(version)
    first = replace(words.form(profiles.form_of(family, phases=phases, volts=230.0)), lease_form=lease_form)
    told = Command(charger=ChargerId("c"), limit_a=limit, safe_a=safe, lease_s=lease, renewal=False)
    for one in (first, *profiles.other_forms(first)):
        for plan in (profiles.operating(told, one, family, NOW, transaction), profiles.base(safe, one, family, NOW)):
            bound = max(limit, safe) * (230 * phases if one.watts else 1)
            for period in profile_of(plan, version)["chargingSchedule"][0]["chargingSchedulePeriod"]:
                assert period["limit"] <= bound + 1e-6


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
def test_every_request_we_send_fits_its_schema(version: str) -> None:
    words = Words2(version)
    requests = [
        *words.ask_settings(5),
        *(words.change(setting, "1") for setting in (Setting.PING_INTERVAL, Setting.MEASURANDS)),
        *words.ask_to_introduce(),
        *words.ask_for_status(),
        words.ask_for_values(None),
        words.ask_for_values("T1"),
        words.ask_schedule(300, "A"),
        words.ask_limits(1),
        words.ask_profiles(2),
        words.clear_profile(3),
        words.start("ampacity", 4),
        words.stop("T1"),
    ]
    for one in requests:
        assert one is not None
        payload_of(one, version)


def test_a_transaction_with_a_name_too_long_to_be_sent_is_not_stopped_by_another_name() -> None:
    assert Words2("2.1").stop("x" * 37) is None


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        ({}, {}),
        ({Setting.RATE_UNITS: "A,W"}, {}),
        ({Setting.RATE_UNITS: "W"}, {"watts": True}),
        ({Setting.MOST_STACK_LEVEL: "0"}, {"stack_level": 0, "offline_end": False}),
        ({Setting.MOST_PROFILES: "1"}, {"stack_level": 0, "offline_end": False}),
        ({Setting.MOST_PERIODS: "1"}, {"lease_form": "duration"}),
        ({Setting.OFFLINE_END: "false"}, {"offline_end": False}),
        ({Setting.OFFLINE_END: "true"}, {}),
    ],
)
def test_a_form_keeps_within_what_the_charger_says_it_takes(
    settings: dict[Setting, str], changes: dict[str, Any]
) -> None:
    told = {setting: (value, False) for setting, value in settings.items()}
    assert form_within(form(), told) == form(**changes)


def test_a_charger_that_refuses_is_asked_first_without_what_only_2_1_has() -> None:
    others = profiles.other_forms(form())
    assert others[0] == form(offline_end=False)
    assert len(others) == len(set(map(repr, others)))
    assert any(one.offline_end for one in others)


# --- what it holds ---------------------------------------------------------------------------------------------------


BASE = profiles.base(6.0, form(), GENERIC, NOW)
LEASED = profiles.operating(command(), form(), GENERIC, NOW)


def held(profile_id: int, *limits: tuple[float, float], **changes: Any) -> Held:
    values: dict[str, Any] = {"connector": 0, "purpose": "TxDefaultProfile", "stack_level": 0, "source": "CSO"}
    values |= {"unit": "A", "has_end": False, "limits": limits, **changes}
    return Held(id=profile_id, **values)


BELOW, ABOVE = held(1, (0, 6.0)), held(2, (0, 13.3), (180, 6.0), stack_level=1)


@pytest.mark.parametrize(
    ("told", "finding"),
    [
        ([BELOW, ABOVE], Finding()),
        ([ABOVE], Finding(base_lost=True)),
        ([held(1, (0, 16.0)), ABOVE], Finding(base_lost=True)),
        ([held(1), ABOVE], Finding(base_lost=True)),
        ([held(1, (0, 4140.0), unit="W"), ABOVE], Finding()),
        ([BELOW], Finding(lease_lost=True)),
        ([BELOW, held(2, (0, 13.3), stack_level=1)], Finding(lease_endless=True)),
        ([BELOW, held(2, (0, 13.3), (180, 13.3), stack_level=1)], Finding(lease_endless=True)),
        ([BELOW, ABOVE, held(9, (0, 32.0), stack_level=3)], Finding(overruled_by=(9,))),
        ([BELOW, ABOVE, held(9, (0, 32.0), purpose="TxProfile", connector=1)], Finding(overruled_by=(9,))),
        ([BELOW, ABOVE, held(9, (0, 32.0), stack_level=0)], Finding()),
        ([BELOW, ABOVE, held(9, (0, 32.0), purpose="ChargingStationMaxProfile", stack_level=3)], Finding()),
        ([BELOW, ABOVE, held(9, (0, 10.0), purpose="TxProfile", source="EMS")], Finding()),
        ([BELOW, ABOVE, held(9, (0, 32.0), stack_level=3, connector=2)], Finding()),
        ([], Finding(base_lost=True, lease_lost=True)),
    ],
)
def test_what_a_charger_holds_is_held_against_what_it_was_given(told: list[Held], finding: Finding) -> None:
    assert finding_of(told, base=BASE, leased=LEASED) == finding


def test_a_profile_that_ends_as_a_whole_has_to_have_an_end() -> None:
    leased = profiles.operating(command(), form(lease_form="duration"), GENERIC, NOW)
    without = held(2, (0, 13.3), stack_level=1)
    assert finding_of([without], base=None, leased=leased).lease_endless
    assert not finding_of([replace(without, has_end=True)], base=None, leased=leased).lease_endless


def test_what_was_never_given_is_not_missed() -> None:
    assert finding_of([], base=None, leased=None) == Finding()
