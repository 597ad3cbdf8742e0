"""A site whose only meter is what one of its chargers tells of the building's supply: real sockets, in quick time."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.street import LIMIT_A, RIGHT, Scene, played
from tests.integration.test_controller import free_port

from ampacity.commission.selfcheck import Verdict, check
from ampacity.core.decision import Blindness


def site(meters: str) -> str:
    return f"""
[site]
supply = "three-phase"
[circuits.main]
limit_a = {LIMIT_A:g}
meter = "main"
worst_load_a = 12
{meters}
[ocpp]
listen = "127.0.0.1"
[chargers.left]
lines = ["L2", "L3", "L1"]
[chargers.right]
lines = ["L2", "L3", "L1"]
"""


SITE = site("""
[meters.main]
device = "charger"
charger = "left"
""")
STANDBY = site("""
[meters.main]
device = "carlo-gavazzi-em3xx"
host = "127.0.0.1"
port = PORT
standby = "clamps"
[meters.clamps]
device = "charger"
charger = "left"
""")
QUIET_A = (6.0, 4.5, -2.0)
BUSY_A = (22.0, 12.0, 20.0)


class Clamped:
    """The scene, with clamps of the left charger on the building's supply."""

    def __init__(self, scene: Scene, version: str) -> None:
        self.scene = scene
        self.street = scene.street
        self.street.building_a = lambda _: QUIET_A
        self.street.connect(f"ws://127.0.0.1:{scene.app.server.port}", version=version)
        self.street.left.supply = self.flowing_a

    def flowing_a(self) -> list[float]:
        """Of each line; negative is fed back."""
        building, cars = self.street.flows()
        totals = [one + other for one, other in zip(building, cars, strict=True)]
        signs = [-1 if (total / volt).real < 0 else 1 for total, volt in zip(totals, self._volts(), strict=True)]
        return [sign * abs(total) for sign, total in zip(signs, totals, strict=True)]

    def _volts(self) -> list[complex]:
        return [one / size for one, size in zip(self.street.flows()[0], self.street.building_a(0.0), strict=True)]

    @property
    def blind(self) -> Blindness | None:
        assert self.scene.decision is not None
        return self.scene.decision.circuits[0].blind

    async def rest(self, seconds: float) -> None:
        end_s = self.street.quick.at_s + seconds
        await self.scene.until(lambda: self.street.quick.at_s >= end_s, seconds + 10)

    def main(self) -> dict[str, Verdict]:
        """What the self-check says."""
        return {step.code: step.verdict for step in check(self.scene.app.facts()).steps}


@pytest.fixture(params=["1.6", "2.0.1"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_site_is_controlled_by_what_a_charger_tells_of_its_supply(tmp_path: Path, version: str) -> None:
    (tmp_path / "site.toml").write_text(SITE)
    seen: list[tuple[float, ...]] = []

    async def play(scene: Scene) -> None:
        clamped = Clamped(scene, version)
        await scene.charging()
        await clamped.rest(120.0)
        reading = scene.app.readings()[scene.site.meters[0].id]
        seen.append(reading.currents.values)
        assert clamped.blind is None

    assert played(tmp_path, play).street.highest_a <= LIMIT_A
    assert 25.0 < max(seen[0]) <= LIMIT_A


def test_when_the_building_takes_more_the_cars_take_less(tmp_path: Path, version: str) -> None:
    (tmp_path / "site.toml").write_text(SITE)

    async def play(scene: Scene) -> None:
        clamped = Clamped(scene, version)
        await scene.charging()
        await scene.until(lambda: max(clamped.flowing_a()) > LIMIT_A - 6, 300)
        scene.street.building_a = lambda _: BUSY_A
        await clamped.rest(40.0)
        scene.street.highest_a = 0.0
        await clamped.rest(120.0)

    assert 20.0 < played(tmp_path, play).street.highest_a <= LIMIT_A


def test_the_site_is_blind_when_that_charger_is_gone(tmp_path: Path, version: str) -> None:
    (tmp_path / "site.toml").write_text(SITE)
    said: list[dict[str, Verdict]] = []

    async def play(scene: Scene) -> None:
        clamped = Clamped(scene, version)
        await scene.charging()
        said.append(clamped.main())
        scene.street.unplug_left()
        await scene.until(lambda: clamped.blind is Blindness.SILENT)
        await scene.until(lambda: scene.street.right.currents_a[0] == 0.0)
        assert scene.offers_a[RIGHT] == 0.0
        await clamped.rest(30.0)
        said.append(clamped.main())

    played(tmp_path, play)
    assert [one["powered"] for one in said] == [Verdict.FINE, Verdict.WRONG]


def test_it_takes_over_from_a_meter_that_falls_silent(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "site.toml").write_text(STANDBY.replace("PORT", str(port)))
    blind: list[Blindness | None] = []

    async def play(scene: Scene) -> None:
        clamped = Clamped(scene, "1.6")
        await scene.charging()
        await scene.street.meter.close()
        await clamped.rest(120.0)
        scene.street.highest_a = 0.0
        for _ in range(20):
            await clamped.rest(5.0)
            blind.append(clamped.blind)

    assert 20.0 < played(tmp_path, play, port=port).street.highest_a <= LIMIT_A
    assert set(blind) == {None}
