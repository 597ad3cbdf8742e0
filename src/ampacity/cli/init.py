"""`ampacity init`: writes a site.toml with comments."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ampacity.cli.out import FAILED, fail, stderr, stdout
from ampacity.config.mistakes import SiteFileError
from ampacity.config.site_toml import CONTINUOUS_FACTOR, parse
from ampacity.config.template import new_site_text
from ampacity.core.phases import Supply


def init(
    path: Annotated[Path, typer.Argument(help="Where to write.", metavar="[PATH]")] = Path("site.toml"),
    name: Annotated[str | None, typer.Option(help="What the site is called.")] = None,
    supply: Annotated[Supply | None, typer.Option(help="How the building is fed.")] = None,
    region: Annotated[str | None, typer.Option(help="europe or north-america.")] = None,
    limit_a: Annotated[float | None, typer.Option(help="Main breaker's rating per line, in A.")] = None,
    chargers: Annotated[int | None, typer.Option(min=0, max=500, help="How many chargers.")] = None,
    meter_host: Annotated[str | None, typer.Option(help="The meter's address, over Modbus TCP.")] = None,
    meter_serial: Annotated[str | None, typer.Option(help="Its serial line, over Modbus RTU.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; take defaults.")] = False,
) -> None:
    """Write a commented site.toml. On a terminal it asks for what was not given.

    Example: ampacity init --supply three-phase --limit-a 40 --chargers 4 --meter-host 10.0.0.7
    """
    if path.exists() and not force:
        stderr.print(f"[bold red]error[/] {path} is there already. Choose another name, or add --force.")
        raise typer.Exit(FAILED)
    ask = sys.stdin.isatty() and not yes
    kind = supply or Supply(_asked("Supply", "three-phase", ask, [s.value for s in Supply]))
    where = region or _asked(
        "Region", "north-america" if kind is Supply.SPLIT_PHASE else "europe", ask, CONTINUOUS_FACTOR
    )
    limit = limit_a if limit_a is not None else _asked_number("Main breaker, A per line", 40.0, ask)
    count = chargers if chargers is not None else int(_asked_number("Chargers", 2, ask))
    host, serial = meter_host, meter_serial
    if host is None and serial is None:
        place = (
            str(typer.prompt("Meter (host name, address or /dev/tty...)", default="10.0.0.7")) if ask else "10.0.0.7"
        )
        host, serial = (None, place) if place.startswith("/") else (place, None)
    text = new_site_text(
        name=name or path.resolve().parent.name or "site",
        supply=kind,
        region=where,
        limit_a=limit,
        chargers=count,
        meter_host=host,
        meter_serial=serial,
    )
    try:
        parse(text, path)
        path.write_text(text, encoding="utf-8")
    except SiteFileError as error:
        fail(error)
    except OSError as error:
        stderr.print(f"[bold red]error[/] {path} can't be written ({error.strerror}). Check the folder.")
        raise typer.Exit(FAILED) from error
    stdout.print(f"Wrote {path}. Adjust it, then: ampacity check {path}")


def _asked(what: str, default: str, ask: bool, choices: object) -> str:
    if not ask:
        return default
    known = list(choices)  # type: ignore[call-overload]
    while True:
        answer = str(typer.prompt(f"{what} ({', '.join(known)})", default=default))
        if answer in known:
            return answer


def _asked_number(what: str, default: float, ask: bool) -> float:
    return float(typer.prompt(what, default=default, type=float)) if ask else default
