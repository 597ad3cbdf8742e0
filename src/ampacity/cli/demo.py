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
import webbrowser
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live

from ampacity.cli.view import View, clock, in_one_line
from ampacity.core.errors import AmpacityError
from ampacity.sim.wire import LOOPBACK
from ampacity.sim.wire.plant import LIMIT_A, write_site

CONTROLLER_ENDS_S, PLANT_ENDS_S = 12.0, 5.0
"""So long a part may take to end when it is told to."""

PLAIN_EVERY_S = 10.0
PICTURE_COLUMNS = 110
LOG_ROWS = 9
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
    open_: Annotated[bool, typer.Option("--open", help="Open the app in a browser.")] = False,
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
                open_=open_,
            ).run()
        )


class _Part:
    """A program beside this one, whose lines of JSON are taken as they come."""

    def __init__(
        self, name: str, program: asyncio.subprocess.Process, on_line: Callable[[dict[str, Any]], None], log: Path
    ) -> None:
        self.name = name
        self._program = program
        self._on_line = on_line
        self._log = log
        self._unread: deque[str] = deque(maxlen=20)
        self.reading = asyncio.create_task(self._read())
        """Done when the program has closed its output."""

    @classmethod
    async def start(
        cls, name: str, arguments: Sequence[str], folder: Path, on_line: Callable[[dict[str, Any]], None]
    ) -> _Part:
        log = folder / f"{name}.log"
        with log.open("wb") as errors:
            program = await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                limit=LONGEST_LINE,
                start_new_session=True,  # Ctrl-C is ours: they are ended one after the other
            )
        return cls(name, program, on_line, log)

    async def _read(self) -> None:
        output = self._program.stdout
        while output is not None and (line := await output.readline()):
            try:
                document = json.loads(line)
            except ValueError:
                document = None
            if isinstance(document, dict):
                self._on_line(document)
            else:
                self._unread.append(line.decode(errors="replace").rstrip())

    async def end(self, within_s: float) -> None:
        """Tells it to end and waits until it has, by force if it takes longer."""
        with contextlib.suppress(ProcessLookupError):
            self._program.terminate()
        try:
            async with asyncio.timeout(within_s):
                await asyncio.gather(self._program.wait(), self.reading, return_exceptions=True)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._program.kill()
            await asyncio.gather(self._program.wait(), self.reading, return_exceptions=True)

    def last_words(self) -> str:
        """What it said besides its lines, to tell why it ended."""
        said = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
        return "\n".join([*said, *self._unread])


class _Demo:
    """One showing. `console` None: plain lines."""

    def __init__(
        self,
        folder: Path,
        *,
        seconds: float | None,
        seed: int,
        console: Console | None,
        picture: Path | None,
        open_: bool,
    ) -> None:
        self._folder = folder
        self._seconds = seconds
        self._seed = seed
        self._console = console
        self._picture = picture
        self._open = open_
        rows = LOG_ROWS if console is None else max(3, min(16, console.height - 18))
        self._view = View(TITLE, log_rows=rows)
        self._live: Live | None = None
        self._meter_port: asyncio.Future[int]
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
        self._meter_port = loop.create_future()
        showing = asyncio.create_task(self._show())
        stop = asyncio.create_task(ended.wait())
        done, _ = await asyncio.wait([showing, stop], timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED)
        showing.cancel()
        stop.cancel()
        await asyncio.gather(showing, stop, return_exceptions=True)
        if showing in done and stop not in done:
            showing.result()
        self._say_summary()

    async def _show(self) -> None:
        """Until a part ends, which is an error, or until cancelled; both parts have ended then, the plant last."""
        with contextlib.ExitStack() as screen:
            if self._console is not None:
                self._live = screen.enter_context(
                    Live(self._view.render(), console=self._console, auto_refresh=False, vertical_overflow="crop")
                )
            port = _free_port()
            plant = await self._start("ampacity.sim.wire.plant", "--ocpp-port", str(port), "--seed", str(self._seed))
            try:
                either: list[asyncio.Future[Any]] = [self._meter_port, plant.reading]
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if not self._meter_port.done():
                    raise _failed(plant)
                site = write_site(self._folder, meter_port=self._meter_port.result(), ocpp_port=port)
                controller = await self._start("ampacity.cli.main", "run", str(site), "--json")
                try:
                    done, _ = await asyncio.wait(
                        [plant.reading, controller.reading], return_when=asyncio.FIRST_COMPLETED
                    )
                    for reading in done:
                        reading.result()
                    raise _failed(controller if controller.reading in done else plant)
                finally:
                    self._save_picture()
                    await controller.end(CONTROLLER_ENDS_S)
            finally:
                await plant.end(PLANT_ENDS_S)

    async def _start(self, module: str, *arguments: str) -> _Part:
        name = module.rpartition(".")[2]
        on_line = self._on_plant if name == "plant" else self._on_status
        return await _Part.start(
            "plant" if name == "plant" else "controller", ["-m", module, *arguments], self._folder, on_line
        )

    # --- news ---

    def _elapsed_s(self) -> float:
        return asyncio.get_running_loop().time() - self._begin_s

    def _on_plant(self, line: dict[str, Any]) -> None:
        match line:
            case {"meter_port": int(port)} if not self._meter_port.done():
                self._meter_port.set_result(port)
            case {"event": str(what)}:
                self._view.tell(what, self._elapsed_s())
                self._show_news([what])
            case {"summary": dict(summary)}:
                self._summary = summary

    def _on_status(self, status: dict[str, Any]) -> None:
        match status:
            case {"app": {"url": str(url), "first_start": link}}:
                self._show_app(link or url)
                return
        if "circuits" not in status:
            return
        told = self._view.take(status, self._elapsed_s())
        if self._live is None and self._elapsed_s() - self._plain_s >= PLAIN_EVERY_S:
            self._plain_s = self._elapsed_s()
            told.append(in_one_line(status))
        self._show_news(told)

    def _show_app(self, address: str) -> None:
        self._view.app = address
        self._show_news([f"The app: {address}"])
        if self._open and not webbrowser.open(address):
            self._show_news(["No browser could be opened here: open the address above."])

    def _show_news(self, told: Sequence[str]) -> None:
        if self._live is not None:
            self._live.update(self._view.render(), refresh=True)
            return
        for text in told:
            typer.echo(f"{clock(self._elapsed_s())}  {text}")

    # --- the end ---

    def _save_picture(self) -> None:
        if self._picture is None:
            return
        console = Console(record=True, width=PICTURE_COLUMNS, file=io.StringIO(), force_terminal=True)
        console.print(self._view.render())
        svg = console.export_svg(title="ampacity demo", unique_id="ampacity-demo")
        # The picture shall need nothing from elsewhere: it falls back to the reader's own monospaced font.
        self._picture.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL), encoding="utf-8")

    def _say_summary(self) -> None:
        one = self._summary
        if not one:
            return
        over = ""
        if one["over_s"] > 0:
            over = f", and was above it for {one['over_s']:.1f} s in all, {one['longest_over_s']:.1f} s at the longest"
        typer.echo(
            f"{one['seconds']:.0f} s: {one['cars']:g} cars came and got {one['charged_wh'] / 1000:.2f} kWh. "
            f"The fullest line reached {one['fullest_a']:.1f} A of {LIMIT_A:g} A{over}."
        )


def _failed(part: _Part) -> DemoFailed:
    return DemoFailed(f"The {part.name} has ended by itself. Its last words:\n{part.last_words()}\n")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
