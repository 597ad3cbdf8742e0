"""What a decision hands to the next one. A value, so that a journal can keep it and a replay can start from it.

Named tuples, where one is made anew for many chargers in each pass: four times as fast to change as dataclasses.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple


class Want(IntEnum):
    """What a charger's socket wants."""

    NOTHING = 0
    """No car, or out of service."""
    START = 1
    """A car that does not draw now: it keeps its minimum where that costs nobody else's, so that it can start again."""
    CURRENT = 2


class ChargerMemory(NamedTuple):
    """What is remembered of one charger. Times in seconds of the controller's clock."""

    news: int = -1
    """Observations of it that are worked in; -1: none yet."""
    due_s: float = 0.0
    """When something changes by the mere passing of time."""
    online_s: float | None = None
    """Since when it can be reached; None: it can't."""

    limit_a: float | None = None
    """The last command; None before the first."""
    sent_s: float = 0.0
    """When the limit was last changed."""
    renewed_s: float = 0.0
    """When the limit was last sent, changed or not."""
    answer_s: float | None = None
    """Time of the newest answer that is worked in."""
    answered: bool = True
    """The last command was accepted."""
    lease_end_s: float | None = None
    """When the charger leaves the last accepted limit by itself; None: never, or not known."""
    refusals: int = 0
    """In a row."""
    retry_s: float = 0.0

    ceiling_a: float = 0.0
    """The most that may be in force at the charger."""
    before_a: float = 0.0
    """What was in force before the last change."""
    top_a: float = 0.0
    """The most that a car may still follow: what was in force before the last change, or shortly before that."""
    unguarded: bool = False
    """It took a limit that was to end by itself, and that does not."""
    stray_s: float | None = None
    """Since when its reports show more than it may draw; None: they don't."""
    strays: int = 0
    """How often that went on for too long, lately."""
    strayed_s: float = 0.0
    """When it was last seen."""
    stopped_s: float | None = None
    """When it was stopped for that; None: it is not."""
    told_end_s: float | None = None
    """Latest time at which a limit ends that was told and not answered yet; None: there is none."""
    draw_a: float = 0.0
    """Newest measured draw: the highest of the phases in use."""
    draw_low_a: float = 0.0
    """What flows at least on every line that is counted; 0 where it is not known on which it flows."""
    draw_before_a: float = 0.0
    """`draw_low_a` of the report before."""
    draw_s: float | None = None
    """When it was measured; None: never."""
    draw_before_s: float | None = None
    """When the draw before it was measured."""
    mask: int = 0
    """Phases in use as bits of the charger's own phases; 0: not known, all of them are counted."""

    want: Want = Want.NOTHING
    cap_a: float = 0.0
    """The most the car can use, as far as its draw shows."""
    back_s: float | None = None
    """When a report last showed that it can use more again than it could."""
    trial_s: float | None = None
    """Since when it is offered its minimum and draws nothing."""
    idle_s: float | None = None
    """Since when it is known not to want current though its state says otherwise."""
    charging_s: float | None = None
    """Since when its setpoint is at least the minimum."""
    waiting_s: float | None = None
    """Since when it wants current and gets none."""
    served_as: float = 0.0
    """What it was offered while it wanted current, in ampere-seconds, fading with time; as of `served_s`."""
    served_s: float = 0.0
    phases_on: int | None = None
    """As it told last; 0: it changes them, and all are counted."""
    draw_least_a: float = 0.0
    """The lowest of the phases in use, on whichever lines they are."""
    draw_least_before_a: float = 0.0
    """`draw_least_a` of the report before."""


class PlaceMemory(NamedTuple):
    """What is remembered of a line of a circuit with a meter. Amperes; phasors in the line's own frame."""

    measured_re: float
    measured_im: float
    low_re: float
    """The building, taking from the meter the most that the cars may draw. Cuts go by it."""
    low_im: float
    high_re: float
    """The building, taking from the meter the least that the cars draw, on whichever lines. Raises go by it."""
    high_im: float
    high_limit_a: float
    """What the place bears by the cautious reckoning that goes with `high`."""
    peaks: tuple[tuple[float, float], ...]
    """Time and height of the building's peaks; each is higher than all after it."""
    unseen_a: float = 0.0
    """Cuts that are ordered and that the meter has not shown yet."""
    unseen_until_s: float = 0.0
    building_a: float = 0.0
    """Best estimate of the building alone, for people: between `low` and `high`, as near to the last as they allow."""
    budget: float = 0.0
    """Share of the breaker's trip budget used."""


class SignMark(NamedTuple):
    """A line of a circuit at a sample at which it was known for sure what the cars draw. Amperes, as phasors."""

    at_s: float
    meter_re: float
    meter_im: float
    cars_re: float
    cars_im: float


class CircuitMemory(NamedTuple):
    """What is remembered of a circuit with a meter."""

    at_s: float | None = None
    """Time of the newest good sample."""
    period_s: float | None = None
    """The meter's own, as learned."""
    good: int = 0
    """Good samples since it was last blind."""
    absurd_s: float | None = None
    """Since when its samples can't be believed; None: the newest could."""
    changed_s: float = 0.0
    """When its figures last changed."""
    stills_a: tuple[float | None, ...] = ()
    """While they don't: the first draw that each charger below reported since; None: it has not reported yet."""
    moved_s: float | None = None
    """Since when the cars below have moved away from that, in sum."""
    frozen_s: float | None = None
    """Since when it is held frozen."""
    marks: tuple[SignMark | None, ...] = ()
    """By line, the last such moment; None: there was none."""
    against: tuple[int, ...] = ()
    """By line: evidence that the meter's sign is wrong."""
    beyond_s: float | None = None
    """Since when the building would, by the meter, feed back more than it can."""
    turned_s: float | None = None
    """Since when the sign is held wrong."""
    turned_sure: bool = False
    """The cut that followed confirmed it."""
    turns: int = 0
    """How often one of both was found, with nothing for the meter in between."""
    serial: str | None = None
    """The meter's own number, as far as it tells."""
    exchanged: bool = False
    """It has just become another, and is not known yet."""
    blind: bool = False
    raised_s: float = 0.0
    """When a car below it was last given more."""
    patience_s: float = 0.0
    """How long room must have lasted; 0: the least."""
    regret_s: float = 0.0
    """When a raise was last taken back soon."""
    room_s: float | None = None
    """Since when there is room for a start; None: there is none, or nobody wants one."""
    lasted_s: tuple[float, ...] = ()
    """How long such room lasted, the last few times."""
    start_wait_s: float = 0.0
    """How long room for a start must have lasted; 0: the least."""
    spare_wait_s: float = 0.0
    """The same, where nobody else can use the room."""
    over_s: float | None = None
    """Since when there is an excess that only a pause can remove."""
    places: tuple[PlaceMemory, ...] = ()
    """One a line; empty before the first good sample."""
    loose_a: tuple[float, ...] = ()
    """Of each charger below, at the newest sample: what is taken off the meter for it on every line that is counted,
    though it is not known on which it flows; 0: nothing. Empty: of none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Empty at the start. By name, so that it survives a change of the site."""

    start_s: float | None = None
    chargers: dict[str, ChargerMemory] | None = None
    circuits: dict[str, CircuitMemory] | None = None
    levelled_s: float | None = None
    """When it was last looked whether all have their fair share."""
    unfair_s: float | None = None
    """Since when a car that could use more has less than its fair share because others have more."""
    stirred_s: float | None = None
    """When a setpoint last changed, but for the settling of the smallest differences."""
