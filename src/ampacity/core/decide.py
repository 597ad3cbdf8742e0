"""The whole controller as one pure function."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ampacity.core.building import CarsBelow, sampled
from ampacity.core.cars import DRAWING_A, FOLLOW_S, STALE_S, served_as, sure_a, updated
from ampacity.core.causes import flag_of
from ampacity.core.decision import Blindness, Cause, CircuitView, Command, Decision, Rule, Setpoint
from ampacity.core.memory import ChargerMemory, CircuitMemory, Memory, PlaceMemory, Want
from ampacity.core.observations import ChargerSeen, Observed
from ampacity.core.patience import after_raises, after_starts
from ampacity.core.phases import PhaseAmps, Supply
from ampacity.core.plan import Car, Plan
from ampacity.core.raising import Times
from ampacity.core.setpoints import planned
from ampacity.core.site import Charger, CircuitId, Site
from ampacity.core.trust import blindness, deadline_s, is_fresh

ANSWER_S = 30.0
"""A command without an answer for so long is sent again."""

_NOTHING = (0.0, 0.0)
_NONE_BELOW = (0.0, 0.0, 0.0)
_UNSEEN = ChargerSeen()
_NO_CHARGER = ChargerMemory()
_NO_CIRCUIT = CircuitMemory()


def decide(site: Site, observed: Observed, now_s: float) -> Decision:
    """What every charger may draw from now on, why, and the commands that make it so.

    `now_s` is on the observations' clock and never before the last call's. Depends on nothing but its arguments.
    """
    memory = observed.memory
    start_s = now_s if memory.start_s is None else memory.start_s
    seen = [observed.chargers.get(charger.id, _UNSEEN) for charger in site.chargers]
    chargers = _chargers(site, seen, memory, now_s, start_s)
    known = _circuits(site, observed, chargers, memory, now_s)
    # What is remembered of a meter that was there before is kept for when it comes back, and says nothing now.
    circuits = [_NO_CIRCUIT if one.meter is None else known[number] for number, one in enumerate(site.circuits)]
    blind = [
        None
        if circuit.meter is None
        else blindness(site.meters[site.index_of_meter[circuit.meter]], circuits[number], now_s, start_s)
        for number, circuit in enumerate(site.circuits)
    ]
    times = Times(memory.unfair_s, memory.levelled_s, memory.stirred_s)
    plan = planned(site, seen, chargers, circuits, blind, times, now_s)
    commands, after = _commands(site, plan, now_s)
    remembered = Memory(
        start_s=start_s,
        chargers=dict(zip(site.index_of_charger, after, strict=True)),
        circuits={
            circuit.id: one
            for circuit, one in zip(
                site.circuits, _circuits_after(site, plan, chargers, known, blind, now_s), strict=True
            )
        },
        levelled_s=memory.levelled_s if plan.unfair is None else now_s,
        unfair_s=_unfair_s(memory, plan.unfair, now_s),
        stirred_s=now_s if _stirs(plan, chargers) else memory.stirred_s,
    )
    return Decision(
        at_s=now_s,
        setpoints=tuple(
            [Setpoint(car.charger.id, car.limit_a, car.reason, car.place, flag_of(car)) for car in plan.cars]
        ),
        commands=commands,
        circuits=_views(site, plan, circuits, blind),
        memory=remembered,
    )


def _unfair_s(memory: Memory, unfair: bool | None, now_s: float) -> float | None:
    if unfair is None:
        return memory.unfair_s
    return (now_s if memory.unfair_s is None else memory.unfair_s) if unfair else None


def _stirs(plan: Plan, chargers: Sequence[ChargerMemory]) -> bool:
    """Whether something happens, but for the settling of the smallest differences."""
    return any(
        car.movable
        and car.limit_a != before.limit_a
        and (not plan.trimming or not car.limit_a or not before.limit_a or _is_full(car.reason))
        for car, before in zip(plan.cars, chargers, strict=True)
    )


def _is_full(cause: Cause | None) -> bool:
    return cause is not None and cause.rule is Rule.CIRCUIT_FULL


# --- what is known ---------------------------------------------------------------------------------------------------


def _chargers(
    site: Site, seen: Sequence[ChargerSeen], memory: Memory, now_s: float, start_s: float
) -> list[ChargerMemory]:
    before = memory.chargers or {}
    volts = _charging_v(site)
    out = []
    for charger, one in zip(site.chargers, seen, strict=True):
        known = before.get(charger.id, _NO_CHARGER)
        if known.news != one.news or now_s >= known.due_s:
            known = updated(charger, site.supply, volts, one, known, now_s, start_s)
        out.append(known)
    return out


def _charging_v(site: Site) -> float:
    """What one phase of a charger sees: both legs on split-phase, else the supply's nominal voltage."""
    return site.nominal_v * 2 if site.supply is Supply.SPLIT_PHASE else site.nominal_v


def _line_v(site: Site) -> float:
    return site.nominal_v / math.sqrt(3) if site.supply is Supply.LINE_TO_LINE else site.nominal_v


def _circuits(
    site: Site, observed: Observed, chargers: Sequence[ChargerMemory], memory: Memory, now_s: float
) -> list[CircuitMemory]:
    before = memory.circuits or {}
    out = []
    for number, circuit in enumerate(site.circuits):
        known = before.get(circuit.id, _NO_CIRCUIT)
        reading = None if circuit.meter is None else observed.meters.get(circuit.meter)
        if reading is not None and is_fresh(known, reading):
            cars = _cars_below(site, number, chargers, known, reading.at_s, now_s)
            silent_s = deadline_s(site.meters[site.index_of_meter[reading.meter]], known)
            known = sampled(circuit, site.supply, _line_v(site), reading, known, cars, silent_s)
        out.append(known)
    return out


def _cars_below(
    site: Site,
    circuit: int,
    chargers: Sequence[ChargerMemory],
    known: CircuitMemory,
    sample_s: float,
    now_s: float,
) -> CarsBelow:
    """The cars below a circuit when its meter took the sample: what they drew at least and at most, and where that is
    not known, how much on some lines."""
    topology = site.topology
    lines, first = topology.lines, circuit * topology.lines
    low_re, low_im, most_re, most_im = [0.0] * lines, [0.0] * lines, [0.0] * lines, [0.0] * lines
    settle_s = min(known.period_s or 1.0, 10.0) + 1.0
    least_re, least_im = [0.0] * lines, [0.0] * lines
    sums: dict[int, tuple[float, float, float]] = {}
    loose: dict[int, float] = {}
    obeyed = True
    for number in topology.below[circuit]:
        memory = chargers[number]
        if memory.limit_a == memory.draw_a == memory.draw_before_a == 0.0 and memory.online_s is not None:
            continue  # nothing flows there, and nothing did
        if obeyed and memory.limit_a is not None and memory.draw_a > memory.limit_a + DRAWING_A:
            obeyed = False
        low, least, most = _at_sample(memory, sample_s, settle_s, now_s)
        if most > 0.0:
            way = topology.way[number][memory.mask]
            before = sums.get(way, _NONE_BELOW)
            sums[way] = before[0] + low, before[1] + least, before[2] + most
            if least > low:
                loose[number] = least
    for way, (low, least, most) in sums.items():
        for place, re, im in topology.pulls[way]:
            line = place - first
            if 0 <= line < lines:
                low_re[line] += low * re
                low_im[line] += low * im
                least_re[line] += least * re
                least_im[line] += least * im
                most_re[line] += most * re
                most_im[line] += most * im
    moved, stills = 0.0, known.stills_a
    if sample_s > known.changed_s + settle_s:
        moved, stills = _moved(topology.below[circuit], chargers, known, settle_s)
    loose_a = tuple([loose.get(number, 0.0) for number in topology.below[circuit]]) if loose else ()
    return CarsBelow(low_re, low_im, least_re, least_im, most_re, most_im, loose_a, obeyed, moved, stills)


def _moved(
    below: Sequence[int], chargers: Sequence[ChargerMemory], known: CircuitMemory, settle_s: float
) -> tuple[float, tuple[float | None, ...]]:
    """By how much the draws of chargers have changed since the meter has not, and from what: for each its first report
    that can't be from before."""
    moved = 0.0
    stills: list[float | None] = []
    for number, still_a in zip(below, known.stills_a or (None,) * len(below), strict=True):
        memory = chargers[number]
        if still_a is None and memory.draw_s is not None and memory.draw_s > known.changed_s + settle_s:
            still_a = memory.draw_a
        if still_a is not None:
            moved += memory.draw_a - still_a
        stills.append(still_a)
    return moved, tuple(stills)


def _at_sample(memory: ChargerMemory, sample_s: float, settle_s: float, now_s: float) -> tuple[float, float, float]:
    """What a car drew at the instant of a sample, as far as that goes into the reckoning: the least on every line that
    is counted, the least on whichever lines it uses, and the most.

    Never more than it may draw: what a car takes beyond that is counted as the building's.
    """
    limit = memory.limit_a
    if memory.online_s is None:
        return 0.0, 0.0, memory.ceiling_a
    if memory.draw_s is None or now_s - memory.draw_s > STALE_S:
        return 0.0, 0.0, memory.ceiling_a if limit is None else limit
    low, least = memory.draw_low_a, memory.draw_least_a
    if memory.draw_s > sample_s - settle_s:
        # The sample may be older than the ramp that the report shows.
        low, least = min(low, memory.draw_before_a), min(least, memory.draw_least_before_a)
    if limit is None:
        return low, max(low, min(least, memory.ceiling_a)), memory.draw_a
    if memory.draw_s < memory.sent_s + FOLLOW_S:
        return min(low, limit), min(least, limit), limit
    return min(low, limit), min(least, limit), min(memory.draw_a, limit)


# --- what is sent ----------------------------------------------------------------------------------------------------


def _commands(site: Site, plan: Plan, now_s: float) -> tuple[tuple[Command, ...], list[ChargerMemory]]:
    """Reductions first; then raises and renewals. And each charger's memory with what it was told."""
    down, up, renewals = [], [], []
    after = []
    usual_as: float | None = None
    for car in plan.cars:
        memory, limit = car.memory, car.limit_a
        if (
            memory.limit_a == limit
            and memory.answered
            and 0 <= now_s - memory.renewed_s < 0.5 * car.charger.lease_s
            and (limit > 0.0) == (memory.charging_s is not None)
            and (limit > 0.0 or (memory.waiting_s is not None) == (car.want is Want.CURRENT))
        ):
            after.append(memory)
            continue  # most chargers in most passes
        changed = memory.limit_a is None or abs(memory.limit_a - limit) > 1e-9
        if car.movable and (changed or _is_due(site, car.charger, memory, now_s)):
            command = Command(
                charger=car.charger.id,
                limit_a=car.limit_a,
                safe_a=car.charger.safe_a,
                lease_s=_lease_s(site, car.charger, car.limit_a),
                renewal=not changed,
                stop=memory.stopped_s is not None and memory.draw_a >= DRAWING_A,
            )
            if not changed:
                renewals.append(command)
            elif memory.limit_a is None or car.limit_a < memory.limit_a:
                down.append(command)
            else:
                up.append(command)
            memory = _told(memory, car, command.lease_s, changed, now_s)
        if car.want is Want.CURRENT and memory.charging_s is None and memory.waiting_s is None:
            usual_as = _usual_as(plan, now_s) if usual_as is None else usual_as
            memory = memory._replace(served_as=usual_as * car.charger.weight, served_s=now_s)
        after.append(_with_turn(memory, car, now_s))
    return (*down, *up, *renewals), after


def _lease_s(site: Site, charger: Charger, limit_a: float) -> float | None:
    """A pause below the safe current outlasts every lease on the site that was renewed when it was: no lease that ends
    raises a charger before all leases above the safe current have ended. All are renewed after half a lease."""
    if limit_a == charger.safe_a:
        return None
    return charger.lease_s if limit_a > charger.safe_a else charger.lease_s + site.longest_lease_s


def _is_due(site: Site, charger: Charger, memory: ChargerMemory, now_s: float) -> bool:
    """Whether the same limit has to be sent again."""
    since_s = now_s - memory.renewed_s
    if not memory.answered:
        return now_s >= memory.retry_s if memory.refusals > 0 else since_s >= ANSWER_S
    if memory.limit_a is None or since_s == math.inf:
        return True
    return _lease_s(site, charger, memory.limit_a) is not None and since_s >= charger.lease_s / 2


def _told(memory: ChargerMemory, car: Car, lease_s: float | None, changed: bool, now_s: float) -> ChargerMemory:
    told_end_s = memory.told_end_s  # the lasting safe current ends nothing that was told before
    if lease_s is not None:
        told_end_s = max(told_end_s or 0.0, now_s + lease_s + ANSWER_S)
    if not changed:
        return memory._replace(renewed_s=now_s, told_end_s=told_end_s, due_s=0.0)
    return memory._replace(
        limit_a=car.limit_a,
        before_a=memory.ceiling_a,
        top_a=max(memory.ceiling_a, memory.top_a if now_s < memory.sent_s + FOLLOW_S else 0.0),
        served_as=served_as(memory, now_s),
        served_s=now_s,
        sent_s=now_s,
        renewed_s=now_s,
        told_end_s=told_end_s,
        answered=False,
        ceiling_a=max(memory.ceiling_a, car.limit_a),
    )


def _usual_as(plan: Plan, now_s: float) -> float:
    """What the cars that want current were offered lately, in the mean by weight: a newcomer counts as one of them."""
    served = [
        car.served(now_s)
        for car in plan.cars
        if car.want is Want.CURRENT and not (car.memory.charging_s is None and car.memory.waiting_s is None)
    ]
    return sum(served) / len(served) if served else 0.0


def _with_turn(memory: ChargerMemory, car: Car, now_s: float) -> ChargerMemory:
    charging = car.limit_a > 0 and car.want is not Want.NOTHING
    waiting = car.limit_a == 0 and car.want is Want.CURRENT
    if charging != (memory.charging_s is not None) or waiting != (memory.waiting_s is not None):
        return memory._replace(
            charging_s=(now_s if memory.charging_s is None else memory.charging_s) if charging else None,
            waiting_s=(now_s if memory.waiting_s is None else memory.waiting_s) if waiting else None,
        )
    return memory


def _circuits_after(
    site: Site,
    plan: Plan,
    chargers: Sequence[ChargerMemory],
    circuits: Sequence[CircuitMemory],
    blind: Sequence[Blindness | None],
    now_s: float,
) -> list[CircuitMemory]:
    """What this decision leaves to be seen on each circuit's meter."""
    cuts = [0.0] * site.topology.places
    raised = [False] * len(site.circuits)
    cut_back = [False] * len(site.circuits)
    paused: set[CircuitId | None] = set()
    for car in plan.cars:
        before = chargers[car.number]
        if not car.movable or before.limit_a is None or abs(before.limit_a - car.limit_a) <= 1e-9:
            continue  # no command: nothing that the meter will show
        if car.limit_a == 0 and car.want is Want.CURRENT and car.reason is not None and _is_full(car.reason):
            paused.add(car.reason.circuit)
        drawn = sure_a(before, now_s)
        if before.draw_s is not None and before.draw_s >= before.sent_s + FOLLOW_S:
            drawn = min(before.draw_a, before.limit_a)
        for place, re, im in car.pulls:
            circuit = place // site.topology.lines
            if car.limit_a > before.limit_a:
                raised[circuit] = True
            else:
                cut_back[circuit] = cut_back[circuit] or (car.want is Want.CURRENT and drawn > car.limit_a)
                cuts[place] += max(0.0, drawn - car.limit_a) * math.hypot(re, im)
    out = []
    for number, memory in enumerate(circuits):
        first = number * site.topology.lines
        here = cuts[first : first + site.topology.lines]
        if memory.places and any(here):
            memory = memory._replace(places=_ordered(memory.places, here, now_s))
        memory = after_raises(memory, raised=raised[number], cut_back=cut_back[number], now_s=now_s)
        memory = after_starts(memory, short=plan.short[number], paused=site.circuits[number].id in paused, now_s=now_s)
        # A pause that did not help does not begin a new time of grace.
        over = plan.over[number] or (memory.over_s is not None and _is_over(site, number, memory))
        if over != (memory.over_s is not None):
            memory = memory._replace(over_s=now_s if over else None)
        if (blind[number] is not None) != memory.blind:
            good = 0 if blind[number] is not None else memory.good
            memory = memory._replace(blind=blind[number] is not None, good=good)
        out.append(memory)
    return out


def _is_over(site: Site, number: int, memory: CircuitMemory) -> bool:
    """Whether the meter shows more than the limit on some line."""
    return any(
        math.hypot(place.measured_re, place.measured_im) > limit
        for place, limit in zip(memory.places, site.circuits[number].limit_a, strict=False)
    )


def _ordered(places: tuple[PlaceMemory, ...], cuts: Sequence[float], now_s: float) -> tuple[PlaceMemory, ...]:
    """With the cuts that the meter has yet to show."""
    return tuple(
        place._replace(unseen_a=place.unseen_a + amps, unseen_until_s=now_s + FOLLOW_S + 0.5) if amps > 0 else place
        for place, amps in zip(places, cuts, strict=True)
    )


# --- what is shown ---------------------------------------------------------------------------------------------------


def _views(
    site: Site, plan: Plan, circuits: Sequence[CircuitMemory], blind: Sequence[Blindness | None]
) -> tuple[CircuitView, ...]:
    topology = site.topology
    cars_re, cars_im = [0.0] * topology.places, [0.0] * topology.places
    offered_re, offered_im = [0.0] * topology.places, [0.0] * topology.places
    sums: dict[int, tuple[float, float]] = {}
    for car in plan.cars:
        drawn = car.memory.draw_a
        offered = car.limit_a if car.want is not Want.NOTHING else 0.0
        if drawn > 0.0 or offered > 0.0:
            before = sums.get(car.way, _NOTHING)
            sums[car.way] = before[0] + drawn, before[1] + offered
    for way, (drawn, offered) in sums.items():
        for place, re, im in topology.pulls[way]:
            cars_re[place] += drawn * re
            cars_im[place] += drawn * im
            offered_re[place] += offered * re
            offered_im[place] += offered * im
    out = []
    for number, circuit in enumerate(site.circuits):
        memory = circuits[number]
        places = range(number * topology.lines, (number + 1) * topology.lines)
        limit = PhaseAmps(site.limits_a[number])
        seen = bool(memory.places) and not (blind[number] and blind[number] is not Blindness.RECOVERING)
        measured = building = None
        if seen:
            measured = PhaseAmps(
                tuple([math.copysign(math.hypot(p.measured_re, p.measured_im), p.measured_re) for p in memory.places])
            )
            building = PhaseAmps(tuple([place.building_a for place in memory.places]))
        offered_a = PhaseAmps(tuple([math.hypot(offered_re[at], offered_im[at]) for at in places]))
        taken = measured if measured is not None else offered_a
        out.append(
            CircuitView(
                circuit=circuit.id,
                limit_a=limit,
                measured_a=measured,
                building_a=building,
                cars_a=PhaseAmps(tuple(math.hypot(cars_re[at], cars_im[at]) for at in places))
                if measured is None or building is None or topology.phasors
                else measured - building,
                offered_a=offered_a,
                headroom_a=limit - taken,
                budget=max((place.budget for place in memory.places), default=0.0),
                blind=blind[number],
            )
        )
    return tuple(out)
