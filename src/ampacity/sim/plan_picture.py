"""plan.png from plan.json and trace.csv, in a process of its own: python -m ampacity.sim.plan_picture DIR."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

SPAN_S = 60
"""Each point is the highest of so long."""


def draw(folder: Path) -> None:
    """Left: the night with as many cars as fit, on the fullest line. Right: what each number of cars gets."""
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    figure, (night, numbers) = plt.subplots(1, 2, figsize=(12, 4.2), layout="constrained", width_ratios=(3, 2))
    _draw_night(night, folder / "trace.csv", plan)
    _draw_numbers(numbers, plan)
    figure.savefig(folder / "plan.png", dpi=100, metadata={"Software": None})


def _draw_night(axis: Axes, path: Path, plan: dict[str, object]) -> None:
    with path.open(encoding="utf-8") as file:
        heading = next(csv.reader(file))
        building = [n for n, name in enumerate(heading) if name.startswith("building_")]
        cars = [n for n, name in enumerate(heading) if name.startswith("cars_")]
        data = np.loadtxt(file, delimiter=",", usecols=[0, *building, *cars], ndmin=2)
    lines = len(building)
    own, drawn = data[:, 1 : 1 + lines], data[:, 1 + lines : 1 + 2 * lines]
    fullest = int(np.argmax((own + drawn).mean(axis=0)))
    count = len(data) // SPAN_S
    hours = data[: count * SPAN_S : SPAN_S, 0] / 3600 % 24
    hours = np.where(hours < hours[0], hours + 24, hours)

    def highest(values: np.ndarray) -> np.ndarray:
        return np.asarray(values[: count * SPAN_S].reshape(count, SPAN_S).max(axis=1))

    base, total = highest(own[:, fullest]), highest(own[:, fullest] + drawn[:, fullest])
    axis.fill_between(hours, 0, base, color="#8d99ae", step="post", linewidth=0, label="building")
    axis.fill_between(hours, base, total, color="#2a9d8f", step="post", linewidth=0, label="cars")
    limits = plan["limit_a"]
    assert isinstance(limits, list)
    axis.axhline(limits[fullest], color="#d62828", linewidth=1.2, label="limit")
    axis.set_xlim(hours[0], hours[-1])
    ticks = np.arange(np.ceil(hours[0] / 2) * 2, hours[-1] + 0.01, 2)
    axis.set_xticks(ticks, [f"{int(hour % 24):02d}:00" for hour in ticks])
    axis.set_ylabel(f"A on L{fullest + 1}, highest of each minute")
    axis.set_title(f"the hardest night, cars: {plan['shown_cars']}", fontsize=11)
    axis.set_ylim(top=1.22 * max(limits[fullest], float(total.max())))
    axis.legend(loc="upper right", ncols=3, frameon=False, fontsize=9)
    axis.grid(alpha=0.25)


def _draw_numbers(axis: Axes, plan: dict[str, object]) -> None:
    rows = plan["rows"]
    assert isinstance(rows, list)
    cars = [row["cars"] for row in rows]
    axis.plot(cars, [100 * row["delivered_share"] for row in rows], "o-", color="#2a9d8f", label="all cars together")
    axis.plot(cars, [100 * row["least_share"] for row in rows], "o-", color="#e76f51", label="the least served car")
    best = plan["best"]
    assert isinstance(best, list)
    axis.plot(
        [one["cars"] for one in best],
        [100 * one["share"] for one in best],
        color="#8d99ae",
        linewidth=1.2,
        label="all, by a clairvoyant",
    )
    enough = plan["enough"]
    assert isinstance(enough, float)
    axis.axhline(100 * enough, color="#8d99ae", linewidth=1, linestyle="--", label=f"enough: {100 * enough:g} %")
    carries = plan["carries"]
    assert isinstance(carries, int)
    if carries:
        axis.axvline(carries, color="#264653", linewidth=1.2)
        axis.annotate(
            f"{carries} fit", (carries, 62), textcoords="offset points", xytext=(6, 0), color="#264653", fontsize=10
        )
    axis.set_ylim(0, 106)
    axis.set_xlabel("cars a night")
    axis.set_ylabel("share of the wished energy / %")
    axis.set_title("what they get", fontsize=11)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(loc="lower left", frameon=False, fontsize=9)
    axis.grid(alpha=0.25)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
