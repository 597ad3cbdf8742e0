"""Chargers over Modbus and HTTP that lie, go silent, start anew or are others than was set."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.links.jumping import in_jumping_time, now_s
from tests.links.yard import LEASE_S, LEFT, yard

from ampacity.core.decision import Command
from ampacity.core.errors import DeviceError
from ampacity.core.observations import (
    ChargerState,
    Observation,
    SessionEnded,
    SessionStarted,
    SetpointAnswer,
)
from ampacity.devices.catalogue import direct_families
from ampacity.devices.direct_family import DirectFamily
from ampacity.links.direct.charger import DirectCharger, DirectEndpoint, PhasesFixed
from ampacity.links.direct.visits import Visits
from ampacity.links.direct.wires import ChargerRefuses, ChargerSilent, HttpWire, ModbusWire
from ampacity.links.modbus import Bus
from ampacity.sim.wire import LOOPBACK
from ampacity.sim.wire.direct import DirectSim, HttpSimServer, ModbusSimServer

FAMILIES = direct_families()
ALFEN, KEBA, GO_E = FAMILIES["alfen-eve"], FAMILIES["keba-p30"], FAMILIES["go-e-modbus"]
HEIDELBERG, VESTEL, NEXT = (
    FAMILIES["heidelberg-energy-control"],
    FAMILIES["vestel-evc04"],
    FAMILIES["webasto-next"],
)


@pytest.mark.parametrize("family", [ALFEN, KEBA, NEXT, FAMILIES["openwb-pro"]], ids=lambda f: f.id)
def test_a_charger_that_says_yes_and_does_nothing_is_not_believed(family: DirectFamily) -> None:
    async def story() -> None:
        async with yard(family) as here:
            await here.tell(16.0)
            here.sim.disobeys = True
            answer = await here.tell(6.0)
            assert not answer.accepted
            assert answer.reason

    in_jumping_time(story)


def test_a_charger_that_does_not_go_by_what_it_was_told_is_said_with_what_it_needs() -> None:
    async def story() -> None:
        async with yard(ALFEN) as here:
            here.sim.without.add(1208)  # what tells how long a current holds
            answer = await here.tell(10.0)
            assert not answer.accepted

    in_jumping_time(story)


def test_a_charger_that_goes_silent_is_offline_after_three_requests() -> None:
    async def story() -> None:
        async with yard(VESTEL) as here:
            assert isinstance(here.server, ModbusSimServer)
            here.server.deaf = True
            with pytest.raises(ChargerSilent, match="charger left"):
                await here.running
            assert here.links() == [True, False]

    in_jumping_time(story)


def test_a_command_to_a_charger_that_is_not_connected_is_refused_at_once() -> None:
    async def story() -> None:
        async with yard(VESTEL, begun=False) as here:
            answer = await here.tell(10.0)
            assert (answer.accepted, answer.reason) == (False, "not connected")

    in_jumping_time(story)


def test_a_charger_that_is_held_off_is_asked_nothing_and_falls_by_itself() -> None:
    async def story() -> None:
        async with yard(HEIDELBERG) as here:
            answer = await here.tell(16.0)
            assert isinstance(here.server, ModbusSimServer)
            here.link.hold_off(True)
            await here.running
            asked = len(here.server.asked)
            assert answer.lease_end_s is not None
            await asyncio.sleep(answer.lease_end_s - now_s())
            assert len(here.server.asked) == asked
            assert here.sim.offered_a == 6.0

    in_jumping_time(story)


def test_a_firmware_without_the_safe_current_is_steered_and_unguarded() -> None:
    async def story() -> None:
        async with yard(VESTEL, begun=False) as here:
            here.sim.without.add(2000)
            await here.online()
            answer = await here.tell(10.0)
            assert answer.accepted
            assert answer.lease_end_s is None

    in_jumping_time(story)


def test_a_charger_whose_lowest_fallback_is_above_the_safe_current_does_not_guard_and_stays_paused() -> None:
    async def story() -> None:
        async with yard(FAMILIES["phoenix-charx"], safe_a=0.0) as here:
            assert (await here.tell(10.0)).lease_end_s is None
            await here.tell(0.0)
            await asyncio.sleep(300.0)
            assert here.sim.drawn_a == 0.0  # it is fed, or it would rise to 6 A

    in_jumping_time(story)


def test_another_charger_at_the_address_is_refused_by_its_product_number() -> None:
    async def story() -> None:
        async with yard(FAMILIES["keba-p40"], begun=False) as here:
            here.link.family = replace(KEBA, identity=KEBA.identity)
            with pytest.raises(DeviceError, match=r"identifies itself as 4e\+06|identifies itself as 4000000"):
                await here.online()

    in_jumping_time(story)


def test_keba_is_never_asked_for_a_block() -> None:
    async def story() -> None:
        async with yard(KEBA) as here:
            await here.tell(10.0)
            await asyncio.sleep(30.0)
            assert isinstance(here.server, ModbusSimServer)
            assert max(count for function, _, count in here.server.asked if function == 3) == 2

    in_jumping_time(story)


def test_the_eeprom_of_a_go_e_is_never_written() -> None:
    async def story() -> None:
        async with yard(GO_E) as here:
            for amps in (6.0, 10.0, 0.0, 16.0):
                await here.tell(amps)
            assert {at for at, _ in here.sim.writes} <= {299, 337, 332}

    in_jumping_time(story)


def test_a_current_that_stands_is_not_written_again_with_each_renewal() -> None:
    async def story() -> None:
        async with yard(HEIDELBERG) as here:
            await here.tell(10.0)
            written = len(here.sim.writes)
            for _ in range(3):
                assert (await here.tell(10.0, renewal=True)).accepted
            assert len(here.sim.writes) == written

    in_jumping_time(story)


def test_daheimladen_is_paused_with_a_tenth_of_an_ampere_and_given_a_second_between_commands() -> None:
    async def story() -> None:
        async with yard(FAMILIES["daheimladen"]) as here:
            await here.tell(10.0)
            begun_s = now_s()
            await here.tell(0.0)
            assert here.sim.writes[-1] == (91, 0.1)
            assert now_s() - begun_s >= 1.0

    in_jumping_time(story)


def test_a_newer_command_overtakes_one_that_is_not_confirmed_yet() -> None:
    async def story() -> None:
        async with yard(NEXT) as here:
            await here.tell(16.0)
            here.sim.disobeys = True
            old: list[Observation] = []
            slow = Command(charger=LEFT, limit_a=10.0, safe_a=6.0, lease_s=LEASE_S, renewal=False)
            here.link.apply(slow, old.append)
            await asyncio.sleep(1.0)
            here.sim.disobeys = False
            assert (await here.tell(8.0)).accepted
            assert old == []
            assert here.sim.offered_a == 8.0

    in_jumping_time(story)


def test_a_charger_that_says_no_car_while_current_flows_is_believed_in_its_current() -> None:
    async def story() -> None:
        async with yard(VESTEL) as here:
            await here.tell(10.0)
            here.sim.drawing_alone_a = 10.0
            here.sim.car.connected = False
            await asyncio.sleep(20.0)
            report = here.report()
            assert report.state is None
            assert report.currents is not None
            assert max(report.currents) == 10.0

    in_jumping_time(story)


def test_one_that_can_not_switch_its_phases_says_so() -> None:
    async def story() -> None:
        async with yard(HEIDELBERG) as here:
            with pytest.raises(PhasesFixed):
                here.link.switch_phases(1)

    in_jumping_time(story)


def test_a_charger_wired_on_one_phase_is_not_switched_to_three() -> None:
    async def story() -> None:
        async with yard(GO_E, phases=1) as here:
            with pytest.raises(PhasesFixed, match="wired on 1 phase"):
                here.link.switch_phases(3)

    in_jumping_time(story)


# --- several on one line ---


def test_two_chargers_share_a_line_one_request_at_a_time() -> None:
    async def story() -> None:
        sims = {unit: DirectSim(HEIDELBERG, now_s=now_s) for unit in (1, 2)}
        server = ModbusSimServer(sims)
        bus = Bus.tcp(LOOPBACK, await server.open(), answer_s=1.0)
        links = {}
        for unit in sims:
            endpoint = DirectEndpoint(charger=LEFT, address=f"unit {unit}", phases=3, safe_a=0.0, lease_s=LEASE_S)
            wire = ModbusWire(bus, HEIDELBERG, unit=unit)
            links[unit] = DirectCharger(endpoint, HEIDELBERG, wire, now_s=now_s, wall_s=lambda: 0.0)
        tasks = [asyncio.create_task(link.run(lambda _: None)) for link in links.values()]
        await asyncio.sleep(5.0)
        answers: list[Observation] = []
        for unit, link in links.items():
            limit_a = 6.0 + unit
            link.apply(Command(charger=LEFT, limit_a=limit_a, safe_a=0, lease_s=60, renewal=False), answers.append)
        await asyncio.sleep(10.0)
        assert [one.accepted for one in answers if isinstance(one, SetpointAnswer)] == [True, True]
        assert {unit: sim.offered_a for unit, sim in sims.items()} == {1: 7.0, 2: 8.0}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await bus.close()
        await server.close()

    in_jumping_time(story)


# --- HTTP ---


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (200, b"<html>", ChargerSilent, "something else than JSON"),
        (200, b"\xff\xfe", ChargerSilent, "something else than JSON"),
        (200, b"[" * 100_000, ChargerSilent, "something else than JSON"),
        (200, b"{}", ChargerRefuses, "none of the keys"),
        (200, b"7", ChargerRefuses, "none of the keys"),
        (200, b" " * 300_000, ChargerSilent, "longer than"),
        (401, b"{}", ChargerRefuses, "asks for a password"),
        (403, b"{}", ChargerRefuses, "asks for a password"),
        (404, b"{}", ChargerRefuses, "has nothing at /api/status"),
        (302, b"", ChargerRefuses, "has nothing at /api/status"),
        (500, b"", ChargerSilent, "HTTP 500"),
    ],
)
def test_an_answer_over_http_that_is_none_is_said(status: int, body: bytes, kind: type[DeviceError], said: str) -> None:
    async def story() -> None:
        async with yard(FAMILIES["go-e-http"], begun=False) as here:
            assert isinstance(here.server, HttpSimServer)
            here.server.says = (status, body)
            with pytest.raises(kind, match=said):
                await here.online()

    in_jumping_time(story)


def test_nobody_at_the_address_is_said() -> None:
    async def story() -> None:
        wire = HttpWire(FAMILIES["go-e-http"], host=LOOPBACK, port=1)
        with pytest.raises(ChargerSilent, match="can't be reached"):
            await wire.read(FAMILIES["go-e-http"].fast_points)
        await wire.drop()

    in_jumping_time(story)


# --- sessions ---


def test_a_visit_is_a_session_with_the_energy_of_the_register() -> None:
    visits = Visits(LEFT, 0.0, 1_800_000_000.0)
    assert visits.see(ChargerState.AVAILABLE, 1000, 1.0) == []
    (begun,) = visits.see(ChargerState.SUSPENDED_EVSE, 1000, 2.0)
    assert isinstance(begun, SessionStarted)
    assert visits.see(ChargerState.CHARGING, 3000, 3.0) == []
    (ended,) = visits.see(ChargerState.AVAILABLE, 4500, 4.0)
    assert isinstance(ended, SessionEnded)
    assert (ended.session, ended.energy_wh) == (begun.session, 3500)


def test_a_car_that_was_there_when_the_controller_began_goes_on_with_the_session_of_the_record() -> None:
    visits = Visits(LEFT, 0.0, 1_800_000_000.0)
    assert visits.see(ChargerState.CHARGING, 2000, 1.0) == []
    visits.resume("17", 500)
    (begun,) = visits.see(ChargerState.CHARGING, 2000, 2.0)
    assert isinstance(begun, SessionStarted)
    assert (begun.session, begun.meter_wh) == ("17", 500)


def test_a_car_that_left_while_the_controller_was_away_ends_the_session_of_the_record() -> None:
    visits = Visits(LEFT, 0.0, 1_800_000_000.0)
    visits.resume("17", 500)
    (ended,) = visits.see(ChargerState.AVAILABLE, 2500, 2.0)
    assert isinstance(ended, SessionEnded)
    assert (ended.session, ended.energy_wh) == ("17", 2000)


def test_a_car_that_the_record_does_not_know_begins_a_session_at_once() -> None:
    visits = Visits(LEFT, 0.0, 1_800_000_000.0)
    visits.resume(None, None)
    assert len(visits.see(ChargerState.CHARGING, None, 1.0)) == 1


def test_without_a_record_a_car_that_was_there_begins_a_session_after_a_while() -> None:
    visits = Visits(LEFT, 0.0, 1_800_000_000.0)
    assert visits.see(ChargerState.CHARGING, None, 1.0) == []
    assert len(visits.see(ChargerState.CHARGING, None, 21.0)) == 1


def test_a_counter_that_went_back_tells_no_energy() -> None:
    visits = Visits(LEFT, 0.0, 1_800_000_000.0)
    visits.see(ChargerState.AVAILABLE, 1000, 1.0)
    visits.see(ChargerState.CHARGING, 1000, 2.0)
    (ended,) = visits.see(ChargerState.AVAILABLE, 3, 4.0)
    assert isinstance(ended, SessionEnded)
    assert ended.energy_wh is None
