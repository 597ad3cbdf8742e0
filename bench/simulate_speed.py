"""A day of a house at 1 s with 25 chargers, 40 sessions: how many times faster than real, trace.csv included.

python bench/simulate_speed.py [HOURS]
"""

from __future__ import annotations

import math
import random
import sys
import tempfile
import time
from pathlib import Path

from ampacity.sim.simulate import Story, simulate
from ampacity.sim.tables import Building, Session
from decide_speed import site_of


def story(hours: float) -> Story:
    rng = random.Random(7)
    site = site_of(25)
    seconds = int(hours * 3600)
    level, rows = 60.0, []
    for second in range(seconds):
        if rng.random() < 0.02:
            level = rng.choice([40.0, 55.0, 60.0, 75.0, 90.0]) + 20 * math.sin(second / 9000)
        rows.append(tuple(round(level + 5 * n + rng.uniform(-0.3, 0.3), 2) for n in range(3)))
    sessions = []
    for number in range(40):
        charger = site.chargers[number % 25]
        start = (rng.randrange(seconds // 2) if number < 25 else seconds // 2 + rng.randrange(seconds // 4)) % seconds
        end = min(seconds, start + seconds // 4) if number >= 25 else min(seconds // 2, start + seconds // 4)
        if end > start:
            sessions.append(
                Session(
                    id=f"s{number}",
                    charger=charger.id,
                    arrival_s=start,
                    departure_s=end,
                    energy_wh=rng.choice([8_000.0, 15_000.0, 30_000.0]),
                    max_a=16.0,
                    lines=rng.choice([1, charger.phases]),
                )
            )
    return Story(site=site, building=Building(tuple(range(seconds)), tuple(rows)), sessions=sessions, lag_s=2)


def main() -> None:
    one = story(float(sys.argv[1]) if len(sys.argv) > 1 else 24.0)
    with tempfile.TemporaryDirectory() as folder:
        begin_s = time.perf_counter()
        summary = simulate(one, Path(folder) / "trace.csv")
        taken_s = time.perf_counter() - begin_s
    seconds = summary["seconds"]
    rate = seconds / taken_s
    print(f"{seconds} s in {taken_s:.1f} s: {rate:,.0f} x real time, {1e6 / rate:.0f} us a second")
    print({key: summary[key] for key in ("trips", "energy_wh", "headroom_used", "stops", "commands")})


if __name__ == "__main__":
    main()
