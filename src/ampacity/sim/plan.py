"""How many chargers a supply can carry: nights with more and more cars, played with the real controller.

A charger for each car. Cars come and go by chance, by seed: each within an hour after the wished arrival, and within an
hour before the wished departure. The night is the one with the highest load in those hours.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ampacity.core.errors import AmpacityError
from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site
from ampacity.sim.breaker import Breaker
from ampacity.sim.simulate import Story, optimum, simulate
from ampacity.sim.tables import Building, Session

DAY_S = 86_400
SPREAD_S = 3600
MAIN = CircuitId("main")
MOST_CARS = 300
ENERGY_SHARE = 0.995
"""Where the clairvoyant delivers less than this, no controller can deliver enough."""

USUAL_SHARE = 0.9
"""So much of what energy alone would allow is usually carried: the search begins there."""

SHOWN = ("trips", "budget_worst", "over_s", "over_as", "stops", "paused_s", "commands")
COARSE_S = 60
"""A trace with values further apart than this does not show the peaks."""

WIRINGS = {
    Supply.SINGLE_PHASE: ((0,),),
    Supply.SPLIT_PHASE: ((0, 1),),
    Supply.THREE_PHASE: ((0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1), (2, 1, 0), (1, 0, 2)),
    Supply.LINE_TO_LINE: ((0, 1), (1, 2), (2, 0)),
}
Progress = Callable[[str, float], None]
"""Takes what is done now, and the share that is done."""


class PlanError(AmpacityError):
    """The wish can't be planned for."""

    code = "plan-invalid"
    remedy = "Correct the option; ampacity plan --help says what it takes."


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a night shall bring."""

    energy_wh: float
    """For each car. Above 0."""
    from_s: int
    """Second of the day from which on cars come."""
    until_s: int
    """Second of the day (the next, if not later) by which they are gone."""
    cars: tuple[tuple[int, float], ...]
    """Lines and amperes of the kinds of cars; drawn by seed."""
    enough: float = 0.95
    """Share of its wish with which a car leaves content."""
    most: int = 100
    """No more cars than these are tried."""
    seed: int = 1


def plan(site: Site, building: Building, wish: Wish, out: Path, progress: Progress) -> dict[str, Any]:
    """The largest number of cars a night that all get enough, and every number that was played.

    `site`: supply, voltage and main breaker are taken from it. Writes trace.csv of that number's night to `out`.

    Raises:
        PlanError: the trace is too short for the night.
        OptimumError: the solver failed.
    """
    night = _hardest_night(building, wish)
    rows: dict[int, dict[str, Any]] = {}
    trips_alone = _trips_alone(site, night)

    def fits(cars: int) -> bool:
        if cars not in rows:
            progress(f"{cars} cars", 0.2 + 0.6 * len(rows) / (len(rows) + 4))
            rows[cars] = _played(_story(site, night, wish, cars), cars, wish, trips_alone)
        return bool(rows[cars]["fits"])

    progress("what a clairvoyant could do", 0.0)
    carries = _largest(fits, round(USUAL_SHARE * _bound(site, night, wish)), wish.most)
    if carries:
        fits(min(MOST_CARS, max(carries + 2, round(1.25 * carries))))  # what would become of too many
    shown = max(carries, 1)
    progress("the night in detail", 0.85)
    simulate(_story(site, night, wish, shown), out / "trace.csv", optimum_wh={MAIN: 1.0})
    longest_s = max((b - a for a, b in zip(building.times_s, building.times_s[1:], strict=False)), default=1)
    return {
        "carries": carries,
        "at_least": carries == wish.most,
        "night_from_s": night.start_s,
        "seconds": night.seconds,
        "coarse_s": longest_s if longest_s > COARSE_S else None,
        "trips_alone": trips_alone,
        "enough": wish.enough,
        "energy_wh": wish.energy_wh,
        "shown_cars": shown,
        "best": _best_shares(site, night, wish, shown),
        "rows": [rows[cars] for cars in sorted(rows)],
    }


def _largest(fits: Callable[[int], bool], start: int, most: int) -> int:
    """The largest number that fits, if all below it do; 0: none."""
    low, high = 0, most + 1
    number = min(max(1, start), most)
    step = max(1, number // 16)
    while high - low > 1:
        if fits(number):
            low = number
            number = min(number + step, high - 1) if high == most + 1 else (low + high) // 2
            step *= 2
        else:
            high = number
            number = max(number - step, low + 1) if low == 0 else (low + high) // 2
            step *= 2
        number = min(max(number, low + 1), high - 1)
    return low


def _bound(site: Site, night: Building, wish: Wish) -> int:
    """The largest number for which the energy would do, for a clairvoyant who needs no minimum."""
    low, high = 0, wish.most + 1
    while high - low > 1:
        cars = (low + high) // 2
        story = _story(site, night, wish, cars)
        if optimum(story)[MAIN] >= ENERGY_SHARE * _wanted_wh(story):
            low = cars
        else:
            high = cars
    return low


def _best_shares(site: Site, night: Building, wish: Wish, cars: int) -> list[dict[str, float]]:
    """What a clairvoyant could deliver of all that is wished, for numbers of cars around the one that fits."""
    out = []
    for number in sorted({max(1, round(cars * share)) for share in (0.5, 0.75, 1, 1.125, 1.25, 1.5)}):
        story = _story(site, night, wish, number)
        out.append({"cars": number, "share": round(min(1.0, optimum(story)[MAIN] / _wanted_wh(story)), 4)})
    return out


def _played(story: Story, cars: int, wish: Wish, trips_alone: int) -> dict[str, Any]:
    """One number of cars, played. It fits when all are content and the breaker trips no more than without cars."""
    got: dict[str, float] = {}
    summary = simulate(story, optimum_wh={MAIN: 1.0}, delivered_wh=got, until_done=True)
    shares = {session.id: got.get(session.id, 0.0) / session.energy_wh for session in story.sessions}
    least = min(shares.values())
    content = sum(share >= wish.enough for share in shares.values())
    return {
        "cars": cars,
        "fits": content == cars and summary["trips"] <= trips_alone,
        "content": content,
        "least_share": round(least, 4),
        "delivered_share": round(sum(got.values()) / _wanted_wh(story), 4),
        **{key: summary[key] for key in SHOWN},
    }


def _trips_alone(site: Site, night: Building) -> int:
    """How often the building alone trips the main breaker."""
    main = next(circuit for circuit in site.circuits if circuit.parent is None)
    poles = [Breaker(rating) for rating in main.rating_a]
    trips = 0
    for row in night.amps:
        tripped = [pole.carry(amps) for pole, amps in zip(poles, row, strict=True)]  # each pole heats every second
        if any(tripped):
            trips += 1
            for pole in poles:
                pole.budget = 0.0
    return trips


def _wanted_wh(story: Story) -> float:
    return sum(session.energy_wh for session in story.sessions)


def _hardest_night(building: Building, wish: Wish) -> Building:
    """The hours from the wished arrival to the departure, of the night with the highest mean of the fullest line. A
    trace of one day is taken twice, one after the other."""
    length_s = (wish.until_s - wish.from_s) % DAY_S or DAY_S
    rows = building.by_second()
    if len(rows) < DAY_S - 1800:
        raise PlanError(
            f"The trace lasts {len(rows) / 3600:.1f} h; a night is found in one of a day or longer.",
            remedy="Give a trace of at least 24 hours; a coarser table needs a last row at the time where it ends.",
        )
    first_s = building.start_s
    if len(rows) < DAY_S:
        rows += [rows[-1]] * (DAY_S - len(rows))
    if len(rows) < DAY_S + length_s:
        rows += rows[: DAY_S + length_s - len(rows)]
    begins = range((wish.from_s - first_s) % DAY_S, len(rows) - length_s + 1, DAY_S)
    hardest = max(begins, key=lambda begin: sum(max(row) for row in rows[begin : begin + length_s : 10]))
    chosen = rows[hardest : hardest + length_s]
    return Building(tuple(range(first_s + hardest, first_s + hardest + length_s)), tuple(chosen))


def _story(site: Site, night: Building, wish: Wish, cars: int) -> Story:
    """A night with so many cars. The first ones are the same whatever the number."""
    rng = random.Random(wish.seed)
    wirings = WIRINGS[site.supply]
    chargers, sessions = [], []
    spread_s = min(SPREAD_S, night.seconds // 4)
    for number in range(cars):
        lines, max_a = rng.choice(wish.cars)
        wiring = tuple(Line(line) for line in wirings[number % len(wirings)])
        charger = Charger(id=ChargerId(f"c{number + 1}"), circuit=MAIN, wiring=wiring, phases=len(wiring), max_a=max_a)
        chargers.append(charger)
        sessions.append(
            Session(
                id=f"car{number + 1}",
                charger=charger.id,
                arrival_s=night.start_s + rng.randrange(spread_s),
                departure_s=night.start_s + night.seconds - rng.randrange(1, spread_s),
                energy_wh=wish.energy_wh,
                max_a=max_a,
                lines=min(lines, len(wiring)),
            )
        )
    return Story(site=_with_chargers(site, chargers), building=night, sessions=sessions, lag_s=2, seed=wish.seed)


def _with_chargers(site: Site, chargers: Sequence[Charger]) -> Site:
    main = next(circuit for circuit in site.circuits if circuit.parent is None)
    return Site(
        name=site.name,
        supply=site.supply,
        nominal_v=site.nominal_v,
        circuits=(
            Circuit(
                id=MAIN,
                rating_a=PhaseAmps(main.rating_a.values),
                continuous_factor=main.continuous_factor,
                meter=MeterId("main"),
            ),
        ),
        meters=(Meter(id=MeterId("main")),),
        chargers=tuple(chargers),
        pause_mode=site.pause_mode,
        grace_s=site.grace_s,
        turn_s=site.turn_s,
    )


def supply_site(name: str, supply: Supply, nominal_v: float, limit_a: float, continuous_factor: float) -> Site:
    """A supply with nothing on it but its breaker and a meter.

    Raises:
        SiteError: the numbers are no supply.
    """
    return Site(
        name=name,
        supply=supply,
        nominal_v=nominal_v,
        circuits=(
            Circuit(
                id=MAIN,
                rating_a=PhaseAmps((limit_a,) * len(supply.lines)),
                continuous_factor=continuous_factor,
                meter=MeterId("main"),
            ),
        ),
        meters=(Meter(id=MeterId("main")),),
        chargers=(),
        turn_s=1200.0,
    )
