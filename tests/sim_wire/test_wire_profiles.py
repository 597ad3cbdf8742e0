from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ampacity.sim.wire.profiles import BadProfile, Installed, Profile, Transaction, profile_of

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
CHARGING = Transaction(id=7, began=NOON)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def payload(**changes: Any) -> dict[str, Any]:
    """Fields of a profile of 16 A, and of 6 A after 120 s; `schedule` and `limit` reach into it."""
    schedule = {
        "chargingRateUnit": "A",
        "startSchedule": "2026-06-01T12:00:00Z",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}, {"startPeriod": 120, "limit": 6.0}],
        **changes.pop("schedule", {}),
    }
    if (limit := changes.pop("limit", None)) is not None:
        schedule["chargingSchedulePeriod"] = [{"startPeriod": 0, "limit": limit}]
    return {
        "chargingProfileId": 1,
        "stackLevel": 1,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": schedule,
        **changes,
    }


def profile(connector: int = 0, *, phases: int = 3, **changes: Any) -> Profile:
    return profile_of(connector, payload(**changes), phases=phases, volts=230.0)


def installed(*profiles: Profile) -> Installed:
    out = Installed()
    for one in profiles:
        out = out.with_(one)
    return out


def test_without_a_profile_nothing_limits() -> None:
    assert Installed().limit_a(NOON, CHARGING) is None


def test_a_schedule_of_two_periods_goes_to_the_second_by_itself() -> None:
    one = installed(profile())
    assert one.limit_a(after(119), CHARGING) == 16.0
    assert one.limit_a(after(120), CHARGING) == 6.0
    assert one.limit_a(after(86_400), CHARGING) == 6.0


def test_a_schedule_that_has_not_begun_does_not_rule() -> None:
    assert installed(profile()).limit_a(after(-1), CHARGING) is None


def test_after_its_duration_the_profile_below_rules() -> None:
    short = profile(limit=20.0, schedule={"duration": 60})
    lasting = profile(limit=6.0, stackLevel=0, chargingProfileId=2)
    both = installed(short, lasting)
    assert both.limit_a(after(59), CHARGING) == 20.0
    assert both.limit_a(after(60), CHARGING) == 6.0


def test_validity_ends_a_profile() -> None:
    one = installed(profile(limit=20.0, validTo="2026-06-01T12:01:00Z", validFrom="2026-06-01T12:00:10Z"))
    assert one.limit_a(after(5), CHARGING) is None
    assert one.limit_a(after(59), CHARGING) == 20.0
    assert one.limit_a(after(60), CHARGING) is None


def test_the_highest_stack_level_rules() -> None:
    both = installed(profile(limit=20.0, stackLevel=2), profile(limit=10.0, stackLevel=1, chargingProfileId=2))
    assert both.limit_a(NOON, CHARGING) == 20.0


def test_a_transaction_profile_overrides_the_default() -> None:
    both = installed(
        profile(limit=20.0, stackLevel=5),
        profile(1, limit=10.0, chargingProfilePurpose="TxProfile", chargingProfileId=2, transactionId=7),
    )
    assert both.limit_a(NOON, CHARGING) == 10.0
    assert both.limit_a(NOON, Transaction(id=8, began=NOON)) == 20.0
    assert both.limit_a(NOON, None) == 20.0
    assert both.after_transaction().limit_a(NOON, CHARGING) == 20.0


def test_the_stations_maximum_caps_all() -> None:
    both = installed(
        profile(limit=20.0), profile(limit=13.0, chargingProfilePurpose="ChargePointMaxProfile", chargingProfileId=2)
    )
    assert both.limit_a(NOON, CHARGING) == 13.0


def test_a_relative_schedule_counts_from_the_transaction() -> None:
    one = installed(profile(chargingProfileKind="Relative"))
    late = Transaction(id=1, began=after(1000))
    assert one.limit_a(after(1119), late) == 16.0
    assert one.limit_a(after(1120), late) == 6.0
    assert one.limit_a(after(1120), None) is None


def test_a_daily_schedule_comes_back() -> None:
    one = installed(profile(chargingProfileKind="Recurring", recurrencyKind="Daily"))
    assert one.limit_a(after(86_400 + 10), CHARGING) == 16.0


def test_a_profile_of_the_same_id_or_place_is_replaced() -> None:
    assert len(installed(profile(limit=20.0), profile(limit=10.0, stackLevel=3)).profiles) == 1
    assert len(installed(profile(limit=20.0), profile(limit=10.0, chargingProfileId=9)).profiles) == 1


def test_watts_are_spread_over_the_phases_in_use() -> None:
    watts = {"chargingRateUnit": "W"}
    three, one = (profile(phases=phases, limit=6900.0, schedule=watts) for phases in (3, 1))
    assert installed(three).limit_a(NOON, CHARGING) == pytest.approx(10.0)
    assert installed(one).limit_a(NOON, CHARGING) == pytest.approx(30.0)


def test_profiles_can_be_cleared_one_by_one_and_all_at_once() -> None:
    both = installed(profile(limit=20.0, stackLevel=2), profile(limit=10.0, stackLevel=1, chargingProfileId=2))
    assert both.without(profile_id=1).limit_a(NOON, CHARGING) == 10.0
    assert both.without(stack_level=1, purpose="TxDefaultProfile").limit_a(NOON, CHARGING) == 20.0
    assert both.without() == Installed()


def test_a_plan_names_the_seconds_at_which_the_limit_changes() -> None:
    one = installed(profile(schedule={"duration": 180}))
    assert one.changes_s(NOON, CHARGING, 300) == [0, 120, 180]


@pytest.mark.parametrize(
    "bad",
    [
        {"stackLevel": 9},
        {"stackLevel": "1"},
        {"chargingProfilePurpose": "TxProfile"},
        {"chargingProfileKind": "Sometimes"},
        {"schedule": {"startSchedule": None}},
        {"schedule": {"startSchedule": "soon"}},
        {"schedule": {"chargingRateUnit": "Hp"}},
        {"schedule": {"chargingSchedulePeriod": []}},
        {"schedule": {"chargingSchedulePeriod": [{"startPeriod": 5, "limit": 6.0}]}},
        {"limit": -1.0},
        {"limit": True},
        {"chargingSchedule": None},
    ],
)
def test_a_profile_against_the_standard_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(BadProfile):
        profile(**bad)


def test_more_profiles_than_fit_are_refused() -> None:
    many = [profile(limit=10.0, stackLevel=level, chargingProfileId=level) for level in range(9)]
    full = installed(*many, profile(1, limit=10.0, chargingProfileId=20))
    with pytest.raises(BadProfile):
        full.with_(profile(1, limit=10.0, stackLevel=5, chargingProfileId=21))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100)
@given(connector=JSON, key=st.sampled_from([*payload(), "validTo", "transactionId"]), value=JSON, whole=JSON)
def test_arbitrary_profiles_are_taken_or_refused(connector: object, key: str, value: object, whole: object) -> None:
    for fields in (whole, payload(**{key: value}), payload(schedule={key: value, "chargingSchedulePeriod": [whole]})):
        for where in (connector, 0):
            try:
                one = profile_of(where, fields, phases=3, volts=230.0)
            except BadProfile:
                continue
            limit = installed(one).limit_a(NOON, CHARGING)
            assert limit is None or limit >= 0
