"""Who gives most without going above the limit: python bench/allocation.py [--traces FOLDER] [--only NAME ...].

The four public scenarios, and days of real buildings with real sessions (bench/cases.py), at dead times of 1 and 4 s,
reports every 10 s. Columns: this product in its default and its strict mode; a rolling maximum of the building over 0,
15, 60 and 180 s with equal shares, which is told the building's true load; a fixed current; no control at all; and what
a clairvoyant could have delivered. Writes bench/results/allocation.txt, tradeoff.png and grace.png. Some twenty minutes
on two cores; seeded, so that the same figures come out again.

`home` and `home25` need home_132min_1s.csv.gz in the folder given with --traces; it is not part of the project.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from rich.progress import Progress

import cases
from ampacity.core.site import CircuitId
from ampacity.sim.policies import NAMES, OURS, STRICT, named
from ampacity.sim.scenario import TraceMissing
from ampacity.sim.simulate import optimum, simulate

mpl.use("Agg")
from matplotlib import pyplot as plt

RESULTS = Path(__file__).parent / "results"
WORDS = {
    "step": "steps and pulses, 40 A, 4 cars",
    "scarce": "two of four minimums fit, 25 A",
    "home": "a house of 132 min, 40 A, 4 cars",
    "home25": "the same, 25 A",
}
CASES = {
    "house": cases.house,
    "house-full": cases.house_full,
    "apartments": cases.apartments,
    "apartments-full": cases.apartments_full,
    "tree": cases.tree,
}
COLUMNS = {
    "trips": "trips",
    "over_s": "s over",
    "over_as": "A·s over",
    "over_unavoidable_as": "unavoidable",
    "budget_worst": "budget",
    "headroom_used": "used",
    "energy_wh": "kWh",
    "stops": "stops",
    "commands": "commands",
    "renewals": "renewals",
    "least_to_best_alike": "least/best",
}
PUBLISHED = """
Published: other controllers' own control cores, unmodified, on this plant, told the cars' true currents each second
(s over / A·s over; share of headroom used and stops where known). Not run here.

                              step L1       home L1                      scarce, least-best car
openWB                        182 / 1785    763 / 3690, 100.4 %, 23      0 - 11.7 kWh
evcc                          314 / 4172    1026 / 3866, 97.4 %, 11      0 - 22.1
EVerest, ideal meter adapter   32 / 560     273 / 930, 100 %, 29         0 - 11.7
SmartEVSE, control law only    96 / 976     326 / 921, 85.9 %, 88        0 - 11.7
hass-evse-load-balancer       331 / 2234    392 / 845, 59.5 %, 8         0.3 - 0.3
                              step L4       home L4        home25 L4 (s over)
openWB                        230 / 2625    899 / 4485     732, 51 stops
evcc                          320 / 4280    1115 / 4198    1352
EVerest, ideal meter adapter   80 / 1400    523 / 1969     513, 70 stops
hass-evse-load-balancer       334 / 2276    398 / 864      243, 39 % of the headroom used
"""
GRACES_S = (0.0, 2.0, 5.0, 10.0, 24.0)
GRACE_CASES = ("step", "house-full")
GRACE_DRAWN = ("house-full",)
"""On `step` every excess is too large to be borne for a short grace."""
Row = dict[str, Any]


def case_named(name: str, traces: Path | None) -> cases.Case:
    """Raises:
    TraceMissing: its trace is not part of the project, and not in that folder.
    """
    return CASES[name]() if name in CASES else cases.public(name, WORDS[name], traces)


def run(
    name: str, lag_s: int, policy: str, grace_s: float | None, optimum_wh: dict[CircuitId, float], traces: Path | None
) -> Row:
    """One run; in a process of its own."""
    case = case_named(name, traces)
    steered, site = named(policy, case.story.site)
    if grace_s is not None:
        site = replace(site, grace_s=grace_s)
    story = replace(case.with_lag(lag_s), site=site)
    return {
        **simulate(story, policy=steered, optimum_wh=optimum_wh),
        "case": name,
        "lag_s": lag_s,
        "policy": policy,
        "grace_s": grace_s,
    }


def best(name: str, traces: Path | None) -> dict[CircuitId, float]:
    return optimum(case_named(name, traces).story)


def all_runs(names: Iterable[str], traces: Path | None) -> list[Row]:
    """Every case, dead time and policy; two at a time."""
    rows: list[Row] = []
    with ProcessPoolExecutor(2) as pool, Progress() as progress:
        bar = progress.add_task("optimum", total=None)
        optima = dict(zip(names, pool.map(best, names, [traces] * 99), strict=False))
        asked: list[tuple[str, int, str, float | None]] = [
            (name, lag, policy, None) for name in names for lag in cases.LAGS_S for policy in NAMES
        ]
        asked += [
            (name, lag, OURS, grace) for name in names if name in GRACE_CASES for lag in (1,) for grace in GRACES_S
        ]
        asked.sort(key=lambda one: -len(case_named(one[0], traces).story.site.chargers))
        progress.update(bar, description="runs", total=len(asked))
        waiting = [
            pool.submit(run, name, lag, policy, grace, optima[name], traces) for name, lag, policy, grace in asked
        ]
        for done in as_completed(waiting):
            rows.append(done.result())
            progress.advance(bar)
    return rows


def table(names: Iterable[str], rows: list[Row], traces: Path | None) -> str:
    """All figures as text."""
    out = []
    for name in names:
        case = case_named(name, traces)
        scarce = "; not all minimums fit, most of the time" if case.scarce else ""
        out.append(f"\n{name}: {case.words}{scarce}")
        for lag_s in cases.LAGS_S:
            here = {
                row["policy"]: row for row in rows if (row["case"], row["lag_s"], row["grace_s"]) == (name, lag_s, None)
            }
            first = next(iter(here.values()))
            out.append(f"dead time {lag_s} s; optimum {first['energy_optimum_wh'] / 1000:.1f} kWh")
            out.append(f"  {'':16}" + "".join(f"{heading:>12}" for heading in COLUMNS.values()))
            for policy in NAMES:
                shown = "".join(f"{_shown(key, here[policy][key]):>12}" for key in COLUMNS)
                out.append(f"  {policy:16}{shown}")
            out.append("  " + _against_rolling(here))
    graces = sorted((row for row in rows if row["grace_s"] is not None), key=lambda row: (row["case"], row["grace_s"]))
    if graces:
        out.append("\ngrace_s, dead time 1 s")
        out.append(f"  {'':22}" + "".join(f"{heading:>12}" for heading in COLUMNS.values()))
        for row in graces:
            shown = "".join(f"{_shown(key, row[key]):>12}" for key in COLUMNS)
            out.append(f"  {row['case']:14}{row['grace_s']:>4g} s  {shown}")
    return "\n".join(out).lstrip("\n") + "\n" + PUBLISHED


def _against_rolling(here: dict[str, Row]) -> str:
    """The default against the rolling maximum that would use as much, between those that were run."""
    rolling = sorted(
        (row for name, row in here.items() if name.startswith("rolling")), key=lambda r: r["headroom_used"] or 0
    )
    used = here[OURS]["headroom_used"]
    if used is None:
        return "no car wanted anything"
    at = [row["headroom_used"] for row in rolling]

    def between(key: str) -> float:
        return float(np.expm1(np.interp(used, at, np.log1p([row[key] for row in rolling]))))

    parts = []
    for key, words in (("over_as", "A·s over"), ("stops", "stops"), ("commands", "commands")):
        theirs = between(key)
        parts.append(
            f"{words} {here[OURS][key]:.0f} of {theirs:.0f}"
            + (f" ({here[OURS][key] / theirs:.2f})" if theirs >= 1 else "")
        )
    outside = "" if at[0] <= used <= at[-1] else " (its nearest, none uses as much)"
    return f"{OURS} against a rolling maximum that uses as much{outside}: " + ", ".join(parts)


def draw_tradeoff(names: list[str], rows: list[Row], traces: Path | None, path: Path) -> None:
    """Headroom used against ampere-seconds over the limit: the rolling maximum as a curve, ours as points."""
    shown = [name for name in names if name != "scarce"]
    wide = min(4, len(shown))
    tall = -(-len(shown) // wide)
    figure, axes = plt.subplots(tall, wide, figsize=(3.6 * wide, 3.2 * tall + 0.5), layout="constrained", squeeze=False)
    for axis, name in zip(axes.flat, shown, strict=False):
        for lag_s, colour in zip(cases.LAGS_S, ("#2a9d8f", "#e76f51"), strict=True):
            here = {
                row["policy"]: row for row in rows if (row["case"], row["lag_s"], row["grace_s"]) == (name, lag_s, None)
            }
            curve = [row for policy, row in here.items() if policy.startswith("rolling")]
            curve.sort(key=lambda row: row["over_as"])
            axis.plot(
                [row["over_as"] for row in curve],
                [100 * row["headroom_used"] for row in curve],
                "o-",
                color=colour,
                alpha=0.55,
                markersize=3,
                linewidth=1,
                label=f"rolling maximum, {lag_s} s",
            )
            for policy, marker, words in ((OURS, "*", "default"), (STRICT, "P", "strict")):
                row = here[policy]
                axis.plot(
                    row["over_as"],
                    100 * row["headroom_used"],
                    marker,
                    color=colour,
                    markersize=11,
                    markeredgecolor="black",
                    markeredgewidth=0.6,
                    linestyle="none",
                    label=f"{words}, {lag_s} s",
                )
        axis.set_title(name, fontsize=10)
        axis.grid(alpha=0.25)
        axis.ticklabel_format(useOffset=False)
        axis.set_xlabel("A·s above the limit", fontsize=9)
        axis.set_ylabel("headroom used / %", fontsize=9)
        axis.tick_params(labelsize=8)
    for axis in list(axes.flat)[len(shown) :]:
        axis.axis("off")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def draw_grace(rows: list[Row], path: Path) -> None:
    """What a longer grace buys: fewer stops for more time above the limit."""
    names = [name for name in GRACE_DRAWN if any(row["case"] == name and row["grace_s"] is not None for row in rows)]
    if not names:
        return
    figure, axes = plt.subplots(1, len(names), figsize=(4.2 * len(names), 3.4), layout="constrained", squeeze=False)
    for axis, name in zip(axes.flat, names, strict=True):
        here = sorted(
            (row for row in rows if row["case"] == name and row["grace_s"] is not None), key=lambda row: row["grace_s"]
        )
        axis.plot([row["over_as"] for row in here], [row["stops"] for row in here], "o-", color="#264653")
        for row in here:
            axis.annotate(
                f"{row['grace_s']:g} s",
                (row["over_as"], row["stops"]),
                textcoords="offset points",
                xytext=(6, 5),
                fontsize=9,
            )
        axis.set_title(f"{name}: grace_s", fontsize=10)
        axis.set_xlabel("A·s above the limit")
        axis.set_ylabel("stops of charging cars")
        axis.set_ylim(bottom=0, top=1.2 * max(row["stops"] for row in here))
        axis.margins(x=0.15)
        axis.grid(alpha=0.25)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def _shown(key: str, value: float | None) -> str:
    if value is None:
        return "-"
    if key == "energy_wh":
        return f"{value / 1000:.1f}"
    return f"{value:.1%}" if key in ("headroom_used", "budget_worst") else f"{value:.10g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=Path, help="folder with home_132min_1s.csv.gz")
    parser.add_argument("--only", nargs="*", choices=[*WORDS, *CASES], help="these cases alone")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for text and pictures")
    arguments = parser.parse_args()
    names = []
    for name in arguments.only or [*WORDS, *CASES]:
        try:
            case_named(name, arguments.traces)
            names.append(name)
        except TraceMissing as error:
            print(f"{name} left out. {error}", file=sys.stderr)
    rows = all_runs(names, arguments.traces)
    arguments.out.mkdir(parents=True, exist_ok=True)
    text = table(names, rows, arguments.traces)
    (arguments.out / "allocation.txt").write_text(text, encoding="utf-8")
    draw_tradeoff(names, rows, arguments.traces, arguments.out / "tradeoff.png")
    draw_grace(rows, arguments.out / "grace.png")
    print(text)


if __name__ == "__main__":
    main()
