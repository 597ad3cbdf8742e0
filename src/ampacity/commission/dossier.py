"""What has been done and found while commissioning: kept as it comes, so that it can be left and taken up again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Engine

from ampacity.commission.expiry import Expiry
from ampacity.commission.selfcheck import Finding, Verdict
from ampacity.commission.steptest.judgement import Verdict as StepVerdict
from ampacity.commission.steptest.mounting import Mounting, Wiring, mountings, wirings
from ampacity.commission.steptest.verdict import SURE, Quantity
from ampacity.commission.told import clamp_findings, expiry_findings, step_findings
from ampacity.core.phases import Line, Supply
from ampacity.core.site import ChargerId, MeterId, Site
from ampacity.storage.records import put_setting, setting
from ampacity.storage.transactions import keeping

COMMISSIONING = "commissioning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Something that hands have done, with what was typed in."""

    by: str
    at_s: float
    """UTC seconds since 1970."""
    values: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What came of the newest step test of a charger."""

    at_s: float
    by: str
    findings: tuple[Finding, ...]
    wirings: tuple[tuple[int, ...], ...]
    """All orders in which it may be connected, by all tests of it so far."""
    mountings: Mapping[str, tuple[float, ...]]
    """By meter: how likely each way to mount its clamps is by this test."""
    quantities: Mapping[str, str]
    """By meter: what it measures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lapse:
    """What came of the newest expiry test of a charger."""

    at_s: float
    by: str
    vendor: str
    model: str
    firmware: str
    safe_a: float
    honoured: bool | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """Of one site."""

    done: Mapping[str, Done] = field(default_factory=dict)
    """By code of the task."""
    steps: Mapping[str, Step] = field(default_factory=dict)
    """By charger."""
    expiries: Mapping[str, Lapse] = field(default_factory=dict)
    """By charger."""

    def with_done(self, code: str, done: Done | None) -> Dossier:
        """None: it is to be done again."""
        kept = {name: one for name, one in self.done.items() if name != code}
        return replace(self, done=kept if done is None else {**kept, code: done})

    def with_step(
        self, site: Site, verdict: StepVerdict, name_of: Callable[[MeterId], str], *, by: str, at_s: float
    ) -> Dossier:
        """What was known of the charger's wiring before holds, unless this test contradicts it."""
        before = self.steps.get(verdict.charger)
        now = tuple(tuple(int(line) for line in wiring) for wiring in verdict.wirings)
        both = now if before is None else tuple(one for one in before.wirings if one in now)
        step = Step(
            at_s=at_s,
            by=by,
            findings=tuple(step_findings(verdict, name_of)),
            wirings=both or now,
            mountings={
                one.meter: tuple(float(chance) for chance in one.explanations.likely.sum(axis=1))
                for one in verdict.meters
                if one.explanations is not None
            },
            quantities={one.meter: one.quantity.value for one in verdict.meters},
        )
        return replace(self, steps={**self.steps, verdict.charger: step})

    def with_wirings(self, charger: ChargerId, wirings: Sequence[Wiring]) -> Dossier:
        """What daily life has left of the orders that the tests left open. Without a test nothing is kept here."""
        step = self.steps.get(charger)
        if step is None:
            return self
        left = tuple(tuple(int(line) for line in wiring) for wiring in wirings)
        return replace(self, steps={**self.steps, charger: replace(step, wirings=left)})

    def mounting_of(self, supply: Supply, meter: MeterId) -> Mounting | None:
        """How a meter's clamps sit, by the tests of all chargers together; None: it is not known for sure."""
        ways = mountings(supply)
        tests = [one.mountings[meter] for one in self.steps.values() if len(one.mountings.get(meter, ())) == len(ways)]
        if not tests:
            return None
        log = np.log(np.maximum(np.array(tests), 1e-300)).sum(axis=0)
        chance = np.exp(log - log.max())
        best = int(np.argmax(chance))
        return ways[best] if chance[best] >= SURE * chance.sum() else None

    def with_expiry(self, result: Expiry, *, vendor: str, model: str, firmware: str, by: str, at_s: float) -> Dossier:
        lapse = Lapse(
            at_s=at_s,
            by=by,
            vendor=vendor,
            model=model,
            firmware=firmware,
            safe_a=result.safe_a,
            honoured=result.honoured,
            findings=tuple(expiry_findings(result)),
        )
        return replace(self, expiries={**self.expiries, result.charger: lapse})

    def wiring_of(self, charger: ChargerId) -> Wiring | None:
        """As the tests have found it; None: it is not known."""
        step = self.steps.get(charger)
        if step is None or len(step.wirings) != 1:
            return None
        return tuple(Line(line) for line in step.wirings[0])

    def clamps(self, supply: Supply, meter: MeterId, name: str) -> list[Finding]:
        """How a meter's clamps sit, by the tests of all chargers together."""
        ways = mountings(supply)
        tests = [one.mountings[meter] for one in self.steps.values() if len(one.mountings.get(meter, ())) == len(ways)]
        if not tests:
            return []
        log = np.log(np.maximum(np.array(tests), 1e-300)).sum(axis=0)
        chance = np.exp(log - log.max())
        chance /= chance.sum()
        best = int(np.argmax(chance))
        alike = np.flatnonzero(np.all([np.abs(np.array(one) - one[best]) <= 1e-3 * one[best] for one in tests], axis=0))
        told = [ways[number] for number in alike] if chance[alike].sum() >= SURE else []
        quantity = next(Quantity(one.quantities[meter]) for one in self.steps.values() if meter in one.quantities)
        clamps = [
            sorted({way[channel] for way in told}, key=lambda one: (one.line, one.turned))
            for channel in range(len(supply.lines))
        ]
        return clamp_findings(clamps if told else [], name, quantity)


def orders_possible(site: Site, charger: ChargerId) -> int:
    """In how many orders it could be connected."""
    return len(wirings(site.supply, site.chargers[site.index_of_charger[charger]].phases))


def worst(findings: Sequence[Finding]) -> Verdict:
    """Of several, the gravest; without any it is unknown."""
    order = (Verdict.WRONG, Verdict.UNKNOWN, Verdict.NOTE, Verdict.FINE)
    return next((one for one in order if any(finding.verdict is one for finding in findings)), Verdict.UNKNOWN)


_ADAPTER = TypeAdapter(Dossier)


class KeptDossier:
    """In the record."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine

    def read(self) -> Dossier:
        """Empty, if there is none, or one that can't be read.

        Raises:
            StorageError
        """
        kept = setting(self._engine(), COMMISSIONING)
        try:
            return Dossier() if not kept else _ADAPTER.validate_json(kept)
        except ValidationError:
            return Dossier()

    def change(self, change: Callable[[Dossier], Dossier]) -> Dossier:
        """What it is after the change.

        Raises:
            StorageError
        """
        changed = change(self.read())
        with keeping(self._engine()) as connection:
            put_setting(connection, COMMISSIONING, _ADAPTER.dump_json(changed).decode())
        return changed
