"""`ampacity doctor`: what is wrong, most likely."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from ampacity import __version__
from ampacity.api.routes.diagnosis import DiagnosisShown, FindingShown, shown
from ampacity.cli.out import FAILED, fail, print_json, say_warning, stderr, stdout
from ampacity.commission.gathered import facts_of
from ampacity.commission.selfcheck import Facts
from ampacity.config.installation import Installation
from ampacity.config.site_toml import load
from ampacity.core.errors import AmpacityError, DeviceError
from ampacity.kept import read_diagnosis
from ampacity.links.ocpp.inlet import InletMeter
from ampacity.links.tally import Tally
from ampacity.sources import Sources
from ampacity.storage.errors import StorageError
from ampacity.storage.store import Store
from ampacity.web.texts import text

FRESH_S = 90.0
"""A running controller leaves its own look every minute."""
LOOK_S = 8.0

_MARKS = {"fine": "[green]ok[/]", "note": "[yellow]look[/]", "wrong": "[bold red]wrong[/]", "unknown": "[dim]?[/]"}


def doctor(
    site: Annotated[Path, typer.Argument(help="What is installed.", metavar="SITE.TOML")],
    language: Annotated[str, typer.Option(help="en, es, de, fr, ca or nl.")] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Answer the first questions when load management does not work, from what is measured, and say where to begin.

    A controller that runs is asked what it sees. Where none runs, the meters are asked for some seconds.

    Exit code 0: nothing is wrong; 1: something is.

    Example: ampacity doctor site.toml
    """
    try:
        installation = load(site)
        found, running = of_the_controller(installation), True
        if found is None:
            found, running = shown(_looked(installation), time.time()), False
    except AmpacityError as error:
        fail(error, as_json=as_json)
    if as_json:
        print_json(found.model_dump() | {"controller_runs": running})
    else:
        _say(found, language, running=running)
    if found.likely is not None and found.likely.verdict == "wrong":
        raise typer.Exit(FAILED)


def of_the_controller(installation: Installation) -> DiagnosisShown | None:
    """Its newest look; None: it does not run, or keeps no record."""
    place = installation.storage.place
    if isinstance(place, Path) and not place.exists():
        return None
    store = Store(place)
    try:
        kept = read_diagnosis(store.engine())
        found = None if kept is None else DiagnosisShown.model_validate_json(kept)
    except (StorageError, ValueError) as error:
        say_warning(f"What the controller sees can't be read ({error}).")
        return None
    finally:
        store.close()
    return found if found is not None and 0 <= time.time() - found.at_s < FRESH_S else None


def _looked(installation: Installation) -> Facts:
    """Asks the meters for some seconds. Chargers can't be seen without a controller."""
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))  # the answer has it all
    try:
        return asyncio.run(_look(installation))
    finally:
        structlog.configure(**before)


async def _look(installation: Installation) -> Facts:
    sources = Sources(time.monotonic)
    links = {one.meter: sources.meter(installation.site, one) for one in installation.meters}
    meters = {meter: link for meter, link in links.items() if link is not None}

    async def ask(name: str) -> None:
        meter = next(one for key, one in meters.items() if key == name)
        while True:
            with contextlib.suppress(DeviceError):
                await meter.run(lambda _: None)
            await asyncio.sleep(0.5)

    tasks = [asyncio.create_task(ask(name)) for name, one in meters.items() if not isinstance(one, InletMeter)]
    with Progress(console=stderr, transient=True, disable=not stderr.is_terminal) as progress:
        bar = progress.add_task("Asking the meters", total=LOOK_S)
        for _ in range(round(LOOK_S / 0.25) if tasks else 0):
            await asyncio.sleep(0.25)
            progress.advance(bar, 0.25)
    facts = facts_of(
        installation,
        meters=meters,
        latest=None,
        stations={},
        tally=lambda _: Tally(),
        version=__version__,
        newer=None,
        now_s=time.monotonic(),
    )
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await sources.close()
    return replace(facts, chargers=(), running=False)


def _say(found: DiagnosisShown, language: str, *, running: bool) -> None:
    if running:
        age_s = max(0, round(time.time() - found.at_s))
        stdout.print(escape(text(language, "selfcheck.running-note", age_s=age_s)), soft_wrap=True)
    else:
        stdout.print(escape(text(language, "selfcheck.not-running-note")), soft_wrap=True)
    if found.likely is not None:
        stdout.print(f"[bold]{escape(text(language, 'selfcheck.begin'))}[/] {escape(_words(found.likely, language))}\n")
    for step in found.steps:
        stdout.print(f"{_MARKS[step.verdict]:<6} [bold]{escape(text(language, f'selfcheck.{step.code}'))}[/]")
        for finding in step.findings:
            stdout.print(f"       {escape(_words(finding, language))}", soft_wrap=True)
    table = Table("", "asked", "answered", "missed", "garbled", "refused", "median", "99 %", "age", box=None)
    for link in found.links:
        table.add_row(
            escape(link.name),
            str(link.requests),
            str(link.answers),
            str(link.timeouts),
            str(link.garbled),
            str(link.exceptions),
            _seconds(link.median_s),
            _seconds(link.slow_s),
            _seconds(link.age_s),
        )
    if found.links:
        stdout.print()
        stdout.print(table)


def _words(finding: FindingShown, language: str) -> str:
    return text(language, f"selfcheck.{finding.code}", **finding.params)


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{1000 * value:.0f} ms" if value < 1 else f"{value:.0f} s"
