"""`ampacity demo`: a simulated house in real time, and the controller that runs in real ones, side by side."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live

from ampacity.cli.view import View, clock, in_one_line
from ampacity.core.errors import AmpacityError
from ampacity.sim.wire.plant import LIMIT_A, LOOPBACK, write_site

CONTROLLER_ENDS_S, PLANT_ENDS_S = 12.0, 5.0
"""So long a part may take to end when it is told to."""

PLAIN_EVERY_S = 10.0
PICTURE_COLUMNS = 110
LONGEST_LINE = 1 << 20
TITLE = f"Ampacity demo: a house with a {LIMIT_A:g} A breaker and four chargers"


class DemoFailed(AmpacityError):
    """A part of the demo ended by itself."""

    code = "demo-failed"
    remedy = "Try again; if it repeats, report it with the lines above."


def demo(
    seconds: Annotated[float | None, typer.Option(min=1, help="End after so long; else at Ctrl-C.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Lines of text instead of a picture.")] = False,
    seed: Annotated[int, typer.Option(help="Another number, other cars.")] = 1,
    save_picture: Annotated[
        Path | None, typer.Option(help="Save the last picture as SVG.", metavar="FILE.SVG", dir_okay=False)
    ] = None,
) -> None:
    """Watch it work: a simulated house, its meter, chargers and cars, steered by the real controller.

    The devices speak Modbus TCP and OCPP 1.6J on loopback. Nothing is installed, and nothing is left behind.
    """
    console = Console(highlight=False)
    with TemporaryDirectory(prefix="ampacity-demo-") as folder:
        asyncio.run(
            _Demo(
                Path(folder),
                seconds=seconds,
                seed=seed,
                console=None if plain or not console.is_terminal else console,
                picture=save_picture,
            ).run()
        )


class _Demo:
    """One showing. `console` None: plain lines."""

    def __init__(
        self, folder: Path, *, seconds: float | None, seed: int, console: Console | None, picture: Path | None
    ) -> None:
        self._folder = folder
        self._seconds = seconds
        self._seed = seed
        self._console = console
        self._picture = picture
        rows = 9 if console is None else max(3, min(16, console.height - 16))
        self._view = View(TITLE, log_rows=rows)
        self._live: Live | None = None
        self._summary: dict[str, float] = {}
        self._begin_s = 0.0
        self._plain_s = 0.0

    async def run(self) -> None:
        """Shows until the time is over, or SIGINT, SIGTERM or SIGHUP comes.

        Raises:
            DemoFailed: a part ended by itself.
        """
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(name, ended.set)
        self._begin_s = loop.time()
        showing = asyncio.create_task(self._show())
        stop = asyncio.create_task(ended.wait())
        await asyncio.wait([showing, stop], timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED)
        failed = showing.done()
        showing.cancel()
        stop.cancel()
        await asyncio.gather(showing, stop, return_exceptions=True)
        if failed:
            showing.result()
        self._say_summary()

    async def _show(self) -> None:
        """Until a part ends, which is an error, or until cancelled. At the end both have ended, the plant last."""
        with contextlib.ExitStack() as screen:
            if self._console is not None:
                self._live = screen.enter_context(
                    Live(self._view.render(), console=self._console, auto_refresh=False, vertical_overflow="crop")
                )
            port = _free_port()
            arguments = ["-m", "ampacity.sim.wire.plant", "--ocpp-port", str(port), "--seed", str(self._seed)]
            async with self._part("plant", arguments, PLANT_ENDS_S, self._on_plant) as plant:
                site = write_site(self._folder, meter_port=await self._meter_port(plant), ocpp_port=port)
                arguments = ["-m", "ampacity.cli.main", "run", str(site), "--json"]
                async with self._part("controller", arguments, CONTROLLER_ENDS_S, self._on_status) as controller:
                    try:
                        await asyncio.wait(
                            [asyncio.create_task(plant.wait()), asyncio.create_task(controller.wait())],
                            return_when=asyncio.FIRST_COMPLETED,
                        )
                    finally:
                        self._save_picture()
                    raise self._failed("plant" if plant.returncode is not None else "controller")

    @contextlib.asynccontextmanager
    async def _part(
        self, name: str, arguments: Sequence[str], ends_s: float, on_line: Callable[[dict[str, Any]], None]
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """A program beside this one, whose lines are taken as they come. Leaving ends it."""
        with (self._folder / f"{name}.log").open("wb") as log:
            program = await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=LONGEST_LINE,
            )
        reading = asyncio.create_task(self._read(program, on_line)) if name != "plant" else None
        ...
