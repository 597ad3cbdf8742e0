"""What `ampacity probe` found, for people and for programs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.markup import escape

from ampacity.cli.out import stdout
from ampacity.commission.probe import Found, Nothing
from ampacity.config.rewrite import new_charger_name
from ampacity.devices.announced import Announcement
from ampacity.devices.meter_settings import Held
from ampacity.links.mdns import Service
from ampacity.links.meter_settings import Outcome, Put
from ampacity.links.ocpp.admission import PROTOCOL, Knock
from ampacity.links.ocpp.visitors import Visitor


@dataclass(slots=True)
class Findings:
    """All of one run."""

    found: list[Found] = field(default_factory=list)
    silent: list[Nothing] = field(default_factory=list)
    announced: list[tuple[Announcement, Service]] = field(default_factory=list)
    put: list[tuple[Found, Put]] = field(default_factory=list)
    visitors: list[Visitor] | None = None
    """None: no door was open."""
    knocks: tuple[float, list[Knock]] | None = None
    """When the running controller saw them last, and whom; None: none runs."""

    @property
    def meters(self) -> list[Found]:
        return [one for one in self.found if one.family is not None]


def place_of(found: Found) -> str:
    return f"{found.way.place}, unit {found.unit}"


def say(all_: Findings) -> None:
    for number, one in enumerate(sorted(all_.found, key=lambda one: one.family is None), start=1):
        _say_found(one, "main" if number == 1 else f"meter-{number}")
    if not all_.meters:
        _say_silence(all_)
    for known, service in all_.announced:
        _say_announced(known, service)
    if all_.visitors is not None:
        _say_visitors(all_.visitors)
    if all_.knocks is not None:
        _say_knocks(*all_.knocks)


def _say_found(one: Found, name: str) -> None:
    if one.family is None:
        _print(f"[yellow]?[/] {escape(place_of(one))}: {escape(one.what)}")
        return
    number = f", number {one.own_number}" if one.own_number else ""
    _print(f"[green]+[/] {escape(place_of(one))}: [bold]{escape(str(one.model))}[/]{escape(number)}")
    if one.shows is not None:
        _print(f"  {escape(_shown(one))}")
    if one.doubt:
        _print(f"  [yellow]![/] What it measures can't be: {escape(one.doubt)}")
    for held in one.settings:
        if held.is_wrong:
            _print(f"  [yellow]![/] {escape(wrong_words(held))} {escape(held.setting.remedy)}")
        else:
            stated = "" if held.wanted is not None else " Give --ct-ratio, or ct_ratio in site.toml, to compare."
            _print(f"  {escape(f'The {held.setting.what} is {held.now}.{stated}')}")
    for remark in one.remarks:
        _print(f"  [yellow]![/] {escape(remark.what)} {escape(remark.remedy)}")
    stdout.print(escape(_meter_lines(one, name)))


def wrong_words(held: Held) -> str:
    return f"The {held.setting.what} is {held.now}; it should be {held.right}."


def _shown(one: Found) -> str:
    reading = one.shows
    if reading is None:
        return ""
    volts = (None,) * len(reading.currents.values) if reading.voltages is None else reading.voltages.values
    watts = (None,) * len(reading.currents.values) if reading.powers is None else reading.powers.values
    lines = []
    for number, (v, a, w) in enumerate(zip(volts, reading.currents.values, watts, strict=True), start=1):
        parts = [f"{v:.0f} V" if v is not None else "", f"{a:.1f} A", f"{w:.0f} W" if w is not None else ""]
        lines.append(f"L{number} {' '.join(part for part in parts if part)}")
    return f"It measures {', '.join(lines)}."


def _say_silence(all_: Findings) -> None:
    by_port: dict[str, list[Nothing]] = {}
    for nothing in all_.silent:
        by_port.setdefault(nothing.way.serial.path if nothing.way.serial else nothing.way.place, []).append(nothing)
    for port, nothings in by_port.items():
        told = dict.fromkeys(f"{one.what} {one.remedy}" for one in nothings)
        place = nothings[0].way.place if len(nothings) == 1 else f"{port}, {len(nothings)} settings"
        for words in told:
            _print(f"[red]-[/] {escape(place)}: {escape(words)}")
    if not all_.found and any(len(one) > 1 and all(nothing.asked for nothing in one) for one in by_port.values()):
        _print(
            "Nothing came back at any setting. Swap D+ and D− at one end; check power, the unit numbers (--units), "
            "and that nothing else asks on the line."
        )


def _say_announced(known: Announcement, service: Service) -> None:
    where = ", ".join(service.addresses) or service.host or "address not told"
    port = f", port {service.port}" if service.port else ""
    maker = known.maker or service.kind
    _print(f"[cyan]·[/] {escape(where)}{port}: [bold]{escape(maker)}[/] announces itself as {escape(service.name)}.")
    _print(f"  {escape(known.what_to_do)}")


def _say_visitors(visitors: Sequence[Visitor]) -> None:
    if not visitors:
        _print(
            "[red]-[/] No charger came. Enter the address in the charger as above, start it anew, and give it more "
            "time with --seconds. A charger that is set to wss:// needs the running controller, with a certificate."
        )
    for one in visitors:
        _print(f"[green]+[/] {escape(visitor_words(one))}")
        if PROTOCOL not in one.protocols:
            _print("  [yellow]![/] It does not offer OCPP 1.6J: set it to that.")
        stdout.print(escape(_charger_lines(one.ocpp_id)))
        if one.password:
            name = new_charger_name(one.ocpp_id, ())
            _print(
                f"  It sends a password: set the same with `ampacity charger password SITE.TOML {escape(name)} --set`."
            )


def visitor_words(one: Visitor) -> str:
    who = " ".join(part for part in (one.vendor, one.model, one.firmware) if part) or "it has not introduced itself"
    return f"{one.ocpp_id} from {one.address}: {who}; offers {', '.join(one.protocols) or 'no protocol'}"


def _say_knocks(at_s: float, knocks: Sequence[Knock]) -> None:
    _print(f"The controller runs. What it saw {max(0, round(time.time() - at_s))} s ago:")
    if not knocks:
        _print("No charger knocks that is not in site.toml.")
    for one in knocks:
        who = " ".join(part for part in (one.vendor, one.model, one.firmware) if part)
        _print(
            f"[green]+[/] {escape(one.ocpp_id)} from {escape(one.address)}{escape(f': {who}' if who else '')}, last "
            f"{max(0, round(time.time() - one.last_s))} s ago ({one.why})"
        )
        stdout.print(escape(_charger_lines(one.ocpp_id)))
    _print("Its meters are in use, and not asked here: `ampacity doctor SITE.TOML` tells of them.")


def say_put(put: Put) -> None:
    what = put.held.setting.what
    if put.outcome is Outcome.DONE:
        _print(f"  [green]ok[/] The {escape(what)} is {escape(put.now)} now, as read back.")
        return
    _print(f"  [red]not set[/] {escape(what)}: {escape(put.what)} {escape(put.remedy)}")


def _meter_lines(one: Found, name: str) -> str:
    """As it stands in site.toml."""
    way, lines = one.way, [f"  [meters.{name}]", f'  device = "{one.family}"']
    if way.serial is None:
        lines += [f'  host = "{way.host}"', *([f"  port = {way.port}"] if way.port != 502 else [])]
    else:
        lines.append(f'  serial = "{way.serial.path}"')
        lines += [f"  baud = {way.serial.baud}", f'  parity = "{way.serial.parity}"']
        lines += [f"  stop_bits = {way.serial.stop_bits}"] if way.serial.stop_bits != 1 else []
    lines += [f"  unit = {one.unit}"]
    for held in one.settings:
        if held.setting.stated == "ct_ratio" and held.wanted is not None:
            lines += [f"  ct_ratio = {held.wanted * held.setting.scale:g}"]
    return "\n".join(lines)


def _charger_lines(ocpp_id: str) -> str:
    quoted = ocpp_id.replace("\\", "\\\\").replace('"', '\\"')
    name = new_charger_name(ocpp_id, ())
    return "\n".join([f"  [chargers.{name}]", f'  ocpp_id = "{quoted}"', '  circuit = "main"', '  lines = "unknown"'])


def document(all_: Findings) -> dict[str, Any]:
    told: dict[str, Any] = {
        "found": [_found_document(one) for one in all_.found],
        "silent": [one.way.place for one in all_.silent],
        "announced": [_service_document(known, service) for known, service in all_.announced],
    }
    if all_.put:
        told["set"] = [
            {
                "place": place_of(found),
                "what": put.held.setting.what,
                "outcome": put.outcome.value,
                "before": put.held.now,
                "now": put.now or None,
                "why": put.what or None,
                "remedy": put.remedy or None,
            }
            for found, put in all_.put
        ]
    if all_.visitors is not None:
        told["chargers"] = [
            {
                "ocpp_id": one.ocpp_id,
                "address": one.address,
                "protocols": list(one.protocols),
                "password": one.password,
                "vendor": one.vendor or None,
                "model": one.model or None,
                "firmware": one.firmware or None,
            }
            for one in all_.visitors
        ]
    if all_.knocks is not None:
        at_s, knocks = all_.knocks
        told["controller_runs"] = True
        told["knocking"] = {
            "at_s": at_s,
            "chargers": [
                {
                    "ocpp_id": one.ocpp_id,
                    "address": one.address,
                    "last_s": one.last_s,
                    "why": one.why,
                    "vendor": one.vendor or None,
                    "model": one.model or None,
                    "firmware": one.firmware or None,
                }
                for one in knocks
            ],
        }
    return told


def _found_document(one: Found) -> dict[str, Any]:
    serial, shows = one.way.serial, one.shows
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
        "settings": [
            {
                "what": held.setting.what,
                "register": held.setting.address,
                "now": held.now,
                "right": held.right or None,
                "wrong": held.is_wrong,
                "remedy": held.setting.remedy,
            }
            for held in one.settings
        ],
        "wiring": [{"what": remark.what, "remedy": remark.remedy} for remark in one.remarks],
        "currents_a": None if shows is None else list(shows.currents.values),
        "powers_w": None if shows is None or shows.powers is None else list(shows.powers.values),
        "voltages_v": None if shows is None or shows.voltages is None else list(shows.voltages.values),
        "doubt": one.doubt or None,
        "what": one.what or None,
    }


def _service_document(known: Announcement, service: Service) -> dict[str, Any]:
    return {
        "kind": service.kind,
        "name": service.name,
        "maker": known.maker or None,
        "is": known.is_,
        "host": service.host or None,
        "port": service.port or None,
        "addresses": list(service.addresses),
        "text": service.text,
        "what_to_do": known.what_to_do,
    }


def _print(words: str) -> None:
    stdout.print(words, soft_wrap=True)
