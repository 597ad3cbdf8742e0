"""Work in a process of its own: NumPy, the solver and the plots stay out of this one."""

from __future__ import annotations

import json
import subprocess
import sys

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ampacity.cli.out import INTERRUPTED, stderr
from ampacity.core.errors import AmpacityError


class SimulationFailed(AmpacityError):
    """The process that simulates ended without a result."""

    code = "simulation-failed"
    remedy = "Read the messages above; with a very long trace, try a shorter one."


def run_apart(module: str, arguments: list[str]) -> None:
    """Runs a module that speaks as ampacity.sim.command does, with a progress bar.

    Raises:
        AmpacityError: what the process says is wrong, under its code.
    """
    failed: AmpacityError | None = None
    with (
        Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
            console=stderr,
            transient=True,
            disable=not stderr.is_terminal,
        ) as progress,
        subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True) as child,
    ):
        bar = progress.add_task("simulating", total=1.0)
        for line in child.stdout or ():
            word, _, rest = line.strip().partition(" ")
            if word == "progress":
                progress.update(bar, completed=float(rest))
            elif word == "stage":
                progress.update(bar, description=rest)
            elif word == "error":
                told = json.loads(rest)
                failed = SimulationFailed(told["what"], remedy=told["remedy"])
                failed.code = told["error"]
        code = child.wait()
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if code != 0:
        raise failed or SimulationFailed(f"The simulation ended with exit code {code}.")
