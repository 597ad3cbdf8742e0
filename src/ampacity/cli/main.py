"""The command line: one line a command."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ampacity import __version__
from ampacity.cli.check import check
from ampacity.cli.demo import demo
from ampacity.cli.devices import devices
from ampacity.cli.init import init
from ampacity.cli.out import INTERRUPTED, fail, stderr
from ampacity.cli.replay import replay_command
from ampacity.cli.run import run as run_command
from ampacity.cli.simulate import simulate
from ampacity.core.errors import AmpacityError

app = typer.Typer(
    name="ampacity",
    help="Dynamic load management: gives what the building leaves to its EV chargers, and never trips the breaker.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(init)
app.command()(check)
app.command("run")(run_command)
app.command()(demo)
app.command()(simulate)
app.command("replay")(replay_command)
app.command()(devices)


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", help="Show the version.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"ampacity {__version__}")
        raise typer.Exit


def run() -> None:
    """The program."""
    try:
        app(standalone_mode=True)
    except AmpacityError as error:
        try:
            fail(error)
        except typer.Exit as ended:
            sys.exit(ended.exit_code)
    except KeyboardInterrupt:
        stderr.print("Stopped.")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    run()
