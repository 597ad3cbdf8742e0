"""A charger's own settings: read once after it started, and set as they are needed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import structlog

from ampacity.core.site import ChargerId
from ampacity.devices.charger_family import ChargerFamily
from ampacity.devices.phase_rotation import own_phases
from ampacity.links.ocpp.calls import Calls, NoAnswer, Refused
from ampacity.links.ocpp.fields import Out
from ampacity.links.ocpp.remembered import Remembered
from ampacity.links.ocpp.settings import Setting, Settings
from ampacity.links.ocpp.words import Words

QUESTION_S = 10.0
"""How long a charger may take to answer what nothing depends on."""

AT_ONCE = 5
"""So many settings are asked for by name in one request; of a charger that refuses that, one."""

MEASURANDS = (
    "Current.Import",
    "Power.Active.Import",
    "Voltage",
    "Energy.Active.Import.Register",
    "SoC",
)

SUPPLY_MEASURANDS = ("Power.Active.Export",)
"""As well, of a charger that tells of the building's supply. A measurand is asked for, not a place: a charger that can
measure it at several places tells of all of them (OCPP 1.6, 3.16.3)."""

_log = structlog.get_logger("ampacity.charger")


class Setup:
    """Over one connection."""

    def __init__(
        self,
        charger: ChargerId,
        remembered: Remembered,
        calls: Calls,
        words: Words,
        *,
        ask: Callable[[Out], Awaitable[str]],
        setpoints: Callable[[], Awaitable[None]],
    ) -> None:
        """`ask` gives the status of an answer, "" where there is none; `setpoints` sends those that wait: they go
        before all."""
        self.settings: Settings = {}
        """As they were read last."""
        self._charger = charger
        self._remembered = remembered
        self._calls = calls
        self._words = words
        self._ask = ask
        self._setpoints = setpoints

    async def read(self, family: ChargerFamily) -> None:
        """All that is of interest."""
        self.settings = {}
        for at_once in (AT_ONCE, 1):
            if await self._read_settings(at_once, family):
                break
        told, _ = self.settings.get(Setting.OWN_MAXIMUM, ("", True))
        self._remembered.own_max_a = float(told) if told else None
        rotation, _ = self.settings.get(Setting.PHASE_ROTATION, ("", True))
        self._remembered.rotation = own_phases(rotation) if family.rotates else None

    async def _read_settings(self, at_once: int, family: ChargerFamily) -> bool:
        """False: it is worth to ask for fewer at once."""
        for question in self._words.ask_settings(at_once):
            await self._setpoints()
            try:
                answer = await self._calls.call(question, patience_s=QUESTION_S)
            except NoAnswer as error:
                _log.info("charger-configuration", charger=self._charger, what=str(error))
                if isinstance(error, Refused) and self._words.asks_by_name and at_once > 1:
                    return False
                continue
            self.settings |= self._words.settings(answer, family)
        return True

    async def set_measurands(self, family: ChargerFamily, *, supply: bool) -> None:
        """All in one list where the charger takes that; else those that it takes one by one. `supply`: it tells of the
        building's supply."""
        useful = (*MEASURANDS, *(SUPPLY_MEASURANDS if supply else ()))
        for setting in self._words.measurands:
            if not self._is_missing(setting):
                await self._set_measurands_of(setting, family, useful)

    async def _set_measurands_of(self, setting: Setting, family: ChargerFamily, useful: Sequence[str]) -> None:
        value, fixed = self.settings.get(setting, ("", False))
        exactly = family.measurands
        own, _ = self.settings.get(Setting.KNOWN_MEASURANDS, ("", True))
        known = {one.strip() for one in own.split(",")} if own else set(useful)
        wanted = exactly or tuple(m for m in useful if m in known and m not in family.without_measurands)
        have = {one.strip() for one in value.split(",")}
        fits = have == set(exactly) if exactly else have >= set(wanted) and have.isdisjoint(family.without_measurands)
        if fixed or fits:
            return
        if await self._change(setting, ",".join(wanted)) or exactly:
            return
        kept: list[str] = []
        for one in wanted:
            if await self._change(setting, ",".join([*kept, one])):
                kept.append(one)

    async def set_wishes(self, family: ChargerFamily) -> None:
        """How else it should be set."""
        for setting, wanted in self._words.wishes(family):
            have, fixed = self.settings.get(setting, ("", False))
            is_so = wanted.lower() in [one.strip() for one in have.lower().split(",")]
            if fixed or is_so or self._is_missing(setting):
                continue
            done = await self._change(setting, wanted)
            if setting is Setting.SMART_CHARGING and not done:
                _log.warning(
                    "charger-ignores-limits",
                    charger=self._charger,
                    what="Smart charging is switched off at the charger, and it refuses to switch it on.",
                    remedy="Switch it on at the charger (SmartChargingCtrlr.Enabled): it follows no limit before.",
                )

    async def _change(self, setting: Setting, value: str) -> bool:
        return await self._ask(self._words.change(setting, value)) in ("Accepted", "RebootRequired")

    def _is_missing(self, setting: Setting) -> bool:
        """It said what it has, and this is not among it."""
        return self._words.asks_by_name and bool(self.settings) and setting not in self.settings
