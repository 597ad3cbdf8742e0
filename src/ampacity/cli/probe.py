"""`ampacity probe`: finds meters on serial lines and on the network, and chargers that come; sets meters right."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import Progress
from serial.tools.list_ports import comports

from ampacity.api.machine import addresses
from ampacity.cli.device_option import DeviceFiles
from ampacity.cli.doctor import of_the_controller
from ampacity.cli.out import FAILED, fail, print_json, say_warning, stderr
from ampacity.cli.probe_shown import Findings, document, place_of, say, say_put, visitor_words, wrong_words
from ampacity.commission.probe import Found, Way, probe, serial_ways
from ampacity.commission.settings import set_right
from ampacity.config.installation import Installation
from ampacity.config.meter_place import InletPlace, ModbusPlace
from ampacity.config.site_toml import load
from ampacity.core.errors import AmpacityError
from ampacity.devices.announced import Announcement, whose
from ampacity.devices.catalogue import announcements, meter_families
from ampacity.devices.meter_settings import Held, Stated
from ampacity.kept import read_knocking
from ampacity.links.mdns import ROUNDS, NoNetwork, Service, search
from ampacity.links.meter_settings import Outcome
from ampacity.links.modbus import SerialPort
from ampacity.links.ocpp.admission import Knock
from ampacity.links.ocpp.visitors import Visitor, Visitors
from ampacity.storage.errors import StorageError
from ampacity.storage.store import Store

HIGHEST_UNIT = 247
OCPP_PORT = 8887
TICK_S = 0.25


class BadProbe(AmpacityError):
    """What to look at can't be understood."""

    code = "probe-not-understood"
    remedy = "Give hosts as 10.0.0.7 or 10.0.0.7:502, units as 1, 1-10 or 1,5,33."


class ControllerRuns(AmpacityError):
    """Nothing is set while the controller reads the meters."""

    code = "probe-controller-runs"
    remedy = "Stop it (Ctrl-C, or systemctl stop ampacity), set the meter, and start it again."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """Where meters are looked for, and what the installer states of them."""

    ways: Sequence[Way]
    units: Sequence[int]
    stated: Stated


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What the options come to."""

    targets: Sequence[_Target] = ()
    announced: bool = False
    interfaces: Sequence[str] | None = None
    units: Sequence[int] = ()
    """Of those that announce themselves."""
    stated: Stated = field(default_factory=dict)
    untold: Sequence[str] = ()
    """What is to be said of meters that can't be asked."""
    door: tuple[str, int] | None = None
    """Where chargers are waited for; None: they are not."""
    seconds: float = 0.0
    fix: bool = False
    yes: bool = False
    as_json: bool = False


def probe_command(
    site: Annotated[
        Path | None,
        typer.Argument(help="Look at what it names; of a controller that runs, show who knocks.", metavar="SITE.TOML"),
    ] = None,
    host: Annotated[
        list[str] | None, typer.Option("--host", help="An address, as 10.0.0.7:502; several times.")
    ] = None,
    serial: Annotated[
        list[str] | None, typer.Option("--serial", help="A port, as /dev/ttyUSB0; several times.")
    ] = None,
    units: Annotated[str, typer.Option("--units", help="Unit numbers: 1-10, or 1,33; all are 1-247.")] = "1-3",
    device: DeviceFiles = None,
    ct_ratio: Annotated[
        str | None, typer.Option("--ct-ratio", help="What the transformers' labels say, as 250/5.", metavar="RATIO")
    ] = None,
    announced: Annotated[
        bool | None,
        typer.Option("--announced/--no-announced", help="Listen for devices that announce themselves (mDNS)."),
    ] = None,
    interface: Annotated[
        list[str] | None, typer.Option("--interface", help="Listen on this one, as eth0; several times.")
    ] = None,
    chargers: Annotated[bool, typer.Option("--chargers", help="Open the door for OCPP, and list who comes.")] = False,
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65535, help=f"For chargers; as in site.toml, or {OCPP_PORT}."),
    ] = None,
    listen: Annotated[str, typer.Option("--listen", help="On which address of this machine.")] = "0.0.0.0",
    seconds: Annotated[float, typer.Option("--seconds", min=1, max=86_400, help="How long chargers may take.")] = 60.0,
    fix: Annotated[
        bool, typer.Option("--fix", help="Offer to set what is wrong in the meters that were found.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="With --fix: ask nothing. What depends on the wiring is not set.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Find meters by asking, on every serial port there is, or where you say; and devices that announce themselves.

    Stop the controller first: a serial line has one master, and many meters one connection. Nothing is written without
    --fix, and then each setting only when you agree, and never while somebody else talks on the line.

    Exit code 0: a meter that can be used was found, or with --chargers a charger came; 1: none, or a setting was not
    set.

    Examples: ampacity probe --serial /dev/ttyUSB0 --units 1-10 --fix; ampacity probe --chargers
    """
    all_ = Findings()
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # silence is no error here
    try:
        installation = None if site is None else load(site)
        knocks = None if installation is None else _knocks(installation)
        if knocks is not None:
            if fix:
                raise ControllerRuns(f"{site}: the controller runs, and reads these meters.")
            all_.knocks = knocks
        else:
            plan = _plan(
                installation,
                hosts=host or [],
                ports=serial,
                units=_numbers(units),
                stated={} if ct_ratio is None else {"ct_ratio": _ratio(ct_ratio)},
                announced=announced,
                interfaces=interface,
                door=(listen, port or _ocpp_port(installation)) if chargers else None,
                seconds=seconds,
                fix=fix,
                yes=yes,
                as_json=as_json,
            )
            asyncio.run(_carry_out(plan, all_))
    except AmpacityError as error:
        fail(error, as_json=as_json)
    if as_json:
        print_json(document(all_))
    elif all_.knocks is not None:
        say(all_)
    if not (all_.meters or all_.visitors or all_.knocks) or any(put.outcome is not Outcome.DONE for _, put in all_.put):
        raise typer.Exit(FAILED)


def _plan(
    installation: Installation | None,
    *,
    hosts: Sequence[str],
    ports: Sequence[str] | None,
    units: Sequence[int],
    stated: Stated,
    announced: bool | None,
    interfaces: Sequence[str] | None,
    door: tuple[str, int] | None,
    seconds: float,
    fix: bool,
    yes: bool,
    as_json: bool,
) -> _Plan:
    if yes and not fix:
        raise BadProbe("--yes is for --fix alone.", remedy="Add --fix, or leave --yes out.")
    if fix and as_json and not yes:
        raise BadProbe("--fix with --json can't ask.", remedy="Add --yes, or leave --json out.")
    placed = bool(hosts or ports or installation is not None)
    targets = [] if installation is None else _of_site(installation, stated)
    if not placed and door is None:
        ports = [one.device for one in comports()]
    ways = [_host(one) for one in hosts] + [way for path in ports or () for way in serial_ways(path)]
    if ways:
        targets.append(_Target(ways=ways, units=units, stated=stated))
    return _Plan(
        targets=targets,
        untold=() if installation is None else _of_chargers(installation),
        announced=announced if announced is not None else not placed and door is None,
        interfaces=interfaces,
        units=units,
        stated=stated,
        door=door,
        seconds=seconds,
        fix=fix,
        yes=yes,
        as_json=as_json,
    )


def _ocpp_port(installation: Installation | None) -> int:
    return OCPP_PORT if installation is None else installation.ocpp.port


def _of_site(installation: Installation, stated: Stated) -> list[_Target]:
    targets = []
    for place in (one.place for one in installation.meters):
        if not isinstance(place, ModbusPlace):
            continue
        way = Way(host=place.host, port=place.port)
        if place.serial is not None:
            way = Way(serial=SerialPort(place.serial, place.baud, place.parity, place.stop_bits))
        its = {} if place.ct_ratio is None else {"ct_ratio": place.ct_ratio}
        targets.append(_Target(ways=[way], units=[place.unit], stated={**its, **stated}))
    return targets


def _of_chargers(installation: Installation) -> list[str]:
    return [
        f"Meter {one.meter} is what charger {one.place.charger} tells of the supply: it can be seen only while a "
        "controller runs, and then by `ampacity doctor`."
        for one in installation.meters
        if isinstance(one.place, InletPlace)
    ]


async def _carry_out(plan: _Plan, all_: Findings) -> None:
    targets = list(plan.targets)
    if plan.announced:
        all_.announced = await _announced(plan.interfaces)
        ways = _modbus_ways(all_.announced, {way for target in targets for way in target.ways})
        if ways:
            targets.append(_Target(ways=ways, units=plan.units, stated=plan.stated))
    for words in () if plan.as_json else plan.untold:
        say_warning(words)
    if not (targets or plan.untold or plan.announced or plan.as_json) and plan.door is None:
        say_warning("There is no serial port here. Give --serial or --host.")
    await _ask(targets, all_)
    if plan.door is not None:
        all_.visitors = await _receive(*plan.door, plan.seconds)
    if not plan.as_json:
        say(all_)
    if plan.fix:
        await _fix(all_, yes=plan.yes, quiet=plan.as_json)


async def _announced(interfaces: Sequence[str] | None) -> list[tuple[Announcement, Service]]:
    known = announcements()
    kinds = list(dict.fromkeys(one.kind for one in known))
    with Progress(console=stderr, transient=True, disable=not stderr.is_terminal) as progress:
        bar = progress.add_task("Listening for devices that announce themselves", total=ROUNDS)
        try:
            services = await search(kinds, interfaces=interfaces, step=lambda: progress.advance(bar))
        except NoNetwork as error:
            say_warning(f"{error.what} {error.remedy}")
            return []
    paired = ((whose(known, service.kind, service.name), service) for service in services)
    return [(announcement, service) for announcement, service in paired if announcement is not None]


def _modbus_ways(announced: Sequence[tuple[Announcement, Service]], taken: set[Way]) -> list[Way]:
    ways = {
        Way(host=service.addresses[0], port=service.port or 502): None
        for known, service in announced
        if known.is_ == "modbus" and service.addresses
    }
    return [way for way in ways if way not in taken]


async def _ask(targets: Sequence[_Target], all_: Findings) -> None:
    if not targets:
        return
    with Progress(console=stderr, transient=True, disable=not stderr.is_terminal) as progress:
        bar = progress.add_task("Asking", total=sum(len(one.ways) * len(one.units) for one in targets))

        def step(way: Way, unit: int) -> None:
            progress.update(bar, description=f"{way.place}, unit {unit}", advance=1)

        for target in targets:
            async for one in probe(target.ways, target.units, meter_families(), stated=target.stated, step=step):
                if isinstance(one, Found):
                    all_.found.append(one)
                else:
                    all_.silent.append(one)


async def _receive(listen: str, port: int, seconds: float) -> list[Visitor]:
    """
    Raises:
        CannotListen: the address is taken or not ours.
    """
    with Progress(console=stderr, transient=True, disable=not stderr.is_terminal) as progress:

        def came(visitor: Visitor) -> None:
            progress.console.print(escape(visitor_words(visitor)), soft_wrap=True)

        visitors = Visitors(listen=listen, port=port, wall=lambda: datetime.now(UTC), came=came)
        receiving = asyncio.create_task(visitors.receive(seconds))
        bar = progress.add_task("Waiting for chargers", total=seconds)
        opened = asyncio.create_task(visitors.listening.wait())
        await asyncio.wait([receiving, opened], return_when=asyncio.FIRST_COMPLETED)
        opened.cancel()
        if not receiving.done():
            here = addresses()[0] if listen in ("0.0.0.0", "") and addresses() else listen
            stderr.print(f"Enter at each charger: ws://{here}:{visitors.port}/IDENTITY, for OCPP 1.6J.", soft_wrap=True)
        while not receiving.done():
            await asyncio.wait([receiving], timeout=TICK_S)
            progress.advance(bar, TICK_S)
        receiving.result()
    return visitors.all()


async def _fix(all_: Findings, *, yes: bool, quiet: bool) -> None:
    """Offers each setting that is wrong, and sets what was agreed to."""
    families = meter_families()
    wrong = [found for found in all_.meters if found.wrong]
    if not wrong and not quiet:
        stderr.print("Nothing has to be set." if all_.meters else "No meter was found that could be set.")
    for found in wrong:
        if agreed := _agreed(found, yes=yes, quiet=quiet):
            if found.way.serial is not None and not quiet:
                stderr.print(f"Listening whether anybody else asks on {escape(found.way.serial.path)} ...")
            async for put in set_right(found, agreed, families):
                all_.put.append((found, put))
                if not quiet:
                    say_put(put)


def _agreed(found: Found, *, yes: bool, quiet: bool) -> list[Held]:
    agreed = []
    for held in found.wrong:
        setting = held.setting
        if yes and not setting.at_the_board:
            agreed.append(held)
        elif yes:
            if not quiet:
                say_warning(f"The {setting.what} depends on the wiring: set it without --yes, at the board.")
        else:
            stderr.print(f"\n{escape(place_of(found))}: {escape(str(found.model))}.")
            stderr.print(escape(wrong_words(held)), soft_wrap=True)
            stderr.print(escape(" ".join(part for part in (setting.remedy, setting.effect) if part)), soft_wrap=True)
            if found.way.serial is None:
                stderr.print("Nobody can hear over a network who else asks: see that nothing else uses this meter now.")
            if typer.confirm(f"Set the {setting.what} to {held.right} now?", default=False, err=True):
                agreed.append(held)
    return agreed


def _knocks(installation: Installation) -> tuple[float, list[Knock]] | None:
    """None: no controller runs, or it keeps no record."""
    if of_the_controller(installation) is None:
        return None
    store = Store(installation.storage.place)
    try:
        return read_knocking(store.engine()) or (time.time(), [])
    except StorageError as error:
        say_warning(f"Which chargers knock can't be read ({error}).")
        return time.time(), []
    finally:
        store.close()


def _ratio(given: str) -> float:
    primary, slash, secondary = given.partition("/")
    with suppress(ValueError, ZeroDivisionError):
        ratio = float(primary) / (float(secondary) if slash else 1.0)
        if 1 <= ratio <= 10_000:
            return ratio
    raise BadProbe(f"{given!r} is no ratio of transformers.", remedy="Give it as on the label, 250/5, or as 50.")


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
