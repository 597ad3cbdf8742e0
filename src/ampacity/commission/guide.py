"""The guided commissioning: what is to be done, in order, and how each thing stands.

The order is the guide's (Wallbox, Dynamic Load Management in Multiple-charger Installations, troubleshooting for
installers): wiring and cable, resistance, switches, clamps, meter before charger. What hands must do is asked for, with
what was measured; what software can test is tested. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ampacity.commission import bus
from ampacity.commission.basis import Basis, meters_above
from ampacity.commission.dossier import Done, Dossier, Lapse, worst
from ampacity.commission.expiry import is_needless
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
LEAST_READING_A = 5.0
"""Less on a line says little of the size of what a meter shows there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterNow:
    """A meter, as it is seen now."""

    id: MeterId
    name: str
    serial: bool
    """On a serial line."""
    amps: tuple[float, ...] | None
    """What it shows; None: it does not answer."""
    charger: str | None = None
    """The charger whose word it is; None: it speaks for itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargerNow:
    """A charger, as it is seen now."""

    name: str
    vendor: str = ""
    """Empty, like what follows: it is not connected, or does not tell."""
    model: str = ""
    firmware: str = ""
    max_a: float | None = None
    """Its own maximum, as it reports it; None: it does not."""
    family: str = ""
    """Whose limits do not end by themselves; empty: they do, by what is known of its family."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Things:
    """What the guide looks at, beside the dossier."""

    site: Site
    """As installed."""
    meters: Sequence[MeterNow]
    chargers: Mapping[ChargerId, ChargerNow]
    circuit_names: Mapping[CircuitId, str]
    disclaimer: Done | None
    """Who has accepted it."""
    basis: Basis
    may_guard: Mapping[ChargerId, bool] = field(default_factory=dict)
    """What site.toml says of each charger's `guarded`, where its family does not forbid it."""

    def name_of(self, charger: ChargerId) -> str:
        return self.chargers[charger].name

    def basis_of(self, code: str) -> Basis:
        """What a task done by hand is of."""
        chargers = list(self.basis.chargers) if code in ("wiring", "switches", "order") else []
        meters = list(self.basis.meters) if code in ("wiring", "clamps", "order", "reading") else []
        if code == "bus":
            meters = [one.id for one in self.meters if one.serial]
        return self.basis.of(chargers=chargers, meters=meters)


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
    guarded: bool | None = None
    """What a test found of whether the charger can fall back, and site.toml does not say; None: nothing else."""


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
    tasks = [_by_hand("wiring", things, dossier)]
    if any(one.serial for one in things.meters):
        tasks.append(_bus(things, dossier))
    tasks.append(_switches(things, dossier))
    if things.meters:
        tasks.append(_by_hand("clamps", things, dossier))
    tasks.append(_order(things, dossier))
    if things.meters:
        tasks += [_reading(things, dossier), _worst_loads(things)]
    for charger in site.chargers:
        tasks.append(_step(things, charger.id, dossier))
    for meter in things.meters:
        if findings := dossier.clamps(site.supply, meter.id, meter.name, things.basis):
            tasks.append(Task(code="mounting", verdict=worst(findings), findings=findings))
    for charger in site.chargers:
        tasks.append(_expiry(things, charger.id, dossier))
    tasks += [_proof(things, tasks), _disclaimer(things)]
    return Guide(tasks=tuple(tasks))


def is_checked(things: Things, dossier: Dossier) -> bool:
    """Whether every meter was held against a clamp, and agreed, and is still the same."""
    return bool(things.meters) and _reading(things, dossier).verdict is Verdict.FINE


def _by_hand(code: str, things: Things, dossier: Dossier, findings: Sequence[Finding] = ()) -> Task:
    """Done, if somebody says so, and if what it is of is still the same; `findings`: what else there is to say."""
    done = dossier.done.get(code)
    if done is None:
        return Task(code=code, verdict=Verdict.UNKNOWN)
    found = [*findings, *_changed(done.basis, things.basis_of(code), things)]
    return Task(code=code, verdict=worst(found) if found else Verdict.FINE, findings=found, done=done)


def _changed(then: Basis, now: Basis, things: Things) -> list[Finding]:
    """What has come, or was exchanged, since something was done."""
    news = then.news(now)
    names = {one.id: one.name for one in things.meters}
    what = ", ".join(
        things.chargers[ChargerId(one)].name if ChargerId(one) in things.chargers else names.get(MeterId(one), one)
        for one in news
    )
    return [_finding("site-changed", Verdict.UNKNOWN, what=what)] if news else []


def _bus(things: Things, dossier: Dossier) -> Task:
    done = dossier.done.get("bus")
    ohm = None if done is None else _number(done, "ohm")
    if done is not None and ohm is None:
        return Task(code="bus", verdict=Verdict.UNKNOWN, done=done)
    return _by_hand(
        "bus", things, dossier, [] if ohm is None else [bus.judged(math.inf if ohm >= bus.OVER_LIMIT_OHM else ohm)]
    )


def _switches(things: Things, dossier: Dossier) -> Task:
    done = dossier.done.get("switches")
    if done is None:
        return Task(code="switches", verdict=Verdict.UNKNOWN)
    findings: list[Finding] = []
    position = str(done.values.get("position", "")).strip()
    if not position:
        findings.append(_finding("switches-none", Verdict.FINE))
    else:
        right = position.upper() == SWITCH_RIGHT
        code, verdict = ("switch-right", Verdict.FINE) if right else ("switch-wrong", Verdict.WRONG)
        findings.append(_finding(code, verdict, position=position))
    for charger in things.site.chargers:
        findings += _rotary(things, charger.id, done, dossier)
    return _by_hand("switches", things, dossier, findings)


def _rotary(things: Things, charger: ChargerId, done: Done, dossier: Dossier) -> list[Finding]:
    """The current its rotary switch means, against site.toml, what the charger reports, and what its car has drawn."""
    rotary, means_a = _number(done, f"rotary.{charger}"), _number(done, f"means_a.{charger}")
    name, max_a = things.name_of(charger), things.site.chargers[things.site.index_of_charger[charger]].max_a
    found = []
    if rotary is not None and not (ROTARY[0] <= rotary <= ROTARY[1] and rotary == int(rotary)):
        found.append(_finding("rotary-out", Verdict.WRONG, charger=name, rotary=rotary))
    if means_a is None:
        return found
    if abs(means_a - max_a) < 0.5:
        found.append(_finding("rotary-agrees", Verdict.FINE, charger=name, means=means_a))
    else:
        found.append(_finding("rotary-differs", Verdict.WRONG, charger=name, means=means_a, max=max_a))
    reported_a = things.chargers[charger].max_a
    if reported_a is None:
        found.append(_finding("rotary-unreported", Verdict.NOTE, charger=name))
    else:
        agrees = abs(means_a - reported_a) < 0.5
        code = "rotary-reported-agrees" if agrees else "rotary-reported-differs"
        verdict = Verdict.FINE if agrees else Verdict.WRONG
        found.append(_finding(code, verdict, charger=name, means=means_a, reported=reported_a))
    step = dossier.steps.get(charger)
    drawn_a = None if step is None or not step.basis.holds(things.basis) else step.most_a
    if drawn_a is not None and drawn_a > means_a + max(1.0, 0.05 * means_a):
        found.append(_finding("rotary-exceeded", Verdict.WRONG, charger=name, means=means_a, drawn=round(drawn_a, 1)))
    return found


def _order(things: Things, dossier: Dossier) -> Task:
    findings = [_speaks(one) for one in things.meters]
    if dossier.done.get("order") is not None:
        return _by_hand("order", things, dossier, findings)
    wrong = worst(findings) is Verdict.WRONG
    return Task(code="order", verdict=Verdict.WRONG if wrong else Verdict.UNKNOWN, findings=findings)


def _speaks(meter: MeterNow) -> Finding:
    if meter.amps is not None:
        return _finding("meter-answers", Verdict.FINE, meter=meter.name)
    if meter.charger is not None:
        return _finding("supply-untold", Verdict.WRONG, meter=meter.name, charger=meter.charger)
    return _finding("meter-answers-not", Verdict.WRONG, meter=meter.name)


def _reading(things: Things, dossier: Dossier) -> Task:
    done = dossier.done.get("reading")
    return _by_hand("reading", things, dossier, [] if done is None else _reading_findings(things, done))


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
        agrees = all(abs(a - b) <= max(READING_A, READING_SHARE * min(a, b)) for a, b in pairs)
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
        if agrees and pairs[0][0] < LEAST_READING_A:
            found.append(_finding("clampmeter-low", Verdict.NOTE, meter=meter.name, least=LEAST_READING_A))
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
    now = things.basis.of(chargers=[charger], meters=meters_above(things.site, charger))
    findings = [*([] if step.tried is None else [step.tried]), *step.findings, *_changed(step.basis, now, things)]
    wiring = dossier.wiring_of(charger, things.basis)
    set_to = things.site.chargers[things.site.index_of_charger[charger]].wiring
    learned = None
    if wiring is not None and wiring != set_to:
        learned = "-".join(line.name for line in wiring)
        before = "" if set_to is None else "-".join(line.name for line in set_to)
        code, verdict = ("wiring-new", Verdict.NOTE) if set_to is None else ("wiring-differs", Verdict.WRONG)
        findings.append(_finding(code, verdict, lines=learned, before=before))
    done = Done(by=step.by, at_s=step.at_s)
    return Task(code="step", verdict=worst(findings), findings=findings, charger=charger, done=done, learned=learned)


def _expiry(things: Things, charger: ChargerId, dossier: Dossier) -> Task:
    installed = things.site.chargers[things.site.index_of_charger[charger]]
    lapse, known = dossier.expiries.get(charger), list[Finding]()
    if family := things.chargers[charger].family:
        known.append(_finding("expiry-family", Verdict.WRONG, family=family))
    elif is_needless(installed):
        known.append(_finding("expiry-needless", Verdict.FINE, safe=installed.safe_a))
    if lapse is None or (known and known[0].code == "expiry-needless"):
        return Task(code="expiry", verdict=worst(known), findings=known, charger=charger)
    stale = lapse_gone(things, charger, lapse) if lapse.findings else []
    findings = [*known, *([] if lapse.tried is None else [lapse.tried]), *lapse.findings, *stale]
    if lapse.honoured is not None and lapse.safe_a != installed.safe_a:
        findings.append(_finding("expiry-safe-changed", Verdict.NOTE, was=lapse.safe_a, now=installed.safe_a))
    guarded = things.may_guard.get(charger)
    wanted = None
    if not stale and lapse.honoured is not None and guarded is not None and guarded is not lapse.honoured:
        wanted = lapse.honoured
        code, verdict = ("guarded-again", Verdict.NOTE) if wanted else ("guarded-not", Verdict.WRONG)
        findings.append(_finding(code, verdict))
    values = {"vendor": lapse.vendor, "model": lapse.model, "firmware": lapse.firmware}
    done = Done(by=lapse.by, at_s=lapse.at_s, values=values)
    return Task(code="expiry", verdict=worst(findings), findings=findings, charger=charger, done=done, guarded=wanted)


def lapse_gone(things: Things, charger: ChargerId, lapse: Lapse) -> list[Finding]:
    """Why a test says nothing of the charger as it is now. One that is not connected is taken for the same."""
    found = _changed(lapse.basis, things.basis.of(chargers=[charger]), things)
    now = things.chargers[charger]
    if (now.vendor or now.model) and (now.vendor, now.model) != (lapse.vendor, lapse.model):
        was, now_is = f"{lapse.vendor} {lapse.model}".strip(), f"{now.vendor} {now.model}".strip()
        found.append(_finding("expiry-other", Verdict.UNKNOWN, was=was, now=now_is))
    elif now.firmware and now.firmware != lapse.firmware:
        found.append(_finding("expiry-firmware", Verdict.UNKNOWN, was=lapse.firmware, now=now.firmware))
    return found


def _proof(things: Things, tasks: Sequence[Task]) -> Task:
    """`tasks`: those before it; an expiry test that was not passed is none to count on."""
    chargers = tuple(
        replace(one, guarded=False) if things.chargers[one.id].family else one for one in things.site.chargers
    )
    findings = [_proof_finding(things, line) for line in proof(replace(things.site, chargers=chargers))]
    tested = {one.charger for one in tasks if one.code == "expiry" and one.verdict in (Verdict.FINE, Verdict.NOTE)}
    untested = [one.id for one in chargers if one.guarded and one.id not in tested]
    if untested:
        names = ", ".join(things.name_of(one) for one in untested)
        findings.append(_finding("proof-untested", Verdict.NOTE, chargers=names))
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
        unguarded = ", ".join(things.name_of(one) for one in line.unguarded)
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
