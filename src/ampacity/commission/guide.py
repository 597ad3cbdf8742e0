"""The guided commissioning: what is to be done, in order, and how each thing stands.

The order is the guide's (Wallbox, Dynamic Load Management in Multiple-charger Installations, troubleshooting for
installers): wiring and cable, resistance, switches, clamps, meter before charger. What hands must do is asked for, with
what was measured; what software can test is tested. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ampacity.commission import bus
from ampacity.commission.dossier import Done, Dossier, worst
from ampacity.commission.selfcheck import Finding, Verdict
from ampacity.core.proof import ProofLine, proof
from ampacity.core.site import ChargerId, CircuitId, MeterId, Site

BY_HAND = ("wiring", "bus", "switches", "clamps", "order", "reading")
"""Tasks that somebody says are done."""
READING_SHARE, READING_A = 0.1, 0.5
"""A meter agrees with a clamp in somebody's hand, if they differ by no more than the larger of these."""
SWITCH_RIGHT = "T"
"""The position of the RS485 switch in which the line is terminated (the guide)."""
ROTARY = (1, 7)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterNow:
    """A meter, as it is seen now."""

    id: MeterId
    name: str
    serial: bool
    """On a serial line."""
    amps: tuple[float, ...] | None
    """What it shows; None: it does not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Things:
    """What the guide looks at, beside the dossier."""

    site: Site
    """As installed."""
    meters: Sequence[MeterNow]
    charger_names: Mapping[ChargerId, str]
    circuit_names: Mapping[CircuitId, str]
    disclaimer: Done | None
    """Who has accepted it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One thing to do. Its words are the texts `commission.task-<code>` and `commission.how-<code>`."""

    code: str
    verdict: Verdict
    findings: Sequence[Finding] = ()
    charger: ChargerId | None = None
    """Of which charger it is; None: of the site."""
    done: Done | None = None
    """By whom, and when, with what was typed in."""
    learned: str | None = None
    """What a test found and site.toml does not say: the charger's lines, `L2-L3-L1`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """All tasks, in order."""

    tasks: Sequence[Task] = field(default_factory=tuple)

    @property
    def ready(self) -> bool:
        """Nothing is wrong, and everything has been done: the report can be signed without reserve."""
        return all(one.verdict in (Verdict.FINE, Verdict.NOTE) for one in self.tasks)


def guide(things: Things, dossier: Dossier) -> Guide:
    """How far the commissioning is."""
    site = things.site
    tasks = [_by_hand("wiring", dossier)]
    if any(one.serial for one in things.meters):
        tasks.append(_bus(dossier))
    tasks += [_switches(things, dossier), _by_hand("clamps", dossier), _order(things, dossier)]
    if things.meters:
        tasks += [_reading(things, dossier), _worst_loads(things)]
    for charger in site.chargers:
        tasks.append(_step(things, charger.id, dossier))
    for meter in things.meters:
        if findings := dossier.clamps(site.supply, meter.id, meter.name):
            tasks.append(Task(code="mounting", verdict=worst(findings), findings=findings))
    for charger in site.chargers:
        tasks.append(_expiry(charger.id, dossier))
    tasks += [_proof(things), _disclaimer(things)]
    return Guide(tasks=tuple(tasks))


def is_checked(things: Things, dossier: Dossier) -> bool:
    """Whether every meter was held against a clamp, and agreed."""
    done = dossier.done.get("reading")
    return bool(things.meters) and done is not None and worst(_reading_findings(things, done)) is Verdict.FINE


def _by_hand(code: str, dossier: Dossier) -> Task:
    done = dossier.done.get(code)
    return Task(code=code, verdict=Verdict.UNKNOWN if done is None else Verdict.FINE, done=done)


def _bus(dossier: Dossier) -> Task:
    done = dossier.done.get("bus")
    ohm = None if done is None else _number(done, "ohm")
    if done is None or ohm is None:
        return Task(code="bus", verdict=Verdict.UNKNOWN, done=done)
    finding = bus.judged(math.inf if ohm >= 1e9 else ohm)
    return Task(code="bus", verdict=finding.verdict, findings=[finding], done=done)


def _switches(things: Things, dossier: Dossier) -> Task:
    done = dossier.done.get("switches")
    if done is None:
        return Task(code="switches", verdict=Verdict.UNKNOWN)
    findings: list[Finding] = []
    position = str(done.values.get("position", ""))
    if not position:
        findings.append(_finding("switches-none", Verdict.FINE))
    else:
        right = position.strip().upper() == SWITCH_RIGHT
        code, verdict = ("switch-right", Verdict.FINE) if right else ("switch-wrong", Verdict.WRONG)
        findings.append(_finding(code, verdict, position=position))
    for charger in things.site.chargers:
        rotary, means_a = _number(done, f"rotary.{charger.id}"), _number(done, f"means_a.{charger.id}")
        name = things.charger_names[charger.id]
        if rotary is not None and not ROTARY[0] <= rotary <= ROTARY[1]:
            findings.append(_finding("rotary-out", Verdict.WRONG, charger=name, rotary=rotary))
        if means_a is None:
            continue
        if abs(means_a - charger.max_a) < 0.5:
            findings.append(_finding("rotary-agrees", Verdict.FINE, charger=name, means=means_a))
        else:
            findings.append(_finding("rotary-differs", Verdict.WRONG, charger=name, means=means_a, max=charger.max_a))
    return Task(code="switches", verdict=worst(findings), findings=findings, done=done)


def _order(things: Things, dossier: Dossier) -> Task:
    done = dossier.done.get("order")
    findings = [
        _finding(
            "meter-answers" if one.amps is not None else "meter-answers-not",
            Verdict.FINE if one.amps is not None else Verdict.WRONG,
            meter=one.name,
        )
        for one in things.meters
    ]
    verdict = worst(findings) if findings else Verdict.FINE
    if done is None and verdict is not Verdict.WRONG:
        verdict = Verdict.UNKNOWN
    return Task(code="order", verdict=verdict, findings=findings, done=done)


def _reading(things: Things, dossier: Dossier) -> Task:
    done = dossier.done.get("reading")
    if done is None:
        return Task(code="reading", verdict=Verdict.UNKNOWN)
    findings = _reading_findings(things, done)
    return Task(code="reading", verdict=worst(findings), findings=findings, done=done)


def _reading_findings(things: Things, done: Done) -> list[Finding]:
    """Sizes are compared in order of size: whether each is of the right line is for the step test to find."""
    found = []
    lines = range(1, len(things.site.supply.lines) + 1)
    for meter in things.meters:
        typed = [_number(done, f"{meter.id}.L{line}") for line in lines]
        seen = [_number(done, f"{meter.id}.L{line}.shown") for line in lines]
        if any(one is None for one in [*typed, *seen]):
            found.append(_finding("clampmeter-missing", Verdict.UNKNOWN, meter=meter.name))
            continue
        pairs = list(zip(sorted(abs(a or 0.0) for a in typed), sorted(abs(a or 0.0) for a in seen), strict=True))
        agrees = all(abs(a - b) <= max(READING_A, READING_SHARE * max(a, b)) for a, b in pairs)
        code, verdict = ("clampmeter-agrees", Verdict.FINE) if agrees else ("clampmeter-differs", Verdict.WRONG)
        found.append(
            _finding(
                code,
                verdict,
                meter=meter.name,
                typed=" / ".join(f"{one:.1f}" for one in typed if one is not None),
                shown=" / ".join(f"{abs(one):.1f}" for one in seen if one is not None),
            )
        )
    return found


def _worst_loads(things: Things) -> Task:
    findings = []
    for circuit in things.site.circuits:
        if circuit.meter is None:
            continue
        name = things.circuit_names[circuit.id]
        if circuit.worst_load_a is None:
            findings.append(_finding("worst-missing", Verdict.UNKNOWN, circuit=name))
        else:
            amps = " / ".join(f"{one:g}" for one in circuit.worst_load_a)
            findings.append(_finding("worst-stated", Verdict.FINE, circuit=name, amps=amps))
    return Task(code="worst", verdict=worst(findings), findings=findings)


def _step(things: Things, charger: ChargerId, dossier: Dossier) -> Task:
    step = dossier.steps.get(charger)
    if step is None:
        return Task(code="step", verdict=Verdict.UNKNOWN, charger=charger)
    findings = list(step.findings)
    wiring, set_to = dossier.wiring_of(charger), things.site.chargers[things.site.index_of_charger[charger]].wiring
    learned = None
    if wiring is not None and wiring != set_to:
        learned = "-".join(line.name for line in wiring)
        before = "" if set_to is None else "-".join(line.name for line in set_to)
        code, verdict = ("wiring-new", Verdict.NOTE) if set_to is None else ("wiring-differs", Verdict.WRONG)
        findings.append(_finding(code, verdict, lines=learned, before=before))
    done = Done(by=step.by, at_s=step.at_s)
    return Task(code="step", verdict=worst(findings), findings=findings, charger=charger, done=done, learned=learned)


def _expiry(charger: ChargerId, dossier: Dossier) -> Task:
    lapse = dossier.expiries.get(charger)
    if lapse is None:
        return Task(code="expiry", verdict=Verdict.UNKNOWN, charger=charger)
    values = {"vendor": lapse.vendor, "model": lapse.model, "firmware": lapse.firmware}
    done = Done(by=lapse.by, at_s=lapse.at_s, values=values)
    return Task(code="expiry", verdict=worst(lapse.findings), findings=lapse.findings, charger=charger, done=done)


def _proof(things: Things) -> Task:
    findings = [_proof_finding(things, line) for line in proof(things.site)]
    return Task(code="proof", verdict=worst(findings), findings=findings)


def _proof_finding(things: Things, line: ProofLine) -> Finding:
    name = things.circuit_names[line.circuit]
    values: dict[str, str | float | None] = {
        "circuit": name,
        "line": line.line.name,
        "limit": round(line.limit_a, 1),
        "safe": round(line.safe_a, 1),
        "load": None if line.load_a is None else round(line.load_a, 1),
    }
    if line.fails:
        over = round((line.load_a or 0.0) + line.safe_a - line.limit_a, 1)
        unguarded = ", ".join(things.charger_names[one] for one in line.unguarded)
        code = "proof-fails-unguarded" if unguarded else "proof-fails"
        return Finding(code=code, verdict=Verdict.WRONG, params={**values, "over": over, "chargers": unguarded})
    if line.load_a is None:
        return Finding(code="proof-open", verdict=Verdict.UNKNOWN, params=values)
    return Finding(code="proof-fits", verdict=Verdict.FINE, params=values)


def _disclaimer(things: Things) -> Task:
    done = things.disclaimer
    return Task(code="disclaimer", verdict=Verdict.UNKNOWN if done is None else Verdict.FINE, done=done)


def _number(done: Done, key: str) -> float | None:
    value = done.values.get(key)
    return float(value) if isinstance(value, int | float) else None


def _finding(code: str, verdict: Verdict, **params: str | float | None) -> Finding:
    return Finding(code=code, verdict=verdict, params=params)
