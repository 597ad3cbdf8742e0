"""`ampacity check`: reads a site.toml and says what it means."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, assert_never

import typer
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from ampacity.cli.device_option import DeviceFiles
from ampacity.cli.out import FAILED, fail, host_warnings, print_json, say_error, say_warning, stdout
from ampacity.config.installation import Installation
from ampacity.config.meter_place import InletPlace
from ampacity.config.site_toml import load
from ampacity.config.steered import effective
from ampacity.core.errors import AmpacityError
from ampacity.core.phases import PhaseAmps, Supply
from ampacity.core.proof import ProofLine, proof
from ampacity.core.site import Charger, Circuit, PauseMode, Site
from ampacity.storage.database import shown


def check(
    site: Annotated[Path, typer.Argument(help="The site.toml to read.", metavar="SITE.TOML")],
    device: DeviceFiles = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Read SITE.TOML, explain it, and prove the safe currents.

    Exit code 0: it can be used. 1: it has mistakes, or the safe currents are proven not to fit.

    Example: ampacity check site.toml
    """
    try:
        installation = load(site)
        steered = effective(installation)
    except AmpacityError as error:
        fail(error, as_json=as_json)
    lines = proof(steered)
    if as_json:
        print_json(_document(installation, steered, lines))
    else:
        _explain(installation, steered)
        stdout.print(_proof_table(lines))
        _say_shortfalls(lines)
        for warning in (*installation.warnings, *host_warnings()):
            say_warning(warning)
    if any(line.fails for line in lines):
        raise typer.Exit(FAILED)


def _explain(installation: Installation, site: Site) -> None:
    stdout.print(f"[bold]{escape(site.name)}[/]: {_supply_words(site)}")
    main = next(circuit for circuit in site.circuits if circuit.parent is None)
    tree = Tree(_circuit_words(main, installation))
    _grow(tree, main, site, installation)
    stdout.print(tree)
    ocpp = installation.ocpp
    kind = "wss" if ocpp.tls_certificate is not None and ocpp.tls_port is None else "ws"
    host = "<this machine>" if ocpp.listen in ("0.0.0.0", "::") else ocpp.listen
    _say(f"Chargers connect to {kind}://{host}:{ocpp.port}/<identity> (OCPP 1.6, 2.0.1 or 2.1).")
    if ocpp.tls_port is not None:
        _say(f"Those that can use TLS connect to wss://{host}:{ocpp.tls_port}/<identity>.")
    if ocpp.adopt_into is None:
        _say("Chargers that are not in the file are refused.")
    else:
        _say(f"Chargers that are not in the file are taken in on circuit {ocpp.adopt_into}.")
    _say(_pause_words(site))
    _say(f"When not all fit, a car charges {site.turn_s / 60:g} min before it gives way to one that waits.")
    _say(f"The record is kept in {shown(installation.storage.place)}.")


def _say(words: str) -> None:
    stdout.print(escape(words), soft_wrap=True)


def _supply_words(site: Site) -> str:
    match site.supply:
        case Supply.SINGLE_PHASE:
            return f"one line and neutral, {site.nominal_v:g} V"
        case Supply.SPLIT_PHASE:
            return f"two legs and neutral, {site.nominal_v:g} V a leg, {2 * site.nominal_v:g} V between them"
        case Supply.THREE_PHASE:
            return f"three lines and neutral, {site.nominal_v:g} V from line to neutral"
        case Supply.LINE_TO_LINE:
            return f"three lines, {site.nominal_v:g} V between them; currents add as phasors"
    assert_never(site.supply)


def _pause_words(site: Site) -> str:
    match site.pause_mode:
        case PauseMode.BUDGET:
            return (
                f"A small excess that only a pause can remove may last for {site.grace_s:g} s, and never beyond a "
                "quarter of the breaker's trip budget."
            )
        case PauseMode.STRICT:
            return "An excess that only a pause can remove pauses a car at once."
    assert_never(site.pause_mode)


def _proof_table(lines: tuple[ProofLine, ...]) -> Table:
    table = Table(title="Safe currents, if the controller is gone", title_justify="left")
    for heading in ("circuit", "line", "limit", "worst load", "safe currents", "left"):
        table.add_column(heading, justify="left" if heading in ("circuit", "line") else "right")
    for line in lines:
        load = "not stated" if line.load_a is None else f"{line.load_a:.1f} A"
        table.add_row(
            line.circuit, line.line.name, f"{line.limit_a:.1f} A", load, f"{line.safe_a:.1f} A", _left_words(line)
        )
    return table


def _left_words(line: ProofLine) -> str:
    spare = line.limit_a - line.safe_a if line.load_a is None else line.spare_a
    if line.fails and spare is not None:
        return f"[red]{-spare:.1f} A too much[/]"
    return "can't be told" if line.spare_a is None else f"{line.spare_a:.1f} A"


def _say_shortfalls(lines: tuple[ProofLine, ...]) -> None:
    for line in lines:
        if shortfall := line.shortfall():
            say_error(f"{line.circuit} {line.line.name}: {' '.join(shortfall)}")


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
        words += ", no meter of its own"
        return words + (f", other loads up to {circuit.other_load_a:g} A" if circuit.other_load_a else "")
    if isinstance(meter.place, InletPlace):
        told = f"what charger {escape(meter.place.charger)} tells of the supply"
        return words + f", meter {meter.meter}: {told}, every {meter.period_s:g} s"
    device = "recognised by its registers" if meter.device == "auto" else meter.device
    return words + f", meter {meter.meter} ({device}) at {escape(meter.address)}, every {meter.period_s:g} s"


def _charger_words(charger: Charger, site: Site, installation: Installation) -> str:
    connection = installation.chargers[site.index_of_charger[charger.id]]
    phases = f"unknown wiring, {charger.phases} phase{'s' if charger.phases > 1 else ''}"
    lines = phases if charger.wiring is None else "-".join(line.name for line in charger.wiring)
    if connection.direct is not None:
        words = f"charger [bold]{charger.id}[/] ({connection.direct.device} at {escape(connection.direct.address)})"
    else:
        words = f"charger [bold]{charger.id}[/] ({escape(connection.ocpp_id)}"
        words += ")" if connection.family == "auto" else f", {connection.family})"
    words += f": {lines}, {charger.min_a:g} to {charger.max_a:g} A"
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
        "region": installation.region,
        "pause_mode": site.pause_mode.value,
        "grace_s": site.grace_s,
        "turn_s": site.turn_s,
        "circuits": [
            {
                "id": c.id,
                "parent": c.parent,
                "rating_a": list(c.rating_a),
                "continuous_factor": c.continuous_factor,
                "limit_a": list(c.limit_a),
                "meter": c.meter,
            }
            for c in site.circuits
        ],
        "meters": [{"id": m.meter, "device": m.device, "address": m.address} for m in installation.meters],
        "chargers": [
            {
                "id": c.id,
                "ocpp_id": connection.ocpp_id if connection.direct is None else None,
                "device": None if connection.direct is None else connection.direct.device,
                "address": None if connection.direct is None else connection.direct.address,
                "circuit": c.circuit,
                "lines": None if c.wiring is None else [line.name for line in c.wiring],
                "min_a": c.min_a,
                "max_a": c.max_a,
                "safe_a": c.safe_a,
                "guarded": c.guarded,
            }
            for c, connection in zip(site.chargers, installation.chargers, strict=True)
        ],
        "fits": _fits(lines),
        "proof": [_proof_document(line) for line in lines],
        "warnings": [*installation.warnings, *host_warnings()],
    }


def _fits(lines: tuple[ProofLine, ...]) -> bool | None:
    """None: it can't be told, since a worst load is not stated."""
    if any(line.fails for line in lines):
        return False
    return None if any(line.spare_a is None for line in lines) else True


def _proof_document(line: ProofLine) -> dict[str, Any]:
    what, remedy = line.shortfall() or (None, None)
    return {
        "circuit": line.circuit,
        "line": line.line.name,
        "limit_a": line.limit_a,
        "worst_load_a": line.load_a,
        "safe_a": round(line.safe_a, 3),
        "spare_a": line.spare_a,
        "what": what,
        "remedy": remedy,
    }
