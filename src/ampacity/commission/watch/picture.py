"""Evidence as JSON in, SVG out, in a process of its own: python -m ampacity.commission.watch.picture."""

from __future__ import annotations

import io
import json
import sys
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

EXPECTED, SHOWN, CAR = "#8d99ae", "#d62828", "#2a9d8f"


def drawn(given: dict[str, Any]) -> bytes:
    """By line of the meter: how far it moved in each step, beside how far it should have; and how the last steps went.
    Above, what the charger says its car drew."""
    mpl.rcParams["svg.hashsalt"] = "ampacity"
    mpl.rcParams["svg.fonttype"] = "none"  # words stay words, for who looks for them or has them read aloud
    steps, words = given["steps"], given["words"]
    lines = len(steps[0]["expected_a"])
    traced = [one for one in steps if one.get("trace_s")]
    figure, axes = plt.subplots(
        lines + 1,
        1 + len(traced),
        figsize=(6.4 + 2.9 * len(traced), 2.0 + 1.55 * lines),
        layout="constrained",
        squeeze=False,
        width_ratios=[2.2, *([1.0] * len(traced))],
        sharey="row",
    )
    figure.suptitle(words["title"].replace("{circuit}", given["circuit"]), fontsize=11)
    _bars(axes[:, 0], steps, given)
    for column, one in enumerate(traced, start=1):
        _trace(axes[:, column], one, given)
    handles = [
        Rectangle((0, 0), 1, 1, color=CAR),
        Rectangle((0, 0), 1, 1, color=EXPECTED),
        Rectangle((0, 0), 1, 1, color=SHOWN),
        Line2D([], [], color="black", linewidth=1),
    ]
    labels = [words["car"], words["expected"], words["shown"], words["usual"]]
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    out = io.BytesIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


def _bars(axes: Any, steps: list[dict[str, Any]], given: dict[str, Any]) -> None:
    places = np.arange(len(steps))
    car = [max(one["after_a"], key=abs) - max(one["before_a"], key=abs) for one in steps]
    axes[0].bar(places, car, 0.5, color=CAR)
    axes[0].set_ylabel(f"{steps[-1]['charger']} / A" if len({one["charger"] for one in steps}) == 1 else "A")
    for line, axis in enumerate(axes[1:]):
        expected = [one["expected_a"][line] for one in steps]
        shown = [one["shown_a"][line] for one in steps]
        usual = [one["usual_a"][line] for one in steps]
        axis.bar(places - 0.2, expected, 0.38, color=EXPECTED)
        axis.bar(places + 0.2, shown, 0.38, color=SHOWN, yerr=usual, ecolor="black", error_kw={"linewidth": 1})
        axis.set_ylabel(f"L{line + 1} / A")
    for axis in axes:
        axis.axhline(0, color="black", linewidth=0.8)
        axis.grid(alpha=0.25, axis="y")
        axis.set_xticks(places, [""] * len(steps))
    axes[-1].set_xticks(places, [_moment(one["at_s"], given) for one in steps], fontsize=7)
    axes[0].set_title(given["words"]["step"], fontsize=8)


def _trace(axes: Any, one: dict[str, Any], given: dict[str, Any]) -> None:
    """How the channels went while the car moved, from where they stood before."""
    seconds = np.array(one["trace_s"]) - one["from_s"]
    amps = np.array(one["trace_a"])
    end_s = one["at_s"] - one["from_s"]
    car = max(one["before_a"], key=abs), max(one["after_a"], key=abs)
    axes[0].plot([seconds[0], 0, end_s, seconds[-1]], [0, 0, car[1] - car[0], car[1] - car[0]], color=CAR)
    axes[0].set_title(_moment(one["at_s"], given).replace("\n", " "), fontsize=8)
    for line, axis in enumerate(axes[1:]):
        before = seconds <= 0
        base = float(np.median(amps[before, line])) if before.any() else float(amps[0, line])
        axis.plot(seconds, amps[:, line] - base, color=SHOWN, marker=".", markersize=3, linewidth=1)
        expected = one["expected_a"][line]
        axis.plot([seconds[0], 0, end_s, seconds[-1]], [0, 0, expected, expected], color=EXPECTED, linewidth=1.5)
    for axis in axes:
        axis.axvspan(0, end_s, color="black", alpha=0.06, linewidth=0)
        axis.grid(alpha=0.25)
    axes[-1].set_xlabel("s", fontsize=8)


def _moment(at_s: float, given: dict[str, Any]) -> str:
    return f"{datetime.fromtimestamp(at_s, ZoneInfo(given['zone'])):%Y-%m-%d\n%H:%M}"


if __name__ == "__main__":
    sys.stdout.buffer.write(drawn(json.load(sys.stdin)))
