"""`ampacity commission`: the guided commissioning in the terminal, with the controller that runs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ampacity.api.entrance import AccountShown
from ampacity.api.site_file import version_of
from ampacity.cli.controller import Controller, Refused, reached
from ampacity.cli.guided import Guided, Left
from ampacity.cli.out import FAILED, INTERRUPTED, fail, print_json, say_error, say_warning, stderr, stdout
from ampacity.cli.tasks import CLOSED, Words, charger_names, run_test, say, show_list, show_task, write_report
from ampacity.config.installation import Installation
from ampacity.config.site_toml import load
from ampacity.core.errors import AmpacityError

TRIES = 3
"""So often a password may be mistyped before the command ends."""


class LanguageName(Enum):
    """Those of the app."""

    EN = "en"
    ES = "es"
    DE = "de"
    FR = "fr"
    CA = "ca"
    NL = "nl"


class NotInstaller(AmpacityError):
    """Somebody is signed in who may only look."""

    code = "commission-not-installer"
    remedy = "Sign in as an installer, whom the owner invites in the app under People; --status shows how far it is."


class NobodySignedIn(AmpacityError):
    """Standard input says nothing of an account."""

    code = "commission-no-account"
    remedy = "Give the e-mail address on the first line of standard input and the password on the second."


class ChargerUnknown(AmpacityError):
    """There is no such charger."""

    code = "commission-charger"
    remedy = "Give its name in site.toml."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What the command was asked for."""

    status: bool
    test: tuple[str, str] | None
    """Kind and charger."""
    report_to: Path | None
    language: str | None
    as_json: bool


def commission(
    site: Annotated[Path, typer.Argument(help="What is installed.", metavar="SITE.TOML")],
    status: Annotated[bool, typer.Option("--status", help="Only say how far it is.")] = False,
    step: Annotated[
        str | None, typer.Option(help="Only make the step test of this charger.", metavar="CHARGER")
    ] = None,
    expiry: Annotated[
        str | None, typer.Option(help="Only make the expiry test of this charger.", metavar="CHARGER")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write the signed report into it at the end.", metavar="FOLDER")
    ] = None,
    address: Annotated[str | None, typer.Option(help="Where the app is, if not where site.toml says.")] = None,
    language: Annotated[LanguageName | None, typer.Option(help="Instead of the account's.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --status, --step or --expiry: one JSON document on standard output.")
    ] = False,
) -> None:
    """Commission the installation step by step, with the controller running: what is to be done, tests, signed report.

    Run it on the controller. It asks for an installer's account; without a terminal, e-mail address and password are
    the first two lines of standard input. Everything is kept at once: leave with q, and go on later or in the app.

    Exit code 0: all is done and nothing is wrong, or you left; with --step or --expiry the test found nothing wrong.
    1: otherwise.

    Example: ampacity commission site.toml --report reports
    """
    chosen = [one for one in (("step", step), ("expiry", expiry)) if one[1] is not None]
    if len(chosen) + status > 1:
        raise typer.BadParameter("give one of --status, --step and --expiry.")
    if as_json and not (chosen or status):
        raise typer.BadParameter("--json goes with --status, --step or --expiry.")
    wish = _Wish(
        status=status,
        test=None if not chosen else (chosen[0][0], str(chosen[0][1])),
        report_to=report,
        language=None if language is None else language.value,
        as_json=as_json,
    )
    try:
        installation = load(site)
        with reached(installation, address) as controller:
            fine = _commissioned(controller, installation, wish)
    except AmpacityError as error:
        fail(error, as_json=as_json)
    except (typer.Abort, KeyboardInterrupt):
        stderr.print()
        stderr.print("Stopped. What was done is kept.")
        raise typer.Exit(INTERRUPTED) from None
    if not fine:
        raise typer.Exit(FAILED)


def _commissioned(controller: Controller, installation: Installation, wish: _Wish) -> bool:
    """Whether nothing is wrong with what was asked for."""
    person = _signed_in(controller, Words(wish.language or "en", installation.time_zone))
    words = Words(wish.language or person.language, installation.time_zone)
    shown = controller.commissioning()
    if shown.version != version_of(installation):
        say_warning(f"{installation.path} was changed since the controller has read it: start it anew to use it.")
    if wish.status:
        if wish.report_to is not None:
            write_report(controller, wish.report_to, stderr, words)
        if wish.as_json:
            print_json(shown.model_dump())
        else:
            show_list(shown, words, findings=True)
        return shown.ready
    if not shown.may:
        raise NotInstaller(f"{person.name} is signed in as {person.role}.")
    if wish.test is not None:
        return _tested(controller, wish, words)
    role = words(f"roles.{person.role}")
    said = words("terminal.signed-in", site=controller.site, address=controller.address, name=person.name, role=role)
    say(escape(said))
    try:
        return Guided(controller, person, words, wish.report_to).run()
    except Left:
        if wish.report_to is not None:
            write_report(controller, wish.report_to, stdout, words)
        say(escape(words("terminal.left")))
        return True


def _tested(controller: Controller, wish: _Wish, words: Words) -> bool:
    kind, charger = wish.test or ("", "")
    known = charger_names(controller.commissioning())
    if charger not in known:
        raise ChargerUnknown(
            f"There is no charger {charger[:40]}.", remedy=f"There are: {', '.join(known)}." if known else None
        )
    shown, task = run_test(controller, kind, charger, words)
    if wish.report_to is not None:
        write_report(controller, wish.report_to, stderr, words)
    if wish.as_json:
        print_json(task.model_dump())
    else:
        say(escape(words.title(task)))
        show_task(shown, task, words)
    return task.verdict in CLOSED


def _signed_in(controller: Controller, words: Words) -> AccountShown:
    if not sys.stdin.isatty():
        email, password = (sys.stdin.readline().rstrip("\r\n") for _ in range(2))
        if not email.strip() or not password:
            raise NobodySignedIn("Standard input is no terminal, and does not say who signs in.")
        return controller.sign_in(email.strip(), password)
    for tries_left in reversed(range(TRIES)):
        email = typer.prompt(words("enter.email"), err=True)
        password = typer.prompt(words("enter.password"), hide_input=True, err=True)
        try:
            return controller.sign_in(email.strip(), password)
        except Refused as error:
            if error.code != "wrong-password" or not tries_left:
                raise
            say_error(f"{error.what} {error.remedy}", code=error.code)
    raise AssertionError("the last try has returned or raised")
