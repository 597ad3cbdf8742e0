"""`ampacity backup` and `ampacity restore`: everything of a site in one file, and back."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import Engine

from ampacity import __version__
from ampacity import backup as backups
from ampacity.api.routes.backup import BESIDE, file_name
from ampacity.cli.out import fail, print_json, stderr, stdout
from ampacity.config.installation import Installation
from ampacity.config.site_toml import load
from ampacity.core.errors import AmpacityError
from ampacity.storage.store import Store


class KeepsSiteNow(AmpacityError):
    """The two contradict each other."""

    code = "keeps-site-now"
    remedy = "Stop the controller, and leave --later out."


Site = Annotated[Path, typer.Argument(help="What is installed.", metavar="SITE.TOML")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


class BackupThere(AmpacityError):
    """The file is there already."""

    code = "backup-there"
    remedy = "Name another file, or remove this one."


def backup(
    site: Site,
    file: Annotated[
        Path | None, typer.Argument(help="Where to; else a name with the site and the time.", metavar="FILE.ZIP")
    ] = None,
    no_journal: Annotated[
        bool, typer.Option("--no-journal", help="Without what only `ampacity replay` needs: most of the bytes.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write site.toml, accounts and history into one file. The controller may run meanwhile.

    The file holds passwords and keys as the site has them: keep it safe.

    Example: ampacity backup site.toml house.zip
    """
    store = None
    try:
        installation = load(site)
        out = file if file is not None else Path(file_name(installation, time.time()))
        if out.exists():
            raise BackupThere(f"{out} is there already.")
        store = Store(installation.storage.place)
        about = _made(installation, store.engine(), out, journal=not no_journal)
    except AmpacityError as error:
        fail(error, as_json=as_json)
    finally:
        if store is not None:
            store.close()
    size = out.stat().st_size
    if as_json:
        print_json({"file": str(out), "bytes": size, "site": about.site, "made_s": about.made_s})
        return
    stdout.print(f"{out}: {size / 1e6:.1f} MB, of {about.site}.", markup=False, soft_wrap=True)


def restore(
    file: Annotated[Path, typer.Argument(help="A backup.", metavar="FILE.ZIP")],
    site: Site,
    later: Annotated[bool, typer.Option("--later", help="Take it back when the controller starts next.")] = False,
    keep_site: Annotated[
        bool, typer.Option("--keep-site", help="Take the record alone, and leave site.toml as it is.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take everything back from a backup. What is there now is kept under another name.

    The controller must not run meanwhile; with --later it may, and takes it back when it starts next.

    Example: ampacity restore house.zip site.toml
    """
    try:
        if keep_site and later:
            raise KeepsSiteNow("--keep-site and --later do not go together.")
        about, _ = backups.look(file)
        made = datetime.fromtimestamp(about.made_s).astimezone()
        if not yes and not as_json:
            stderr.print(
                f"{file.name}: {about.site}, of {made:%Y-%m-%d %H:%M}, by version {about.version}.",
                markup=False,
                soft_wrap=True,
            )
            typer.confirm("Put it in the place of what is there now?", abort=True, err=True)
        if keep_site:
            backups.take_record(file, load(site))
        else:
            backups.stage(file, site, beside=BESIDE)
        if not later and not keep_site:
            try:
                backups.take_back(site, beside=BESIDE)
            except AmpacityError:
                backups.forget(site)
                raise
    except AmpacityError as error:
        fail(error, as_json=as_json)
    if as_json:
        print_json({"site": about.site, "made_s": about.made_s, "later": later})
    elif later:
        stdout.print("It is taken back when the controller starts next.")
    else:
        stdout.print(f"{about.site} is back as of {made:%Y-%m-%d %H:%M}.", markup=False, soft_wrap=True)


def _made(installation: Installation, engine: Engine, out: Path, *, journal: bool) -> backups.About:
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=stderr,
        transient=True,
        disable=not stderr.is_terminal,
    ) as progress:
        task = progress.add_task("Copying", total=None)
        return backups.make(
            installation,
            engine,
            out,
            version=__version__,
            now_s=time.time(),
            beside=BESIDE,
            journal=journal,
            progress=lambda done, of: progress.update(task, completed=done, total=of),
        )
