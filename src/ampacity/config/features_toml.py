"""The keys of site.toml on energy features, schedules and the app."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from ampacity.config.installation import AppSettings
from ampacity.config.mistakes import Caution
from ampacity.config.table import Table, hint, shown
from ampacity.core.features import Feature, Features, SolarMode, conflicts
from ampacity.core.phases import PhaseAmps, Supply
from ampacity.core.schedule import DAY_MIN, DAYS, Schedule
from ampacity.core.site import ChargerId, Circuit, CircuitId

NETWORK = "chargers"
"""Name of the circuit that static load management puts around all chargers."""

_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)|(24):(00)")
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def features_of(table: Table) -> Features:
    """What is switched on; each mistake is noted once."""
    default = Features()
    on = frozenset(one for one in Feature if table.switch(one.value, one in default.on))
    static_a = table.optional_number("static_a", 6, 10_000, "A")
    solar = SolarMode(table.text("solar_mode", default.solar.value, choices=[mode.value for mode in SolarMode]))
    for feature, other in conflicts(on):
        table.wrong(
            other.value,
            f"{other.value} and {feature.value} can't be on together.",
            f"Set {feature.value} = false, or {other.value} = false.",
        )
    if static_a is not None and static_a <= 6:
        table.wrong("static_a", "6 A is not accepted.", "Only values greater than 6 A are: no car charges below.")
    if Feature.STATIC in on and static_a is None:
        table.wrong(
            "static_a", "it is missing.", "Set the current that all chargers together may draw on each line, in A."
        )
        on -= {Feature.STATIC}
    table.done()
    return Features(on=on, static_a=static_a, solar=solar)


def network(features: Features, supply: Supply, taken: Collection[str]) -> Circuit | None:
    """The circuit that static load management puts around all chargers; None while it is off."""
    if Feature.STATIC not in features.on or features.static_a is None or features.static_a <= 6:
        return None
    name, number = NETWORK, 2
    while name in taken:
        name, number = f"{NETWORK}-{number}", number + 1
    rating = PhaseAmps((features.static_a,) * len(supply.lines))
    return Circuit(id=CircuitId(name), rating_a=rating, spans=True)


def schedules_of(tables: Sequence[Table], chargers: Sequence[ChargerId]) -> tuple[Schedule, ...]:
    """All that are right; mistakes are noted."""
    return tuple([_schedule(table, chargers) for table in tables])


def _schedule(table: Table, chargers: Sequence[ChargerId]) -> Schedule:
    named = _names(table, "chargers", chargers, "charger")
    days = _names(table, "days", DAYS, "day")
    schedule = Schedule(
        name=table.place.partition(".")[2],
        chargers=None if named is None else frozenset(ChargerId(one) for one in named),
        days=frozenset(range(7)) if days is None else frozenset(DAYS.index(day) for day in days),
        from_min=_minutes(table, "from") % DAY_MIN,
        to_min=_minutes(table, "to"),
        limit_a=table.optional_number("limit_a", 0, 1000, "A"),
    )
    table.done()
    return schedule


def _names(table: Table, key: str, known: Sequence[str], kind: str) -> list[str] | None:
    """A list of known names; None if absent, or "*": all."""
    value = table.raw(key)
    if value is None or value in ("*", ["*"]):
        return None
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        table.wrong(key, f"{shown(value)} is no list of {kind}s.", f'Write {key} = ["{known[0] if known else "..."}"].')
        return None
    for one in value:
        if one not in known:
            table.wrong(key, f"there is no {kind} {shown(one)}.", f"{hint(one, known)}Use some of: {', '.join(known)}.")
            return None
    return value


def _minutes(table: Table, key: str) -> int:
    text = table.text(key, "00:00")
    if key not in table:
        table.wrong(key, "it is missing.", f'Write it as {key} = "22:00".')
        return 0
    found = _TIME.fullmatch(text)
    if found is None:
        table.wrong(key, f"{shown(text)} is no time of the day.", f'Write it as {key} = "22:00", 00:00 to 24:00.')
        return 0
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def feature_warnings(
    features: Features, schedules: Sequence[Schedule], zone: ZoneInfo, meters: Collection[str], chargers: int
) -> list[str]:
    """What is allowed, and worth a look."""
    warnings: list[str] = []
    if not features.steers:
        warnings.append(
            Caution(
                "off",
                "features: load management is off; no charger gets more than its safe current. Set dynamic = true.",
            )
        )
    if not features.reads_meter and meters:
        warnings.append(
            Caution(
                "meter-unread",
                f"features: the fixed current alone holds, and meter {', '.join(meters)} is not read. "
                "Set dynamic = true if the breaker is to be watched.",
                meter=", ".join(meters),
            )
        )
    if Feature.SCHEDULES in features.on and schedules and zone.key == "UTC":
        warnings.append(Caution("by-utc", 'site: the schedules go by UTC. Set time_zone, as "Europe/Madrid".'))
    if Feature.SCHEDULES not in features.on and schedules:
        warnings.append(
            Caution("schedules-off", "features: there are schedules, and they are off. Set schedules = true.")
        )
    if Feature.DYNAMIC in features.on and chargers == 1:
        warnings.append(
            Caution(
                "one-charger",
                "features: there is one charger. Set single = true and dynamic = false; it is the same job.",
            )
        )
    return warnings


def zone_of(table: Table) -> ZoneInfo:
    """The site's time zone; UTC if absent or wrong."""
    name = table.text("time_zone", "UTC")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = hint(name, sorted(available_timezones()))
        table.wrong("time_zone", f"{shown(name)} is no time zone.", f'{near}Write it as time_zone = "Europe/Madrid".')
        return ZoneInfo("UTC")


def app_of(table: Table, folder: Path) -> AppSettings:
    """Where the app is served."""
    files: dict[str, Path | None] = {}
    for key in ("tls_certificate", "tls_key"):
        name = table.optional_text(key)
        files[key] = folder / name if name else None
        if name and not (folder / name).is_file():
            table.wrong(
                key, f"{shown(name)} is no file.", "Give the path of a PEM file, which starts where this file is."
            )
    if ("tls_certificate" in table) != ("tls_key" in table):
        given = "tls_certificate" if "tls_certificate" in table else "tls_key"
        table.wrong(given, "TLS needs certificate and key.", "Give tls_certificate and tls_key, or neither.")
    names = table.raw("host_names")
    if names is None:
        names = []
    if not isinstance(names, list) or not all(isinstance(one, str) and _HOST_NAME.fullmatch(one) for one in names):
        table.wrong(
            "host_names", f"{shown(names)} is no list of names.", 'Write it as host_names = ["charging.example"].'
        )
        names = []
    settings = AppSettings(
        enabled=table.switch("enabled", True),
        listen=table.text("listen", "0.0.0.0"),
        port=table.whole("port", 8443 if table.raw("tls") is not False else 8080, 0, 65535),
        tls=table.switch("tls", True),
        tls_certificate=files["tls_certificate"],
        tls_key=files["tls_key"],
        host_names=tuple(names),
    )
    if not settings.tls and settings.tls_certificate is not None:
        table.wrong("tls", "it is false, and a certificate is given.", "Remove tls = false, or the certificate.")
    table.done()
    return settings
