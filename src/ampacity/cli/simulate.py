"""`ampacity simulate`: a site, a building's history and charging sessions, in virtual time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from ampacity.cli.apart import run_apart
from ampacity.cli.out import fail, print_json, stdout
from ampacity.config.site_toml import load
from ampacity.config.steered import effective
from ampacity.core.errors import AmpacityError
from ampacity.sim.policies import NAMES, OURS, check_name

SHOWN = {
    "trips": "Breaker trips",
    "budget_worst": "Worst share of the trip budget used",
    "over_s": "Seconds above the limit",
    "over_as": "Ampere-seconds above the limit",
    "over_unavoidable_as": "  of these, unavoidable",
    "energy_wh": "Energy delivered",
    "energy_optimum_wh": "Energy of the clairvoyant optimum",
    "headroom_used": "Share of the optimum delivered",
    "stops": "Stops of charging cars",
    "paused_s": "Time that cars waited",
    "commands": "Changes sent to chargers",
    "renewals": "Renewals sent to chargers",
}
COMPARED = {key: words for key, words in SHOWN.items() if key not in ("energy_optimum_wh", "over_unavoidable_as")}
WHOLE = {
    "least_to_best": "Least served to best served",
    "least_to_best_alike": "  among cars on the same lines",
}


def simulate(
    site: Annotated[Path, typer.Argument(help="What is installed.", metavar="SITE.TOML")],
    building: Annotated[
        Path, typer.Option(help="CSV of the building: time_s,l1_a,l2_a,l3_a, as many as it has lines; plain or gzip.")
    ],
    sessions: Annotated[
        Path, typer.Option(help="CSV: session_id,charger,arrival_s,departure_s,energy_wh,max_a,lines.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for summary.json, trace.csv and trace.png.")],
    lag: Annotated[int, typer.Option(min=0, max=60, help="Seconds from a setpoint to the car's current.")] = 1,
    report_every: Annotated[int, typer.Option(min=1, max=3600, help="Seconds between a charger's reports.")] = 10,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            help="Who steers; may be given again, to compare: ampacity (as the site says), ampacity-strict, static (a "
            "fixed current), uncontrolled, rolling-60 (the building's highest of the last 60 s), or all.",
            show_default="ampacity",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The summary on standard output.")] = False,
) -> None:
    """Play a building's history and charging sessions against the controller, thousands of times faster than real.

    Example: ampacity simulate site.toml --building day.csv.gz --sessions cars.csv --lag 4 --out result

    To compare: ampacity simulate site.toml --building day.csv.gz --sessions cars.csv --policy all --out result
    """
    policies = _policies(policy or [OURS])
    try:
        for name in policies:
            check_name(name)
        effective(load(site))
        told = [str(one) for one in (site, building, sessions, out, lag, report_every, seed)]
        run_apart("ampacity.sim.command", [*told, ",".join(policies)])
    except AmpacityError as error:
        fail(error, as_json=as_json)
    if len(policies) > 1:
        summaries: dict[str, dict[str, Any]] = json.loads((out / "policies.json").read_text(encoding="utf-8"))
        if as_json:
            print_json(summaries)
        else:
            stdout.print(_comparison(summaries))
            stdout.print(f"Written to {out}: policies.json, policies.png, and a folder for each", soft_wrap=True)
        return
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    if as_json:
        print_json(summary)
    else:
        stdout.print(_table(summary))
        stdout.print(f"Written to {out}: summary.json, trace.csv, trace.png", soft_wrap=True)


def _policies(given: list[str]) -> list[str]:
    """Each once, in the order given; `all` stands for all that have a name."""
    wanted = [name for one in given for name in (NAMES if one == "all" else [one])]
    return list(dict.fromkeys(wanted))


def _comparison(summaries: dict[str, dict[str, Any]]) -> Table:
    first = next(iter(summaries.values()))
    optimum = _shown("energy_optimum_wh", first["energy_optimum_wh"])
    title = f"{first['site']}: {first['seconds'] / 3600:.1f} h, {first['sessions']} sessions; at best {optimum}"
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for name in summaries:
        table.add_column(name, justify="right")
    for key, words in {**COMPARED, **WHOLE}.items():
        table.add_row(words, *(_shown(key, summary[key]) for summary in summaries.values()))
    return table


def _table(summary: dict[str, Any]) -> Table:
    title = f"{summary['site']}: {summary['seconds'] / 3600:.1f} h, {summary['sessions']} sessions"
    table = Table(title=title, title_justify="left")
    circuits: dict[str, dict[str, Any]] = summary["circuits"]
    table.add_column("")
    for name in circuits:
        table.add_column(name, justify="right")
    for key, words in SHOWN.items():
        table.add_row(words, *(_shown(key, circuit[key]) for circuit in circuits.values()))
    for key, words in WHOLE.items():
        table.add_row(words, _shown(key, summary[key]))
    return table


def _shown(key: str, value: Any) -> str:
    if value is None:
        return "-"
    if key.endswith("_wh"):
        return f"{value / 1000:.1f} kWh"
    if key == "paused_s":
        return f"{value / 60:.0f} min"
    return f"{value:.1%}" if key in ("headroom_used", "budget_worst") else f"{value:g}"
