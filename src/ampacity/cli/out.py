"""What the commands share: two outputs, exit codes, and errors as people and machines want them."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import typer
from rich.console import Console

from ampacity.config.mistakes import SiteFileError
from ampacity.core.errors import AmpacityError

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

stdout = Console(highlight=False)
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
            stderr.print(f"[bold red]error[/] {_plain(line)}", soft_wrap=True)
    else:
        stderr.print(
            f"[bold red]error[/] {_plain(error.what)} {_plain(error.remedy)} [dim]({error.code})[/]", soft_wrap=True
        )
    raise typer.Exit(FAILED)


def _plain(text: str) -> str:
    return text.replace("[", "\\[")
