"""`ampacity report verify`: whether a commissioning report is as it was signed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from ampacity.cli.out import FAILED, fail, print_json, say_error, stdout
from ampacity.commission.report import ReportNotGenuine, verified
from ampacity.core.errors import AmpacityError

LARGEST_BYTES = 50_000_000
"""A report has some 100 kB."""
_FINGERPRINT = re.compile(r"[0-9a-f]{32}")
_IN_PAGE = re.compile(rb"<td>(\d{4}-\d\d-\d\d \d\d:\d\d[^<]{0,40})</td>")
"""The report's own first date: when it was made."""
_IN_PDF = re.compile(rb"/CreationDate \(D:(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)")

report = typer.Typer(name="report", help="Reports of commissioning.", no_args_is_help=True)


class KeyNotUnderstood(AmpacityError):
    """It is no fingerprint."""

    code = "report-key"
    remedy = (
        'Give it as the app shows it under Settings, Commissioning: --key "1a2b 3c4d ...", 32 digits of 0-9 and a-f.'
    )


class ReportUnreadable(AmpacityError):
    """There is no such file, or it can't be read."""

    code = "report-unreadable"
    remedy = "Check its name and its permissions."


class OtherKey(AmpacityError):
    """It is as it was signed, by somebody else."""

    code = "report-other-key"
    remedy = (
        "It was made by another controller, or by whoever has forged it. A controller whose record was lost has made "
        "itself a new key: compare with the one that the app shows, and keep the old one with the old reports."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """What was found of a file."""

    file: Path
    key: str | None
    """That signed it; None: nobody has, as it is."""
    made: str | None
    """When, as it says itself; None: it does not."""
    wrong: AmpacityError | None


@report.callback()
def _report() -> None:
    """Reports of commissioning."""


@report.command()
def verify(
    files: Annotated[list[Path], typer.Argument(help="Reports, HTML or PDF.", metavar="FILE")],
    key: Annotated[
        str | None,
        typer.Option(help="The fingerprint that the app shows; any other is refused.", metavar="FINGERPRINT"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Check that reports are as they were signed, to the last byte; with --key also by whom. It needs no controller.

    Exit code 0: all are; 1: one is not, or can't be read.

    Example: ampacity report verify report.pdf --key "1a2b 3c4d 5e6f 7081 92a3 b4c5 d6e7 f809"
    """
    try:
        wanted = None if key is None else _compact(key)
    except AmpacityError as error:
        fail(error, as_json=as_json)
    looked = [_looked(file, wanted) for file in files]
    if as_json:
        print_json({"reports": [_document(one) for one in looked]})
    else:
        _say(looked, compared=wanted is not None)
    if any(one.wrong is not None for one in looked):
        raise typer.Exit(FAILED)


def _looked(file: Path, wanted: str | None) -> _Looked:
    found, made = None, None
    try:
        content = _content(file)
        found, made = verified(content), _made(content)
        if wanted is not None and _compact(found) != wanted:
            raise OtherKey(f"It is signed with another key, {found}.")
    except AmpacityError as error:
        return _Looked(file=file, key=found, made=made, wrong=error)
    return _Looked(file=file, key=found, made=made, wrong=None)


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise ReportUnreadable(f"It can't be read ({error.strerror or error}).") from error
    if len(content) > LARGEST_BYTES:
        raise ReportNotGenuine("It is far too large for a report.")
    return content


def _made(content: bytes) -> str | None:
    if (page := _IN_PAGE.search(content)) is not None:
        return page[1].decode(errors="replace")
    if content.startswith(b"%PDF") and (printed := _IN_PDF.search(content)) is not None:
        year, month, day, hour, minute, _ = (one.decode() for one in printed.groups())
        return f"{year}-{month}-{day} {hour}:{minute}"
    return None


def _say(looked: list[_Looked], *, compared: bool) -> None:
    for one in looked:
        if one.wrong is not None:
            say_error(f"{one.file}: {one.wrong.what} {one.wrong.remedy}", code=one.wrong.code)
            continue
        made = "" if one.made is None else f" It was made {one.made}."
        stdout.print(f"[green]✓[/] {escape(f'{one.file} is as it was signed.{made}')}", soft_wrap=True)
        stdout.print(f"  key {one.key}", soft_wrap=True)
    if not compared and any(one.wrong is None for one in looked):
        stdout.print(
            "Anybody can sign with a key of his own: compare it with the one that the app shows under Settings, "
            "Commissioning, or give that as --key.",
            soft_wrap=True,
        )


def _document(one: _Looked) -> dict[str, Any]:
    told: dict[str, Any] = {
        "file": str(one.file),
        "genuine": one.wrong is None,
        "key": one.key,
        "made": one.made,
    }
    if one.wrong is not None:
        told |= {"error": one.wrong.code, "what": one.wrong.what, "remedy": one.wrong.remedy}
    return told


def _compact(fingerprint: str) -> str:
    """Without what people put between its digits."""
    found = re.sub(r"[\s:.-]", "", fingerprint).lower()
    if not _FINGERPRINT.fullmatch(found):
        raise KeyNotUnderstood(f"{fingerprint[:60]!r} is no fingerprint of a key.")
    return found
