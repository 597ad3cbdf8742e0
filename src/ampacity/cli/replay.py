"""`ampacity replay`: a recording, decided again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ampacity.cli.out import FAILED, fail, print_json, stderr, stdout
from ampacity.config.site_toml import load
from ampacity.core.decide import decide
from ampacity.core.errors import AmpacityError
from ampacity.storage.database import StorageError, open_database
from ampacity.storage.errors import StorageDamaged, cause_of
from ampacity.storage.recording import Run, recorded_runs, replay

SHOWN = 10


def replay_command(
    database: Annotated[
        Path, typer.Argument(help="A database of `ampacity run`, or its SITE.TOML.", metavar="DATABASE")
    ],
    run: Annotated[int | None, typer.Option(help="Only this run; default: all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Feed a recording to the controller again and compare every decision, to the last bit.

    Exit code 0: all are the same. 1: some differ, or the database can't be read.
    """
    try:
        results = _compared(database, run)
    except AmpacityError as error:
        fail(error, as_json=as_json)
    if as_json:
        print_json({"runs": results})
    else:
        for entry in results:
            stdout.print(
                f"run {entry['run']} of {entry['started']} ({entry['version']}): {entry['passes']} passes, "
                f"{entry['same']} the same, {entry['different']} different, {entry['lost']} lost"
            )
            for difference in entry["first_differences"]:
                stdout.print(f"  at {difference['at_s']:.3f} s: {difference['what']}")
    if not results or any(entry["different"] for entry in results):
        if not results:
            stderr.print("There is no such run in it.")
        raise typer.Exit(FAILED)


def _compared(database: Path, run: int | None) -> list[dict[str, Any]]:
    """What became of each run.

    Raises:
        StorageError: the database can't be read.
    """
    if not database.is_file():
        raise StorageError(f"{database} is no file.", remedy="Give the database that [storage] file names.")
    try:
        engine = open_database(load(database).storage.place if database.suffix == ".toml" else database)
        try:
            return [_replayed(engine, one) for one in recorded_runs(engine) if run is None or one.id == run]
        finally:
            engine.dispose()
    except (SQLAlchemyError, UnicodeError) as error:  # SQLite's own words about the damage may be damaged, too
        raise StorageDamaged(f"{database} can't be read ({cause_of(error)}).") from error


def _replayed(engine: Engine, one: Run) -> dict[str, Any]:
    same, differences = 0, []
    with Progress(console=stderr, transient=True, disable=not stderr.is_terminal) as progress:
        bar = progress.add_task(f"run {one.id}", total=one.passes)
        for result in replay(engine, one.id, decide):
            progress.advance(bar)
            same += result.same
            if not result.same:
                differences.append({"at_s": result.recorded.at_s, "what": result.difference})
    return {
        "run": one.id,
        "started": datetime.fromtimestamp(one.started_s, UTC).isoformat(timespec="seconds"),
        "version": one.version,
        "passes": one.passes,
        "lost": one.gaps,
        "same": same,
        "different": len(differences),
        "first_differences": differences[:SHOWN],
    }
