"""`ampacity init`: writes a site.toml with comments."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar
from zoneinfo import available_timezones

import typer

from ampacity.cli.out import FAILED, INTERRUPTED, fail, say_error, stdout
from ampacity.config.mistakes import SiteFileError
from ampacity.config.rewrite import write
from ampacity.config.template import new_site_text
from ampacity.core.phases import Supply
from ampacity.core.site import LOWEST_LIMIT_A

DEFAULT_LIMIT_A = 40.0
DEFAULT_CHARGERS = 2
DEFAULT_METER = "10.0.0.7"
MOST_CHARGERS = 500
MOST_A = 10_000.0

_Answer = TypeVar("_Answer")


class Region(Enum):
    """Whose rules count: which share of a breaker's rating may be used for hours."""

    EUROPE = "europe"
    NORTH_AMERICA = "north-america"


def init(
    path: Annotated[Path, typer.Argument(help="Where to write.", metavar="PATH")] = Path("site.toml"),
    name: Annotated[str | None, typer.Option(help="What the site is called.")] = None,
    supply: Annotated[Supply | None, typer.Option(help="How the building is fed.")] = None,
    region: Annotated[Region | None, typer.Option(help="Whose rules count.")] = None,
    limit_a: Annotated[float | None, typer.Option(help="Main breaker's rating per line, in A.")] = None,
    chargers: Annotated[int | None, typer.Option(min=0, max=MOST_CHARGERS, help="How many chargers.")] = None,
    meter_host: Annotated[str | None, typer.Option(help="The meter's address, over Modbus TCP.")] = None,
    meter_serial: Annotated[str | None, typer.Option(help="Its serial line, over Modbus RTU.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; take defaults.")] = False,
) -> None:
    """Write a commented site.toml. On a terminal it asks for what was not given.

    Example: ampacity init --supply three-phase --limit-a 40 --chargers 4 --meter-host 10.0.0.7
    """
    if meter_host is not None and meter_serial is not None:
        raise typer.BadParameter("give --meter-host or --meter-serial, not both.")
    if limit_a is not None:
        limit_a = _limit(str(limit_a))
    if path.exists() and not force:
        say_error(f"{path} is there already. Choose another name, or add --force.")
        raise typer.Exit(FAILED)
    ask = sys.stdin.isatty() and not yes
    try:
        kind = supply or _asked(f"Supply ({_words(Supply)})", Supply.THREE_PHASE.value, Supply, ask)
        usual = Region.NORTH_AMERICA if kind in (Supply.SPLIT_PHASE, Supply.LINE_TO_LINE) else Region.EUROPE
        where = region or _asked(f"Region ({_words(Region)})", usual.value, Region, ask)
        limit = limit_a or _asked("Main breaker, A per line", f"{DEFAULT_LIMIT_A:g}", _limit, ask)
        count = chargers if chargers is not None else _asked("Chargers", str(DEFAULT_CHARGERS), _count, ask)
        meter = meter_host or meter_serial or _asked("Meter (host or /dev/tty...)", DEFAULT_METER, str, ask)
    except typer.Abort:
        stdout.print()
        raise typer.Exit(INTERRUPTED) from None
    serial = meter_serial is not None or (meter_host is None and meter.startswith("/"))
    text = new_site_text(
        name=name or _name_of(path),
        supply=kind,
        region=where.value,
        limit_a=limit,
        chargers=count,
        meter_host=None if serial else meter,
        meter_serial=meter if serial else None,
        zone=_zone_here(),
    )
    try:
        write(path, text)
    except SiteFileError as error:
        fail(error)
    except OSError as error:
        _not_written(path, error)
    stdout.print(f"Wrote {path}. Adjust it, then: ampacity check {path}", markup=False, soft_wrap=True)


def _not_written(path: Path, error: OSError) -> NoReturn:
    say_error(f"{path} can't be written ({error.strerror}). Check the folder and its permissions.")
    raise typer.Exit(FAILED) from error


def _name_of(path: Path) -> str:
    folder = path.resolve().parent.name
    return folder if folder.isprintable() and folder.strip() else "site"


def _zone_here() -> str:
    """This machine's time zone; UTC where it does not tell."""
    _, found, name = os.path.realpath("/etc/localtime").partition("/zoneinfo/")
    return name if found and name in available_timezones() else "UTC"


def _words(choices: type[Enum]) -> str:
    return ", ".join(choice.value for choice in choices)


def _asked(what: str, default: str, read: Callable[[str], _Answer], ask: bool) -> _Answer:
    """Asks until `read` takes the answer."""

    def checked(answer: str) -> _Answer:
        try:
            return read(answer.strip())
        except ValueError:
            raise typer.BadParameter(f"{answer} can't be.") from None

    if not ask:
        return read(default)
    answer: _Answer = typer.prompt(what, default=default, value_proc=checked)
    return answer


def _limit(text: str) -> float:
    amps = float(text)
    if not LOWEST_LIMIT_A < amps <= MOST_A:
        raise typer.BadParameter(f"{amps:g} A can't be. Give more than 6 A, and 10000 A at the most.")
    return amps


def _count(text: str) -> int:
    number = int(text)
    if not 0 <= number <= MOST_CHARGERS:
        raise typer.BadParameter(f"Give 0 to {MOST_CHARGERS}.")
    return number
