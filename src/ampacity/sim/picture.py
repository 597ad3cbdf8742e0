"""trace.png from trace.csv, in a process of its own: python -m ampacity.sim.picture DIR."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
from matplotlib import pyplot as plt

WIDEST = 2400
"""Points across; longer runs are drawn by spans with their highest values."""


def draw(folder: Path) -> None:
    """Building, cars and limit for each line; below, the setpoints."""
    with (folder / "trace.csv").open(encoding="utf-8") as file:
        heading = next(csv.reader(file))
        wanted = [n for n, name in enumerate(heading) if not name.endswith(".cause")]
        data = np.loadtxt(file, delimiter=",", usecols=wanted, ndmin=2)
    names = [heading[n] for n in wanted]
    column = {name: data[:, place] for place, name in enumerate(names)}
    lines = [name.split("_")[1] for name in names if name.startswith("building_")]
    setpoints = [name for name in names if name.endswith(".setpoint_a")]
    span = max(1, len(data) // WIDEST)
    count = len(data) // span
    hours = column["time_s"][: count * span : span] / 3600

    def highest(values: np.ndarray) -> np.ndarray:
        return np.asarray(values[: count * span].reshape(count, span).max(axis=1))

    figure, axes = plt.subplots(
        len(lines) + 1, 1, sharex=True, figsize=(12, 2.1 * (len(lines) + 1) + 0.6), layout="constrained"
    )
    for axis, line in zip(axes, lines, strict=False):
        building = highest(column[f"building_{line}_a"])
        total = highest(column[f"building_{line}_a"] + column[f"cars_{line}_a"])
        axis.fill_between(hours, 0, building, color="#8d99ae", step="post", linewidth=0, label="building")
        axis.fill_between(hours, building, total, color="#2a9d8f", step="post", linewidth=0, label="cars")
        axis.plot(hours, highest(column[f"limit_{line}_a"]), color="#d62828", linewidth=1.2, label="limit")
        axis.set_ylabel(f"{line.upper()} / A")
        axis.margins(x=0)
        axis.grid(alpha=0.25)
    axes[0].legend(loc="upper right", ncols=3, frameon=False, fontsize=9)
    colours = plt.get_cmap("tab20")
    for place, name in enumerate(setpoints):
        label = name.removesuffix(".setpoint_a")
        axes[-1].step(hours, highest(column[name]), where="post", linewidth=1, color=colours(place % 20), label=label)
    if len(setpoints) <= 12:
        axes[-1].legend(loc="upper right", ncols=6, frameon=False, fontsize=8)
    axes[-1].set_ylabel("setpoint / A")
    axes[-1].set_xlabel("hours")
    axes[-1].grid(alpha=0.25)
    figure.savefig(folder / "trace.png", dpi=100, metadata={"Software": None})


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
