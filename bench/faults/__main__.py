"""Faults, and what came of them. `make faults` runs the stories in virtual time, on the wire, and the kills.

python -m faults wire --stories 100 --at-once 6 --seed 1
python -m faults kill --kills 200 --at-once 5 --seed 1
python -m faults soak --minutes 60 --seed 1
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from faults import virtual
from faults.kill import Kills, kill_again_and_again
from faults.soak import MOST_GROWTH, Soaked, soak
from faults.stories import Told, tell

RESULTS = Path(__file__).parent.parent / "results"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    quick = kinds.add_parser("virtual", help="random stories in virtual time")
    quick.add_argument("--stories", type=int, default=2000)
    quick.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    wire = kinds.add_parser("wire", help="random stories on real sockets, in real time")
    wire.add_argument("--stories", type=int, default=100)
    kill = kinds.add_parser("kill", help="kill -9 at random instants")
    kill.add_argument("--kills", type=int, default=200)
    for one, at_once in ((wire, 6), (kill, 4)):
        one.add_argument("--at-once", type=int, default=at_once)
    long = kinds.add_parser("soak", help="25 chargers for an hour, with faults")
    long.add_argument("--minutes", type=float, default=60.0)
    for one in (quick, wire, kill, long):
        one.add_argument("--seed", type=int, default=1)
        one.add_argument("--save", action="store_true", help="write the results to bench/results")
    options = parser.parse_args()
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    if options.kind == "virtual":
        return _virtual(options.stories, options.processes, options.seed, save=options.save)
    if options.kind == "wire":
        return _wire(options.stories, options.at_once, options.seed, save=options.save)
    if options.kind == "kill":
        return _kill(options.kills, options.at_once, options.seed, save=options.save)
    return _soak(options.minutes, options.seed, save=options.save)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=_err
    )


_err = Console(stderr=True)


# --- stories in virtual time -----------------------------------------------------------------------------------------


def _virtual(stories: int, processes: int, seed: int, *, save: bool) -> int:
    began_s = time.monotonic()
    told: list[virtual.Told] = []
    with _bar() as bar, multiprocessing.Pool(processes) as pool:
        task = bar.add_task("stories in virtual time", total=stories)
        for one in pool.imap_unordered(virtual.tell, range(seed, seed + stories)):
            told.append(one)
            if one.is_broken:
                bar.console.print(f"broken: {json.dumps(one.row())}", soft_wrap=True)
            bar.advance(task)
    told.sort(key=lambda one: one.seed)
    text = _virtual_text(told, seed, time.monotonic() - began_s)
    print(text)
    if save:
        (RESULTS / "faults-virtual.txt").write_text(text + "\n", encoding="utf-8")
    return int(any(one.is_broken for one in told))


def _virtual_text(told: Sequence[virtual.Told], seed: int, seconds: float) -> str:
    broken = [one for one in told if one.is_broken]
    out = [
        f"{len(told)} stories in virtual time, seeds from {seed} on, {min(one.chargers for one in told)} to "
        f"{max(one.chargers for one in told)} chargers, {seconds / 60:.0f} min",
        f"trips: {sum(one.trips for one in told)}; worst share of a trip budget: "
        f"{max(one.budget for one in told):.2f}; stories above 0.25: {sum(one.budget > 0.25 for one in told)}",
        f"longest above a limit without a break: {_spread([one.safe_s for one in told])}",
        f"to recover: {_spread([one.recover_s for one in told])}",
        f"setpoints without a reason: {sum(one.unexplained for one in told)}",
        f"broken promises: {len(broken)}",
        *(json.dumps(one.row()) for one in broken),
        "",
        f"{'with':24} stories  worst budget  above a limit  to recover",
    ]
    for name in sorted({deed for one in told for deed in one.deeds}):
        mine = [one for one in told if name in one.deeds]
        out.append(
            f"{name:24} {len(mine):7}  {max(one.budget for one in mine):12.2f}  "
            f"{max(one.safe_s for one in mine):7.1f} s max  {max(one.recover_s or 0.0 for one in mine):7.1f} s max"
        )
    return "\n".join(out)


# --- stories ---------------------------------------------------------------------------------------------------------


def _wire(stories: int, at_once: int, seed: int, *, save: bool) -> int:
    async def all_of_them(bar: Progress) -> list[Told]:
        task = bar.add_task("stories on the wire", total=stories)
        turn = asyncio.Semaphore(at_once)

        async def one(number: int) -> Told:
            async with turn:
                told = await tell(number)
            if told.is_broken:
                bar.console.print(f"broken: {json.dumps(told.row())}", soft_wrap=True)
            bar.advance(task)
            return told

        return await asyncio.gather(*(one(seed + number) for number in range(stories)))

    began_s = time.monotonic()
    with _bar() as bar:
        told = asyncio.run(all_of_them(bar))
    text = _story_text(told, seed, at_once, time.monotonic() - began_s)
    print(text)
    if save:
        (RESULTS / "faults-wire.txt").write_text(text + "\n", encoding="utf-8")
        lines = "\n".join(json.dumps(one.row()) for one in told)
        (RESULTS / "faults-wire.jsonl").write_text(lines + "\n", encoding="utf-8")
    return int(any(one.is_broken for one in told))


def _story_text(told: Sequence[Told], seed: int, at_once: int, seconds: float) -> str:
    fair = [one for one in told if one.late_s < 1.5]
    out = [
        f"{len(told)} stories on the wire, seeds from {seed} on, {at_once} at once, {seconds / 60:.0f} min; "
        f"{len(told) - len(fair)} told nothing because the machine was too slow",
        f"trips: {sum(one.trips for one in told)}; worst share of a trip budget: "
        f"{max((one.budget for one in told), default=0.0):.2f}",
        f"to safe: {_spread([one.safe_s for one in fair])}",
        f"to recover: {_spread([one.recover_s for one in fair])}",
        f"setpoints without a reason: {sum(one.unexplained for one in told)}",
        f"finished sessions missing: {sum(one.sessions_missing for one in told)}; passes missing beyond the gaps: "
        f"{sum(one.passes_missing for one in told)}",
        f"chargers above what they may have while the controller was away: "
        f"{sum(len(one.beyond or ()) for one in told)}",
        f"broken promises: {sum(one.is_broken for one in told)}",
        "",
        f"{'with':24} stories  worst budget  to safe     to recover",
    ]
    for name in sorted({deed for one in fair for deed in one.deeds}):
        mine = [one for one in fair if name in one.deeds]
        safe = [one.safe_s for one in mine if one.safe_s is not None]
        well = [one.recover_s for one in mine if one.recover_s is not None]
        out.append(
            f"{name:24} {len(mine):7}  {max(one.budget for one in mine):12.2f}  "
            f"{max(safe, default=0.0):5.1f} s max  {max(well, default=0.0):5.1f} s max"
        )
    return "\n".join(out)


def _spread(seconds: Sequence[float | None]) -> str:
    known = sorted(one for one in seconds if one is not None)
    if not known:
        return "none"
    never = len(seconds) - len(known)
    words = f"median {statistics.median(known):.1f} s, p95 {known[int(0.95 * (len(known) - 1))]:.1f} s, "
    return words + f"most {known[-1]:.1f} s" + (f"; never: {never}" if never else "")


# --- kills -----------------------------------------------------------------------------------------------------------


def _kill(kills: int, at_once: int, seed: int, *, save: bool) -> int:
    async def all_of_them(bar: Progress) -> list[Kills]:
        task = bar.add_task("kill -9", total=kills)
        shares = [kills // at_once + (number < kills % at_once) for number in range(at_once)]
        return await asyncio.gather(
            *(
                kill_again_and_again(seed + number, share, lambda: bar.advance(task))
                for number, share in enumerate(shares)
            )
        )

    with _bar() as bar:
        done = asyncio.run(all_of_them(bar))
    back = sorted(second for one in done for second in one.back_s)
    beyond = [what for one in done for what in one.beyond]
    stopped = [what for one in done for what in one.stopped]
    lines = [
        f"{sum(one.kills for one in done)} kills, seeds from {seed} on, {at_once} buildings at once",
        f"trips: {sum(one.trips for one in done)}; worst share of a trip budget: {max(one.budget for one in done):.2f}",
        f"chargers above what they acknowledged, or above the safe current after the lease: {len(beyond)}",
        f"journals that did not open: {sum(one.unopened for one in done)}; finished sessions missing: "
        f"{sum(one.sessions_missing for one in done)}",
        f"cars stopped by a start alone: {len(stopped)}; {sum(one.late for one in done)} starts told nothing of that",
        f"control back: {_spread(back)} (the start of the program included)",
        *beyond,
        *stopped,
    ]
    print("\n".join(lines))
    if save:
        (RESULTS / "faults-kill.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return int(any(one.is_broken for one in done))


# --- the soak --------------------------------------------------------------------------------------------------------


def _soak(minutes: float, seed: int, *, save: bool) -> int:
    with _err.status("soaking") as status:
        done = asyncio.run(soak(minutes, seed, status.update))
    text = _soak_text(done)
    print(text)
    if save:
        (RESULTS / "faults-soak.txt").write_text(text + "\n", encoding="utf-8")
    return int(done.ended_early or done.growth() > MOST_GROWTH or done.trips > 0 or done.unexplained > 0)


def _soak_text(done: Soaked) -> str:
    memory, files = done.memory_mb, done.files
    return "\n".join(
        [
            f"{done.minutes:g} min, 25 chargers, {sum(done.deeds.values())} faults, {done.decisions} decisions",
            f"trips: {done.trips}; worst share of the trip budget: {done.budget:.2f}; setpoints without a reason: "
            f"{done.unexplained}; exit code {done.exit_code}",
            f"memory: {memory[0]:.1f} MiB at first, {memory[-1]:.1f} at last, most {max(memory):.1f}; growth after the "
            f"first ten minutes {100 * done.growth():+.1f} %",
            f"open files: {files[0]} at first, {files[-1]} at last, most {max(files)}; threads: {done.threads[0]} to "
            f"{done.threads[-1]}; tasks: {done.tasks[:1]} at first, {done.tasks[-1:]} at last, most "
            f"{max(done.tasks, default=0)}; processor {done.processor_pct:.1f} % of a core",
            "",
            *(["THE CONTROLLER ENDED BY ITSELF", *done.last_words] if done.ended_early else []),
            "what went wrong, how often",
            *(f"  {name:24} {count}" for name, count in sorted(done.deeds.items())),
            "what its log told",
            *(f"  {name:44} {count}" for name, count in sorted(done.told.items())),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
