"""What the commands share: two outputs, exit codes, and errors as people and machines want them."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from ampacity.config.mistakes import SiteFileError
from ampacity.core.errors import AmpacityError

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

FILE_WIDTH = 500
"""So that what is one line stays one line in a file or a pipe."""

stdout = Console(highlight=False, width=None if sys.stdout.isatty() else FILE_WIDTH)
stderr = Console(stderr=True, highlight=False)


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def error_document(error: AmpacityError) -> dict[str, Any]:
    """Stable keys: code, what, remedy; and for a file every mistake with line and place."""
    if isinstance(error, SiteFileError):
        return {
            "error": error.code,
            "file": str(error.path),
            "mistakes": [
                {"line": m.line, "place": m.place, "what": m.what, "remedy": m.remedy} for m in error.mistakes
            ],
        }
    return {"error": error.code, "what": error.what, "remedy": error.remedy}


def fail(error: AmpacityError, *, as_json: bool = False) -> NoReturn:
    """Shows the error and ends with exit code 1."""
    if as_json:
        print_json(error_document(error))
    elif isinstance(error, SiteFileError):
        for line in error.lines():
            say_error(line)
    else:
        say_error(f"{error.what} {error.remedy}", code=error.code)
    raise typer.Exit(FAILED)


def say_error(words: str, *, code: str = "") -> None:
    """One line for people; `code` is what log and JSON call it."""
    mark = f" [dim]({code})[/]" if code else ""
    stderr.print(f"[bold red]error[/] {escape(words)}{mark}", soft_wrap=True)


def host_warnings() -> list[str]:
    """What is worth a look about the process itself."""
    if os.geteuid() != 0:
        return []
    return ["it runs as root: a fault in it would be the whole machine's. Give it a user of its own."]


def say_warning(words: str) -> None:
    stderr.print(f"[yellow]warning[/] {escape(words)}", soft_wrap=True)
