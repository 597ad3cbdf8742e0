"""All chargers of a site: those that connect over OCPP, and those that are asked over Modbus or HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ampacity.core.decision import Command
from ampacity.core.observations import Observation
from ampacity.core.site import ChargerId
from ampacity.links.direct.charger import DirectCharger, PhasesFixed
from ampacity.links.ocpp.endpoint import StationFacts
from ampacity.links.ocpp.server import OcppServer
from ampacity.links.tally import Tally


class Chargers:
    """An actuator: each command goes where its charger is."""

    def __init__(self, server: OcppServer, direct: dict[ChargerId, DirectCharger]) -> None:
        self._server = server
        self.direct = direct
        """Those that are asked. Changed on the control loop's thread."""

    def apply(self, command: Command, put: Callable[[Observation], None]) -> None:
        """Begins to send; the outcome comes through `put`."""
        one = self.direct.get(command.charger)
        (self._server if one is None else one).apply(command, put)

    def report_often(self, charger: ChargerId, often: bool) -> None:
        """It is asked for what it draws every few seconds, or as seldom as usual."""
        if (one := self.direct.get(charger)) is not None:
            one.often = often
        else:
            self._server.report_often(charger, often)

    def hold_off(self, charger: ChargerId, off: bool) -> None:
        """Its link is cut, and does not come back until it is held off no more."""
        if (one := self.direct.get(charger)) is not None:
            one.hold_off(off)
        else:
            self._server.hold_off(charger, off)

    def switch_phases(self, charger: ChargerId, phases: int) -> None:
        """Begins to.

        Raises:
            PhasesFixed
        """
        if (one := self.direct.get(charger)) is None:
            raise PhasesFixed(f"{charger} connects over OCPP: its phases are not changed from here.")
        one.switch_phases(phases)

    async def park(self) -> list[ChargerId]:
        """Leaves every charger that can be reached at its safe current; returns those that did not confirm it."""
        reached = [one for one in self.direct.values() if one.online]
        parking = asyncio.gather(*(one.park() for one in reached))
        left = await self._server.park()
        parked = await parking
        return left + [one.endpoint.charger for one, did in zip(reached, parked, strict=True) if not did]

    def facts(self) -> dict[ChargerId, StationFacts]:
        """What the chargers that can be reached said of themselves. For any thread."""
        return self._server.facts() | {name: one.facts for name, one in list(self.direct.items()) if one.online}

    def tally(self, charger: ChargerId) -> Tally:
        """What has passed to and from it."""
        one = self.direct.get(charger)
        return self._server.tally(charger) if one is None else one.tally
