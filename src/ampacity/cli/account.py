"""`ampacity account`: who may sign in to the app. It works on the database, also while the controller runs."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import segno
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine

from ampacity.api.machine import app_url
from ampacity.cli.out import fail, print_json, stdout
from ampacity.config.installation import Installation
from ampacity.config.site_toml import load
from ampacity.core.errors import AmpacityError
from ampacity.storage.accounts import (
    AccountUnknown,
    account_by_email,
    all_accounts,
    change_account,
    normal_email,
)
from ampacity.storage.invitations import invite as make_invitation
from ampacity.storage.invitations import make_first_start, make_reset
from ampacity.storage.store import Store

WHO = "the terminal"
"""In the audit."""

account = typer.Typer(name="account", help="Who may sign in to the app.", no_args_is_help=True)


class RoleName(Enum):
    """What somebody is invited as."""

    OWNER = "owner"
    INSTALLER = "installer"
    DRIVER = "driver"


class NoRecordYet(AmpacityError):
    """There is no database."""

    code = "no-record-yet"
    remedy = "Start `ampacity run` first, as the user that it is to run as: it shows the link that makes the owner."


class BadUrl(AmpacityError):
    """It is no address of the app."""

    code = "app-url"
    remedy = "Give it as the browser shows it, as --url https://ampacity.local:8443"


Site = Annotated[Path, typer.Argument(help="What is installed.", metavar="SITE.TOML")]
Email = Annotated[str, typer.Argument(help="With which the account signs in.", metavar="EMAIL")]
Url = Annotated[str | None, typer.Option("--url", help="Where the app is found; for the link.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


@account.callback()
def _account() -> None:
    """Who may sign in to the app."""


@account.command("list")
def list_accounts(site: Site, as_json: AsJson = False) -> None:
    """List the accounts.

    Example: ampacity account list site.toml
    """
    with _database(site, as_json=as_json) as (_, engine):
        found = all_accounts(engine)
    if as_json:
        told = [{"name": o.name, "email": o.email, "role": o.role, "disabled": o.disabled} for o in found]
        print_json({"accounts": told})
        return
    if not found:
        stdout.print(
            "There is no account yet. `ampacity account invite SITE.TOML` shows the link that makes the owner."
        )
        return
    table = Table("name", "e-mail", "role", "")
    for one in found:
        table.add_row(escape(one.name), escape(one.email), one.role, "disabled" if one.disabled else "")
    stdout.print(table)


@account.command()
def invite(
    site: Site,
    role: Annotated[RoleName, typer.Option(help="What the new account is for.")] = RoleName.DRIVER,
    name: Annotated[str, typer.Option(help="Whom it is for.")] = "",
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show a link that makes a new account: once, within a week.

    Where there is no owner yet, it is the link to the first start, whatever the role.

    Example: ampacity account invite site.toml --role driver --name Ben
    """
    with _database(site, as_json=as_json) as (installation, engine):
        base = _base(installation, url)
        link = first_start_link(engine, base)
        kind = "owner"
        if link is None:
            kind = role.value
            _, key = make_invitation(engine, role=kind, name=name.strip()[:80], who=WHO, now_s=time.time())
            link = f"{base}/join#{key}"
    if as_json:
        print_json({"role": kind, "link": link})
        return
    _say(f"Whoever opens this link makes an account as {kind}. It works once, for a week.")
    print_link(stdout, link)


@account.command()
def reset(site: Site, email: Email, url: Url = None, as_json: AsJson = False) -> None:
    """Show a link that sets a new password: once, within an hour.

    The password of now stays until the link is used.

    Example: ampacity account reset site.toml ann@example.org
    """
    with _database(site, as_json=as_json) as (installation, engine):
        base = _base(installation, url)
        found, key = make_reset(engine, normal_email(email), who=WHO, now_s=time.time())
    link = f"{base}/reset#{key}"
    if as_json:
        print_json({"email": found.email, "link": link})
        return
    _say(f"Whoever opens this link sets a new password for {found.name} <{found.email}>. It works once, for an hour.")
    print_link(stdout, link)


@account.command()
def disable(
    site: Site,
    email: Email,
    again: Annotated[bool, typer.Option("--undo", help="Let it sign in again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Sign an account out everywhere, and let it in no more.

    Example: ampacity account disable site.toml ben@example.org
    """
    with _database(site, as_json=as_json) as (_, engine):
        found = account_by_email(engine, normal_email(email))
        if found is None:
            raise AccountUnknown(f"There is no account {email}.")
        changed = change_account(engine, found[0].id, disabled=not again, who=WHO, now_s=time.time())
    if as_json:
        print_json({"email": changed.email, "disabled": changed.disabled})
        return
    _say(f"{changed.name} <{changed.email}> can {'sign in again' if again else 'not sign in any more'}.")


def first_start_link(engine: Engine, base_url: str) -> str | None:
    """The link at which the owner makes the first account; links made before it end. None: there is an owner.

    Raises:
        StorageError
    """
    key = make_first_start(engine, time.time())
    return None if key is None else f"{base_url}/start#{key}"


def print_link(console: Console, url: str) -> None:
    """The link, and on a terminal that is wide enough its QR code."""
    console.print(f"\n    {escape(url)}\n", soft_wrap=True)
    if not console.is_terminal:
        return
    drawn = io.StringIO()
    segno.make(url, error="l", micro=False).terminal(out=drawn, border=2, compact=True)
    text = Text.from_ansi(drawn.getvalue().rstrip("\n"), no_wrap=True)
    text.stylize("bright_white on black")  # some cameras read no code whose colours are turned
    if max(line.cell_len for line in text.split()) <= console.width:
        console.print(text)


@contextmanager
def _database(site: Path, *, as_json: bool) -> Iterator[tuple[Installation, Engine]]:
    """What is installed, and its database. Errors end the command."""
    store = None
    try:
        installation = load(site)
        place = installation.storage.place
        if isinstance(place, Path) and not place.exists():
            raise NoRecordYet(f"There is no {place} yet.")
        store = Store(place)
        yield installation, store.engine()
    except AmpacityError as error:
        fail(error, as_json=as_json)
    finally:
        if store is not None:
            store.close()


def _base(installation: Installation, url: str | None) -> str:
    if url is None:
        app = installation.app
        return app_url(tls=app.tls, listen=app.listen, port=app.port, names=app.host_names)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/") or parts.fragment:
        raise BadUrl(f"{url[:100]!r} is not where an app is found.")
    return f"{parts.scheme}://{parts.netloc}"


def _say(words: str) -> None:
    stdout.print(escape(words), soft_wrap=True)
