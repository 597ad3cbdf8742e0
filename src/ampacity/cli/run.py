"""`ampacity run`: the controller."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import structlog
import typer

from ampacity.app import run_site
from ampacity.cli.out import fail
from ampacity.cli.status import status_line
from ampacity.config.site_toml import load
from ampacity.config.steered import families_known
from ampacity.core.decision import Decision
from ampacity.core.errors import AmpacityError
from ampacity.core.observations import Observation, Observed
from ampacity.core.site import Site


def run(
    site: Annotated[Path, typer.Argument(help="What is installed.", metavar="SITE.TOML")],
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Instead of [ocpp] port; 0: any free.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    no_storage: Annotated[bool, typer.Option("--no-storage", help="Keep no record.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON a decision on standard output.")] = False,
) -> None:
    """Control the installation until stopped (Ctrl-C or SIGTERM).

    At the end every charger that is connected is left at its safe current.
    """
    try:
        installation = load(site)
        families_known(installation)
    except AmpacityError as error:
        fail(error, as_json=as_json)
    set_up_log(log_level or installation.log.level, as_json=installation.log.json)
    log = structlog.get_logger("ampacity")
    for warning in installation.warnings:
        log.warning("site-file", what=warning)
    try:
        run_site(installation, port=port, storage=not no_storage, watchers=[_print_status] if as_json else [])
    except AmpacityError as error:
        fail(error, as_json=as_json)


def _print_status(site: Site, observed: Observed, seen: Sequence[Observation], decision: Decision) -> None:
    sys.stdout.write(status_line(site, observed, decision) + "\n")
    sys.stdout.flush()


def set_up_log(level: str, *, as_json: bool) -> None:
    """Our events on standard error; libraries' own only where they warn."""
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR, format="%(name)s: %(message)s")
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # what matters of it comes as an error of ours
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer()
            if as_json
            else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=24),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
