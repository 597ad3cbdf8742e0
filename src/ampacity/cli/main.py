"""The command line: one line a command."""

from __future__ import annotations

import sys
import traceback
from typing import Annotated

import typer

from ampacity import __version__
from ampacity.cli.account import account
from ampacity.cli.backup import backup, restore
from ampacity.cli.charger import charger
from ampacity.cli.check import check
from ampacity.cli.commission import commission
from ampacity.cli.demo import demo
from ampacity.cli.devices import devices
from ampacity.cli.doctor import doctor
from ampacity.cli.init import init
from ampacity.cli.out import FAILED, INTERRUPTED, fail, print_json, stderr
from ampacity.cli.plan import plan
from ampacity.cli.probe import probe_command
from ampacity.cli.replay import replay_command
from ampacity.cli.report import report
from ampacity.cli.run import run as run_command
from ampacity.cli.simulate import simulate
from ampacity.core.errors import AmpacityError


def version(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Show the version."""
    if as_json:
        print_json({"version": __version__})
    else:
        typer.echo(f"ampacity {__version__}")


app = typer.Typer(
    name="ampacity",
    help="Dynamic load management: gives what the building leaves to its EV chargers, and never trips the breaker.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(init)
app.command()(check)
app.add_typer(charger)
app.add_typer(account)
app.command("run")(run_command)
app.command()(backup)
app.command()(restore)
app.command()(doctor)
app.command("probe")(probe_command)
app.command()(commission)
app.add_typer(report)
app.command()(demo)
app.command()(simulate)
app.command()(plan)
app.command("replay")(replay_command)
app.command()(devices)
app.command()(version)


def _told_version(asked: bool) -> None:
    if asked:
        version()
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_told_version)
    ] = False,
) -> None:
    """Options of no command."""


def run() -> None:
    """The program."""
    try:
        app(standalone_mode=True)
    except AmpacityError as error:
        try:
            fail(error, as_json="--json" in sys.argv[1:])
        except typer.Exit as ended:
            sys.exit(ended.exit_code)
    except KeyboardInterrupt:
        stderr.print("Stopped.")
        sys.exit(INTERRUPTED)
    except Exception:  # the outermost place: whatever comes here is a fault of ours, and its user must be told so
        traceback.print_exc()
        stderr.print(
            f"This is a fault of Ampacity {__version__}, not of yours. Please report it with the lines above, the "
            "command, and the site.toml without its passwords.",
            soft_wrap=True,
        )
        sys.exit(FAILED)


if __name__ == "__main__":
    run()
