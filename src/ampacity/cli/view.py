"""The controller at a glance, in a terminal of 80 columns or more: lines, chargers, and what happened.

Takes the lines of JSON that `ampacity run --json` writes (`ampacity.cli.status`), each read into a mapping.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

Status = Mapping[str, Any]

BAR_WIDTH = 30
LINES = ("L1", "L2", "L3")
STATES = {
    "available": "no car",
    "preparing": "plugged in",
    "charging": "charging",
    "suspended-ev": "car rests",
    "suspended-evse": "paused",
    "finishing": "finished",
    "faulted": "faulted",
    "unavailable": "out of service",
}
_STATE_STYLES = {"charging": "green", "suspended-evse": "yellow", "faulted": "bold red", "unavailable": "red"}
_NEAR_A = 0.05


class View:
    """What is shown. `take` and `tell` bring news; `render` draws."""

    def __init__(self, title: str, *, log_rows: int = 9) -> None:
        self._title = title
        self._status: Status | None = None
        self._elapsed_s = 0.0
        self.app: str | None = None
        """Where the app is; None: not told yet."""
        self._log: deque[tuple[str, str]] = deque(maxlen=log_rows)

    def take(self, status: Status, elapsed_s: float) -> list[str]:
        """Takes a decision's status; returns what changed by it, one sentence each. They are in the log as well."""
        told = changes(self._status, status)
        self._status = status
        self._elapsed_s = elapsed_s
        for text in told:
            self.tell(text, elapsed_s, style="cyan")
        return told

    def tell(self, text: str, elapsed_s: float, *, style: str = "") -> None:
        """Puts a line into the log."""
        self._log.append((f"{clock(elapsed_s)}  {text}", style))

    def render(self) -> RenderableType:
        head = Text.assemble((self._title, "bold"), f"   {clock(self._elapsed_s)}")
        parts: list[RenderableType] = [head]
        if self.app is not None:
            parts.append(Text(f"The app: {self.app}", style="green", overflow="fold"))
        if self._status is None:
            parts.append(Text("waits for the controller's first decision", style="dim"))
        else:
            for circuit in self._status["circuits"]:
                parts += [Text(), _circuit(circuit)]
            parts += [Text(), _chargers(self._status["chargers"])]
        log = Text("\n").join(Text(text, style=style, no_wrap=True, overflow="ellipsis") for text, style in self._log)
        parts += [Rule(style="dim"), log]
        return Panel(Group(*parts), border_style="dim", padding=(0, 1))


def clock(elapsed_s: float) -> str:
    """`2:07`"""
    minutes, seconds = divmod(int(elapsed_s), 60)
    return f"{minutes}:{seconds:02}"


def changes(before: Status | None, after: Status) -> list[str]:
    """Sentences on what differs between two statuses: setpoints, connections, circuits that went blind."""
    was = {one["id"]: one for one in before["chargers"]} if before is not None else {}
    out = []
    for one in after["chargers"]:
        earlier = was.get(one["id"])
        online = earlier is not None and earlier["online"]
        if one["online"] != online:
            out.append(f"{one['id']} {'is connected' if one['online'] else 'is gone'}")
        told = [c for c in after["commands"] if c["charger"] == one["id"] and not c["renewal"]]
        if told:
            old = 0.0 if earlier is None else earlier["setpoint_a"]
            if abs(old - told[-1]["limit_a"]) >= _NEAR_A and one["rule"] != "no-car":
                out.append(f"{one['id']}: {_amps(old)} → {_amps(told[-1]['limit_a'])}, {one['because']}")
    blind_before = {c["id"]: c["blind"] for c in before["circuits"]} if before is not None else {}
    for circuit in after["circuits"]:
        if circuit["blind"] != blind_before.get(circuit["id"]):
            what = "is believed again" if circuit["blind"] is None else f"can't be trusted: {circuit['blind']}"
            out.append(f"the meter of {circuit['id']} {what}")
    return out


def in_one_line(status: Status) -> str:
    """How the lines of all circuits stand: `main  L1 31.2 of 32 A (building 13.6, cars 17.6)  L2 …`."""
    out = []
    for circuit in status["circuits"]:
        out.append(circuit["id"])
        for number, limit in enumerate(circuit["limit_a"]):
            building, cars = _shares(circuit, number)
            if building is None:
                out.append(f"{LINES[number]} unknown of {limit:g} A (cars {cars:.1f})")
            else:
                out.append(
                    f"{LINES[number]} {building + cars:.1f} of {limit:g} A (building {building:.1f}, cars {cars:.1f})"
                )
    return "  ".join(out)


# --- parts of the picture --------------------------------------------------------------------------------------------


def _circuit(circuit: Status) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, width=BAR_WIDTH)
    for _ in range(3):
        table.add_column(justify="right", no_wrap=True, min_width=8)
    blind = circuit["blind"]
    name = Text(circuit["id"], style="bold")
    state = Text(f"meter: {blind}", style="bold red") if blind is not None else _legend()
    table.add_row(name, state, *(Text(word, style="dim") for word in ("building", "cars", "free")))
    for number, limit in enumerate(circuit["limit_a"]):
        building, cars = _shares(circuit, number)
        free = circuit["headroom_a"][number] if blind is None else None
        table.add_row(
            f"{LINES[number]} {limit:g} A",
            _bar(building, cars, limit),
            "?" if building is None else f"{building:.1f} A",
            f"{cars:.1f} A",
            "?" if free is None else Text(f"{free:.1f} A", style="bold red" if free < -_NEAR_A else ""),
        )
    return table


def _legend() -> Text:
    return Text.assemble(("█ ", "blue"), ("building  ", "dim"), ("█ ", "green"), ("cars", "dim"))


def _bar(building: float | None, cars: float, limit: float) -> Text:
    """The line as a bar: what the building and the cars take of the limit; red where it is too much."""
    taken = max(0.0, building or 0.0)
    ends = [round(min(1.0, amps / limit) * BAR_WIDTH) for amps in (taken, taken + max(0.0, cars))]
    over = taken + cars > limit + _NEAR_A
    return Text.assemble(
        ("█" * ends[0], "blue"),
        ("█" * (ends[1] - ends[0]), "red" if over else "green"),
        ("·" * (BAR_WIDTH - ends[1]), "dim"),
    )


def _chargers(chargers: Sequence[Status]) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", expand=True)
    for heading in ("charger", "lines", "state"):
        table.add_column(heading, no_wrap=True)
    table.add_column("may", justify="right", no_wrap=True)
    table.add_column("draws", justify="right", no_wrap=True)
    table.add_column("because", ratio=1, no_wrap=True, overflow="ellipsis")
    for one in chargers:
        state = str(one["state"])
        style = _STATE_STYLES.get(state, "") if one["online"] else "red"
        table.add_row(
            Text(one["id"], style="bold"),
            "?" if one["lines"] is None else "".join(one["lines"]),
            Text(STATES.get(state, "unknown") if one["online"] else "not connected", style=style),
            _amps(one["setpoint_a"]),
            _drawn(one),
            Text(one["because"]),
        )
    return table


def _drawn(charger: Status) -> str:
    """The highest of its phases, or its power where it does not say its currents."""
    if charger["current_a"] is not None:
        top = max(charger["current_a"])
        phases = sum(1 for a in charger["current_a"] if a >= 1.0)
        return f"{phases} × {top:.1f} A" if phases > 1 else f"{top:.1f} A"
    return "?" if charger["power_w"] is None else f"{charger['power_w'] / 1000:.1f} kW"


def _amps(amps: float) -> str:
    return f"{amps:g} A" if amps else "0 A"


def _shares(circuit: Status, number: int) -> tuple[float | None, float]:
    """Building and cars on a line, of what its meter shows; the building None where that is not known.

    Chargers report more rarely than the meter: what they said of cars that draw less by now can't be more than all.
    """
    cars = circuit["cars_a"][number]
    if circuit["measured_a"] is None:
        return None, cars
    measured = circuit["measured_a"][number]
    cars = min(cars, max(0.0, measured))
    return measured - cars, cars
