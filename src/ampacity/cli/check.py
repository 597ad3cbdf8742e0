"""`ampacity check`: reads a site.toml and says what it means."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.tree import Tree

from ampacity.cli.out import FAILED, fail, print_json, stderr, stdout
from ampacity.config.installation import Installation
from ampacity.config.site_toml import load
from ampacity.config.steered import effective
from ampacity.core.errors import AmpacityError
from ampacity.core.phases import PhaseAmps
from ampacity.core.proof import ProofLine, proof
from ampacity.core.site import Charger, Circuit, Site


def check(
    site: Annotated[Path, typer.Argument(help="The site.toml to read.", metavar="SITE.TOML")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Read SITE.TOML, explain it, and prove the safe currents.

    Exit code 0: it can be used. 1: it has mistakes, or the safe currents are proven not to fit.
    """
    try:
        installation = load(site)
        steered = effective(installation)
    except AmpacityError as error:
        fail(error, as_json=as_json)
    lines = proof(steered)
    failing = [line for line in lines if line.spare_a is not None and line.spare_a < 0]
    if as_json:
        print_json(_document(installation, steered, lines))
    else:
        _explain(installation, steered, lines)
        for warning in installation.warnings:
            stderr.print(f"[yellow]warning[/] {warning}".replace("[ocpp]", "\\[ocpp]"), soft_wrap=True)
    if failing:
        raise typer.Exit(FAILED)


def _explain(installation: Installation, site: Site, lines: tuple[ProofLine, ...]) -> None:
    lines_word = f"{len(site.supply.lines)} line{'s' if len(site.supply.lines) > 1 else ''}"
    stdout.print(f"[bold]{site.name}[/]: {site.supply.value}, {lines_word}, {site.nominal_v:g} V")
    main = next(circuit for circuit in site.circuits if circuit.parent is None)
    tree = Tree(_circuit_words(main, installation))
    _grow(tree, main, site, installation)
    stdout.print(tree)
    ocpp = installation.ocpp
    kind = "wss" if ocpp.tls_certificate is not None else "ws"
    stdout.print(f"Chargers connect to {kind}://{ocpp.listen}:{ocpp.port}/<identity> (OCPP 1.6J).")
    stdout.print(f"The record is kept in {installation.storage.file.name}.")
    table = Table(title="Safe currents, if the controller is gone", title_justify="left")
    for heading in ("circuit", "line", "limit", "worst load", "safe currents", "left"):
        table.add_column(heading, justify="left" if heading in ("circuit", "line") else "right")
    for line in lines:
        spare = line.spare_a
        left = "not stated" if spare is None else f"{spare:.1f} A" if spare >= 0 else f"[red]{-spare:.1f} A too much[/]"
        load = "?" if line.load_a is None else f"{line.load_a:.1f} A"
        table.add_row(line.circuit, line.line.name, f"{line.limit_a:.1f} A", load, f"{line.safe_a:.1f} A", left)
    stdout.print(table)
    for line in lines:
        if line.spare_a is not None and line.spare_a < 0:
            stderr.print(
                f"[bold red]error[/] {line.circuit} {line.line.name}: {-line.spare_a:.1f} A too much when all are at "
                f"their safe current. Lower safe_a of {', '.join(line.chargers) or 'the chargers'}, or the worst load.",
                soft_wrap=True,
            )


def _grow(tree: Tree, circuit: Circuit, site: Site, installation: Installation) -> None:
    for charger in site.chargers:
        if charger.circuit == circuit.id:
            tree.add(_charger_words(charger, site, installation))
    for child in site.circuits:
        if child.parent == circuit.id:
            _grow(tree.add(_circuit_words(child, installation)), child, site, installation)


def _circuit_words(circuit: Circuit, installation: Installation) -> str:
    words = f"[bold]{circuit.id}[/] breaker {_amps(circuit.rating_a)}"
    if circuit.continuous_factor != 1.0:
        words += f", of which {circuit.continuous_factor:.0%} for hours: {_amps(circuit.limit_a)}"
    meter = next((m for m in installation.meters if m.meter == circuit.meter), None)
    if meter is None:
        return words + ", no meter of its own"
    return words + f", meter {meter.meter} ({meter.device}) at {meter.address}, every {meter.period_s:g} s"


def _charger_words(charger: Charger, site: Site, installation: Installation) -> str:
    connection = installation.chargers[site.index_of_charger[charger.id]]
    lines = "unknown wiring" if charger.wiring is None else "-".join(line.name for line in charger.wiring)
    words = f"charger [bold]{charger.id}[/] ({connection.ocpp_id}): {lines}, {charger.min_a:g} to {charger.max_a:g} A"
    words += f", safe {charger.safe_a:g} A" if charger.guarded else ", unguarded"
    if charger.rank != 1 or charger.weight != 1.0:
        words += f", rank {charger.rank}, weight {charger.weight:g}"
    return words


def _amps(amps: PhaseAmps) -> str:
    if len(set(amps)) == 1:
        return f"{amps[0]:g} A"
    return " / ".join(f"{a:g}" for a in amps) + " A"


def _document(installation: Installation, site: Site, lines: tuple[ProofLine, ...]) -> dict[str, Any]:
    return {
        "name": site.name,
        "supply": site.supply.value,
        "voltage_v": site.nominal_v,
        "circuits": [
            {
                "id": c.id,
                "parent": c.parent,
                "rating_a": list(c.rating_a),
                "limit_a": list(c.limit_a),
                "meter": c.meter,
            }
            for c in site.circuits
        ],
        "meters": [{"id": m.meter, "device": m.device, "address": m.address} for m in installation.meters],
        "chargers": [
            {
                "id": c.id,
                "ocpp_id": connection.ocpp_id,
                "circuit": c.circuit,
                "lines": None if c.wiring is None else [line.name for line in c.wiring],
                "min_a": c.min_a,
                "max_a": c.max_a,
                "safe_a": c.safe_a,
                "guarded": c.guarded,
            }
            for c, connection in zip(site.chargers, installation.chargers, strict=True)
        ],
        "proof": [
            {
                "circuit": line.circuit,
                "line": line.line.name,
                "limit_a": line.limit_a,
                "worst_load_a": line.load_a,
                "safe_a": round(line.safe_a, 3),
                "spare_a": None if line.spare_a is None else round(line.spare_a, 3),
            }
            for line in lines
        ],
        "warnings": list(installation.warnings),
    }
