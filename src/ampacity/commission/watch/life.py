"""Daily life, watched: from what the loop saw to what is the matter with meters and chargers.

Give it what passed, in order; ask it now and then what has come of it. A step is judged a while after it ended: then
all other chargers have reported that they did not move.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ampacity.commission.steptest.mounting import Mounting, Wiring, wirings
from ampacity.commission.watch.explanations import Held, Moved, Place
from ampacity.commission.watch.judge import Charged, Judge, Learned, Said
from ampacity.commission.watch.noise import LAGS_S, Noise, lag_of
from ampacity.commission.watch.steps import Step, Tracks
from ampacity.core.decision import Command
from ampacity.core.observations import MeterReading, Observation
from ampacity.core.phases import Supply
from ampacity.core.site import Charger, ChargerId, MeterId, Site

LATER_S = 75.0
"""Every charger has reported by then."""
SAMPLES_S = 2.5
"""Samples of so long are taken together."""
SELDOM_S = 11.0
"""A meter that speaks less often is not gone by."""
APART_S = 0.8
"""Samples that come faster are left out."""
BACKGROUND_S = 15.0
"""How often it is looked what the building does."""
DEAD_A, DEAD_SHARE = 0.5, 0.02
"""A clamp that has come off shows less than this, or than this share of the rating."""
IDLE_FADES = 0.99999
_ALWAYS, _NEVER = 0.97, 0.03
"""How often a lost clamp shows so little, and how often it does not."""
MARGIN_S = 3.0
"""Before and after a window all others are still as well."""
HELD_S = LATER_S + LAGS_S[-1] + 4 * MARGIN_S
TRACE = 24
"""Samples of a step that are kept for the picture."""
AROUND_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A pass of the loop."""

    at_s: float
    """The controller's clock."""
    seen: Sequence[Observation]
    commands: Sequence[Command]
    unsure: Collection[MeterId]
    """Meters that say nothing now, or nothing that can be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What is known of an installation: the base of everything. What changes of it is learned anew."""

    mountings: Mapping[MeterId, Mounting | None]
    """By step tests; None: the clamps are taken to be right."""
    wirings: Mapping[ChargerId, Sequence[Wiring]]
    """All orders that a charger's phases can be in."""
    open: Mapping[ChargerId, Sequence[Wiring]]
    """Orders of which it is not known which it is; none where it is known."""
    marks: Mapping[str, str]
    """By name of a meter or charger: changes with whatever makes old steps worthless."""


@dataclass(frozen=True, slots=True)
class _Sample:
    at_s: float
    amps: tuple[complex, ...]
    sizes: tuple[float, ...]


@dataclass(slots=True)
class Scale:
    """A meter, and the chargers below it."""

    meter: MeterId
    chargers: tuple[ChargerId, ...]
    mark: str
    mounting: Mounting | None
    measured: str = ""
    serial: str | None = None
    samples: deque[_Sample] = field(default_factory=deque)
    noise: Noise = field(default_factory=lambda: Noise(1))
    judge: Judge | None = None
    looked_s: float = 0.0
    looks: int = 0
    dead_a: float = DEAD_A
    """A channel that shows less may have lost its clamp."""
    idle: list[float] = field(default_factory=list)
    """By channel, how often it showed less while no car drew; and of how many times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something has been found, by a meter."""

    meter: MeterId
    what: Said | Learned


class Life:
    """Of one installation."""

    def __init__(self, site: Site, expected: Expected) -> None:
        self._site = site
        self._line_v = site.nominal_v / 3**0.5 if site.supply is Supply.LINE_TO_LINE else site.nominal_v
        self._tracks = Tracks(site)
        self.scales: dict[MeterId, Scale] = {}
        self._marks: dict[ChargerId, str] = {}
        self._pending: deque[tuple[Charger, Step]] = deque()
        self.expected = expected
        self.use(site, expected)

    def use(self, site: Site, expected: Expected) -> None:
        """From now on this is installed. What is as before keeps what was found of it."""
        if site.supply is not self._site.supply or site.nominal_v != self._site.nominal_v:
            self.scales, self._marks = {}, {}
        if site is not self._site:
            self._tracks = Tracks(site)
            self._pending.clear()
        self._site, self.expected = site, expected
        self._line_v = site.nominal_v / 3**0.5 if site.supply is Supply.LINE_TO_LINE else site.nominal_v
        before, self.scales = self.scales, {}
        for number, circuit in enumerate(site.circuits):
            if circuit.meter is None:
                continue
            mark, mounting = expected.marks.get(circuit.meter, ""), expected.mountings.get(circuit.meter)
            below = tuple(site.chargers[one].id for one in site.topology.below[number])
            kept = before.get(circuit.meter)
            if kept is None or kept.mark != mark or kept.mounting != mounting:
                kept = Scale(circuit.meter, below, mark, mounting)
            kept.chargers = below
            kept.dead_a = max(DEAD_A, DEAD_SHARE * min(circuit.rating_a))
            self.scales[circuit.meter] = kept
            if kept.judge is not None:
                self._acquaint(kept, kept.judge)
        self._marks = {one.id: expected.marks.get(one.id, "") for one in site.chargers}

    def says(self, meter: MeterId, charger: ChargerId | None) -> bool:
        """Whether something is held to be the matter with a meter, or with a charger by it."""
        scale = self.scales.get(meter)
        if scale is None or scale.judge is None:
            return False
        if charger is None:
            return scale.judge.base != scale.judge.expected
        one = scale.judge.chargers.get(charger)
        return one is not None and one.base != one.expected

    def interrupt(self) -> None:
        """What is under way is no daily life."""
        self._tracks = Tracks(self._site)
        self._pending.clear()
        for scale in self.scales.values():
            scale.samples.clear()

    def passed(self, one: Passed) -> None:
        self._tracks.ordered(one.commands, one.at_s)
        for seen in one.seen:
            if isinstance(seen, MeterReading):
                self._sampled(seen)
        for meter in one.unsure:
            if (scale := self.scales.get(meter)) is not None:
                scale.samples.clear()
        self._pending.extend(self._tracks.seen(one.seen))

    def found(self, now_s: float, wall_s: float) -> list[Found]:
        """What has come of it. `wall_s`: UTC at `now_s`."""
        out = []
        while self._pending and self._pending[0][1].to_s <= now_s - LATER_S:
            charger, step = self._pending.popleft()
            for scale in self.scales.values():
                if charger.id in scale.chargers and scale.judge is not None:
                    out += self._weighed(scale, scale.judge, charger, step, wall_s - now_s)
        for scale in self.scales.values():
            if scale.judge is not None and now_s - scale.looked_s >= BACKGROUND_S:
                scale.looked_s = now_s
                self._look(scale, now_s)
        return out

    def kept(self) -> dict[str, Any]:
        """For the record."""
        return {
            "marks": dict(self._marks),
            "meters": {
                name: {
                    "mark": scale.mark,
                    "measured": scale.measured,
                    "serial": scale.serial,
                    "noise": scale.noise.kept(),
                    "idle": [round(one, 1) for one in scale.idle],
                    "judge": scale.judge.kept(),
                }
                for name, scale in self.scales.items()
                if scale.judge is not None
            },
        }

    def resume(self, kept: Mapping[str, Any]) -> None:
        """What an earlier run kept, of what is as it was.

        Raises:
            ValueError, LookupError, TypeError, AttributeError: it is damaged. Begin anew then.
        """
        marks = kept["marks"]
        for name, one in kept["meters"].items():
            scale = self.scales.get(name)
            if scale is None or scale.mark != one["mark"] or one["measured"] not in ("amps", "watts", "vars"):
                continue
            self._measures(scale, one["measured"])
            scale.serial = one["serial"]
            scale.noise.resume(one["noise"])
            idle = [float(share) for share in one["idle"]]
            scale.idle = idle if len(idle) == len(scale.idle) else scale.idle
            assert scale.judge is not None
            scale.judge.resume(one["judge"], lambda charger: marks.get(charger) == self._marks.get(ChargerId(charger)))

    # --- meters ---

    def _sampled(self, reading: MeterReading) -> None:
        scale, lines = self.scales.get(reading.meter), len(self._site.supply.lines)
        if scale is None or len(reading.currents) != lines:
            return
        has_power = reading.powers is not None and len(reading.powers) == lines
        has_vars = has_power and reading.reactive is not None and len(reading.reactive) == lines
        measured = "vars" if has_vars else "watts" if has_power else "amps"
        other = reading.serial is not None and scale.serial is not None and reading.serial != scale.serial
        if measured != scale.measured or other:
            self._measures(scale, measured)
        scale.serial = reading.serial or scale.serial
        if scale.samples and reading.at_s < scale.samples[-1].at_s + APART_S:
            return
        sizes = tuple(abs(amps) for amps in reading.currents)
        scale.samples.append(_Sample(reading.at_s, self._amps(reading, has_power, has_vars), sizes))
        while scale.samples[0].at_s < reading.at_s - HELD_S:
            scale.samples.popleft()

    def _measures(self, scale: Scale, measured: str) -> None:
        """It is a meter that measures this, and nothing is known of it yet."""
        lines = len(self._site.supply.lines)
        scale.measured, scale.samples = measured, deque()
        scale.noise = Noise(2 * lines if measured == "vars" else lines)
        scale.idle = [0.0] * (lines + 1)
        scale.judge = Judge(self._site.supply, scale.mounting, signed=measured != "amps")
        self._acquaint(scale, scale.judge)

    def _amps(self, reading: MeterReading, has_power: bool, has_vars: bool) -> tuple[complex, ...]:
        if not has_power or reading.powers is None:
            return tuple(complex(amps) for amps in reading.currents)
        volts = [self._volts(reading, line) for line in range(len(reading.currents))]
        real = [watts / v for watts, v in zip(reading.powers, volts, strict=True)]
        if not has_vars or reading.reactive is None:
            return tuple(complex(one) for one in real)
        return tuple(complex(one, -var / v) for one, var, v in zip(real, reading.reactive, volts, strict=True))

    def _volts(self, reading: MeterReading, line: int) -> float:
        """From line to neutral."""
        if reading.voltages is None or len(reading.voltages) <= line or reading.voltages[line] < 0.5 * self._line_v:
            return self._line_v
        seen_v = reading.voltages[line]
        across = self._site.supply is Supply.LINE_TO_LINE and seen_v > 1.4 * self._line_v
        return seen_v / 3**0.5 if across else seen_v

    def _acquaint(self, scale: Scale, judge: Judge) -> None:
        """The judge with the chargers that are there."""
        for charger in list(judge.chargers):
            if charger not in scale.chargers:
                judge.forget(charger)
        for charger in scale.chargers:
            mark = self.expected.marks.get(charger, "")
            if charger in judge.chargers and self._marks.get(charger, mark) == mark:
                continue
            phases = self._site.chargers[self._site.index_of_charger[charger]].phases
            place = Place(tuple(self.expected.wirings.get(charger) or wirings(self._site.supply, phases)))
            judge.knows(charger, phases, place, self.expected.open.get(charger, ()))

    def _look(self, scale: Scale, now_s: float) -> None:
        """At what the building has done while no car moved."""
        lag = scale.looks % len(LAGS_S)
        scale.looks += 1
        to_s = now_s - LATER_S
        from_s = to_s - LAGS_S[lag]
        if not self._is_calm(scale, from_s, to_s, None):
            return
        moved = _moved(scale, from_s, to_s)
        if moved is not None:
            scale.noise.add(lag, _parts(moved, scale.measured))
        if moved is not None and all(self._tracks.of[one].is_idle_since(from_s) for one in scale.chargers):
            dead = _dead(scale, from_s, to_s)
            scale.idle = [
                IDLE_FADES * before + now for before, now in zip(scale.idle, (*map(float, dead), 1.0), strict=True)
            ]

    def _is_calm(self, scale: Scale, from_s: float, to_s: float, but: ChargerId | None) -> bool:
        return all(
            self._tracks.of[one].is_calm(from_s - MARGIN_S, to_s + MARGIN_S)
            for one in scale.chargers
            if one != but and one in self._tracks.of
        )

    def _weighed(self, scale: Scale, judge: Judge, charger: Charger, step: Step, wall_s: float) -> list[Found]:
        if charger.id not in judge.chargers or not self._is_calm(scale, step.from_s, step.to_s, charger.id):
            return []
        amps = _moved(scale, step.from_s, step.to_s)
        if amps is None:
            return []
        moved = Moved(
            lag=lag_of(step.to_s - step.from_s),
            amps=amps,
            lost=_lost(scale, step.from_s, step.to_s),
            measured=scale.measured,
        )
        held = Held(self._site.supply, scale.noise, moved, step.before, step.after)
        proof = self._proof(scale, judge.chargers[charger.id], judge, charger, step, moved, held, wall_s)
        said = judge.weigh(charger.id, held, at_s=step.to_s + wall_s, session=step.session, proof=proof)
        return [Found(meter=scale.meter, what=one) for one in said]

    def _proof(
        self,
        scale: Scale,
        one: Charged,
        judge: Judge,
        charger: Charger,
        step: Step,
        moved: Moved,
        held: Held,
        wall_s: float,
    ) -> dict[str, Any]:
        """For the picture: what was drawn, expected and shown."""
        near = [sample for sample in scale.samples if step.from_s - AROUND_S <= sample.at_s <= step.to_s + AROUND_S]
        near = near[:: max(1, -(-len(near) // TRACE))]
        expected = held.expected(one.expected, judge.expected)
        return {
            "charger": charger.id,
            "at_s": round(step.to_s + wall_s, 1),
            "from_s": round(step.from_s + wall_s, 1),
            "before_a": [round(amps, 1) for amps in step.before[0]],
            "after_a": [round(amps, 1) for amps in step.after[0]],
            "expected_a": [round(amps.real, 2) for amps in expected],
            "shown_a": [round(amps.real, 2) for amps in moved.amps],
            "usual_a": [round(amps, 2) for amps in scale.noise.usual_a(moved.lag)[: len(moved.amps)]],
            "trace_s": [round(sample.at_s + wall_s, 1) for sample in near],
            "trace_a": [[round(amps.real, 2) for amps in sample.amps] for sample in near],
        }


def _span(scale: Scale, from_s: float, to_s: float) -> tuple[list[_Sample], list[_Sample]]:
    """Samples before and after."""
    first = [one for one in scale.samples if from_s - SAMPLES_S <= one.at_s <= from_s + 0.2]
    last = [one for one in scale.samples if to_s <= one.at_s <= to_s + SAMPLES_S]
    # A meter that speaks seldom has none so near.
    first = first or [one for one in scale.samples if from_s - SELDOM_S <= one.at_s <= from_s][-1:]
    last = last or [one for one in scale.samples if to_s <= one.at_s <= to_s + SELDOM_S][:1]
    return first, last


def _moved(scale: Scale, from_s: float, to_s: float) -> tuple[complex, ...] | None:
    """How far each channel has; None: there are no samples."""
    first, last = _span(scale, from_s, to_s)
    if not first or not last:
        return None
    return tuple(
        complex(
            statistics.median(one.amps[line].real for one in last)
            - statistics.median(one.amps[line].real for one in first),
            statistics.median(one.amps[line].imag for one in last)
            - statistics.median(one.amps[line].imag for one in first),
        )
        for line in range(len(first[0].amps))
    )


def _dead(scale: Scale, from_s: float, to_s: float) -> tuple[bool, ...]:
    first, last = _span(scale, from_s, to_s)
    return tuple(all(one.sizes[line] < scale.dead_a for one in (*first, *last)) for line in range(len(first[0].sizes)))


def _lost(scale: Scale, from_s: float, to_s: float) -> tuple[float, ...]:
    """What it speaks for a lost clamp that a channel shows nothing, or that it shows something. One that shows nothing
    whenever no car draws tells nothing by it."""
    *counts, looks = scale.idle
    usual = [(count + 1.0) / (looks + 2.0) for count in counts]
    return tuple(
        math.log(_ALWAYS / share) if dead else math.log(_NEVER / (1 - share))
        for dead, share in zip(_dead(scale, from_s, to_s), usual, strict=True)
    )


def _parts(moved: Sequence[complex], measured: str) -> list[float]:
    real = [amps.real for amps in moved]
    return [*real, *(amps.imag for amps in moved)] if measured == "vars" else real
