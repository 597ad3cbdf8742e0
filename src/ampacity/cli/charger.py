"""`ampacity charger`: what is set up for one charger."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ampacity.cli.out import fail, print_json, stdout
from ampacity.config.installation import ChargerConnection, Installation
from ampacity.config.rewrite import with_password_hash
from ampacity.config.site_toml import load
from ampacity.config.table import hint
from ampacity.core.errors import AmpacityError
from ampacity.links.ocpp.passwords import hashed, new_password

LEAST, MOST = 8, 40
"""Characters of a password that is set. Profile 1 of OCPP 1.6 allows 16 to 20 bytes; not every charger keeps to it."""

charger = typer.Typer(name="charger", help="Set up one charger.", no_args_is_help=True)


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


@charger.callback()
def _charger() -> None:
    """Set up one charger."""


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
