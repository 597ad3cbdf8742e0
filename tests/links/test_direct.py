"""Every family of chargers over Modbus or HTTP, driven over the wire against a charger made from its own file."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.links.jumping import in_jumping_time, now_s
from tests.links.yard import LEASE_S, LONG_S, SAFE_A, Yard, yard

from ampacity.core.observations import ChargerState
from ampacity.devices.catalogue import direct_families
from ampacity.devices.direct_family import DirectFamily
from ampacity.links.direct.wires import ChargerRefuses

FAMILIES = direct_families()
by_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda f: f.id)
GUARDED = [family for family in FAMILIES.values() if family.guardable]
by_guarded = pytest.mark.parametrize("family", GUARDED, ids=lambda f: f.id)
SWITCHING = [family for family in FAMILIES.values() if family.phases is not None]
NO_CURRENT = {"mennekes-hcc3", "smartfox-cion"}
BLIND = {"smartfox-cion"}


@by_family
def test_every_family_is_read(family: DirectFamily) -> None:
    async def story() -> None:
        async with yard(family) as here:
            await here.tell(10.0)
            await asyncio.sleep(17.0)
            report = here.report()
            assert report.state is ChargerState.CHARGING
            assert (report.currents is None) is (family.id in NO_CURRENT)
            if report.currents is not None:
                assert report.currents.values == pytest.approx((10.0, 10.0, 10.0))
            assert (report.power_w is None) is (family.power is None)
            assert (report.energy_wh is None) is (family.energy is None)

    in_jumping_time(story)


@by_family
def test_every_family_takes_a_current_on_its_own_grid(family: DirectFamily) -> None:
    async def story() -> None:
        async with yard(family) as here:
            answer = await here.tell(9.96)
            assert answer.accepted, answer.reason
            assert answer.limit_a == 9.96
            assert here.sim.offered_a == pytest.approx(family.limit.grid_a(9.96))

    in_jumping_time(story)


def test_a_lower_limit_goes_out_at_once_while_an_earlier_one_is_still_being_confirmed() -> None:
    async def story() -> None:
        async with yard(FAMILIES["webasto-next"]) as here:
            await here.tell(16.0)
            here.sim.disobeys = True  # its car's draw is what would confirm a lower limit
            earlier = asyncio.create_task(here.tell(10.0))
            while (5004, 10.0) not in here.sim.writes:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.02)  # it looks again in 0.3 s
            told_s = now_s()
            later = asyncio.create_task(here.tell(7.0))
            while (5004, 7.0) not in here.sim.writes:
                await asyncio.sleep(0.001)
            assert now_s() - told_s < 0.1
            for task in (earlier, later):
                task.cancel()

    in_jumping_time(story)


def test_a_draw_that_confirms_a_lower_limit_is_reported_together_with_the_answer() -> None:
    async def story() -> None:
        async with yard(FAMILIES["webasto-next"]) as here:
            await here.tell(16.0)
            await here.tell(10.0)
            currents = here.report().currents
            assert currents is not None
            assert currents.values == pytest.approx((10.0, 10.0, 10.0))

    in_jumping_time(story)


@by_family
def test_every_family_pauses_in_its_own_way_and_goes_on(family: DirectFamily) -> None:
    async def story() -> None:
        async with yard(family) as here:
            await here.tell(10.0)
            assert (await here.tell(0.0)).accepted
            assert here.sim.drawn_a == 0.0
            await asyncio.sleep(17.0)
            assert here.report().state is ChargerState.SUSPENDED_EVSE
            assert (await here.tell(8.0)).accepted
            assert here.sim.offered_a == 8.0

    in_jumping_time(story)


@by_family
def test_every_family_keeps_a_current_that_is_renewed(family: DirectFamily) -> None:
    async def story() -> None:
        async with yard(family) as here:
            await here.tell(12.0)
            await here.keep(12.0, 130.0)
            assert here.sim.offered_a == 12.0
            assert here.links() == [True]

    in_jumping_time(story)


@by_family
def test_every_family_is_left_at_its_safe_current_when_the_controller_does_not_renew(family: DirectFamily) -> None:
    async def story() -> None:
        async with yard(family) as here:
            await here.tell(16.0)
            await asyncio.sleep(LEASE_S + LONG_S)
            assert here.sim.offered_a == SAFE_A

    in_jumping_time(story)


@by_guarded
def test_a_guarded_family_falls_by_itself_when_the_controller_dies_and_no_later_than_it_said(
    family: DirectFamily,
) -> None:
    async def story() -> None:
        async with yard(family) as here:
            answer = await here.tell(16.0)
            assert answer.lease_end_s is not None
            await here.die()
            assert here.sim.offered_a == 16.0
            await asyncio.sleep(answer.lease_end_s - now_s() + 1.0)
            assert here.sim.offered_a <= SAFE_A

    in_jumping_time(story)


@by_guarded
def test_a_guarded_family_falls_in_time_however_late_the_controller_dies(family: DirectFamily) -> None:
    async def story() -> None:
        async with yard(family) as here:
            answer = await here.tell(16.0)
            assert answer.lease_end_s is not None
            await asyncio.sleep(LEASE_S - 1.0)
            await here.die()
            await asyncio.sleep(answer.lease_end_s - now_s() + 1.0)
            assert here.sim.offered_a <= SAFE_A

    in_jumping_time(story)


@by_family
def test_a_family_that_can_not_fall_by_itself_says_so_with_every_limit(family: DirectFamily) -> None:
    async def story() -> None:
        async with yard(family) as here:
            answer = await here.tell(16.0)
            assert answer.accepted
            assert (answer.lease_end_s is not None) is family.guardable

    in_jumping_time(story)


@by_guarded
def test_what_a_family_falls_back_to_is_set_when_it_is_connected_to(family: DirectFamily) -> None:
    async def story() -> None:
        async with yard(family) as here:
            await here.tell(16.0)
            await here.die()
            await asyncio.sleep(LONG_S)
            assert here.sim.offered_a == SAFE_A  # and not the 32 A from the factory

    in_jumping_time(story)


@by_family
def test_a_charger_that_started_anew_is_told_again(family: DirectFamily) -> None:
    if family.id in BLIND:
        pytest.skip("it shows nothing by which that could be seen")

    async def story() -> None:
        async with yard(family, safe_a=0.0) as here:
            await here.tell(7.0)
            here.sim.restart()
            if family.limit.shown is None or family.id in ("keba-p30",):
                await here.keep(7.0, LEASE_S)
            await asyncio.sleep(25.0)
            if here.links() == [True, True]:
                assert (await here.tell(7.0)).accepted
            assert here.sim.offered_a == 7.0

    in_jumping_time(story)


@by_family
def test_every_family_is_parked_at_its_safe_current(family: DirectFamily) -> None:
    async def story() -> None:
        async with yard(family) as here:
            await here.tell(16.0)
            assert await here.link.park()
            assert here.sim.offered_a == SAFE_A

    in_jumping_time(story)


@by_family
def test_a_register_that_a_firmware_does_not_have_is_named(family: DirectFamily) -> None:
    if family.protocol == "http":
        pytest.skip("it has no registers")

    async def story() -> None:
        async with yard(family, begun=False) as here:
            here.sim.without.add(family.state[0].point.at)
            with pytest.raises(ChargerRefuses, match=rf"charger left \({family.id} at here\): It refuses to give reg"):
                await here.online()

    in_jumping_time(story)


@pytest.mark.parametrize("family", SWITCHING, ids=lambda f: f.id)
def test_phases_are_switched_at_nothing_and_it_stays_paused_until_it_is_told(family: DirectFamily) -> None:
    async def story() -> None:
        async with yard(family) as here:
            await here.tell(10.0)
            here.link.switch_phases(1)
            await here.linked(2)
            assert here.sim.phases_on == 1
            assert not here.sim.switched_under_load
            assert here.sim.drawn_a == 0.0
            assert here.report().phases_on == 1
            assert 0 in [one.phases_on for one in here.seen if hasattr(one, "phases_on")]
            assert (await here.tell(10.0)).accepted
            here.link.switch_phases(3)
            await here.linked(3)
            assert here.sim.phases_on == 3
            assert not here.sim.switched_under_load

    in_jumping_time(story)


# --- what is promised, whatever is asked ---


async def _told_all(here: Yard, amps: list[float]) -> None:
    limit = here.sim.family.limit
    for one in amps:
        answer = await here.tell(one)
        offered = here.sim.offered_a
        assert answer.accepted, answer.reason
        assert offered < 6.0 or offered >= limit.least_a
        assert offered <= max(one, 0.2)
        assert here.sim.drawn_a == 0.0 or one >= 6.0


@given(
    family=st.sampled_from(sorted(FAMILIES)),
    amps=st.lists(st.one_of(st.floats(0, 40), st.sampled_from([0.0, 5.99, 6.0, 6.01, 16.0, 32.0])), max_size=6),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_asked_it_offers_no_more_and_nothing_between_a_pause_and_its_least(
    family: str, amps: list[float]
) -> None:
    async def story() -> None:
        async with yard(FAMILIES[family], safe_a=0.0) as here:
            await _told_all(here, amps)

    in_jumping_time(story)
