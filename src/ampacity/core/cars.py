"""What each car draws, wants and may draw, from what its charger reported and what it was told."""

from __future__ import annotations

import math

from ampacity.core.memory import ChargerMemory, Want
from ampacity.core.observations import ChargerSeen, ChargerState
from ampacity.core.phases import Supply
from ampacity.core.site import Charger

FOLLOW_S = 6.0
"""IEC 61851-1: a car follows a lower limit within 5 s; one more for the message."""

RAMP_S = 15.0
"""So long after a raise nobody knows, without a report, whether the car has followed."""

STALE_S = 150.0
"""A draw measured longer ago says nothing."""

FIRST_REPORT_S = 10.0
"""How long a charger that has just come is given to say what it does, before it gets its first command."""

TRIAL_S = 60.0
"""A car that is offered its minimum for so long and takes nothing does not want any now."""

IDLE_S = 900.0
"""How long until such a car is tried again."""

UNUSED_A = 2.0
"""A car that takes this much less than it is offered, or 8 % of it, can't use it."""

SPARE_A = 1.5
"""What such a car is left above its draw, so that it shows when it can use more."""

DRAWING_A = 1.0

MASK_A = 3.0
"""From so much on a report tells which phases are in use."""

SERVED_S = 3600.0
"""So long ago, what a car got counts a third."""

STRAY_A, STRAY_SHARE = 1.0, 0.1
"""A draw above the limit by more than the larger of these is no error of measurement."""

STRAY_S = 20.0
"""A draw above the limit for so long is disobedience."""

STRAYS = 3
"""So often, and the charger is stopped."""

STOPPED_S = 3600.0
"""For so long, or until its car leaves. So long without another one, earlier disobedience is forgotten."""

_CONNECTED = frozenset(
    {
        ChargerState.PREPARING,
        ChargerState.CHARGING,
        ChargerState.SUSPENDED_EV,
        ChargerState.SUSPENDED_EVSE,
    }
)
_STILL = frozenset({ChargerState.AVAILABLE, ChargerState.SUSPENDED_EV, ChargerState.SUSPENDED_EVSE})
_FOREVER = float("inf")


def updated(
    charger: Charger,
    supply: Supply,
    volts: float,
    seen: ChargerSeen,
    memory: ChargerMemory,
    now_s: float,
    start_s: float,
) -> ChargerMemory:
    """The memory of a charger after all that was seen of it. `volts` is what one of its phases sees.

    Working in the same things twice changes nothing.
    """
    memory = _with_link(charger, seen, memory, now_s, start_s)
    memory = _with_answer(charger, seen, memory)
    memory = _with_phases(seen, memory)
    memory = _with_draw(charger, supply, volts, seen, memory)
    memory = _with_obedience(seen, memory, now_s)
    memory = _with_want(charger, seen, memory, now_s)
    due_s = _FOREVER
    for moment in (
        None if memory.trial_s is None else memory.trial_s + TRIAL_S,
        None if memory.idle_s is None else memory.idle_s + IDLE_S,
        None if memory.draw_s is None or memory.draw_a < DRAWING_A else memory.draw_s + STALE_S,
        None if memory.stopped_s is None else memory.stopped_s + STOPPED_S,
        None if memory.strays == 0 else memory.strayed_s + STOPPED_S,
        memory.lease_end_s,
        seen.paused_until_s if seen.paused else None,
        None if seen.online else memory.told_end_s,
        None if seen.online or memory.limit_a is not None else start_s + charger.lease_s,
    ):
        if moment is not None and now_s <= moment < due_s:
            due_s = moment
    return memory._replace(
        news=seen.news, ceiling_a=_ceiling_a(charger, seen, memory, now_s, start_s), due_s=due_s + 1e-3
    )


def sure_a(memory: ChargerMemory, now_s: float) -> float:
    """How much of its setpoint a car may be reckoned to draw, when some of it is taken away.

    All of it, but for a raise that no report has confirmed yet: there, what it drew before.
    """
    limit = memory.limit_a
    if limit is None:
        return memory.draw_a
    ramping = memory.draw_s is not None and memory.draw_s < memory.sent_s + FOLLOW_S and now_s < memory.sent_s + RAMP_S
    return min(limit, memory.draw_low_a) if ramping and memory.draw_s is not None else limit


def untold_a(memory: ChargerMemory, now_s: float) -> float:
    """How much of what a car may draw its charger's reports leave open: all of it, where there are none of late."""
    if memory.online_s is None or memory.draw_s is None or now_s - memory.draw_s > STALE_S:
        return memory.ceiling_a
    return memory.draw_a - memory.draw_least_a


def served_as(memory: ChargerMemory, now_s: float) -> float:
    """What it was offered lately, in ampere-seconds: fades with a time constant of SERVED_S."""
    fade = math.exp(min(0.0, memory.served_s - now_s) / SERVED_S)
    return memory.served_as * fade + (memory.limit_a or 0.0) * SERVED_S * (1.0 - fade)


def _with_link(
    charger: Charger, seen: ChargerSeen, memory: ChargerMemory, now_s: float, start_s: float
) -> ChargerMemory:
    if not seen.online:
        return memory if memory.online_s is None else memory._replace(online_s=None)
    if memory.online_s == seen.link_at_s:
        return memory
    # It is new, or it was away and may have started anew: what it holds has to be told again.
    return memory._replace(online_s=seen.link_at_s if seen.link_at_s is not None else now_s, renewed_s=-_FOREVER)


def _with_answer(charger: Charger, seen: ChargerSeen, memory: ChargerMemory) -> ChargerMemory:
    answer = seen.answer
    if answer is None or answer.at_s == memory.answer_s:
        return memory
    if memory.limit_a is None or answer.limit_a != memory.limit_a or answer.at_s < memory.renewed_s:
        return memory._replace(answer_s=answer.at_s)
    if answer.accepted:
        return memory._replace(
            answer_s=answer.at_s,
            answered=True,
            lease_end_s=answer.lease_end_s,
            # All but the safe current itself was to end by itself.
            unguarded=answer.lease_end_s is None and answer.limit_a != charger.safe_a,
            told_end_s=None,
            refusals=0,
            retry_s=0.0,
        )
    refusals = min(memory.refusals + 1, 6)
    retry_s = answer.at_s + min(5.0 * 2 ** (refusals - 1), 60.0)
    return memory._replace(answer_s=answer.at_s, answered=False, refusals=refusals, retry_s=retry_s)


def _with_phases(seen: ChargerSeen, memory: ChargerMemory) -> ChargerMemory:
    """A charger that has changed between one and three phases may draw on any, until its car shows on which."""
    if seen.phases_on is None or seen.phases_on == memory.phases_on:
        return memory
    return memory._replace(phases_on=seen.phases_on, mask=0)


def _with_draw(
    charger: Charger, supply: Supply, volts: float, seen: ChargerSeen, memory: ChargerMemory
) -> ChargerMemory:
    told_s = seen.state_at_s
    if seen.state in _STILL and told_s is not None and (seen.measured_at_s is None or told_s >= seen.measured_at_s):
        # Its state says, later than its last measurement, that nothing flows.
        if memory.draw_s == told_s:
            return memory
        return memory._replace(
            draw_a=0.0,
            draw_low_a=0.0,
            draw_before_a=memory.draw_low_a,
            draw_s=told_s,
            draw_before_s=memory.draw_s,
            draw_least_a=0.0,
            draw_least_before_a=memory.draw_least_a,
        )
    if seen.measured_at_s is None or seen.measured_at_s == memory.draw_s:
        return memory
    in_use, certain, least, high = _draw(charger, supply, volts, seen, memory)
    mask = in_use if high >= MASK_A and memory.phases_on != 0 else memory.mask
    every = 2**charger.phases - 1
    if (in_use or every) != (mask or every):
        certain = False  # on which lines it is, is not taken over yet: on some of them there may be nothing
    if not certain and charger.wiring is not None and (in_use != 0 or (mask or every) != every):
        least = 0.0  # nor is it counted on all lines that it may be on
    cap_a = _cap_a(charger, seen, memory, high)
    more = 0.0 < memory.cap_a < cap_a or (memory.want is Want.START and high >= DRAWING_A)
    return memory._replace(
        draw_a=high,
        draw_low_a=least if certain else 0.0,
        draw_before_a=memory.draw_low_a,
        draw_s=seen.measured_at_s,
        draw_before_s=memory.draw_s,
        draw_least_a=least,
        draw_least_before_a=memory.draw_least_a,
        mask=mask,
        cap_a=cap_a,
        back_s=seen.measured_at_s if more else memory.back_s,
    )


def _draw(
    charger: Charger, supply: Supply, volts: float, seen: ChargerSeen, memory: ChargerMemory
) -> tuple[int, bool, float, float]:
    """Phases in use (0: not known), whether it is known on which lines they are, lowest and highest draw on them."""
    all_lines = charger.phases == len(supply.lines)
    if seen.currents is not None and len(seen.currents) == charger.phases:
        amps = seen.currents.values
        used = [a for a in amps if a >= DRAWING_A]
        mask = sum(1 << phase for phase, a in enumerate(amps) if a >= DRAWING_A)
        certain = charger.wiring is not None or (mask == 2**charger.phases - 1 and all_lines)
        return mask, certain, min(used, default=0.0), max(amps)
    amps_a, power_w = seen.current_a, seen.power_w
    if seen.currents is not None:
        amps_a = max(seen.currents.values)
    if charger.phases == 1 or (charger.phases == 2 and supply is not Supply.THREE_PHASE):
        draw = amps_a if amps_a is not None else (power_w or 0.0) / volts
        return 0, charger.wiring is not None or all_lines, draw, draw
    mask, least, most = _draw_of_several(charger, volts, amps_a, power_w, memory)
    return mask, mask != 0 and (charger.wiring is not None or all_lines), least, most


def _draw_of_several(
    charger: Charger, volts: float, amps_a: float | None, power_w: float | None, memory: ChargerMemory
) -> tuple[int, float, float]:
    """Phases in use, lowest and highest draw on them, of a charger of several phases that does not say which those are.
    The power may; and a car loads those that it uses alike."""
    every = 2**charger.phases - 1
    if power_w is not None and amps_a is not None and amps_a >= DRAWING_A:
        # The current may be of one phase or the sum of all: only all phases alike give this power.
        for each in (amps_a, amps_a / charger.phases):
            if abs(power_w - each * volts * charger.phases) <= 0.12 * power_w and each <= charger.max_a * 1.05:
                return every, each, each
        return 0, amps_a / charger.phases, amps_a
    if power_w is not None:
        most = max(memory.ceiling_a, memory.limit_a or 0.0, charger.min_a)
        each = power_w / (volts * charger.phases)
        # More than the phases but one could carry at their limit: all are in use.
        if power_w > 1.1 * most * volts * (charger.phases - 1):
            return every, each, each
        return 0, each, min(power_w / volts, max(most, each))
    return 0, (amps_a or 0.0) / charger.phases, amps_a or 0.0


def _with_obedience(seen: ChargerSeen, memory: ChargerMemory, now_s: float) -> ChargerMemory:
    """Whether its reports show that it draws more than it may."""
    if seen.state is not None and seen.state not in _CONNECTED and memory.draw_a < DRAWING_A:
        # The car is gone, and what it did with it.
        return memory._replace(stray_s=None, stopped_s=None)
    if memory.strays > 0 and now_s - memory.strayed_s > STOPPED_S:
        memory = memory._replace(strays=0)
    if memory.stopped_s is not None and now_s - memory.stopped_s > STOPPED_S:
        memory = memory._replace(stopped_s=None, strays=STRAYS - 1, strayed_s=now_s)
    limit, draw_s = memory.limit_a, memory.draw_s
    if limit is None or draw_s is None or draw_s < memory.sent_s or not memory.answered:
        return memory
    in_force = max(memory.ceiling_a, limit)
    if draw_s < memory.sent_s + FOLLOW_S:
        in_force = max(in_force, memory.top_a)  # it may not have followed yet
    over_a = memory.draw_a - in_force
    if over_a <= max(STRAY_A, STRAY_SHARE * in_force):
        return memory if memory.stray_s is None else memory._replace(stray_s=None)
    # More than anything that was in force of late counts at once; what may only be slow, after a while.
    wild = memory.draw_a > max(in_force, memory.top_a) + STRAY_A and memory.stray_s is None
    if not wild and (memory.stray_s is None or draw_s - memory.stray_s < STRAY_S):
        return memory._replace(stray_s=draw_s) if memory.stray_s is None else memory
    strays = min(memory.strays + 1, STRAYS)
    stopped_s, renewed_s = memory.stopped_s, memory.renewed_s
    if strays == STRAYS and stopped_s is None:
        stopped_s, renewed_s = now_s, -_FOREVER
    return memory._replace(strays=strays, stray_s=draw_s, strayed_s=now_s, stopped_s=stopped_s, renewed_s=renewed_s)


def _cap_a(charger: Charger, seen: ChargerSeen, memory: ChargerMemory, draw_a: float) -> float:
    """What the car can use, as far as this report shows."""
    limit = memory.limit_a
    if limit is None or limit < charger.min_a or memory.draw_s is None or seen.measured_at_s is None:
        return charger.max_a
    if draw_a >= limit - DRAWING_A:
        # Only who uses up all that it was known to need may need more: a cut proves nothing.
        at_cap = limit + charger.step_a > memory.cap_a or draw_a > memory.cap_a
        return charger.max_a if at_cap else memory.cap_a
    if seen.measured_at_s < memory.sent_s + FOLLOW_S or not memory.answered:
        return memory.cap_a
    settled = seen.measured_at_s >= memory.sent_s + TRIAL_S
    ramping = not settled and (memory.draw_s < memory.sent_s or draw_a > memory.draw_before_a + 0.5)
    if ramping or draw_a >= limit - max(UNUSED_A, 0.08 * limit):
        return memory.cap_a
    return min(charger.max_a, max(charger.min_a, draw_a + SPARE_A))


def _with_want(charger: Charger, seen: ChargerSeen, memory: ChargerMemory, now_s: float) -> ChargerMemory:
    drawing = memory.draw_a >= DRAWING_A and memory.draw_s is not None and now_s - memory.draw_s < STALE_S
    if seen.state is not None and seen.state not in _CONNECTED:
        # No car. A charger that still measures a draw is believed in that: the draw counts, nothing is offered.
        return memory._replace(want=Want.NOTHING, mask=0, cap_a=charger.max_a, trial_s=None, idle_s=None)
    held = seen.most_a is not None and seen.most_a < charger.min_a
    if held or seen.is_paused(now_s) or memory.stopped_s is not None:
        return memory._replace(want=Want.NOTHING, trial_s=None, idle_s=None)
    if memory.cap_a == 0.0:
        memory = memory._replace(cap_a=charger.max_a)
    offered = memory.limit_a is not None and memory.limit_a >= charger.min_a and memory.answered
    # A charger that never measures is believed in its state.
    unmeasured = seen.measured_at_s is None and seen.state is ChargerState.CHARGING
    if drawing or unmeasured:
        return memory._replace(want=Want.CURRENT, trial_s=None, idle_s=None)
    if seen.state is ChargerState.SUSPENDED_EV:
        return memory._replace(want=Want.START, trial_s=None, idle_s=now_s if memory.idle_s is None else memory.idle_s)
    if memory.idle_s is not None and now_s - memory.idle_s < IDLE_S:
        return memory._replace(want=Want.START, trial_s=None)
    if not offered:
        return memory._replace(want=Want.CURRENT, trial_s=None, idle_s=None)
    trial = memory.trial_s if memory.trial_s is not None else now_s
    if now_s - trial >= TRIAL_S:
        return memory._replace(want=Want.START, trial_s=None, idle_s=now_s)
    return memory._replace(want=Want.CURRENT, trial_s=trial, idle_s=None)


def _ceiling_a(charger: Charger, seen: ChargerSeen, memory: ChargerMemory, now_s: float, start_s: float) -> float:
    """The most that may be in force: what was last accepted or may have arrived, until its lease has ended."""
    guarded = charger.guarded and not memory.unguarded
    fallback = charger.safe_a if guarded else charger.max_a
    if memory.limit_a is None:
        # Nothing is known of what it was told before we started; such a lease has ended after its own length.
        return charger.max_a if seen.online or now_s < start_s + charger.lease_s else fallback
    ended = memory.lease_end_s is not None and now_s > memory.lease_end_s
    if seen.online:
        most = memory.limit_a if memory.answered else max(memory.ceiling_a, memory.limit_a)
        return max(most, fallback) if ended else most
    if not guarded:
        return charger.max_a
    if ended and (memory.told_end_s is None or now_s > memory.told_end_s):
        return fallback
    return max(memory.ceiling_a, memory.limit_a, fallback)
