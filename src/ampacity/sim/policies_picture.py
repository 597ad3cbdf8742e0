"""policies.png from policies.json, in a process of its own: python -m ampacity.sim.policies_picture DIR."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

OURS, OTHERS = "#2a9d8f", "#8d99ae"
BARS = (
    ("energy_wh", 1000, "delivered / kWh"),
    ("over_as", 1, "A·s above the limit"),
    ("budget_worst", 0.01, "trip budget used / %"),
    ("stops", 1, "stops of charging cars"),
    ("commands", 1, "changes sent to chargers"),
)


def draw(folder: Path) -> None:
    """A row of bars for each figure, a bar for each policy; the clairvoyant optimum as a line."""
    summaries: dict[str, dict[str, Any]] = json.loads((folder / "policies.json").read_text(encoding="utf-8"))
    names = list(reversed(summaries))
    figure, axes = plt.subplots(
        1, len(BARS), sharey=True, figsize=(3.0 * len(BARS), 0.42 * len(names) + 1.5), layout="constrained"
    )
    for axis, (key, unit, words) in zip(axes, BARS, strict=True):
        values = [summaries[name][key] / unit for name in names]
        most = 1.25 * max([one for name, one in zip(names, values, strict=True) if name != "uncontrolled"] + [1e-9])
        widths = [min(value, most) for value in values]  # without control there may be a hundred times as much
        bars = axis.barh(names, widths, color=[OURS if name.startswith("ampacity") else OTHERS for name in names])
        axis.bar_label(
            bars, [f"{value:,.4g}" if value < 1e4 else f"{value:,.0f}" for value in values], padding=3, fontsize=9
        )
        axis.set_title(words, fontsize=10)
        axis.set_xlim(right=1.45 * max([*widths, 1e-9]))
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(axis="x", labelsize=8)
    optimum = next(iter(summaries.values()))["energy_optimum_wh"] / 1000
    axes[0].axvline(optimum, color="#d62828", linewidth=1.2)
    axes[0].set_xlabel(f"line: clairvoyant optimum, {optimum:,.1f} kWh", fontsize=8)
    figure.savefig(folder / "policies.png", dpi=100, metadata={"Software": None})


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
