"""One charger, made from its family's own file, and the link to it, over a real socket in time that jumps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from tests.links.jumping import now_s

from ampacity.core.decision import Command
from ampacity.core.errors import DeviceError
from ampacity.core.observations import ChargerLink, ChargerReport, Observation, SetpointAnswer
from ampacity.core.site import ChargerId
from ampacity.devices.direct_family import HTTP, VALIDITY, DirectFamily
from ampacity.links.direct.charger import DirectCharger, DirectEndpoint
from ampacity.links.direct.wires import HttpWire, ModbusWire, Wire
from ampacity.links.modbus import Bus
from ampacity.sim.wire import LOOPBACK
from ampacity.sim.wire.direct import DirectSim, HttpSimServer, ModbusSimServer

LEFT = ChargerId("left")
LEASE_S = 120.0
SAFE_A = 6.0
LONG_S = 150.0
"""Longer than whatever a charger may take to fall."""


class Yard:
    """The charger, its link, and what was seen of it."""

    def __init__(self, sim: DirectSim, server: ModbusSimServer | HttpSimServer, link: DirectCharger) -> None:
        self.sim = sim
        self.server = server
        self.link = link
        self.seen: list[Observation] = []
        self.running = asyncio.create_task(link.run(self.seen.append))

    async def online(self) -> None:
        while not self.link.online:
            if self.running.done():
                await self.running
            await asyncio.sleep(0.5)

    async def tell(self, amps: float, *, lease_s: float | None = LEASE_S, renewal: bool = False) -> SetpointAnswer:
        """Tells it, and waits for the answer."""
        got: list[Observation] = []
        safe_a = self.link.endpoint.safe_a
        self.link.apply(
            Command(
                charger=LEFT,
                limit_a=amps,
                safe_a=safe_a,
                lease_s=None if amps == safe_a else lease_s,
                renewal=renewal,
            ),
            got.append,
        )
        async with asyncio.timeout(200):
            while not got:
                await asyncio.sleep(0.1)
        answer = got[0]
        assert isinstance(answer, SetpointAnswer)
        return answer

    async def keep(self, amps: float, seconds: float) -> None:
        """Renews it at half of its lease, as the controller does."""
        end_s = now_s() + seconds
        while now_s() < end_s:
            await self.tell(amps, renewal=True)
            await asyncio.sleep(LEASE_S / 2)

    async def die(self) -> None:
        """The controller is gone, without a word."""
        self.running.cancel()
        with suppress(asyncio.CancelledError, DeviceError):
            await self.running

    def report(self) -> ChargerReport:
        return [one for one in self.seen if isinstance(one, ChargerReport)][-1]

    async def linked(self, times: int) -> None:
        """The controller was asked so often to tell it again, the first time included."""
        async with asyncio.timeout(300):
            while self.links() != [True] * times:
                await asyncio.sleep(1.0)

    def links(self) -> list[bool]:
        return [one.online for one in self.seen if isinstance(one, ChargerLink)]


@asynccontextmanager
async def yard(
    family: DirectFamily, *, safe_a: float = SAFE_A, phases: int = 3, begun: bool = True
) -> AsyncIterator[Yard]:
    """`begun`: it is connected to. It is asked every 8 s: that is enough, and quick."""
    family = replace(family, period_s=8.0)
    # Where only the installer can set what it falls back to, he has.
    by_installer = family.watchdog is not None and family.watchdog.kind == VALIDITY
    sim = DirectSim(
        family,
        now_s=now_s,
        factory_timeout_s=40.0 if by_installer else 600.0,
        factory_safe_a=safe_a if by_installer else 32.0,
    )
    server: ModbusSimServer | HttpSimServer
    wire: Wire
    bus: Bus | None = None
    if family.protocol == HTTP:
        server = HttpSimServer(sim)
        wire = HttpWire(family, host=LOOPBACK, port=await server.open())
    else:
        server = ModbusSimServer({family.unit: sim})
        bus = Bus.tcp(LOOPBACK, await server.open(), answer_s=1.0)
        wire = ModbusWire(bus, family, unit=family.unit)
    endpoint = DirectEndpoint(charger=LEFT, address="here", phases=phases, safe_a=safe_a, lease_s=LEASE_S)
    here = Yard(sim, server, DirectCharger(endpoint, family, wire, now_s=now_s, wall_s=lambda: 1_800_000_000.0))
    try:
        if begun:
            await here.online()
        yield here
    finally:
        await here.die()
        await wire.drop()
        if bus is not None:
            await bus.close()
        await server.close()
