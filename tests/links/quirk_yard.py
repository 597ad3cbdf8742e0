"""A simulated charger with a quirk, and the server that it connects to, over a real websocket in time that jumps."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.links.jumping import now_s

from ampacity.core.decision import Command
from ampacity.core.observations import ChargerReport, Observation, SetpointAnswer
from ampacity.core.site import ChargerId
from ampacity.devices.catalogue import charger_families
from ampacity.devices.charger_family import ChargerFamily
from ampacity.links.ocpp.endpoint import Endpoint
from ampacity.links.ocpp.server import OcppServer
from ampacity.sim.wire.car import Car
from ampacity.sim.wire.charger import Model, SimulatedCharger
from ampacity.sim.wire.quirks import Answer, Quirk

FAMILIES = charger_families()
GENERIC = FAMILIES["generic"]
BEGIN = datetime(2026, 1, 1, 12, tzinfo=UTC)
LEFT = ChargerId("left")
SAFE_A, LEASE_S, MAX_A = 6.0, 120.0, 32.0
STEP_S = 1.0
NEAR_A = 0.3


def wall() -> datetime:
    return BEGIN + timedelta(seconds=now_s())


class Heard(Quirk):
    """Keeps what it was asked; answers nothing itself."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Mapping[str, Any]]] = []

    def answers(self, action: str, payload: Mapping[str, Any]) -> Answer:
        self.requests.append((action, payload))
        return None

    def purposes(self) -> set[str]:
        return {
            payload["csChargingProfiles"]["chargingProfilePurpose"]
            for action, payload in self.requests
            if action == "SetChargingProfile"
        }


def charger_of(
    family: ChargerFamily, url: str, quirks: Sequence[Quirk], *, identity: str = "left", phases: int = 3
) -> SimulatedCharger:
    """One that introduces itself as the family's first sample does."""
    said = family.samples[0]
    model = Model(
        identity=identity, phases=phases, max_a=MAX_A, vendor=said.vendor, name=said.model, firmware=said.firmware
    )
    return SimulatedCharger(model, url, wall=wall, quirks=quirks)


def endpoint(charger: ChargerId, treated_as: ChargerFamily | None, *, phases: int, safe_a: float) -> Endpoint:
    """`treated_as`: instead of what it introduces itself as."""
    return Endpoint(
        charger=charger,
        ocpp_id=str(charger),
        phases=phases,
        volts=230.0,
        safe_a=safe_a,
        password=None,
        family=treated_as,
    )


@dataclass(frozen=True)
class Outcome:
    """What became of a charger that was told 13.4 A, then 8.7 A, and then nothing more."""

    follows: bool
    """Each time it offered what was told, on the grid of the family that it was taken for."""
    reports: bool
    """What it said it draws was what it drew, on each of its phases."""
    falls: bool
    """When its lease ended it was at its safe current; or no end was promised."""
    guarded: bool
    """An end was promised."""

    @property
    def is_controlled(self) -> bool:
        return self.follows and self.reports and self.falls


class QuirkYard:
    """The charger, the server, and what was seen."""

    def __init__(
        self, server: OcppServer, sim: SimulatedCharger, treated_as: ChargerFamily | None, heard: Heard
    ) -> None:
        self.server = server
        self.sim = sim
        self.heard = heard
        self.seen: list[Observation] = []
        self._treated_as = treated_as

    @property
    def family(self) -> ChargerFamily:
        """That it is taken for."""
        return self._treated_as or self.server.stations[LEFT].family

    @property
    def drawn_a(self) -> float:
        return max(self.sim.currents_a)

    async def run(self) -> None:
        link = asyncio.create_task(self.sim.run())
        try:
            while True:
                await asyncio.sleep(STEP_S)
                self.sim.step(STEP_S)
                if self.sim.older is not None:
                    self.sim.older.step(STEP_S)
        finally:
            link.cancel()
            await asyncio.gather(link, return_exceptions=True)

    async def connected(self, within_s: float = 60.0) -> None:
        """It has introduced itself, and was told all that it is told once."""
        async with asyncio.timeout(within_s):
            while LEFT not in self.server.stations or not self.sim.online.is_set():
                await asyncio.sleep(0.5)
        await asyncio.sleep(5.0)

    async def tell(self, amps: float, *, lease_s: float | None = LEASE_S, renewal: bool = False) -> SetpointAnswer:
        """Tells it, and waits for the answer."""
        got: list[Observation] = []
        self.server.apply(
            Command(charger=LEFT, limit_a=amps, safe_a=SAFE_A, lease_s=lease_s, renewal=renewal), got.append
        )
        async with asyncio.timeout(400):
            while not got:
                await asyncio.sleep(0.1)
        answer = got[0]
        assert isinstance(answer, SetpointAnswer)
        return answer

    async def keep(self, amps: float, seconds: float) -> SetpointAnswer:
        """Tells it, and renews it at half of its lease, as the controller does."""
        answer, end_s = await self.tell(amps), now_s() + seconds
        while now_s() + LEASE_S / 2 < end_s:
            await asyncio.sleep(LEASE_S / 2)
            answer = await self.tell(amps, renewal=True)
        await asyncio.sleep(max(0.0, end_s - now_s()))
        return answer

    def plug_in(self, phases: int = 3) -> None:
        self.sim.plug_in(Car("a", MAX_A, phases, 1e6))

    def is_at(self, amps: float) -> bool:
        return abs(self.drawn_a - self.family.grid_a(amps)) <= NEAR_A

    def is_reported(self) -> bool:
        reports = [one for one in self.seen if isinstance(one, ChargerReport) and one.currents is not None]
        if not reports or now_s() - reports[-1].at_s > 2.0 * self.family.report_every_s + 10.0:
            return False
        shown = reports[-1].currents or ()
        return all(abs(a - b) <= NEAR_A for a, b in zip(shown, self.sim.currents_a, strict=True))

    async def story(self, *, low_a: float = 8.7, phases: int = 3) -> Outcome:
        """The same for every row of the table. `low_a`: instead of 8.7 A; `phases`: of the car."""
        await self.tell(13.4)
        self.plug_in(phases)
        await self.keep(13.4, 150.0)
        follows = self.is_at(13.4)
        reports = self.is_reported()
        answer = await self.keep(low_a, 90.0)
        follows = follows and self.is_at(low_a)
        if not answer.accepted:
            return Outcome(follows=False, reports=reports, falls=False, guarded=False)
        if answer.lease_end_s is None:
            return Outcome(follows=follows, reports=reports, falls=True, guarded=False)
        await asyncio.sleep(max(0.0, answer.lease_end_s - now_s()) + 10.0)
        return Outcome(follows=follows, reports=reports, falls=self.drawn_a <= SAFE_A + NEAR_A, guarded=True)


@asynccontextmanager
async def quirk_yard(
    family: ChargerFamily,
    quirks: Sequence[Quirk],
    *,
    treated_as: ChargerFamily | None = None,
    phases: int = 3,
    tls: ssl.SSLContext | None = None,
    **options: Any,
) -> AsyncIterator[QuirkYard]:
    """A charger of the family; taken for another one if `treated_as` is given."""
    server = OcppServer(
        [endpoint(LEFT, treated_as, phases=phases, safe_a=SAFE_A)],
        FAMILIES,
        listen="127.0.0.1",
        port=0,
        tls=tls,
        adopt=None,
        now_s=now_s,
        wall=wall,
        first_transaction=100,
        **options,
    )
    seen: list[Observation] = []
    serving = asyncio.create_task(server.run(seen.append))
    await server.listening.wait()
    heard = Heard()
    scheme = "ws" if tls is None else "wss"
    sim = charger_of(family, f"{scheme}://127.0.0.1:{server.port}", [heard, *quirks], phases=phases)
    here = QuirkYard(server, sim, treated_as, heard)
    here.seen = seen
    running = asyncio.create_task(here.run())
    try:
        yield here
    finally:
        for task in (running, serving):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
