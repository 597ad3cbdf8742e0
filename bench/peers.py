"""The four scenarios on which public systems were measured: python bench/peers.py [--traces FOLDER].

Each with dead times of 1 and 4 s, and in both pause modes: `budget` bears for a while what only a pause can remove,
`strict` doesn't. `home` and `home25` need home_132min_1s.csv.gz in that folder; it is not part of the project.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ampacity.core.site import PauseMode
from ampacity.sim.scenario import TraceMissing, load_scenario, stories
from ampacity.sim.simulate import simulate

SCENARIOS = Path(__file__).parent.parent / "tests" / "scenarios"
NAMES = ("step", "scarce", "home", "home25")
COLUMNS = {
    "over_s": "s over",
    "over_as": "A·s over",
    "over_unavoidable_as": "unavoidable",
    "budget_worst": "budget",
    "headroom_used": "used",
    "stops": "stops",
    "commands": "commands",
    "renewals": "renewals",
    "least_to_best": "least/best",
}


def runs(name: str, mode: PauseMode, traces: Path | None) -> Iterator[dict[str, Any]]:
    """The summary for each dead time.

    Raises:
        TraceMissing: the scenario needs a file that isn't there.
    """
    path = SCENARIOS / f"{name}.toml"
    for story in stories(path, load_scenario(path), traces=traces):
        yield simulate(replace(story, site=replace(story.site, pause_mode=mode)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=Path, help="folder with home_132min_1s.csv.gz")
    traces: Path | None = parser.parse_args().traces
    print(f"{'scenario':10}{'mode':8}{'LAG':>4}" + "".join(f"{heading:>13}" for heading in COLUMNS.values()))
    for name in NAMES:
        try:
            for mode in PauseMode:
                for summary in runs(name, mode, traces):
                    shown = "".join(f"{_shown(key, summary[key]):>13}" for key in COLUMNS)
                    print(f"{name:10}{mode.value:8}{summary['lag_s']:>4}{shown}")
        except TraceMissing as error:
            print(f"{name:10} left out. {error}", file=sys.stderr)


def _shown(key: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1%}" if key in ("headroom_used", "budget_worst") else f"{value:g}"


if __name__ == "__main__":
    main()
