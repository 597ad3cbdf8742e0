"""Chargers as a page: `python -m ampacity.devices.charger_reference` prints docs/reference/chargers.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf

from ampacity.devices.catalogue import charger_families, direct_families
from ampacity.devices.charger_family import QUIRKS, ChargerFamily
from ampacity.devices.direct_family import (
    HTTP,
    LIFE,
    READ,
    VALIDITY,
    WRITE_LIMIT,
    DirectFamily,
    Limit,
    Point,
    Watchdog,
    Write,
)

_HEAD = """# Chargers

Made from the files in `src/ampacity/devices/chargers`; [add a charger in one file](../how-to/add-a-charger.md).
Chargers are steered in one of two ways: they connect [over OCPP](#over-ocpp), or they are asked
[over Modbus or HTTP](#over-modbus-or-http).

## Over OCPP

Any charger with OCPP 1.6J, 2.0.1 or 2.1 and smart charging can be steered: [what is spoken with it](ocpp.md). It
connects to `ws://HOST:PORT/IDENTITY` (`wss://` with a certificate), and its identity stands in site.toml as `ocpp_id`.
Its family is recognised by its BootNotification; to name one yourself, put the id of the family as `family` under
`[chargers.NAME]`.

A charger gets each setpoint as one TxDefaultProfile with a fixed id: the limit now, and its safe current from the
moment when the lease ends; below that lies a lasting profile of the safe current wherever the charger holds a second
one. Times are in the charger's own clock, as measured from its messages. A form that a charger refuses is replaced by
the next safer one that it takes, and the log says which. Whose tag may charge:
[cards and tags](../how-to/cards-and-tags.md). One socket for each identity.

Of a family only what differs from the standard is listed: its quirks, what follows from each, and where it is known
from. A quirk that says "nothing to set" is met by what is done with every charger. What a charger does on the wire is
tried in `tests/links/test_ocpp_quirks.py` and `test_ocpp_quirks_stories.py`, against a simulated charger that has the
quirk. **No family here has been confirmed on hardware by this project** unless it says who did.
`ampacity check` says so when site.toml names such a family, the log when a charger introduces itself as one.
"""

_DIRECT_HEAD = """## Over Modbus or HTTP

Put the id of the family as `device` under `[chargers.NAME]` in site.toml, and where it is: `host`, or `serial` for one
on RS485. `unit`, `port`, `baud`, `parity` and `stop_bits` have the family's defaults; chargers and meters on one serial
line, or behind one gateway, share it. A charger with several sockets has `socket` as well.

A current is set on the family's own grid, rounded down, and counts as set once the charger shows it, or, where it shows
none, once its car draws no more; its answer alone counts only where it tells neither. Nothing is written that is kept
in EEPROM, as far as the sources say.

What a charger does when it hears nothing more decides what is counted when it can't be reached. Its time and its safe
current are set when it is connected to, read back, and looked at each minute. It is fed at a quarter of its time, and
only while the controller renews the setpoint; when the controller does not, the charger is told its safe current, and
fed no more. Where the time or the safe current can't be set or read, it is *unguarded*: out of reach it counts at its
maximum. "Expires" is how long after the last word it has fallen at the latest, for leases of 120 s.

**No family here has been confirmed on hardware by this project** unless the last column names who did: the facts are
from the sources below each, the samples typed from them, and the link was tried against a simulator made from the same
file. `ampacity check`, the log and the app say so when such a family is used. Make the step test and the expiry test
before you rely on one.
"""
_TABLE = (
    "| device | makes | over | step | least to most | a pause is | a limit is confirmed by | asked every | "
    "current by phase | 1/3 phases | kept alive by | expires | guarded | confirmed on hardware |"
)
_WITHOUT = """## Without registers

| maker | steered over | why not directly |
|---|---|---|
| Wallbox | OCPP | no public map of registers; on its RS485 port it is the master of its own meter |
| Easee | OCPP, its cloud | no local interface but OCPP |
| Zaptec | OCPP, its cloud | no local interface but OCPP |

Chargers are not steered over a maker's cloud: what the building needs must not wait for the internet.
"""

_ENDLESS = "limits do not end by themselves"
_RESUMES = {
    "again": "the limit is told a second time",
    "clear": "its profile is cleared first, where the lasting safe current lies below it",
}
_LEASES = {
    "two-period": "the limit, then the safe current, in one profile",
    "duration": "the profile ends, and the lasting one below it rules",
    "none": "never by itself",
}


def chargers_page(families: Iterable[ChargerFamily], direct: Iterable[DirectFamily]) -> str:
    """Markdown; the same families give the same page."""
    asked = list(direct)
    lines = [_HEAD, *(line for family in families for line in _chapter(family))]
    lines += [_DIRECT_HEAD, _TABLE, "|" + "---|" * (_TABLE.count("|") - 1), *(_row(one) for one in asked), ""]
    lines += [line for family in asked for line in _direct_chapter(family)]
    return "\n".join([*lines, _WITHOUT]).rstrip() + "\n"


def _chapter(family: ChargerFamily) -> Iterator[str]:
    yield f"### {family.id}"
    yield ""
    models = ", ".join(family.models)
    yield f"Any maker: {models}." if family.maker == "any" else f"{family.maker} {models}."
    yield ""
    rows = [*_differs(family), *((one.what, f"nothing to set: {one.met}", one.source) for one in family.known)]
    if rows:
        yield "| quirk | what follows | known from |"
        yield "|---|---|---|"
        for row in rows:
            yield f"| {' | '.join(row)} |"
        yield ""
    yield f"Verified: {family.verified}. Confirmed on hardware: {family.hardware or 'by nobody'}."
    yield ""
    yield "Introduces itself as:"
    yield ""
    for sample in family.samples:
        said = ", ".join(f'{what} "{value}"' for what, value in _said(sample.vendor, sample.model, sample.firmware))
        yield f"- {said} ({sample.seen})"
    yield ""
    if family.source:
        yield "Sources of the rest:" if rows else "Sources:"
        yield ""
        for source in family.source:
            yield f"- {source}"
        yield ""


def _said(vendor: str, model: str, firmware: str) -> Iterator[tuple[str, str]]:
    for what, value in (("vendor", vendor), ("model", model), ("firmware", firmware)):
        if value:
            yield what, value


def _differs(family: ChargerFamily) -> Iterator[tuple[str, str, str]]:
    """Each quirk that is set, what follows from it, and its source."""
    usual = ChargerFamily(id="", maker="")
    for key in QUIRKS:
        if getattr(family, key) != getattr(usual, key):
            what, how = _quirk(family, key)
            yield what, how, family.sources.get(key, "")


def _quirk(family: ChargerFamily, key: str) -> tuple[str, str]:
    match key:
        case "connector":
            return f"takes profiles on connector {family.connector}", "they are set there"
        case "stack_level":
            return (
                f"takes profiles at stack level {family.stack_level} only",
                "limit and safe current share one profile",
            )
        case "purpose":
            return "ignores a TxDefaultProfile while a transaction is under way", "it gets a TxProfile then"
        case "lease_form":
            return "a limit ends", _LEASES[family.lease_form]
        case "relative":
            return "takes only profiles that count from the start of the transaction", f"{_ENDLESS}: it is unguarded"
        case "renews":
            return "must not be told the same limit twice", f"limits are not renewed, {_ENDLESS}: it is unguarded"
        case "keeps_limits":
            return "may leave a limit by itself", "it counts at its maximum when out of reach: it is unguarded"
        case "resume":
            return "a pause is not ended by a new limit alone", _RESUMES[family.resume]
        case "step_a":
            return f"takes steps of {family.step_a:g} A", "limits are rounded down to them"
        case "least_a":
            return f"ignores limits below {family.least_a:g} A", "less is a pause"
        case "currents_a":
            known = ", ".join(f"{amps:g}" for amps in family.currents_a)
            return f"knows only {known} A", "limits are rounded down to these"
        case "watts":
            return "takes limits in watts only", "it gets them in watts, for the phases that it has"
        case "remote_start":
            return "follows limits only after a RemoteStartTransaction", "it gets one once a car is connected"
        case "measurands":
            return "breaks when it is asked for others", f"it is asked for exactly {', '.join(family.measurands)}"
        case "without_measurands":
            return f"gives no useful {', '.join(family.without_measurands)}", "it is not asked for them"
        case "measurands_key":
            return f"names in `{family.measurands_key}` what it measures", "it is asked for nothing else"
        case "report_every_s":
            return f"reports no faster than every {family.report_every_s} s", "it is asked to report so often"
        case "rotates":
            return (
                "reports by the phases of the grid, where its ConnectorPhaseRotation is set",
                "its currents are turned back to its own phases",
            )
        case "shows_schedule":
            return (
                "has no GetCompositeSchedule",
                "it is believed to do what it was told, until its current says otherwise",
            )
        case "back_within_s" if family.back_within_s == inf:
            return "does not dial again after it was cut off", "meanwhile its safe current is reserved. Start it anew"
        case "back_within_s":
            return (
                f"may take {family.back_within_s or 0.0:g} s to connect or to dial again",
                "meanwhile its safe current is reserved",
            )
        case "lease_s":
            return "must not be told too often", f"its lease is {family.lease_s:g} s at least"
        case "min_interval_s":
            return "must not be told too often", f"there are {family.min_interval_s:g} s between commands at least"
        case "firmware_min":
            return (
                f"can't be steered with a firmware older than {family.firmware_min}",
                "an older one is named in the app",
            )
        case "ocpp_versions":
            return (
                "speaks other versions badly",
                f"is spoken with in {' or '.join(f'OCPP {v}' for v in family.ocpp_versions)}",
            )
        case "needs":
            return "has to be set up", family.needs
    raise ValueError(f"{key} is told nowhere")


# --- over Modbus or HTTP ---

_KEPT = {
    VALIDITY: "setting the current again",
    WRITE_LIMIT: "setting the current again",
    READ: "any request",
    LIFE: "a register for it",
}
LEASE_S = 120.0


def _row(family: DirectFamily) -> str:
    limit, watchdog = family.limit, family.watchdog
    most = "" if limit.most_a == float("inf") else f" to {limit.most_a:g} A"
    cells = (
        f"[{family.id}](#{family.id})",
        family.maker,
        ", ".join(family.transports),
        f"{limit.step_a:g} A",
        f"{limit.least_a:g} A{most or ' up'}",
        _pause(limit),
        _confirmed(family),
        f"{family.period_s:g} s",
        {0: "no", 1: "one for all", 3: "yes"}[len(family.currents)],
        "no" if family.phases is None else "yes",
        "nothing known" if watchdog is None else _KEPT[watchdog.kind],
        _expires(watchdog),
        _guarded(family),
        family.hardware or "nobody",
    )
    return f"| {' | '.join(cells)} |"


def _guarded(family: DirectFamily) -> str:
    if family.watchdog is None or not family.guardable:
        return "**no**"
    least_a = family.watchdog.safe_least_a
    return f"with a safe current of {least_a:g} A or more" if least_a else "yes"


def _pause(limit: Limit) -> str:
    parts = [_written(one) for one in limit.pause]
    if limit.pause_a is not None:
        parts.append(f"{limit.pause_a:g} A")
    return ", ".join(parts)


def _confirmed(family: DirectFamily) -> str:
    if family.limit.shown is not None:
        return "reading it back"
    return "what its car draws" if family.currents else "its answer alone"


def _expires(watchdog: Watchdog | None) -> str:
    if watchdog is None or not watchdog.is_known:
        return "not known"
    if watchdog.kind == VALIDITY:
        return "as set at the charger"
    return f"{max(watchdog.least_s, min(watchdog.most_s, LEASE_S / 3)):g} s"


def _direct_chapter(family: DirectFamily) -> Iterator[str]:
    yield f"### {family.id}"
    yield ""
    yield f"{family.maker} {', '.join(family.models)}."
    yield ""
    yield "| | |"
    yield "|---|---|"
    for what, how in _facts(family):
        yield f"| {what} | {how} |"
    yield ""
    yield "Sources:"
    yield ""
    for source in family.source:
        yield f"- {source}"
    yield ""


def _facts(family: DirectFamily) -> Iterator[tuple[str, str]]:
    if family.needs:
        yield "needs", family.needs
    if family.firmware_min is not None:
        yield "firmware", f"at least {family.firmware_min}"
    if family.protocol == HTTP:
        yield "port", str(family.port)
    else:
        yield "unit, port", f"{family.unit}, {family.port}"
    if family.serial is not None:
        serial = family.serial
        yield "RS485, from the factory", f"{serial.baud} baud, 8{serial.parity}{serial.stop_bits}"
    if family.sockets > 1:
        yield "sockets", f"up to {family.sockets}"
    if family.single_reads:
        yield "reads", "one value a request"
    if family.write_pause_s:
        yield "silence after a command", f"{family.write_pause_s:g} s"
    if family.min_interval_s is not None:
        yield "shortest time between commands", f"{family.min_interval_s:g} s"
    yield "state", ", then ".join(_place(rule.point) for rule in family.state)
    if family.currents:
        yield "current", f"{', '.join(str(one.at) for one in family.currents)}: {_kind(family.currents[0])} A"
    for what, point, unit in (("power", family.power, "W"), ("energy", family.energy, "Wh")):
        if point is not None:
            yield what, f"{_place(point)} {unit}"
    limit = family.limit
    yield "sets", f"{_place(limit.point)} A"
    if limit.shown is not None and limit.shown != limit.point:
        yield "shows its limit in", f"{_place(limit.shown)} A"
    if limit.go:
        yield "goes on by", ", ".join(_written(one) for one in limit.go)
    if (watchdog := family.watchdog) is not None:
        if watchdog.timeout is not None:
            yield "falls back after", f"{_place(watchdog.timeout)} s"
        if watchdog.safe is not None:
            least = f", {watchdog.safe_least_a:g} A at least" if watchdog.safe_least_a else ""
            yield "falls back to", f"{_place(watchdog.safe)} A{least}"
        if watchdog.feed:
            yield "is fed by", ", ".join(_written(one) for one in watchdog.feed)
        if watchdog.what:
            yield "note", watchdog.what
    if family.phases is not None:
        yield "phases", f"{_place(family.phases.point)}, one: {family.phases.one:g}, three: {family.phases.three:g}"
    yield "verified", family.verified


def _place(point: Point) -> str:
    return f"{point.at}: {_kind(point)}"


def _kind(point: Point) -> str:
    name = "" if point.type == "json" else point.type
    return f"{name}, in {point.scale:g}".lstrip(", ")


def _written(write: Write) -> str:
    return f"{write.point.at} = {write.value:g}"


if __name__ == "__main__":
    print(chargers_page(charger_families().values(), direct_families().values()), end="")
