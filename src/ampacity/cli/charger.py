"""`ampacity charger`: what is set up for one charger, and what is printed for it."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.markup import escape

from ampacity.api.labels import Label, label_of, label_sheet, lasting_url, qr_file
from ampacity.cli.account import BadUrl, print_link
from ampacity.cli.out import fail, print_json, stdout
from ampacity.config.installation import ChargerConnection, Installation
from ampacity.config.rewrite import with_password_hash
from ampacity.config.site_toml import load
from ampacity.config.table import hint
from ampacity.core.errors import AmpacityError
from ampacity.links.ocpp.passwords import hashed, new_password

LEAST, MOST = 8, 40
"""Characters of a password that is set. Profile 1 of OCPP 1.6 allows 16 to 20 bytes; not every charger keeps to it."""

charger = typer.Typer(name="charger", help="Set up one charger, or print its QR code.", no_args_is_help=True)


class PaperName(Enum):
    """On what labels are printed."""

    A4 = "a4"
    LETTER = "letter"


class Language(Enum):
    """Of what is printed."""

    EN = "en"
    ES = "es"
    DE = "de"
    FR = "fr"
    CA = "ca"
    NL = "nl"


class UnknownCharger(AmpacityError):
    """No such charger in the file."""

    code = "charger-not-in-file"
    remedy = "Give its name or its ocpp_id, as in site.toml."


class BadPassword(AmpacityError):
    """A password that no charger can be given."""

    code = "charger-password-form"
    remedy = f"Give one line of {LEAST} to {MOST} letters, digits and signs; OCPP 1.6 asks for 16 to 20."


class NotWritten(AmpacityError):
    """The file can't be changed."""

    code = "site-file-write"
    remedy = "Check its permissions, and those of its folder."


class LabelsNotWritten(AmpacityError):
    """The file for the labels can't be written."""

    code = "labels-write"
    remedy = "Name a file in a folder that you may write to."


class NotThisKind(AmpacityError):
    """What was asked for does not go into a file of this kind."""

    code = "labels-kind"
    remedy = "Name a file that ends in .html for a sheet of labels, or one charger and .svg or .png for a picture."


class NoChargers(AmpacityError):
    """There is nothing to make a code of."""

    code = "labels-none"
    remedy = "Add chargers to site.toml, or link them in the app."


@charger.callback()
def _charger() -> None:
    """Set up one charger, or print its QR code."""


@charger.command()
def password(
    site: Annotated[Path, typer.Argument(help="What is installed.", metavar="SITE.TOML")],
    name: Annotated[str, typer.Argument(help="The charger's name or ocpp_id.", metavar="CHARGER")],
    given: Annotated[bool, typer.Option("--set", help="Read the password from standard input.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Make a password for CHARGER, show it once, and keep its hash in SITE.TOML.

    Example: ampacity charger password site.toml left
    """
    try:
        connection = _connection(load(site), name)
        secret = _read() if given else new_password()
        try:
            with_password_hash(site, connection.charger, hashed(secret))
        except OSError as error:
            raise NotWritten(f"{site} can't be written ({error.strerror or error}).") from error
    except AmpacityError as error:
        fail(error, as_json=as_json)
    if as_json:
        print_json({"charger": connection.charger, "user": connection.ocpp_id, "password": None if given else secret})
        return
    if not given:
        _show(connection, secret)
    stdout.print(escape(f"Its hash is in {site}. Start `ampacity run` anew to use it."), soft_wrap=True)


@charger.command()
def qr(
    site: Annotated[Path, typer.Argument(help="What is installed.", metavar="SITE.TOML")],
    names: Annotated[
        list[str] | None, typer.Argument(help="Names or ocpp_ids; none: all chargers.", metavar="CHARGER")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write a sheet of labels (.html), or a picture (.svg, .png).")
    ] = None,
    url: Annotated[
        str | None, typer.Option("--url", help="Where the app is found: a phone's camera opens the code there.")
    ] = None,
    paper: Annotated[PaperName, typer.Option(help="Of the sheet.")] = PaperName.A4,
    language: Annotated[Language, typer.Option(help="Of the sheet.")] = Language.EN,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Show the code with which a charger is linked in the app, and its QR code; or write labels to print.

    Example: ampacity charger qr site.toml --out labels.html
    """
    try:
        installation = load(site)
        chosen = [_connection(installation, name) for name in names] if names else list(installation.chargers)
        if not chosen:
            raise NoChargers(f"There is no charger in {site}.")
        base_url = lasting_url(installation) if url is None else _base_url(url)
        labels = [label_of(installation, connection, base_url) for connection in chosen]
        if out is not None:
            _write(out, _file(out, installation.site.name, labels, paper, language))
    except AmpacityError as error:
        fail(error, as_json=as_json)
    if as_json:
        told = [{"charger": o.charger, "ocpp_id": o.ocpp_id, "code": o.code, "link": o.link} for o in labels]
        print_json({"chargers": told, "file": None if out is None else str(out)})
    elif out is not None:
        stdout.print(escape(f"{out} is written. Print it in its real size, without margins."), soft_wrap=True)
    else:
        for label in labels:
            _show_code(label)


def _base_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/") or parts.fragment:
        raise BadUrl(f"{url[:100]!r} is not where an app is found.")
    return f"{parts.scheme}://{parts.netloc}"


def _file(out: Path, site: str, labels: list[Label], paper: PaperName, language: Language) -> bytes:
    match out.suffix.lower():
        case ".html" | ".htm":
            sheet = label_sheet(
                site, labels, paper="letter" if paper is PaperName.LETTER else "a4", language=language.value
            )
            return sheet.encode()
        case ".svg" if len(labels) == 1:
            return qr_file(labels[0].content, "svg")
        case ".png" if len(labels) == 1:
            return qr_file(labels[0].content, "png")
        case ".svg" | ".png":
            raise NotThisKind(f"{len(labels)} chargers do not go into one {out.suffix.lower()}.")
    raise NotThisKind(f"{out.name!r} does not say what is to be in it.")


def _write(out: Path, body: bytes) -> None:
    try:
        out.write_bytes(body)
    except OSError as error:
        raise LabelsNotWritten(f"{out} can't be written ({error.strerror or error}).") from error


def _show_code(label: Label) -> None:
    title = label.name if label.name == label.charger else f"{label.name} ({label.charger})"
    stdout.print(escape(title if label.link is None else f"{title}: {label.code}"), soft_wrap=True)
    print_link(stdout, label.content)


def _show(connection: ChargerConnection, secret: str) -> None:
    for words in (
        f"Password of charger {connection.charger}, shown this once:",
        "",
        f"    {secret}",
        "",
        f"At the charger: user {connection.ocpp_id} (its identity), security profile 1 or 2, and this as its password.",
        "It is called AuthorizationKey in OCPP. If the charger wants hexadecimal digits:",
        "",
        f"    {secret.encode().hex()}",
        "",
    ):
        stdout.print(escape(words), soft_wrap=True)


def _connection(installation: Installation, name: str) -> ChargerConnection:
    for one in installation.chargers:
        if name == one.charger:
            return one
    for one in installation.chargers:
        if name == one.ocpp_id:
            return one
    known = [one.charger for one in installation.chargers]
    raise UnknownCharger(f"There is no charger {name[:60]!r}. {hint(name, known)}Known: {', '.join(known) or 'none'}.")


def _read() -> str:
    try:
        secret = sys.stdin.buffer.readline(MOST * 4 + 2).decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise BadPassword("The password is not UTF-8 text.") from error
    if not LEAST <= len(secret.encode()) <= MOST or not secret.isprintable():
        raise BadPassword("The password is too short, too long, or has characters that can't be typed.")
    return secret
