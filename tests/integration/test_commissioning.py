"""Tests of an installation beside the running controller, on real sockets and in quick time."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.street import LEFT, LIMIT_A, RIGHT, RIGHT_WAY, Scene, played

from ampacity.commission.expiry import NoSureRoom
from ampacity.commission.steptest.ground import TEST_CIRCUIT, NoGround
from ampacity.commission.tester import ChargerNotThere, TestUnderWay
from ampacity.config.rewrite import set_value
from ampacity.config.site_toml import load
from ampacity.core.decide import decide
from ampacity.core.phases import Line
from ampacity.sim.wire.car import Car
from ampacity.storage.database import open_database
from ampacity.storage.recording import replay as replayed
from ampacity.storage.records import newest_changes

ALARMS = {"meter-silent", "meter-never-seen", "site-changed", "charger-offline", "limit-exceeded"}


# --- the step test ---


def test_step_tests_with_two_cars_find_the_lines_within_the_limit_and_the_site_is_as_before(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        await scene.charging(phases=1)
        assert scene.app.server.facts()[LEFT].max_a == 32.0
        scene.events.clear()
        scene.step()
        with pytest.raises(TestUnderWay):
            scene.expiry(RIGHT)
        await scene.ended()
        assert scene.codes() >= {"meter-sees-car", "meter-sees-building", "ratio-right", "wiring-some"}
        scene.street.left.unplug()
        await asyncio.sleep(10)
        scene.street.left.plug_in(Car("c", 32.0, 2, 1e6))
        await scene.until(lambda: scene.street.left.currents_a[0] > 5)
        scene.step()
        await scene.ended()
        assert scene.dossier.steps[LEFT].wirings == ((Line.L2, Line.L3, Line.L1),)
        assert scene.app.loop.site == scene.site
        scene.app.use(set_value(scene.app.installation.path, "chargers.left.lines", ["L2", "L3", "L1"]))
        scene.site = scene.app.loop.site
        await scene.normal()

    scene = played(tmp_path, play, wiring='"unknown"')
    assert scene.street.highest_a <= LIMIT_A
    assert ALARMS & set(scene.events) <= {"site-changed"}
    assert scene.events.count("site-changed") <= 1  # of the lines that were set: a test changes no site
    assert any(TEST_CIRCUIT in site.index_of_circuit for site in scene.sites)
    engine = open_database(next(tmp_path.glob("*.db")))
    assert all(result.same for result in replayed(engine, 1, decide))
    engine.dispose()


def test_a_clamp_that_is_turned_round_is_named(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        await scene.charging()
        scene.step()
        await scene.ended()
        clamps = {one.code: one.params for one in scene.dossier.steps[LEFT].findings if one.code.startswith("clamp-")}
        assert clamps["clamp-turned"]["channel"] == "L2"

    played(tmp_path, play, meter=replace(RIGHT_WAY, turned=(False, True, False)))


def test_a_meter_that_does_not_see_the_chargers_is_found_out(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        await scene.charging()
        scene.step()
        await scene.ended()
        assert "meter-sees-no-car" in scene.codes()

    played(tmp_path, play, meter=replace(RIGHT_WAY, sees_chargers=False))


def test_by_a_meter_that_was_held_against_a_clamp_no_line_goes_above_its_limit(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        await scene.charging(phases=2)
        scene.street.building_a = lambda at_s: (3.0, 20.0 + (at_s % 30 > 20), 5.0)
        await asyncio.sleep(30)
        scene.street.highest_a = 0.0
        with pytest.raises(NoGround):
            scene.step()
        scene.step(checked=True)
        await scene.ended()
        assert scene.codes() >= {"meter-sees-car", "meter-sees-building"}
        assert scene.street.highest_a > 25.0
        assert scene.street.highest_a <= LIMIT_A
        await scene.normal()

    played(tmp_path, play, worst=False)


def test_a_charger_that_disobeys_ends_the_test_at_once(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        await scene.charging()
        scene.street.left.faults.disobeys = True
        scene.step()
        await scene.ended(90.0)
        assert "step-disobeys" in scene.codes()
        await scene.until(lambda: scene.app.loop.site == scene.site)

    played(tmp_path, play)


def test_a_meter_that_falls_silent_ends_a_step_test(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        await scene.charging()
        scene.step()
        await asyncio.sleep(40)
        await scene.street.meter.close()
        await scene.ended(90.0)
        assert "step-meter-silent" in scene.codes()
        assert scene.app.loop.site == scene.site

    played(tmp_path, play)


def test_a_charger_that_goes_offline_ends_the_test_and_the_others_are_served(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        await scene.charging()
        scene.step()
        await asyncio.sleep(40)
        scene.street.unplug_left()
        await scene.ended(90.0)
        assert "step-offline" in scene.codes()
        await scene.until(lambda: scene.offers_a[RIGHT] >= 6.0, 240.0)

    played(tmp_path, play)


def test_a_charger_without_a_car_or_a_link_is_not_tested(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        with pytest.raises(ChargerNotThere, match="not connected"):
            scene.step()
        await scene.until(lambda: scene.street.left.online.is_set())
        await asyncio.sleep(5)
        with pytest.raises(ChargerNotThere, match="no car"):
            scene.expiry()
        assert scene.app.loop.site is scene.site

    played(tmp_path, play)


def test_a_test_that_is_stopped_half_way_leaves_the_site_as_it_was(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        await scene.charging()
        scene.step()
        await asyncio.sleep(60)
        scene.app.tester.stop()
        assert scene.app.loop.site == scene.site
        await scene.ended()
        assert scene.codes() == {"step-stopped"}
        await scene.normal()

    played(tmp_path, play)


def test_a_save_in_the_app_ends_the_test_and_is_in_use(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        await scene.charging()
        scene.step()
        await asyncio.sleep(60)
        path = scene.app.installation.path
        path.write_text(path.read_text().replace("limit_a = 40", "limit_a = 35"))
        scene.app.use(load(path))
        assert scene.app.loop.site.circuits[0].rating_a.values == (35.0, 35.0, 35.0)
        await scene.ended()
        scene.site = scene.app.loop.site
        await scene.normal()

    played(tmp_path, play)


def test_a_controller_that_is_told_to_end_leaves_every_charger_at_its_safe_current(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        await scene.charging()
        scene.step()
        await asyncio.sleep(60)
        scene.app.end_and_restart()
        async with asyncio.timeout(60):
            await scene.running
        assert (scene.street.left.confirmed_a, scene.street.right.confirmed_a) == (0.0, 0.0)

    played(tmp_path, play)
    engine = open_database(next(tmp_path.glob("*.db")))
    assert all(result.same for result in replayed(engine, 1, decide))
    engine.dispose()


# --- the expiry test ---


def test_a_charger_that_honours_its_lease_is_seen_to_fall_linked_and_cut(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        await scene.charging()
        scene.events.clear()
        scene.expiry()
        await scene.ended()
        lapse = scene.dossier.expiries[LEFT]
        assert lapse.honoured is True
        assert (lapse.vendor, lapse.model, lapse.firmware) == ("Ampacity", "Simulated charger", "1.0.0")
        assert scene.codes() == {"expiry-linked", "expiry-cut"}
        assert float(str(lapse.findings[0].params["after_s"])) < 10.0
        await scene.normal()

    scene = played(tmp_path, play)
    assert "guarded" not in (tmp_path / "site.toml").read_text()
    assert not ALARMS & set(scene.events)
    assert scene.street.highest_a <= LIMIT_A


def test_a_charger_falls_to_a_safe_current_above_nothing(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        await scene.charging()
        scene.expiry()
        await scene.ended()
        assert scene.dossier.expiries[LEFT].honoured is True
        assert scene.dossier.expiries[LEFT].findings[0].params["safe"] == 8.0

    played(tmp_path, play, safe_a=8.0)


def test_a_charger_that_outlasts_its_lease_is_unguarded_for_good_until_it_is_seen_to_fall(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        await scene.charging()
        scene.street.left.faults.outlasts_leases = True
        scene.expiry()
        await scene.ended()
        assert scene.codes() == {"expiry-linked-not"}
        await scene.until(lambda: not scene.app.loop.site.chargers[0].guarded)
        change = newest_changes(scene.engine, 1)[0]
        assert (change.who, change.key, change.new) == ("Ina", "chargers.left.guarded", "False")
        scene.site = scene.app.loop.site
        await scene.normal()

    async def again(scene: Scene) -> None:
        assert not scene.app.loop.site.chargers[0].guarded
        await scene.charging()
        scene.expiry()
        await scene.ended()
        assert scene.dossier.expiries[LEFT].honoured is True
        assert not scene.app.loop.site.chargers[0].guarded  # that is for a person to say

    played(tmp_path, play)
    toml = (tmp_path / "site.toml").read_text()
    assert "guarded = false" in toml.partition("[chargers.left]")[2].partition("[chargers.right]")[0]
    played(tmp_path, again, port=int(re.findall(r"\nport = (\d+)", toml)[0]))


def test_a_charger_that_outlasts_its_lease_only_when_it_is_alone_is_found_out_by_the_meter(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        await scene.charging()
        scene.street.left.faults.outlasts_leases_alone = True
        scene.expiry()
        await scene.ended()
        assert scene.codes() == {"expiry-linked", "expiry-cut-not"}
        await scene.until(lambda: not scene.app.loop.site.chargers[0].guarded)

    played(tmp_path, play)


def test_a_charger_whose_cable_is_pulled_out_meanwhile_proves_nothing(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        await scene.charging()
        scene.expiry()
        await scene.until(lambda: stage(scene) == "waiting")
        scene.street.unplug_left()
        await scene.ended()
        assert scene.codes() == {"step-offline"}
        assert scene.dossier.expiries[LEFT].honoured is None
        assert scene.app.loop.site.chargers[0].guarded

    played(tmp_path, play)


def test_an_expiry_test_that_is_stopped_while_the_link_is_cut_lets_the_charger_come_back(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        await scene.charging()
        scene.expiry()
        await scene.until(lambda: stage(scene) == "cut")
        await scene.until(lambda: not scene.street.left.online.is_set())
        scene.app.tester.stop()
        await scene.until(scene.street.left.online.is_set)
        await scene.normal()

    played(tmp_path, play)


def test_without_stated_worst_loads_no_expiry_test_begins(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        await scene.charging()
        with pytest.raises(NoSureRoom, match="worst"):
            scene.expiry()
        await scene.normal()

    played(tmp_path, play, worst=False)


def stage(scene: Scene) -> str:
    progress = scene.app.tester.progress
    return "" if progress is None else progress.stage
