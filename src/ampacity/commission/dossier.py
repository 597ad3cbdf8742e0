"""What has been done and found while commissioning: kept as it comes, so that it can be left and taken up again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import structlog
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Engine, select

from ampacity.commission.basis import Basis
from ampacity.commission.expiry import Expiry
from ampacity.commission.selfcheck import Finding, Verdict
from ampacity.commission.steptest.judgement import Verdict as StepVerdict
from ampacity.commission.steptest.mounting import Mounting, Wiring, mountings
from ampacity.commission.steptest.procedure import Ending
from ampacity.commission.steptest.verdict import SURE, Quantity
from ampacity.commission.told import came_to_nothing, clamp_findings, expiry_findings, step_findings
from ampacity.core.phases import Line, Supply
from ampacity.core.site import ChargerId, MeterId
from ampacity.storage.database import upsert
from ampacity.storage.records import put_setting, setting
from ampacity.storage.schema import settings
from ampacity.storage.transactions import keeping

COMMISSIONING = "commissioning"
UNREAD = "commissioning-unread"
"""Where what can't be read any more is kept, before anything new takes its place."""
_FAILED = Finding(code="test-failed", verdict=Verdict.WRONG)

_log = structlog.get_logger("ampacity.commission")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Something that hands have done, with what was typed in."""

    by: str
    at_s: float
    """UTC seconds since 1970."""
    values: Mapping[str, float | str] = field(default_factory=dict)
    basis: Basis = field(default_factory=Basis)
    """What it was of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What came of the step tests of a charger."""

    at_s: float
    """Of the newest that went to its end, or of the only one."""
    by: str
    findings: tuple[Finding, ...]
    wirings: tuple[tuple[int, ...], ...]
    """All orders in which it may be connected, by all tests of it so far."""
    mountings: Mapping[str, tuple[float, ...]]
    """By meter: how likely each way to mount its clamps is by this test."""
    quantities: Mapping[str, str]
    """By meter: what it measures."""
    basis: Basis = field(default_factory=Basis)
    most_a: float | None = None
    """The most that the charger reported of its car."""
    complete: bool = True
    """It went to its end."""
    tried: Finding | None = None
    """Why a later one came to nothing."""


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
    basis: Basis = field(default_factory=Basis)
    tried: Finding | None = None
    """Why a later one came to nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A test was made."""

    by: str
    at_s: float
    basis: Basis
    """Of its charger, and of the meters above it."""


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

    def with_step(self, verdict: StepVerdict, most_a: float | None, made: Made) -> Dossier:
        """What was known of the charger's wiring before holds, unless this test contradicts it. A test that came to
        nothing takes nothing away."""
        before = self.steps.get(verdict.charger)
        findings = tuple(step_findings(verdict, str))
        if before is not None and not before.basis.holds(made.basis):
            before = None
        if before is not None and before.complete and came_to_nothing(verdict.ending):
            return self._with(verdict.charger, replace(before, tried=replace(findings[0], verdict=Verdict.NOTE)))
        now = tuple(tuple(int(line) for line in wiring) for wiring in verdict.wirings)
        both = now if before is None else tuple(one for one in before.wirings if one in now)
        step = Step(
            at_s=made.at_s,
            by=made.by,
            findings=findings,
            wirings=both or now,
            mountings={
                one.meter: tuple(float(chance) for chance in one.explanations.likely.sum(axis=1))
                for one in verdict.meters
                if one.explanations is not None
            },
            quantities={one.meter: one.quantity.value for one in verdict.meters},
            basis=made.basis,
            most_a=most_a,
            complete=verdict.ending is Ending.DONE,
        )
        return self._with(verdict.charger, step)

    def with_wirings(self, charger: ChargerId, wirings: Sequence[Wiring]) -> Dossier:
        """What daily life has left of the orders that the tests left open. Without a test nothing is kept here."""
        step = self.steps.get(charger)
        if step is None:
            return self
        left = tuple(tuple(int(line) for line in wiring) for wiring in wirings)
        return replace(self, steps={**self.steps, charger: replace(step, wirings=left)})

    def mounting_of(self, supply: Supply, meter: MeterId, basis: Basis) -> Mounting | None:
        """How a meter's clamps sit, by the tests of all chargers together that still hold; None: it is not known for
        sure."""
        ways = mountings(supply)
        steps = [one for one in self.steps.values() if one.basis.holds(basis)]
        tests = [one.mountings[meter] for one in steps if len(one.mountings.get(meter, ())) == len(ways)]
        if not tests:
            return None
        log = np.log(np.maximum(np.array(tests), 1e-300)).sum(axis=0)
        chance = np.exp(log - log.max())
        best = int(np.argmax(chance))
        return ways[best] if chance[best] >= SURE * chance.sum() else None

    def with_expiry(self, result: Expiry, made: Made, *, vendor: str, model: str, firmware: str) -> Dossier:
        """A test that came to nothing does not take away what one of the same charger found before."""
        before = self.expiries.get(result.charger)
        findings = tuple(expiry_findings(result))
        told = (vendor, model, firmware)
        same = before is not None and (before.vendor, before.model, before.firmware) == told
        if before is not None and same and before.honoured is not None and result.honoured is None:
            why = next((one for one in findings if one.verdict is Verdict.UNKNOWN), None)
            tried = None if why is None else replace(why, verdict=Verdict.NOTE)
            return replace(self, expiries={**self.expiries, result.charger: replace(before, tried=tried)})
        lapse = Lapse(
            at_s=made.at_s,
            by=made.by,
            vendor=vendor,
            model=model,
            firmware=firmware,
            safe_a=result.safe_a,
            honoured=result.honoured,
            findings=findings,
            basis=made.basis,
        )
        return replace(self, expiries={**self.expiries, result.charger: lapse})

    def with_failed(self, kind: str, charger: ChargerId, made: Made) -> Dossier:
        """A test that a fault of ours has ended: nothing was found."""
        if kind == "expiry":
            lapse = self.expiries.get(charger) or Lapse(
                at_s=made.at_s,
                by=made.by,
                vendor="",
                model="",
                firmware="",
                safe_a=0.0,
                honoured=None,
                findings=(),
                basis=made.basis,
            )
            return replace(self, expiries={**self.expiries, charger: replace(lapse, tried=_FAILED)})
        step = self.steps.get(charger) or Step(
            at_s=made.at_s,
            by=made.by,
            findings=(),
            wirings=(),
            mountings={},
            quantities={},
            basis=made.basis,
            complete=False,
        )
        return self._with(charger, replace(step, tried=_FAILED))

    def wiring_of(self, charger: ChargerId, basis: Basis) -> Wiring | None:
        """As the tests have found it; None: it is not known. `basis`: of the site now."""
        step = self.steps.get(charger)
        if step is None or len(step.wirings) != 1 or not step.basis.holds(basis):
            return None
        return tuple(Line(line) for line in step.wirings[0])

    def clamps(self, supply: Supply, meter: MeterId, name: str, basis: Basis) -> list[Finding]:
        """How a meter's clamps sit, by the tests of all chargers together that still hold."""
        ways = mountings(supply)
        steps = [one for one in self.steps.values() if one.basis.holds(basis)]
        tests = [one.mountings[meter] for one in steps if len(one.mountings.get(meter, ())) == len(ways)]
        if not tests:
            return []
        log = np.log(np.maximum(np.array(tests), 1e-300)).sum(axis=0)
        chance = np.exp(log - log.max())
        chance /= chance.sum()
        best = int(np.argmax(chance))
        alike = np.flatnonzero(np.all([np.abs(np.array(one) - one[best]) <= 1e-3 * one[best] for one in tests], axis=0))
        told = [ways[number] for number in alike] if chance[alike].sum() >= SURE else []
        quantity = next(Quantity(one.quantities[meter]) for one in steps if meter in one.quantities)
        clamps = [
            sorted({way[channel] for way in told}, key=lambda one: (one.line, one.turned))
            for channel in range(len(supply.lines))
        ]
        return clamp_findings(clamps if told else [], name, quantity)

    def _with(self, charger: ChargerId, step: Step) -> Dossier:
        return replace(self, steps={**self.steps, charger: step})


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
        return _dossier(setting(self._engine(), COMMISSIONING)) or Dossier()

    def change(self, change: Callable[[Dossier], Dossier]) -> Dossier:
        """What it is after the change. Whoever else changes it meanwhile waits: nothing is lost.

        Raises:
            StorageError
        """
        with keeping(self._engine()) as connection:
            # The row is there, and ours, before it is read: on every kind of database.
            row = upsert(connection, settings, key=COMMISSIONING, value="")
            connection.execute(row.on_conflict_do_nothing(index_elements=["key"]))
            query = select(settings.c.value).where(settings.c.key == COMMISSIONING).with_for_update()
            kept = connection.execute(query).scalar_one()
            before = _dossier(kept)
            if before is None and kept:
                put_setting(connection, UNREAD, kept)
                _log.warning(
                    "commissioning-unread",
                    what="What was done and found before can't be read by this version.",
                    remedy=f'It is kept in the record, as setting "{UNREAD}"; begin again.',
                )
            changed = change(before or Dossier())
            put_setting(connection, COMMISSIONING, _ADAPTER.dump_json(changed).decode())
        return changed


def _dossier(kept: str | None) -> Dossier | None:
    """None: there is none, or it can't be read."""
    try:
        return _ADAPTER.validate_json(kept) if kept else None
    except ValidationError:
        return None
