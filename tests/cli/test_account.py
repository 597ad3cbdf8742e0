"""`ampacity account`: from the command line, on the database, also while the controller runs."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import Engine
from typer.testing import CliRunner

from ampacity.api.machine import app_url
from ampacity.cli.account import first_start_link, print_link
from ampacity.cli.main import app
from ampacity.config.site_toml import load
from ampacity.storage.accounts import Account, account_by_email, all_accounts
from ampacity.storage.database import open_database
from ampacity.storage.invitations import LinkKind, first_start, link_of, reset
from ampacity.storage.records import changes

SITE = """\
[circuits.main]
limit_a = 40
meter = "main"
[meters.main]
host = "10.0.0.7"
[chargers.left]
lines = ["L1", "L2", "L3"]
"""
URL = "https://ampacity.local:8443"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "site.toml"
    file.write_text(SITE)
    return file


@pytest.fixture
def engine(site: Path) -> Iterator[Engine]:
    """Of the controller, which keeps it open."""
    engine = open_database(load(site).storage.place)
    yield engine
    engine.dispose()


@pytest.fixture
def ann(engine: Engine) -> Account:
    key = str(first_start_link(engine, URL)).partition("#")[2]
    person = {"name": "Ann [bold]", "email": "ann@x.org", "password_hash": "h", "language": "en"}
    return first_start(engine, key, now_s=time.time(), **person)


def run(*arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    result = CliRunner().invoke(app, ["account", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def document(*arguments: object) -> Any:
    return json.loads(run(*arguments, "--json")[1])


def key_of(link: str, path: str) -> str:
    base, _, key = link.partition("#")
    assert base == f"{URL}{path}"
    return key


def test_accounts_are_listed_without_secrets(site: Path, ann: Account) -> None:
    code, out, _ = run("list", site)
    assert code == 0
    assert "Ann [bold]" in out
    assert "ann@x.org" in out
    told = [{"name": "Ann [bold]", "email": "ann@x.org", "role": "owner", "disabled": False}]
    assert document("list", site) == {"accounts": told}


def test_without_accounts_the_list_says_how_to_make_one(site: Path, engine: Engine) -> None:
    assert "ampacity account invite" in run("list", site)[1]


def test_a_reset_prints_a_link_that_works_once(site: Path, engine: Engine, ann: Account) -> None:
    code, out, _ = run("reset", site, "Ann@X.org", "--url", URL + "/")
    assert code == 0
    assert "Ann [bold] <ann@x.org>" in out
    link = next(line.strip() for line in out.splitlines() if "#" in line)
    assert reset(engine, key_of(link, "/reset"), "h2", time.time()) == ann
    assert (account_by_email(engine, "ann@x.org") or (None, ""))[1] == "h2"


def test_a_reset_of_nobody_says_so(site: Path, ann: Account) -> None:
    code, _, err = run("reset", site, "eve@x.org")
    assert code == 1
    assert "There is no account eve@x.org." in err
    assert document("reset", site, "eve@x.org")["error"] == "account-unknown"


def test_an_invitation_is_for_a_role(site: Path, engine: Engine, ann: Account) -> None:
    told = document("invite", site, "--role", "installer", "--name", "Ina", "--url", URL)
    link = link_of(engine, LinkKind.INVITATION, key_of(told["link"], "/join"), time.time())
    assert (link.role, link.name, told["role"]) == ("installer", "Ina", "installer")


def test_without_an_owner_an_invitation_is_the_first_start(site: Path, engine: Engine) -> None:
    told = document("invite", site, "--url", URL)
    assert told["role"] == "owner"
    link_of(engine, LinkKind.FIRST_START, key_of(told["link"], "/start"), time.time())


def test_an_account_is_disabled_and_let_in_again(site: Path, engine: Engine, ann: Account) -> None:
    link = document("invite", site, "--role", "owner", "--url", URL)["link"]
    assert link
    assert document("disable", site, "ann@x.org")["error"] == "last-owner"
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO account (name, email, role, language, password_hash, disabled, made_s) "
            "VALUES ('Ben', 'ben@x.org', 'driver', 'en', 'h', 0, 0)"
        )
    assert document("disable", site, "ben@x.org") == {"email": "ben@x.org", "disabled": True}
    assert [one.disabled for one in all_accounts(engine)] == [False, True]
    assert run("disable", site, "ben@x.org", "--undo")[1] == "Ben <ben@x.org> can sign in again.\n"
    assert [one.disabled for one in all_accounts(engine)] == [False, False]
    assert {one.who for one in changes(engine, "accounts.2.disabled")} == {"the terminal"}


def test_before_the_first_run_nothing_is_made(site: Path) -> None:
    code, _, err = run("list", site)
    assert code == 1
    assert "ampacity run" in err
    assert not site.with_name("ampacity.db").exists()


@pytest.mark.parametrize("url", ["ampacity.local", "ftp://x", "https://", "https://x/path", "https://x#y"])
def test_what_is_no_address_of_an_app_is_refused(site: Path, ann: Account, url: str) -> None:
    assert document("reset", site, "ann@x.org", "--url", url)["error"] == "app-url"


def test_there_is_one_link_to_the_first_start_and_none_after_it(engine: Engine) -> None:
    old, new = first_start_link(engine, URL), first_start_link(engine, URL)
    assert old != new
    key = key_of(str(new), "/start")
    first_start(engine, key, name="A", email="a@x.org", password_hash="h", language="en", now_s=time.time())
    assert first_start_link(engine, URL) is None


def shown(width: int, *, terminal: bool) -> str:
    written = io.StringIO()
    console = Console(file=written, width=width, force_terminal=terminal)
    print_link(console, f"{URL}/start#{'k' * 43}")
    return written.getvalue()


def test_a_link_has_a_qr_code_on_a_terminal_that_is_wide_enough() -> None:
    assert "▄" in shown(100, terminal=True)
    assert "▄" not in shown(30, terminal=True)
    assert "▄" not in shown(100, terminal=False)
    assert all(f"{URL}/start#{'k' * 43}" in shown(w, terminal=t) for w, t in ((100, True), (30, True), (500, False)))


@pytest.mark.parametrize(
    ("tls", "listen", "port", "names", "url"),
    [
        (True, "192.168.1.7", 8443, (), "https://192.168.1.7:8443"),
        (False, "192.168.1.7", 80, (), "http://192.168.1.7"),
        (True, "fd00::7", 443, (), "https://[fd00::7]"),
        (True, "0.0.0.0", 8443, ("charging.example", "b"), "https://charging.example:8443"),
    ],
)
def test_the_app_is_found_under_its_name_or_address(
    tls: bool, listen: str, port: int, names: tuple[str, ...], url: str
) -> None:
    assert app_url(tls=tls, listen=listen, port=port, names=names) == url
