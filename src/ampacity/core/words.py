"""Causes in words that a driver understands."""

from __future__ import annotations

from typing import assert_never

from ampacity.core.decision import Cause, Flag, Rule, Setpoint


def in_words(setpoint: Setpoint) -> str:
    """What holds a setpoint where it is, as the end of: "The charger gets 8 A, because ..."."""
    cause = setpoint.held_by
    words = "it has its own maximum" if cause is None else _rule_in_words(cause)
    if setpoint.place is not None:
        words += f"; place {setpoint.place.number}"
        if setpoint.place.wait_s is not None:
            words += f", at most {-(-setpoint.place.wait_s // 60):.0f} min"
    if setpoint.flag is not None and _TELLING.get(setpoint.flag) is not (cause and cause.rule):
        words += f"; {_flag_in_words(setpoint.flag)}"
    return words


_TELLING = {Flag.DISOBEYS: Rule.DISOBEYS, Flag.REFUSES: Rule.REFUSED}
"""Rules that say it already."""


def _flag_in_words(flag: Flag) -> str:
    match flag:
        case Flag.DISOBEYS:
            return "it draws more than it may, or did so within the hour"
        case Flag.REFUSES:
            return "it did not take the last limit"
        case Flag.UNGUARDED:
            return "its limits do not end by themselves"
    assert_never(flag)


def _rule_in_words(cause: Cause) -> str:
    where = f"{cause.line.name} of {cause.circuit}" if cause.line is not None else str(cause.circuit or "the building")
    match cause.rule:
        case Rule.CIRCUIT_FULL:
            return f"{where} is full"
        case Rule.PATIENCE:
            return f"there is room on {where}, and it has to last a little first"
        case Rule.PACING:
            return "there is room; it follows step by step"
        case Rule.UNCERTAIN:
            return f"room on {where} is not sure: a charger there does not tell its car's draw"
        case Rule.SHARING:
            return "it makes room for others"
        case Rule.TURN:
            return f"not all fit on {where}; others have their turn" if cause.circuit else "its turn is over"
        case Rule.BLIND:
            return f"the meter of {cause.circuit} can't be trusted now"
        case Rule.NOT_NEEDED:
            return "the car takes no more"
        case Rule.NO_CAR:
            return "no car is connected"
        case Rule.NOT_ASKING:
            return "the car does not ask for current"
        case Rule.PAUSED_BY_USER:
            return "it was paused by a person"
        case Rule.OFFLINE:
            return "the charger can't be reached"
        case Rule.REFUSED:
            return "the charger refused the last limit; it is asked again"
        case Rule.FAULTED:
            return "the charger reports a fault"
        case Rule.DISOBEYS:
            return "it drew more than it may; stopped until its car leaves, or for an hour"
        case Rule.STARTING:
            return "the controller waits for the first readings"
        case Rule.SCHEDULE:
            return "a schedule allows no more now"
        case Rule.SURPLUS:
            return "the sun gives no more now"
        case Rule.TEST:
            return "a test of the installation is under way"
        case Rule.OFF:
            return "load management is off; it has its safe current"
    assert_never(cause.rule)
