from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from ampacity.cli.view import STATES, View, changes, clock, in_one_line
from ampacity.core.observations import ChargerState


def a_charger(name: str = "left", **changes: Any) -> dict[str, Any]:
    return {
        "id": name,
        "online": True,
        "state": "charging",
        "session": "7",
        "lines": ["L1", "L2", "L3"],
        "setpoint_a": 9.5,
        "current_a": [9.4, 9.4, 9.4],
        "power_w": 6500.0,
        "rule": "circuit-full",
        "circuit": "main",
        "line": "L2",
        "because": "L2 of main is full",
        **changes,
    }


def a_circuit(**changes: Any) -> dict[str, Any]:
    return {
        "id": "main",
        "limit_a": [32.0, 32.0, 32.0],
        "measured_a": [14.0, 31.9, 35.0],
        "building_a": [4.6, 22.5, 25.6],
        "cars_a": [9.4, 9.4, 9.4],
        "headroom_a": [18.0, 0.1, -3.0],
        "budget": 0.0,
        "blind": None,
        **changes,
    }


def a_status(*chargers: dict[str, Any], commands: list[dict[str, Any]] | None = None, **circuit: Any) -> dict[str, Any]:
    return {
        "at_s": 1.0,
        "circuits": [a_circuit(**circuit)],
        "chargers": list(chargers) or [a_charger()],
        "commands": commands or [],
    }


def drawn(view: View, width: int = 100) -> str:
    console = Console(width=width, file=io.StringIO(), record=True, color_system=None)
    console.print(view.render())
    return console.export_text()


def of(status: dict[str, Any], width: int = 100) -> str:
    view = View("Demo")
    view.take(status, 127.0)
    return drawn(view, width)


def test_before_the_first_decision_it_says_that_it_waits() -> None:
    assert "waits for the controller" in drawn(View("Demo"))


@pytest.mark.parametrize("width", [80, 100, 200])
def test_every_width_shows_lines_chargers_and_why(width: int) -> None:
    text = of(a_status(), width)
    assert all(len(line) <= width for line in text.splitlines())
    for what in ("L1 32 A", "18.0 A", "-3.0 A", "left", "L1L2L3", "9.5 A", "3 × 9.4 A", "L2 of main is full", "2:07"):
        assert what in text


def test_a_bar_is_as_long_as_the_lines_load() -> None:
    bars = [line.count("█") for line in of(a_status()).splitlines() if " 32 A " in line]
    assert bars == [13, 30, 30]


def test_what_chargers_said_long_ago_is_never_more_than_the_meter_shows() -> None:
    text = of(a_status(measured_a=[5.0, 5.0, 5.0], building_a=[-4.4, -4.4, -4.4]))
    assert "5.0 A" in text
    assert "9.4 A" not in text.replace("3 × 9.4 A", "")


def test_a_blind_circuit_shows_no_figures_that_nobody_knows() -> None:
    text = of(a_status(measured_a=None, building_a=None, blind="silent"))
    assert "meter: silent" in text
    assert text.count("?") == 6


@pytest.mark.parametrize("state", list(ChargerState))
def test_every_state_of_a_charger_has_a_word(state: ChargerState) -> None:
    assert STATES[state.value] in of(a_status(a_charger(state=state.value)))


def test_a_charger_that_can_not_be_reached_or_said_nothing_yet_is_shown_as_that() -> None:
    text = of(
        a_status(a_charger(online=False), a_charger("right", state=None, current_a=None, power_w=None, lines=None))
    )
    assert "not connected" in text
    assert "unknown" in text


def test_a_charger_that_reports_only_its_power_shows_that() -> None:
    assert "6.5 kW" in of(a_status(a_charger(current_a=None)))


def test_a_setpoint_that_changes_is_told_with_its_reason() -> None:
    before = a_status()
    after = a_status(a_charger(setpoint_a=6.0), commands=[{"charger": "left", "limit_a": 6.0, "renewal": False}])
    assert changes(before, after) == ["left: 9.5 A → 6 A, L2 of main is full"]


def test_renewals_and_empty_chargers_are_not_told() -> None:
    renewal = [{"charger": "left", "limit_a": 9.5, "renewal": True}]
    assert changes(a_status(), a_status(commands=renewal)) == []
    idle = a_charger(setpoint_a=0.0, rule="no-car")
    assert changes(a_status(), a_status(idle, commands=[{"charger": "left", "limit_a": 0.0, "renewal": False}])) == []


def test_connections_and_blind_meters_are_told() -> None:
    assert changes(None, a_status()) == ["left is connected"]
    assert changes(a_status(), a_status(a_charger(online=False))) == ["left is gone"]
    assert changes(a_status(), a_status(blind="silent")) == ["the meter of main can't be trusted: silent"]
    assert changes(a_status(blind="silent"), a_status()) == ["the meter of main is believed again"]


def test_the_log_keeps_the_newest_lines() -> None:
    view = View("Demo", log_rows=2)
    for number in range(4):
        view.tell(f"event {number}", 60.0 + number)
    text = drawn(view)
    assert "event 1" not in text
    assert "1:03  event 3" in text


def test_brackets_in_names_are_no_markup() -> None:
    view = View("Demo")
    view.tell("[red]odd[/red] [/]", 0.0)
    assert "[red]odd[/red] [/]" in drawn(view)


def test_in_one_line_it_says_how_each_line_stands() -> None:
    line = in_one_line(a_status())
    assert line.startswith("main  L1 14.0 of 32 A (building 4.6, cars 9.4)  L2 31.9")
    assert "unknown of 32 A" in in_one_line(a_status(measured_a=None, building_a=None))


def test_a_supply_of_one_line_is_shown_as_one() -> None:
    one = {key: [value[0]] for key, value in a_circuit().items() if isinstance(value, list)}
    assert "L2 32 A" not in of(a_status(**one))


def test_time_is_shown_in_minutes_and_seconds() -> None:
    assert [clock(s) for s in (0.0, 59.9, 61.0, 3600.0)] == ["0:00", "0:59", "1:01", "60:00"]
