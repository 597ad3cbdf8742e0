"""`ampacity run`: the controller."""

from __future__ import annotations

import json
import logging
import os
import sys
from contextlib import ExitStack
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated

import structlog
import typer

from ampacity.api.routes.backup import BESIDE
from ampacity.app import Served, run_site
from ampacity.backup import take_back
from ampacity.cli.account import first_start_link, print_link
from ampacity.cli.device_option import DeviceFiles
from ampacity.cli.out import fail, host_warnings, say_error, stderr
from ampacity.cli.printer import printer
from ampacity.cli.status import status_line
from ampacity.config.site_toml import load
from ampacity.config.steered import effective
from ampacity.core.errors import AmpacityError
from ampacity.core.proof import proof
from ampacity.runtime.loop import Watcher

_BY_NAME = ("-c", "from ampacity.cli.main import run; run()")


class LogLevel(Enum):
    """From all to the least."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def run(
    site: Annotated[Path, typer.Argument(help="What is installed.", metavar="SITE.TOML")],
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Instead of [ocpp] port; 0: any free.")] = None,
    log_level: Annotated[LogLevel | None, typer.Option(help="Instead of [log] level.")] = None,
    no_storage: Annotated[bool, typer.Option("--no-storage", help="Keep no record.")] = False,
    no_app: Annotated[bool, typer.Option("--no-app", help="Do not serve the app.")] = False,
    device: DeviceFiles = None,
    check_ocpp: Annotated[
        bool,
        typer.Option("--check-ocpp", help="Hold every OCPP message against the official schemas, and log breaches."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON a decision on standard output.")] = False,
) -> None:
    """Control the installation until stopped (Ctrl-C or SIGTERM).

    At the end every charger that is connected is left at its safe current.

    Example: ampacity run site.toml --log-level debug
    """
    try:
        restored = take_back(site, beside=BESIDE)
    except AmpacityError as error:
        restored = None  # a site that can be controlled is controlled, as it was
        say_error(f"The backup that waits is not taken back: {error.what} {error.remedy}", code=error.code)
    try:
        installation = load(site)
        steered = effective(installation)
    except AmpacityError as error:
        fail(error, as_json=as_json)
    if check_ocpp:
        installation = replace(installation, ocpp=replace(installation.ocpp, check_messages=True))
    set_up_log(log_level.value if log_level is not None else installation.log.level, as_json=installation.log.json)
    log = structlog.get_logger("ampacity")
    if restored is not None:
        log.info("restored", site=restored.site, version=restored.version, made_s=restored.made_s)
    for warning in installation.warnings:
        log.warning("site-file", what=warning)
    for warning in host_warnings():
        log.warning("host", what=warning)
    for line in proof(steered):
        if shortfall := line.shortfall():
            log.error("safe-current", circuit=line.circuit, line=line.line.name, what=shortfall[0], remedy=shortfall[1])
    try:
        with ExitStack() as opened:
            watchers: list[Watcher] = []
            if as_json:
                put = opened.enter_context(printer(sys.stdout.fileno()))
                watchers.append(lambda now, observed, seen, decision: put(status_line(now, observed, decision)))

            def served(app: Served) -> None:
                link = first_start_link(app.engine(), app.url)
                if as_json:
                    put(json.dumps({"app": {"url": app.url, "first_start": link}}))
                else:
                    _say_where(app, link)

            again = run_site(
                installation,
                port=port,
                storage=not no_storage,
                watchers=watchers,
                serve=not no_app,
                served=served,
            )
    except AmpacityError as error:
        fail(error, as_json=as_json)
    if again:
        log.info("restarts")
        os.execv(sys.executable, [sys.executable, *_BY_NAME, *sys.argv[1:]])


def _say_where(app: Served, link: str | None) -> None:
    """Where people find the app; at the first start with the link at which the owner makes the first account."""
    stderr.print(f"The app is at {app.url}", markup=False, soft_wrap=True)
    if app.fingerprint is not None:
        stderr.print(
            "Its certificate is its own: a browser asks once whether to trust it. SHA-256, to compare:\n"
            f"    {app.fingerprint}",
            markup=False,
            soft_wrap=True,
        )
    if link is not None:
        stderr.print("Nobody has an account yet. Make the owner's at this link, which works once:", markup=False)
        print_link(stderr, link)


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
