"""`ampacity probe`: finds meters on serial lines and on the network."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import Progress
from serial.tools.list_ports import comports

from ampacity.cli.device_option import DeviceFiles
from ampacity.cli.out import FAILED, fail, print_json, say_warning, stderr, stdout
from ampacity.commission.probe import Found, Nothing, Told, Way, probe, serial_ways
from ampacity.core.errors import AmpacityError
from ampacity.devices.catalogue import meter_families

HIGHEST_UNIT = 247


class BadProbe(AmpacityError):
    """What to look at can't be understood."""

    code = "probe-not-understood"
    remedy = "Give hosts as 10.0.0.7 or 10.0.0.7:502, units as 1, 1-10 or 1,5,33."


def probe_command(
    host: Annotated[
        list[str] | None, typer.Option("--host", help="An address, as 10.0.0.7:502; several times.")
    ] = None,
    serial: Annotated[
        list[str] | None, typer.Option("--serial", help="A port, as /dev/ttyUSB0; several times.")
    ] = None,
    units: Annotated[str, typer.Option("--units", help="Unit numbers: 1-10, or 1,33; all are 1-247.")] = "1-3",
    device: DeviceFiles = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Find meters by asking: on every serial port there is, or where you say.

    Stop the controller first: a serial line has one master, and many meters one connection. Nothing is written.

    Exit code 0: a meter that can be used was found; 1: none was.

    Example: ampacity probe --serial /dev/ttyUSB0 --units 1-10
    """
    try:
        ways = [_host(one) for one in host or []]
        ports = serial if serial is not None else ([] if host else [port.device for port in comports()])
        ways += [way for port in ports for way in serial_ways(port)]
        numbers = _numbers(units)
    except AmpacityError as error:
        fail(error, as_json=as_json)
    if not ways and not as_json:
        say_warning("There is no serial port here. Give --serial or --host.")
    told = asyncio.run(_asked(ways, numbers))
    found = [one for one in told if isinstance(one, Found)]
    silent = [one for one in told if isinstance(one, Nothing)]
    if as_json:
        print_json({"found": [_document(one) for one in found], "silent": [one.way.place for one in silent]})
    else:
        _say(found, silent)
    if not any(one.family is not None for one in found):
        raise typer.Exit(FAILED)


async def _asked(ways: list[Way], units: list[int]) -> list[Told]:
    with Progress(console=stderr, transient=True, disable=not stderr.is_terminal) as progress:
        bar = progress.add_task("Asking", total=len(ways) * len(units))

        def step(way: Way, unit: int) -> None:
            progress.update(bar, description=f"{way.place}, unit {unit}", advance=1)

        return [one async for one in probe(ways, units, meter_families(), step=step)]


def _say(found: list[Found], silent: list[Nothing]) -> None:
    for one in found:
        where = f"{one.way.place}, unit {one.unit}"
        if one.family is None:
            stdout.print(f"[yellow]?[/] {escape(where)}: {escape(one.what)}", soft_wrap=True)
            continue
        number = f", number {one.own_number}" if one.own_number else ""
        stdout.print(f"[green]+[/] {escape(where)}: [bold]{escape(str(one.model))}[/]{escape(number)}", soft_wrap=True)
        for what, remedy in one.wrong:
            stdout.print(f"  [yellow]![/] {escape(what)}. {escape(remedy)}", soft_wrap=True)
        stdout.print(escape(_lines(one)))
    if not any(one.family is not None for one in found):
        for nothing in silent:
            stdout.print(f"[red]-[/] {escape(nothing.way.place)}: {escape(nothing.what)}", soft_wrap=True)
        serial = [one for one in silent if one.way.serial is not None]
        if serial and not found:
            stdout.print(
                "Nothing came back at any setting. Swap D+ and D− at one end; check power, the unit numbers (--units), "
                "and that nothing else asks on the line.",
                soft_wrap=True,
            )


def _lines(one: Found) -> str:
    """As it stands in site.toml."""
    way, lines = one.way, ["  [meters.main]", f'  device = "{one.family}"']
    if way.serial is None:
        lines += [f'  host = "{way.host}"', *([f"  port = {way.port}"] if way.port != 502 else [])]
    else:
        lines.append(f'  serial = "{way.serial.path}"')
        lines += [f"  baud = {way.serial.baud}", f'  parity = "{way.serial.parity}"']
        lines += [f"  stop_bits = {way.serial.stop_bits}"] if way.serial.stop_bits != 1 else []
    lines += [f"  unit = {one.unit}"]
    return "\n".join(lines)


def _document(one: Found) -> dict[str, Any]:
    serial = one.way.serial
    return {
        "host": one.way.host,
        "port": one.way.port if serial is None else None,
        "serial": None if serial is None else serial.path,
        "baud": None if serial is None else serial.baud,
        "parity": None if serial is None else serial.parity,
        "stop_bits": None if serial is None else serial.stop_bits,
        "unit": one.unit,
        "device": one.family,
        "model": one.model,
        "own_number": one.own_number,
        "settings_wrong": [{"what": what, "remedy": remedy} for what, remedy in one.wrong],
        "what": one.what or None,
    }


def _host(given: str) -> Way:
    name, _, port = given.rpartition(":") if given.count(":") == 1 else (given, "", "502")
    if not name or not port.isdigit() or not 0 < int(port) < 65536:
        raise BadProbe(f"{given!r} is no address.")
    return Way(host=name, port=int(port))


def _numbers(given: str) -> list[int]:
    found: list[int] = []
    for part in given.split(","):
        first, _, last = part.strip().partition("-")
        last = last or first
        if not (first.isdigit() and last.isdigit()) or not 1 <= int(first) <= int(last) <= HIGHEST_UNIT:
            raise BadProbe(f"{part.strip()!r} are no unit numbers of 1 to {HIGHEST_UNIT}.")
        found += range(int(first), int(last) + 1)
    return list(dict.fromkeys(found))
