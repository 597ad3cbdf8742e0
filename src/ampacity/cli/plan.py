"""`ampacity plan`: how many chargers a supply can carry."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from ampacity.cli.apart import run_apart
from ampacity.cli.out import fail, print_json, say_warning, stdout
from ampacity.core.errors import AmpacityError
from ampacity.core.phases import Supply

VOLTS = {
    Supply.SINGLE_PHASE: 230.0,
    Supply.SPLIT_PHASE: 120.0,
    Supply.THREE_PHASE: 230.0,
    Supply.LINE_TO_LINE: 208.0,
}


class WishWrong(AmpacityError):
    """An option can't be understood."""

    code = "plan-option-invalid"
    remedy = "ampacity plan --help shows what it takes."


def plan(
    building: Annotated[
        Path, typer.Option(help="CSV of the building over a day or more: time_s,l1_a,...; plain or gzip.")
    ],
    kwh: Annotated[float, typer.Option(min=0.1, max=500, help="What each car wants in a night.")],
    out: Annotated[Path, typer.Option(help="Folder for plan.json, plan.png and trace.csv.")],
    site: Annotated[
        Path | None, typer.Option(help="site.toml: its supply and main breaker; its chargers are not used.")
    ] = None,
    limit_a: Annotated[float | None, typer.Option(min=6.1, max=10_000, help="The main breaker's rating.")] = None,
    supply: Annotated[Supply, typer.Option(help="With --limit-a.")] = Supply.THREE_PHASE,
    voltage_v: Annotated[
        float | None, typer.Option(min=50, max=480, help="Line to neutral; between lines where chargers sit there.")
    ] = None,
    continuous_factor: Annotated[
        float, typer.Option(min=0.1, max=1, help="0.8 where charging counts as a continuous load.")
    ] = 1.0,
    cars: Annotated[int | None, typer.Option(min=1, max=300, help="A number of cars to be judged.")] = None,
    begin: Annotated[str, typer.Option("--from", help="Cars come within an hour from here on.")] = "18:00",
    until: Annotated[str, typer.Option(help="Cars go within the hour before.")] = "07:00",
    mix: Annotated[
        str, typer.Option(help="Kinds of cars, lines x amperes, drawn by seed for each charger.")
    ] = "3x16,1x32,1x16,2x16",
    enough: Annotated[
        float, typer.Option(min=1, max=100, help="A car is content with this share of its wish, in %.")
    ] = 95.0,
    most: Annotated[int, typer.Option(min=1, max=300, help="No more cars than these are tried.")] = 100,
    seed: Annotated[int, typer.Option(help="The same seed gives the same cars.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """How many cars a night this supply can carry: the hardest night of the trace, played with the real controller.

    Example: ampacity plan --building day.csv.gz --limit-a 63 --kwh 12 --out plan
    """
    try:
        question = {
            "building": str(building),
            "out": str(out),
            "site": None if site is None else str(site),
            "supply": supply.value,
            "voltage_v": VOLTS[supply] if voltage_v is None else voltage_v,
            "limit_a": _limit_a(site, limit_a),
            "continuous_factor": continuous_factor,
            "energy_wh": 1000 * kwh,
            "from_s": _second_of_day("--from", begin),
            "until_s": _second_of_day("--until", until),
            "cars": _kinds(mix),
            "enough": enough / 100,
            "most": most if cars is None else max(most, cars),
            "seed": seed,
        }
        run_apart("ampacity.sim.plan_command", [json.dumps(question)])
    except AmpacityError as error:
        fail(error, as_json=as_json)
    found: dict[str, Any] = json.loads((out / "plan.json").read_text(encoding="utf-8"))
    verdict = _verdict(found, kwh, begin, until, cars)
    if as_json:
        print_json({**found, "verdict": verdict})
        return
    stdout.print(_table(found))
    stdout.print(f"[bold]{verdict}[/]", soft_wrap=True)
    stdout.print(f"Assumed: cars of {mix}, by seed {seed}, a charger for each. Written to {out}.", soft_wrap=True)
    if found["trips_alone"]:
        say_warning(
            f"The building alone trips this breaker {found['trips_alone']} times that night, with no car at all. "
            "Correct the rating, or the trace; numbers fit here when the cars add no trip."
        )
    if found["coarse_s"] is not None:
        say_warning(
            f"The trace has values up to {found['coarse_s']} s apart. Peaks in between are not seen: the energy is "
            "about right, the breaker will come closer than shown, and cars will be stopped more often."
        )


def _limit_a(site: Path | None, limit_a: float | None) -> float:
    if site is None and limit_a is None:
        raise WishWrong("The main breaker is not known.", remedy="Give --limit-a with its rating, or --site.")
    if site is not None and limit_a is not None:
        raise WishWrong("--site and --limit-a both say what the breaker is.", remedy="Give one of them.")
    return 0.0 if limit_a is None else limit_a


def _second_of_day(option: str, text: str) -> int:
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text.strip())
    if found is None:
        raise WishWrong(f"{option} {text!r} is no time of day.", remedy="Write it as 18:00.")
    return int(found[1]) * 3600 + int(found[2]) * 60


def _kinds(mix: str) -> list[tuple[int, float]]:
    out = []
    for kind in mix.split(","):
        found = re.fullmatch(r"\s*([123])x(\d+(?:\.\d+)?)\s*", kind)
        if found is None or not 6 <= float(found[2]) <= 200:
            raise WishWrong(
                f"--mix: {kind.strip()!r} is no kind of car.",
                remedy="Write lines x amperes, as 3x16: 1 to 3 lines, 6 A or more.",
            )
        out.append((int(found[1]), float(found[2])))
    return out


def _verdict(found: dict[str, Any], kwh: float, begin: str, until: str, cars: int | None) -> str:
    carries, rows = found["carries"], {row["cars"]: row for row in found["rows"]}
    each = f"{kwh:g} kWh each, {begin} to {until}"
    if carries == 0:
        words = f"This supply does not carry one car a night ({each})."
    elif found["at_least"]:
        words = f"This supply carries at least {carries} cars a night ({each}); no more were tried."
    else:
        words = f"This supply carries {carries} car{'s' * (carries != 1)} a night ({each})."
    over = rows.get(carries + 1)
    if over is not None:
        left = over["cars"] - over["content"]
        words += f" With {over['cars']}, {left} would leave with less than {100 * found['enough']:g} %"
        words += f", the least served with {over['least_share']:.0%}."
        if over["trips"] > found["trips_alone"]:
            words += " The breaker would trip."
    if cars is not None:
        words += f" The {cars} asked for {'fit' if cars <= carries else 'do not fit'}."
    return words


def _table(found: dict[str, Any]) -> Table:
    title = f"The hardest night of the trace, {found['seconds'] / 3600:g} h"
    table = Table(title=title, title_justify="left")
    for heading in ("cars", "content", "delivered", "least served", "trips", "trip budget", "s over limit", "stops"):
        table.add_column(heading, justify="right")
    table.add_column("waited, min", justify="right")
    for row in found["rows"]:
        table.add_row(
            str(row["cars"]),
            str(row["content"]),
            f"{row['delivered_share']:.0%}",
            f"{row['least_share']:.0%}",
            str(row["trips"]),
            f"{row['budget_worst']:.1%}",
            str(row["over_s"]),
            str(row["stops"]),
            f"{row['paused_s'] / 60:.0f}",
            style="bold" if row["cars"] == found["carries"] else "",
        )
    return table
