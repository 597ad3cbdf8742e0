"""Quirks whose story is another one than being told a limit: refusing 0 A, leaving a limit, and those of the link."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trustme
from structlog.testing import capture_logs
from tests.links.jumping import in_jumping_time
from tests.links.quirk_house import BUILDING_A, LIMIT_A, RIGHT, quirk_house
from tests.links.quirk_yard import (
    FAMILIES,
    GENERIC,
    LEASE_S,
    LEFT,
    NEAR_A,
    SAFE_A,
    Outcome,
    QuirkYard,
    quirk_yard,
    wall,
)

from ampacity.devices.charger_family import ChargerFamily
from ampacity.links.ocpp.certificates import tls_context
from ampacity.links.ocpp.schema_check import message_check
from ampacity.sim.wire import quirks
from ampacity.sim.wire.car import Car
from ampacity.sim.wire.charger import Model, SimulatedCharger
from ampacity.sim.wire.charger2 import SimulatedCharger2
from ampacity.sim.wire.profiles import DEFAULT, MAX
from ampacity.sim.wire.quirks import Quirk

CONTROLLED = Outcome(follows=True, reports=True, falls=True, guarded=True)
PER_TRANSACTION = replace(GENERIC, id="mine", purpose="TxProfile")

# --- a limit of 0 A is refused ---------------------------------------------------------------------------------------


async def _zero(yard: QuirkYard) -> None:
    """A car charges at 16 A, and its charger refuses a TxDefaultProfile of 0 A."""
    await yard.connected()
    await yard.tell(16.0)
    yard.plug_in()
    await yard.keep(16.0, 40.0)


def _refuses_zero() -> Quirk:
    return quirks.PurposeRefused(DEFAULT, at_zero=True)


def test_where_0_a_is_refused_a_car_is_paused_by_a_profile_of_its_transaction() -> None:
    async def story() -> tuple[bool, float]:
        async with quirk_yard(GENERIC, [_refuses_zero()]) as yard:
            await _zero(yard)
            answer = await yard.keep(0.0, 40.0)
            return answer.accepted, yard.drawn_a

    assert in_jumping_time(story) == (True, 0.0)


def test_where_0_a_is_refused_the_car_goes_on_at_the_next_limit() -> None:
    async def story() -> Outcome:
        async with quirk_yard(GENERIC, [_refuses_zero()]) as yard:
            await _zero(yard)
            await yard.keep(0.0, 40.0)
            yard.sim.unplug()
            await asyncio.sleep(5.0)
            return await yard.story()

    assert in_jumping_time(story) == CONTROLLED


def test_where_0_a_is_refused_without_a_transaction_it_is_told_again_when_one_begins() -> None:
    async def story() -> tuple[bool, float]:
        async with quirk_yard(GENERIC, [_refuses_zero()]) as yard:
            await yard.connected()
            refused = await yard.tell(0.0)
            yard.plug_in()
            await asyncio.sleep(20.0)
            return refused.accepted, yard.drawn_a

    assert in_jumping_time(story) == (False, 0.0)


def test_where_0_a_is_refused_in_every_form_what_it_took_last_counts() -> None:
    async def story() -> tuple[bool, str, float]:
        every = [quirks.PurposeRefused(purpose, at_zero=True) for purpose in (DEFAULT, "TxProfile")]
        async with quirk_yard(GENERIC, every) as yard:
            await _zero(yard)
            answer = await yard.tell(0.0)
            return answer.accepted, answer.reason, yard.drawn_a

    assert in_jumping_time(story) == (False, 'it answered "Rejected"', 16.0)


# --- a TxDefaultProfile is ignored in a transaction ------------------------------------------------------------------


async def _per_transaction(treated_as: ChargerFamily) -> Outcome:
    charger: list[SimulatedCharger] = []
    quirk = quirks.DefaultsIgnoredInTransaction(lambda: charger[0].transaction is not None)
    async with quirk_yard(GENERIC, [quirk], treated_as=treated_as) as yard:
        charger.append(yard.sim)
        await yard.connected()
        return await yard.story()


def test_a_charger_that_follows_txprofiles_alone_is_controlled_by_them() -> None:
    assert in_jumping_time(lambda: _per_transaction(PER_TRANSACTION)) == CONTROLLED


def test_by_txdefaultprofiles_it_is_not_controlled() -> None:
    assert not in_jumping_time(lambda: _per_transaction(GENERIC)).is_controlled


# --- accepted, and not followed --------------------------------------------------------------------------------------

LEAVING = [
    pytest.param(("wallbox-fw5", lambda: quirks.StuckAt(20.0)), id="stuck at chargingALimitConn1 (wallbox-fw5)"),
    pytest.param(("wallbox-fw64", lambda: quirks.JumpsBack(40.0)), id="jumps back to full current (wallbox-fw64)"),
]


@dataclass(frozen=True)
class Told:
    """What became of a charger that leaves its limit, and of its house, in a quarter of an hour."""

    flags: frozenset[str]
    longest_over_s: float
    drawn_a: float
    other_a: float
    """What the other charger may draw in the end."""


@pytest.fixture(scope="module", params=LEAVING)
def told(request: pytest.FixtureRequest) -> Told:
    family, quirk = request.param

    async def story() -> Told:
        async with quirk_house(FAMILIES[family], [quirk()]) as house:
            await asyncio.sleep(900.0)
            other_a = house.setpoint(RIGHT).limit_a
            return Told(frozenset(house.flags), house.longest_over_s, max(house.left.currents_a), other_a)

    return in_jumping_time(story)


def test_who_leaves_a_limit_is_flagged(told: Told) -> None:
    assert "disobeys" in told.flags


def test_when_a_charger_leaves_its_limit_the_others_give_way_in_time(told: Told) -> None:
    # No excess may last longer: see grace_s in core/site.py
    assert told.longest_over_s <= 30.0


@pytest.mark.parametrize("told", LEAVING[:1], indirect=True)
def test_whom_no_other_limit_brings_back_is_stopped(told: Told) -> None:
    assert told.drawn_a == 0.0


@pytest.mark.parametrize("told", LEAVING[:1], indirect=True)
def test_what_a_stopped_charger_leaves_is_used_by_the_others(told: Told) -> None:
    assert told.other_a > 30.0


@pytest.mark.parametrize("told", LEAVING[1:], indirect=True)
def test_who_jumps_is_brought_back_by_another_limit(told: Told) -> None:
    assert 0.0 < told.drawn_a < LIMIT_A - told.other_a


def test_an_own_limit_at_which_a_charger_is_stuck_is_shown() -> None:
    async def story() -> float | None:
        async with quirk_yard(FAMILIES["wallbox-fw5"], [quirks.StuckAt(20.0)]) as yard:
            await yard.connected()
            return yard.server.facts()[LEFT].max_a

    assert in_jumping_time(story) == 20.0


def test_a_charger_that_may_leave_its_limit_promises_no_end() -> None:
    async def story() -> float | None:
        family = replace(GENERIC, id="mine", keeps_limits=False)
        async with quirk_yard(GENERIC, [], treated_as=family) as yard:
            await yard.connected()
            return (await yard.tell(16.0)).lease_end_s

    assert in_jumping_time(story) is None


# --- the link --------------------------------------------------------------------------------------------------------


def test_a_charger_that_is_slow_to_connect_is_controlled_once_it_has() -> None:
    async def story() -> tuple[bool, Outcome]:
        async with quirk_yard(FAMILIES["mennekes-4you"], [quirks.Dials(first_s=880.0)]) as yard:
            await asyncio.sleep(870.0)
            is_there = LEFT in yard.server.stations
            await yard.connected()
            return is_there, await yard.story()

    assert in_jumping_time(story) == (False, CONTROLLED)


def test_until_a_slow_charger_has_connected_no_line_is_too_full() -> None:
    async def story() -> tuple[float, float]:
        async with quirk_house(FAMILIES["mennekes-4you"], [quirks.Dials(first_s=600.0)]) as house:
            await asyncio.sleep(590.0)
            other_a = house.setpoint(RIGHT).limit_a
            await asyncio.sleep(300.0)
            return other_a, house.longest_over_s

    other_a, over_s = in_jumping_time(story)
    assert (other_a <= LIMIT_A - max(BUILDING_A) - SAFE_A, over_s) == (True, 0.0)


async def _cut(family: str, again_s: float) -> tuple[float, bool, list[str]]:
    """What a charger draws some time after its link was cut, whether it is back after 20 minutes, and what the log
    says to do."""
    async with quirk_yard(FAMILIES[family], [quirks.Dials(again_s=again_s)]) as yard:
        await yard.connected()
        await yard.tell(16.0)
        yard.plug_in()
        await yard.keep(16.0, 60.0)
        with capture_logs() as logs:
            yard.server.hold_off(LEFT, True)
            await asyncio.sleep(1.0)
            yard.server.hold_off(LEFT, False)
            await asyncio.sleep(LEASE_S + 20.0)
            alone_a = yard.drawn_a
            await asyncio.sleep(1200.0)
        told = [str(log.get("remedy")) for log in logs if log["event"] == "charger-gone"]
        return alone_a, LEFT in yard.server.stations, told


@pytest.mark.parametrize(
    ("family", "again_s", "is_back", "said"),
    [("foxess", 1100.0, True, "1140 s"), ("teison", float("inf"), False, "start it anew")],
)
def test_who_dials_again_late_or_never_is_at_its_safe_current_meanwhile(
    family: str, again_s: float, is_back: bool, said: str
) -> None:
    alone_a, back, told = in_jumping_time(lambda: _cut(family, again_s))
    assert (alone_a <= SAFE_A + NEAR_A, back, said in told[0]) == (True, is_back, True)


def _both_versions(yard: QuirkYard) -> SimulatedCharger:
    """A FoxESS that offers OCPP 2.0.1 and 1.6; returned is the one that speaks 1.6."""
    said = FAMILIES["foxess"].samples[0]
    url = f"ws://127.0.0.1:{yard.server.port}"
    model = Model(
        identity="left", phases=3, vendor=said.vendor, name=said.model, firmware=said.firmware, version="2.0.1"
    )
    newer = SimulatedCharger2(model, url, wall=wall, quirks=[quirks.ValidatesByTheOldSchema()])
    newer.older = SimulatedCharger(replace(model, version="1.6"), url, wall=wall)
    yard.sim = newer
    return newer.older


async def _fox(treated_as: ChargerFamily | None) -> tuple[str, bool, bool]:
    """The version that is spoken in the end, whether a limit was taken, and whether it is followed."""
    async with quirk_yard(FAMILIES["foxess"], [], treated_as=treated_as) as yard:
        older = _both_versions(yard)
        async with asyncio.timeout(120):
            while LEFT not in yard.server.stations or not (yard.sim.online.is_set() or older.online.is_set()):
                await asyncio.sleep(0.5)
            await asyncio.sleep(20.0)
        answer = await yard.tell(13.0)
        spoken = older if older.online.is_set() else yard.sim
        spoken.plug_in(Car("a", 32.0, 3, 1e6))
        await asyncio.sleep(60.0)
        return yard.server.stations[LEFT].facts.version, answer.accepted, max(spoken.currents_a) <= 13.0 + NEAR_A


def test_who_speaks_2_0_1_badly_is_controlled_in_1_6() -> None:
    assert in_jumping_time(lambda: _fox(None)) == ("1.6", True, True)


def test_in_2_0_1_it_is_not_controlled() -> None:
    assert in_jumping_time(lambda: _fox(replace(GENERIC, id="any"))) == ("2.0.1", False, False)


def _authority(folder: Path) -> tuple[trustme.CA, Path, Path]:
    """An authority, and our certificate and key, signed by it."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    certificate, key = folder / "ours.pem", folder / "ours.key"
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return authority, certificate, key


def test_who_was_given_the_authoritys_certificate_is_controlled_over_tls(tmp_path: Path) -> None:
    authority, certificate, key = _authority(tmp_path)
    trusts = quirks.Trusts(authority.cert_pem.bytes().decode())

    async def story() -> Outcome:
        async with quirk_yard(FAMILIES["autel"], [trusts], tls=tls_context(certificate, key, None)) as yard:
            await yard.connected()
            return await yard.story()

    assert in_jumping_time(story) == CONTROLLED


def test_who_hangs_up_on_our_certificate_is_told_of_with_what_to_do(tmp_path: Path) -> None:
    _, certificate, key = _authority(tmp_path)

    async def story() -> list[str]:
        tls = tls_context(certificate, key, None)
        with capture_logs() as logs:
            async with quirk_yard(FAMILIES["autel"], [quirks.Trusts(None)], tls=tls):
                await asyncio.sleep(30.0)
        return [log["remedy"] for log in logs if log["event"] == "charger-tls"]

    assert any("certificate of the authority" in remedy for remedy in in_jumping_time(story))


# --- what makes the rows of the table rows ---------------------------------------------------------------------------


def test_what_a_charger_with_odd_texts_sends_does_break_the_schemas() -> None:
    async def story() -> set[str]:
        with capture_logs() as logs:
            async with quirk_yard(FAMILIES["charge-amps"], [quirks.OddTexts()], check=message_check()) as yard:
                await yard.connected()
                yard.plug_in()
                await asyncio.sleep(30.0)
        return {log["message"] for log in logs if log["event"] == "ocpp-check-received"}

    # Its meter values have letters in another charset: to a strict reader they are no JSON at all.
    assert in_jumping_time(story) == {"BootNotification", "frame"}


@pytest.mark.parametrize(("family", "times"), [("go-e", 0), ("generic", 1)])
def test_who_has_no_getcompositeschedule_is_not_asked_for_it(family: str, times: int) -> None:
    async def story() -> int:
        lacks = quirks.Lacks("GetCompositeSchedule")
        async with quirk_yard(FAMILIES[family], [lacks]) as yard:
            await yard.connected()
            await yard.story()
            return lacks.asked

    assert in_jumping_time(story) == times


async def _set_by_hand(purpose: str, quirk: Quirk) -> float:
    """The limit of a charger after a profile of 10 A of this purpose, as some other system would send it."""
    charger = SimulatedCharger(Model(identity="x", phases=3), "ws://127.0.0.1:1", wall=wall, quirks=[quirk])
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10}]}
    profile = {
        "chargingProfileId": 9,
        "stackLevel": 1,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {**schedule, "startSchedule": "2026-01-01T00:00:00Z"},
    }
    charger.received(json.dumps([2, "n", "SetChargingProfile", {"connectorId": 0, "csChargingProfiles": profile}]))
    return charger.limit_a


@pytest.mark.parametrize("quirk", [quirks.PurposeIgnored, quirks.PurposeRefused])
def test_a_charger_that_takes_no_chargepointmaxprofile_would_not_follow_one(quirk: Callable[[str], Quirk]) -> None:
    assert in_jumping_time(lambda: _set_by_hand(MAX, quirk(MAX))) == 32.0
    assert in_jumping_time(lambda: _set_by_hand(DEFAULT, quirk(MAX))) == 10.0


def test_a_charger_that_changeavailability_breaks_would_be_broken_by_it() -> None:
    async def story() -> tuple[bool, float]:
        breaks = quirks.BreaksOn("ChangeAvailability")
        async with quirk_yard(FAMILIES["enplus"], [breaks]) as yard:
            await yard.connected()
            yard.plug_in()
            yard.sim.received('[2,"n","ChangeAvailability",{"connectorId":0,"type":"Operative"}]')
            await asyncio.sleep(30.0)
            return breaks.broken, yard.drawn_a

    assert in_jumping_time(story) == (True, 0.0)
