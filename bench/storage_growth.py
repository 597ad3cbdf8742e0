"""How much the database grows in a day with 25 chargers at 1 Hz, reports of 6 values every 10 s, noise on everything.

python bench/storage_growth.py [HOURS]
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

from sqlalchemy import func, select

from ampacity.core.decide import decide
from ampacity.core.observations import (
    ChargerLink,
    ChargerReport,
    ChargerState,
    MeterReading,
    Observation,
    Observed,
    SetpointAnswer,
)
from ampacity.core.phases import PhaseAmps, PhaseVolts, PhaseWatts
from ampacity.core.site import MeterId
from ampacity.storage.database import open_database
from ampacity.storage.history import Retention
from ampacity.storage.journal import FLUSH_S, JournalWriter
from ampacity.storage.schema import batches, rollups, seconds, snapshots
from decide_speed import site_of

START_S = 1_700_000_000.0


def main(hours: float) -> None:
    rng = random.Random(3)
    site = site_of(25)
    keep = Retention(seconds_days=1e4, minutes_days=1e4, quarters_days=1e4, journal_days=1e4)
    second = 0
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.db"
        engine = open_database(file)
        journal = JournalWriter(
            lambda: engine,
            site,
            "",
            version="bench",
            retention=keep,
            started_wall_s=START_S,
            started_s=0.0,
            wall_s=lambda: START_S + second,
            flush_s=0.05,
            block_s=FLUSH_S,
            most_queued=10**6,
        )
        observed, limits = Observed(), [0.0] * 25
        answers: list[Observation] = []
        for second in range(int(hours * 3600)):
            at_s = second + 0.123456789 * rng.random()
            seen: list[Observation] = answers
            for number, charger in enumerate(site.chargers):
                if second == 0:
                    seen.append(ChargerLink(charger=charger.id, at_s=at_s, online=True))
                    seen.append(ChargerReport(charger=charger.id, at_s=at_s, state=ChargerState.CHARGING))
                if second % 10 == number % 10:
                    amps = tuple(max(0.0, round(limits[number] + rng.gauss(0, 0.05), 2)) for _ in charger.wiring or ())
                    seen.append(
                        ChargerReport(
                            charger=charger.id,
                            at_s=at_s,
                            currents=PhaseAmps(amps),
                            power_w=round(sum(amps) * 230, 1),
                            energy_wh=second * 3,
                        )
                    )
            total = [round(60 + sum(limits) * 0.7 + rng.gauss(0, 0.5), 3) for _ in range(3)]
            volts = [round(230 + rng.gauss(0, 0.6), 1) for _ in range(3)]
            seen.append(
                MeterReading(
                    meter=MeterId("main"),
                    at_s=at_s,
                    currents=PhaseAmps(tuple(total)),
                    powers=PhaseWatts(tuple(round(a * v, 1) for a, v in zip(total, volts, strict=True))),
                    voltages=PhaseVolts(tuple(volts)),
                )
            )
            observed = observed.with_(site, seen)
            decision = decide(site, observed, at_s)
            observed = observed.remembering(decision.memory)
            journal.append(list(seen), decision)
            answers = []
            for command in decision.commands:
                limits[site.index_of_charger[command.charger]] = command.limit_a
                answers.append(
                    SetpointAnswer(charger=command.charger, at_s=at_s + 0.05, limit_a=command.limit_a, accepted=True)
                )
        journal.close()
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            bodies = {
                table.name: connection.execute(select(func.sum(func.length(table.c.body)))).scalar() or 0
                for table in (batches, snapshots, seconds, rollups)
            }
        size = file.stat().st_size
        engine.dispose()
    print(f"{hours:g} h: {size / 1e6:.2f} MB, {size / 1e6 / hours * 24:.1f} MB a day")
    print("of it " + ", ".join(f"{name} {size / 1e6 / hours * 24:.1f}" for name, size in bodies.items()))


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
