"""The six steps of a first look, answered from what was measured. Pure: facts in, verdicts out.

The guide (Wallbox, Dynamic Load Management in Multiple-charger Installations, troubleshooting for users) asks: is the
meter a compatible one, has it power, was the charger started after it, is the software up to date, does the app
connect, do the meter's lights blink. A seventh is ours: can what the meter says be true.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

GARBLED_SHARE = 0.02
"""More answers than this that are none, and the line is disturbed."""
LEAST_REQUESTS = 50
"""Fewer tell nothing of a share."""
LATE_S = 0.5
"""A meter that takes longer than this for one answer in a hundred is slow: its bus is crowded, or its gateway."""

Params = Mapping[str, str | float | None]


class Verdict(Enum):
    """Of a step or a finding."""

    FINE = "fine"
    NOTE = "note"
    """It works, and is worth a look."""
    WRONG = "wrong"
    UNKNOWN = "unknown"
    """It can't be told yet."""


_WORST = (Verdict.WRONG, Verdict.UNKNOWN, Verdict.NOTE, Verdict.FINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFacts:
    """What has passed on a link, all runs together, and lately."""

    requests: int = 0
    answers: int = 0
    timeouts: int = 0
    garbled: int = 0
    exceptions: int = 0
    connections: int = 0
    received_bytes: int = 0
    """In the last seconds: the Rx light."""
    sent_bytes: int = 0
    """The Tx light."""
    age_s: float | None = None
    """Of the last good answer; None: there was none in this run."""
    median_s: float | None = None
    slow_s: float | None = None
    """99 of 100 answers come sooner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingFacts:
    """A setting of a meter that is not as it should be. In the words of the meter's document."""

    what: str
    now: str
    right: str
    at_the_board: bool
    """What is right depends on the wiring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterFacts:
    """A meter, as the controller sees it now."""

    name: str
    """For people: with its address."""
    device: str
    """The family that is set; "auto"."""
    model: str | None
    """As it introduced itself; None: it has not, in this run."""
    serial: bool
    """On a serial line; else on the network."""
    deadline_s: float
    """How old a sample may be."""
    trouble: str | None
    """The code of what was wrong with the newest answer; None: it was good."""
    what: str
    """In words, as the link said it."""
    connected: bool
    """The adapter or the gateway is there."""
    blind: str | None
    """Why control does not believe it; None: it does."""
    charger: str | None = None
    """The charger whose word it is; None: it speaks for itself."""
    settings: Sequence[SettingFacts] = ()
    """Those that are wrong."""
    wiring: Sequence[str] = ()
    """What the meter itself says is wrong with it, and what to do."""
    link: LinkFacts = field(default_factory=LinkFacts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargerFacts:
    """A charger, as the controller sees it now."""

    name: str
    online: bool
    known: bool
    """It has introduced itself in this run."""
    firmware: str
    firmware_old: bool
    flag: str | None
    link: LinkFacts = field(default_factory=LinkFacts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that the check goes by."""

    meters: Sequence[MeterFacts]
    chargers: Sequence[ChargerFacts]
    version: str
    newer: str | None
    """A later version that is known to be there."""
    reads_meter: bool
    """Whether any feature needs the meter."""
    running: bool = True
    """A controller runs; else chargers can't be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing. Its words, with what to do, are the text `selfcheck.<code>`."""

    code: str
    verdict: Verdict
    params: Params = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of the guide, answered."""

    code: str
    """One of STEPS: its question is the text `selfcheck.<code>`."""
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of its findings."""
        found = {finding.verdict for finding in self.findings}
        return next(verdict for verdict in _WORST if verdict in found or verdict is Verdict.FINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The steps in the guide's order, and what is most likely to be the cause."""

    steps: tuple[Step, ...]
    likely: Finding | None
    """Where to begin; None: nothing is wrong."""


STEPS = ("compatible", "powered", "order", "software", "connected", "lights", "believed")
_CAUSES = ("lights", "powered", "compatible", "believed", "connected", "software", "order")
"""What explains others comes first: a meter without a line can't be identified either."""


_NOT_RUNNING = Finding(code="not-running", verdict=Verdict.NOTE)


def check(facts: Facts) -> Diagnosis:
    """Answers every step."""
    meters = facts.meters if facts.reads_meter else ()
    answers: dict[str, list[Finding]] = {code: [] for code in STEPS}
    if not meters:
        nothing = Finding(code="no-meter-needed", verdict=Verdict.FINE)
        if facts.reads_meter:
            nothing = Finding(code="no-meter", verdict=Verdict.WRONG)
        answers["compatible"].append(nothing)
    for meter in meters:
        if meter.charger is not None:
            for code, finding in _of_charger(meter, meter.charger, running=facts.running).items():
                answers[code].append(finding)
            continue
        answers["compatible"].append(_compatible(meter))
        answers["powered"].append(_powered(meter))
        answers["order"].append(_order(meter))
        answers["lights"] += _lights(meter)
        answers["believed"] += [_believed(meter), *_settings(meter)]
    answers["software"] += _software(facts)
    answers["connected"] += _connected(facts.chargers) if facts.running else [_NOT_RUNNING]
    steps = tuple(Step(code=code, findings=tuple(answers[code])) for code in STEPS)
    return Diagnosis(steps=steps, likely=_likely({step.code: step for step in steps}))


def _likely(steps: Mapping[str, Step]) -> Finding | None:
    for verdict in (Verdict.WRONG, Verdict.NOTE):
        for code in _CAUSES:
            for finding in steps[code].findings:
                if finding.verdict is verdict:
                    return finding
    return None


def _of(meter: MeterFacts) -> Callable[..., Finding]:
    def finding(code: str, verdict: Verdict, **params: str | float | None) -> Finding:
        return Finding(code=code, verdict=verdict, params={"meter": meter.name, **params})

    return finding


def _answers(meter: MeterFacts) -> bool:
    return meter.link.age_s is not None and meter.link.age_s <= meter.deadline_s


def _compatible(meter: MeterFacts) -> Finding:
    finding = _of(meter)
    if meter.trouble == "meter-mismatch":
        return finding("incompatible", Verdict.WRONG, what=meter.what)
    if meter.model is None:
        return finding("not-identified", Verdict.UNKNOWN)
    return finding("compatible-is", Verdict.FINE, model=meter.model)


def _powered(meter: MeterFacts) -> Finding:
    finding = _of(meter)
    if _answers(meter):
        return finding("answers", Verdict.FINE, age_s=round(meter.link.age_s or 0.0, 1))
    if not meter.connected:
        return finding("no-way-serial" if meter.serial else "no-way-network", Verdict.WRONG)
    if meter.link.age_s is None:
        return finding("never-answered", Verdict.WRONG)
    return finding("silent", Verdict.WRONG, age_s=round(meter.link.age_s))


def _order(meter: MeterFacts) -> Finding:
    """The controller asks the meter itself, again and again: no charger has to be started after it."""
    return _of(meter)("order-free" if _answers(meter) else "order-waits", Verdict.FINE)


def _lights(meter: MeterFacts) -> list[Finding]:
    finding, link = _of(meter), meter.link
    if not link.sent_bytes:
        return [finding("tx-dark", Verdict.WRONG if not _answers(meter) else Verdict.UNKNOWN)]
    if not link.received_bytes:
        return [finding("rx-dark-serial" if meter.serial else "rx-dark-network", Verdict.WRONG)]
    lights = [finding("lit", Verdict.FINE, received=link.received_bytes, sent=link.sent_bytes)]
    if link.requests >= LEAST_REQUESTS and link.garbled > GARBLED_SHARE * link.requests:
        share_pct = round(100 * link.garbled / link.requests, 1)
        lights.append(
            finding("garbled-serial" if meter.serial else "garbled-network", Verdict.NOTE, share_pct=share_pct)
        )
    elif link.requests >= LEAST_REQUESTS and link.timeouts > GARBLED_SHARE * link.requests:
        share_pct = round(100 * link.timeouts / link.requests, 1)
        lights.append(finding("misses", Verdict.NOTE, share_pct=share_pct))
    if link.slow_s is not None and link.slow_s > LATE_S and link.answers >= LEAST_REQUESTS:
        lights.append(finding("slow", Verdict.NOTE, slow_s=round(link.slow_s, 1)))
    return lights


def _believed(meter: MeterFacts) -> Finding:
    finding = _of(meter)
    if meter.blind in (None, "recovering"):
        verdict = Verdict.FINE if _answers(meter) else Verdict.UNKNOWN
        return finding("believable" if verdict is Verdict.FINE else "believable-later", verdict)
    if meter.blind in ("silent", "never-seen"):
        return finding("believable-later", Verdict.UNKNOWN)
    return finding(f"blind-{meter.blind}", Verdict.NOTE if meter.blind == "exchanged" else Verdict.WRONG)


def _of_charger(meter: MeterFacts, charger: str, *, running: bool) -> dict[str, Finding]:
    """The steps of a meter that is what a charger tells: it has no line, and no lights of its own."""

    def finding(code: str, verdict: Verdict, **params: str | float | None) -> Finding:
        return _of(meter)(code, verdict, charger=charger, **params)

    told, fine = meter.link.age_s is not None, _answers(meter)
    lights = finding("inlet-lights", Verdict.FINE)
    if not running:
        unseen = finding("inlet-not-running", Verdict.UNKNOWN)
        return {"compatible": unseen, "powered": unseen, "order": unseen, "lights": lights, "believed": unseen}
    if fine and meter.trouble is None:
        powered = finding("answers", Verdict.FINE, age_s=round(meter.link.age_s or 0.0, 1))
    elif not meter.connected:
        powered = finding("inlet-charger-gone", Verdict.WRONG)
    elif meter.trouble == "meter-late":
        powered = finding("inlet-late", Verdict.WRONG)
    elif meter.trouble is not None:
        powered = finding("inlet-unusable", Verdict.WRONG, what=meter.what)
    elif told:
        powered = finding("inlet-silent", Verdict.WRONG, age_s=round(meter.link.age_s or 0.0))
    else:
        powered = finding("inlet-never", Verdict.WRONG)
    identified = meter.model is not None
    return {
        "compatible": finding(
            "inlet-is" if identified else "inlet-untold", Verdict.FINE if identified else Verdict.UNKNOWN
        ),
        "powered": powered,
        "order": finding("inlet-order-right" if fine else "inlet-order", Verdict.FINE if fine else Verdict.UNKNOWN),
        "lights": lights,
        "believed": _believed(meter),
    }


def _settings(meter: MeterFacts) -> list[Finding]:
    finding = _of(meter)
    found = [
        finding(
            "setting-at-the-board" if one.at_the_board else "setting-lies",
            Verdict.NOTE if one.at_the_board else Verdict.WRONG,
            what=one.what,
            now=one.now,
            right=one.right,
        )
        for one in meter.settings
    ]
    return found + [finding("meter-wiring", Verdict.NOTE, what=what) for what in meter.wiring]


def _software(facts: Facts) -> list[Finding]:
    found = [
        Finding(
            code="firmware-old",
            verdict=Verdict.WRONG,
            params={"charger": charger.name, "firmware": charger.firmware},
        )
        for charger in facts.chargers
        if charger.firmware_old
    ]
    if facts.newer is not None:
        found.append(Finding(code="newer", verdict=Verdict.NOTE, params={"version": facts.newer}))
    return found or [Finding(code="current", verdict=Verdict.FINE, params={"version": facts.version})]


def _connected(chargers: Sequence[ChargerFacts]) -> list[Finding]:
    if not chargers:
        return [Finding(code="no-charger", verdict=Verdict.NOTE)]
    found = []
    for charger in chargers:
        params: Params = {"charger": charger.name}
        if not charger.online:
            code = "charger-lost" if charger.link.connections else "charger-never"
            found.append(Finding(code=code, verdict=Verdict.WRONG, params=params))
        elif charger.flag is not None:
            found.append(Finding(code=f"charger-{charger.flag}", verdict=Verdict.NOTE, params=params))
        elif not charger.known:
            found.append(Finding(code="charger-silent", verdict=Verdict.NOTE, params=params))
    return found or [Finding(code="all-connected", verdict=Verdict.FINE, params={"count": len(chargers)})]
