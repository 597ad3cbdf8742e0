"""`ampacity simulate`: a site, a building's history and charging sessions, in virtual time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ampacity.cli.out import FAILED, print_json, stderr, stdout

SHOWN = {
    "trips": "trips",
    "budget_worst": "budget used",
    "over_s": "s over",
    "over_as": "A·s over",
    "energy_wh": "delivered",
    "energy_optimum_wh": "optimum",
    "headroom_used": "used",
    "stops": "stops",
    "commands": "commands",
    "renewals": "renewals",
}


def simulate(
    site: Annotated[Path, typer.Argument(help="What is installed.", metavar="SITE.TOML")],
    building: Annotated[Path, typer.Option(help="CSV of the building: time_s,l1_a,l2_a,l3_a; plain or gzip.")],
    sessions: Annotated[
        Path, typer.Option(help="CSV: session_id,charger,arrival_s,departure_s,energy_wh,max_a,lines.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for summary.json, trace.csv and trace.png.")],
    lag: Annotated[int, typer.Option(min=0, max=60, help="Seconds from a setpoint to the car's current.")] = 1,
    report_every: Annotated[int, typer.Option(min=1, max=3600, help="Seconds between a charger's reports.")] = 10,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="The summary on standard output.")] = False,
) -> None:
    """Play a building's history and charging sessions against the controller, thousands of times faster than real.

    Example: ampacity simulate site.toml --building day.csv.gz --sessions cars.csv --lag 4 --out result
    """
    command = [sys.executable, "-m", "ampacity.sim.command", str(site), str(building), str(sessions), str(out)]
    command += [str(lag), str(report_every), str(seed)]
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        console=stderr,
        transient=True,
        disable=not stderr.is_terminal,
    ) as progress:
        bar = progress.add_task("simulating", total=1.0)
        # NumPy, the solver and the plots stay out of this process.
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            for line in child.stdout or ():
                word, _, rest = line.partition(" ")
                if word == "progress":
                    progress.update(bar, completed=float(rest))
                elif word == "stage":
                    progress.update(bar, description=rest.strip())
            code = child.wait()
    if code != 0:
        raise typer.Exit(FAILED)
    _show(out, as_json=as_json)


def _show(out: Path, *, as_json: bool) -> None:
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    if as_json:
        print_json(summary)
        return
    table = Table(title=f"{summary['site']}, {summary['seconds'] / 3600:.1f} h, {summary['sessions']} sessions")
    for heading in ("circuit", *SHOWN.values()):
        table.add_column(heading, justify="right")
    for name, circuit in summary["circuits"].items():
        table.add_row(name, *(_shown(key, circuit[key]) for key in SHOWN))
    stdout.print(table)
    ratio = summary["least_to_best"]
    stdout.print(f"Least to best served: {'no two cars to compare' if ratio is None else ratio}")
    stdout.print(f"Written to {out}: summary.json, trace.csv, trace.png")


def _shown(key: str, value: Any) -> str:
    if value is None:
        return "-"
    if key.endswith("_wh"):
        return f"{value / 1000:.1f} kWh"
    return f"{value:.1%}" if key in ("headroom_used", "budget_worst") else f"{value:g}"
