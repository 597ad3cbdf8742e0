"""Reads a site.toml. Its keys are described in docs/reference/site-toml.md."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from ampacity.config.direct_place import DirectConnection
from ampacity.config.direct_toml import direct_of, direct_warnings, family_warnings
from ampacity.config.features_toml import app_of, feature_warnings, features_of, network, schedules_of, zone_of
from ampacity.config.installation import (
    ChargerConnection,
    Installation,
    LogSettings,
    OcppSettings,
    StorageSettings,
)
from ampacity.config.meter_place import InletPlace, MadePlace, MeterConnection, ModbusPlace
from ampacity.config.meters_toml import MeterReader, check_made, inlet_warnings, on_circuits
from ampacity.config.mistakes import Caution, Mistake, SiteFileError, line_of, lines_of_keys
from ampacity.config.ocpp_toml import versions_of
from ampacity.config.security import (
    certificate_cn_of,
    check_doors,
    door_warnings,
    is_open,
    open_key_warning,
    password_hash_of,
    profile_of,
)
from ampacity.config.storage_toml import place_of
from ampacity.config.table import Table, hint, shown
from ampacity.core.errors import SiteError
from ampacity.core.features import Feature, Features
from ampacity.core.phases import Line, PhaseAmps, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, PauseMode, Site
from ampacity.devices.catalogue import (
    charger_families,
    direct_families,
    json_families,
    meter_families,
    p1_families,
)

NOMINAL_V = {
    Supply.SINGLE_PHASE: 230.0,
    Supply.SPLIT_PHASE: 120.0,
    Supply.THREE_PHASE: 230.0,
    Supply.LINE_TO_LINE: 208.0,
}
CONTINUOUS_FACTOR = {"europe": 1.0, "north-america": 0.8}
"""Share of the rating for loads of hours. North American codes count charging as one: 80 % of the breaker's rating,
unless it is listed for 100 %."""

LARGEST_FILE_BYTES = 1_000_000
LONGEST_LINE = 10_000
"""Characters. A key of very many parts would keep the parser busy for hours."""
_TABLES = ("site", "features", "schedules", "circuits", "meters", "chargers", "ocpp", "app", "storage", "log")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,47}")
_LARGEST_PASSWORD_BYTES = 1000
_PASSWORDS = ("password", "password_file", "password_hash")


def load(path: Path) -> Installation:
    """Reads and checks the file.

    Raises:
        SiteFileError: with every mistake that can be found in one reading.
    """
    return parse(read_text(path), path)


def read_text(path: Path) -> str:
    """What stands in the file.

    Raises:
        SiteFileError: there is none, or it can't be the text of a site.toml.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE_BYTES + 1)
    except FileNotFoundError:
        raise _failed(path, "there is no such file.", f"Make one with: ampacity init {path}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise _failed(path, f"it can't be read ({reason}).", "Check the path and its permissions.") from error
    if len(raw) > LARGEST_FILE_BYTES:
        raise _failed(path, "it is larger than 1 MB.", "This is hardly a site.toml; check the path.")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise _failed(path, "it is not UTF-8 text.", "Save it as UTF-8.", line) from error


def parse(text: str, path: Path) -> Installation:
    """As `load`, of a text that stands, or is to stand, at `path`."""
    for number, one in enumerate(text.split("\n"), start=1):
        if len(one) > LONGEST_LINE:
            what = f"this line has more than {LONGEST_LINE} characters."
            raise _failed(path, what, "Break it up, or check the path.", number)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r" \(at line (\d+), column (\d+)\)$", str(error))
        what = re.sub(r" \(at .*\)$", "", str(error))
        line = int(found[1]) if found else len(text.splitlines()) or 1
        where = f", column {found[2]}" if found else ""
        raise _failed(path, f"not TOML: {what}{where}.", "Correct this line; texts stand in quotes.", line) from error
    except RecursionError as error:
        raise _failed(path, "it is nested too deeply.", "A site.toml has tables of keys, no deeper.") from error
    except ValueError as error:  # Python reads no decimal number of more than 4300 digits
        raise _failed(path, "it has a number of very many digits.", "Correct the number.") from error
    return _Reader(path, text, document).installation()


def _failed(path: Path, what: str, remedy: str, line: int | None = None) -> SiteFileError:
    return SiteFileError(path, [Mistake(line, "", what, remedy)])


class _Reader:
    """One reading of a file: collects mistakes and warnings on the way."""

    def __init__(self, path: Path, text: str, document: Mapping[str, Any]) -> None:
        self.path = path
        self.text = text
        self.document = document
        self.lines = lines_of_keys(text)
        self.meter_reader = MeterReader(
            modbus=meter_families(), p1=p1_families(), json=json_families(), password=self._password
        )
        self.charger_families = charger_families()
        self.direct_families = direct_families()
        self.mistakes: list[Mistake] = []
        self.warnings: list[str] = []

    def installation(self) -> Installation:
        for name in self.document:
            if name not in _TABLES:
                known = ", ".join(f"[{table}]" for table in _TABLES)
                self._wrong(name, "this table is not known.", f"{hint(name, _TABLES)}Known: {known}.")
        table = self._table("site")
        name = table.text("name", self.path.stem)
        supply = Supply(table.text("supply", "three-phase", choices=[s.value for s in Supply]))
        region = table.text("region", "europe", choices=list(CONTINUOUS_FACTOR))
        volts = table.number("voltage_v", NOMINAL_V[supply], 50, 500, "V")
        mode = PauseMode(table.text("pause_mode", "budget", choices=[m.value for m in PauseMode]))
        grace_s = table.number("grace_s", 2.0, 0, 24, "s")
        turn_s = table.number("turn_s", 1200.0, 600, 86_400, "s")
        zone = zone_of(table)
        primary = table.optional_text("primary")
        count = table.whole("charger_count", 1, 1, 1000) if "charger_count" in table else None
        features = features_of(self._table("features"))
        circuits = [self._circuit(t, supply, region) for t in self._tables("circuits", needed=True)]
        meter_tables = {_last(t): t for t in self._tables("meters", needed=features.reads_meter)}
        meters = [self.meter_reader.read(t, meter) for meter, t in meter_tables.items()]
        root = next((c.id for c in circuits if c.parent is None), CircuitId("main"))
        ocpp = self._ocpp(circuits)
        chargers = [self._charger(t, supply, root, ocpp) for t in self._tables("chargers", needed=False)]
        ids = [charger.id for charger, _ in chargers]
        if primary is not None and primary not in ids:
            table.wrong("primary", f"there is no charger {shown(primary)}.", f"{hint(primary, ids)}Name a charger.")
        table.done()
        schedules = schedules_of(self._tables("schedules", needed=False), ids)
        storage, log = self._storage(), self._log()
        app = app_of(self._table("app"), self.path.parent)
        self.warnings += self.meter_reader.warnings([connection for _, connection in meters])
        self._check_twice(meters, chargers)
        over_ocpp = {charger.id: connection.direct is None for charger, connection in chargers}
        check_made(meter_tables, [connection for _, connection in meters], over_ocpp)
        self._check_features(features, circuits, ids)
        self.warnings += feature_warnings(features, schedules, zone, [meter.id for meter, _ in meters], len(ids))
        if not features.reads_meter:
            meters, circuits = [], [replace(circuit, meter=None) for circuit in circuits]
        if (spanning := network(features, supply, [circuit.id for circuit in circuits])) is not None:
            circuits.append(spanning)
        site = None
        if not self.mistakes:
            site = self._site(
                name=name,
                supply=supply,
                nominal_v=volts,
                pause_mode=mode,
                grace_s=grace_s,
                turn_s=turn_s,
                active=features.steers,
                circuits=tuple(circuits),
                meters=on_circuits(meters, circuits),
                chargers=tuple(charger for charger, _ in chargers),
            )
        if site is None:
            raise SiteFileError(self.path, sorted(self.mistakes, key=lambda m: m.line or 0))
        connections = tuple(connection for _, connection in chargers)
        self.warnings += _warnings(site, region, connections, ocpp)
        self.warnings += inlet_warnings([connection for _, connection in meters], site.circuits)
        return Installation(
            path=self.path,
            text=self.text,
            document=self.document,
            site=site,
            region=region,
            time_zone=zone,
            features=features,
            schedules=schedules,
            primary=None if primary is None else ChargerId(primary),
            charger_count=count,
            circuit_names=self._names("circuits"),
            charger_names=self._names("chargers"),
            meters=tuple(connection for _, connection in meters),
            chargers=connections,
            ocpp=ocpp,
            app=app,
            storage=storage,
            log=log,
            warnings=tuple(self.warnings),
        )

    # --- tables ---

    def _wrong(self, place: str, what: str, remedy: str) -> None:
        self.mistakes.append(Mistake(line_of(self.lines, place), place, what, remedy))

    def _table(self, name: str) -> Table:
        values = self.document.get(name, {})
        if not isinstance(values, dict):
            self._wrong(name, "this is a value, not a table.", f"Write it as [{name}] with keys below.")
            values = {}
        return Table(name, values, self.lines, self.mistakes)

    def _tables(self, group: str, *, needed: bool) -> list[Table]:
        values = self.document.get(group, {})
        if not isinstance(values, dict) or not all(isinstance(v, dict) for v in values.values()):
            self._wrong(group, "its entries are tables.", f"Write each as [{group}.NAME] with keys below.")
            return []
        if needed and not values:
            self._wrong(group, "there is none.", f"Add at least one: [{group}.main].")
        for name in values:
            if not _NAME.fullmatch(name):
                self._wrong(
                    f"{group}.{name}", "this name can't be used.", "Use letters, digits, - and _, 48 at the most."
                )
        return [Table(f"{group}.{name}", values[name], self.lines, self.mistakes) for name in values]

    def _names(self, group: str) -> dict[Any, str]:
        """What people call the entries of a group, where that stands in the file."""
        return {name: values["name"] for name, values in self.document.get(group, {}).items() if "name" in values}

    def _circuit(self, table: Table, supply: Supply, region: str) -> Circuit:
        lines = len(supply.lines)
        if "limit_a" not in table:
            table.wrong("limit_a", "it is missing.", "Set the breaker's rating per line, in A, from the board.")
        table.optional_text("name")
        rating = table.per_line("limit_a", lines)
        for amps in rating or ():
            if amps <= 6:
                table.wrong(
                    "limit_a", f"{amps:g} A is not accepted.", "Only values greater than 6 A are: no car charges below."
                )
                break
        parent, meter = table.optional_text("parent"), table.optional_text("meter")
        worst = table.per_line("worst_load_a", lines)
        circuit = Circuit(
            id=CircuitId(_last(table)),
            parent=None if parent is None else CircuitId(parent),
            rating_a=PhaseAmps(rating if rating and min(rating) > 6 else (100.0,) * lines),
            continuous_factor=table.number("continuous_factor", CONTINUOUS_FACTOR[region], 0.1, 1.0, ""),
            meter=None if meter is None else MeterId(meter),
            other_load_a=table.number("other_load_a", 0.0, 0, 10_000, "A"),
            worst_load_a=None if worst is None else PhaseAmps(worst),
        )
        table.done()
        return circuit

    def _charger(
        self, table: Table, supply: Supply, root: CircuitId, ocpp: OcppSettings
    ) -> tuple[Charger, ChargerConnection]:
        name = ChargerId(_last(table))
        table.optional_text("name")
        wiring = self._wiring(table, supply)
        lines = len(supply.lines)
        phases = table.whole("phases", lines if wiring is None else len(wiring), 1, lines)
        charger = Charger(
            id=name,
            circuit=CircuitId(table.text("circuit", root)),
            wiring=wiring,
            phases=phases,
            min_a=table.number("min_a", 6.0, 6, 1000, "A"),
            max_a=table.number("max_a", 32.0, 6, 1000, "A"),
            step_a=table.number("step_a", 0.1, 0.01, 6, "A"),
            safe_a=table.number("safe_a", 0.0, 0, 1000, "A"),
            rank=table.whole("rank", 1, 1, 100),
            weight=table.number("weight", 1.0, 0.01, 100, ""),
            lease_s=table.number("lease_s", 120.0, 10, 86_400, "s"),
            min_interval_s=table.number("min_interval_s", 5.0, 0, 3600, "s"),
            guarded=table.switch("guarded", True),
        )
        if (direct := direct_of(table, self.direct_families)) is not None:
            table.done()
            if (family := self.direct_families.get(direct.device)) is not None:
                self.warnings += direct_warnings(name, family, charger.safe_a)
            return charger, ChargerConnection(
                charger=name,
                ocpp_id=name,
                family="auto",
                password=None,
                password_hash=None,
                security_profile=0,
                certificate_cn=None,
                direct=direct,
            )
        password, password_hash = self._password(table), password_hash_of(table)
        has_password = any(key in table for key in _PASSWORDS)
        profile = profile_of(table, ocpp, has_password=has_password)
        connection = ChargerConnection(
            charger=name,
            ocpp_id=table.text("ocpp_id", name),
            family=table.text("family", "auto", choices=["auto", *self.charger_families]),
            password=password,
            password_hash=password_hash,
            security_profile=profile,
            certificate_cn=certificate_cn_of(table, profile),
            ocpp_versions=versions_of(table),
        )
        table.done()
        if (named := self.charger_families.get(connection.family)) is not None:
            self.warnings += family_warnings(name, named)
        return charger, connection

    def _wiring(self, table: Table, supply: Supply) -> tuple[Line, ...] | None:
        value = table.raw("lines")
        names = [line.name for line in supply.lines]
        if value == "unknown":
            return None
        if value is None:
            if len(names) == 1:
                return supply.lines
            table.wrong(
                "lines",
                "it is missing.",
                f'Set the lines in the charger\'s own order, as lines = {shown(names)}, or lines = "unknown".',
            )
            return None
        if isinstance(value, str):
            value = [value]
        if (
            not isinstance(value, list)
            or not value
            or any(one not in names for one in value)
            or len(set(value)) < len(value)
        ):
            table.wrong(
                "lines",
                f"{shown(value)} can't be wired on a {supply.value} supply.",
                f"Give each line once at the most, out of {', '.join(names)}, in the charger's own order.",
            )
            return None
        return tuple(Line[v] for v in value)

    def _password(self, table: Table) -> str | None:
        password, file = table.optional_text("password"), table.optional_text("password_file")
        for first, second in combinations(_PASSWORDS, 2):
            if first in table and second in table:
                table.wrong(second, f"{first} is given as well.", "Keep one of the two.")
        if file is None:
            if password is not None and is_open(self.path):
                self.warnings.append(
                    f"{self.path.name}, {table.place}.password: others than its owner can read it. "
                    f"Run: chmod 600 {self.path.name}, or use password_file."
                )
            return password
        return self._password_in(table, file)

    def _password_in(self, table: Table, file: str) -> str | None:
        place = self.path.parent / file
        try:
            if not place.is_file():
                raise FileNotFoundError(2, "no such file")
            with place.open(encoding="utf-8") as opened:
                password = opened.read(_LARGEST_PASSWORD_BYTES).strip()
        except UnicodeDecodeError:
            table.wrong("password_file", f"{shown(file)} is not UTF-8 text.", "Put the password into it, as text.")
            return None
        except OSError as error:
            table.wrong(
                "password_file",
                f"{shown(file)} can't be read ({error.strerror}).",
                f"Check the path, which starts where {self.path.name} is, and its permissions.",
            )
            return None
        if not password or not password.isprintable():
            what = "is empty" if not password else "has more than one line of plain text"
            table.wrong("password_file", f"{shown(file)} {what}.", "Put the password into it, and nothing else.")
        if is_open(place):
            self.warnings.append(f"{file}: others than its owner can read it. Run: chmod 600 {file}")
        return password

    def _ocpp(self, circuits: list[Circuit]) -> OcppSettings:
        table = self._table("ocpp")
        files: dict[str, Path | None] = {}
        for key in ("tls_certificate", "tls_key", "tls_client_ca"):
            name = table.optional_text(key)
            files[key] = self.path.parent / name if name else None
            if name and not (self.path.parent / name).is_file():
                where = f"Give the path of a PEM file, which starts where {self.path.name} is."
                table.wrong(key, f"{shown(name)} is no file.", where)
        if ("tls_certificate" in table) != ("tls_key" in table):
            given = "tls_certificate" if "tls_certificate" in table else "tls_key"
            table.wrong(given, "TLS needs certificate and key.", "Give tls_certificate and tls_key, or neither.")
        adopt = table.optional_text("adopt_into")
        names = [circuit.id for circuit in circuits]
        if adopt and adopt not in names:
            remedy = f"{hint(adopt, names)}Use one of: {', '.join(names)}."
            table.wrong("adopt_into", f"there is no circuit {shown(adopt)}.", remedy)
        settings = OcppSettings(
            listen=table.text("listen", "0.0.0.0"),
            port=table.whole("port", 8887, 0, 65535),
            tls_port=table.whole("tls_port", 0, 0, 65535) if "tls_port" in table else None,
            tls_certificate=files["tls_certificate"],
            tls_key=files["tls_key"],
            tls_client_ca=files["tls_client_ca"],
            security_profile=table.whole("security_profile", 0, 0, 3),
            check_messages=table.switch("check_messages", False),
            adopt_into=None if adopt is None else CircuitId(adopt),
        )
        check_doors(table, settings)
        self.warnings += open_key_warning(settings.tls_key)
        table.done()
        return settings

    def _storage(self) -> StorageSettings:
        table = self._table("storage")
        file = table.optional_text("password_file")
        place = place_of(table, self.path.parent, None if file is None else self._password_in(table, file))
        if isinstance(place, URL) and place.password is not None and file is None and is_open(self.path):
            self.warnings.append(
                f"{self.path.name}, storage.url: others than its owner can read the password in it. "
                f"Run: chmod 600 {self.path.name}, or use password_file."
            )
        settings = StorageSettings(
            place=place,
            keep_1s_days=table.number("keep_1s_days", 7.0, 0.01, 36_500, "days"),
            keep_1min_days=table.number("keep_1min_days", 90.0, 0.01, 36_500, "days"),
            keep_15min_days=table.number("keep_15min_days", 3650.0, 0.01, 36_500, "days"),
            keep_journal_days=table.number("keep_journal_days", 7.0, 0.01, 36_500, "days"),
        )
        table.done()
        return settings

    def _log(self) -> LogSettings:
        table = self._table("log")
        settings = LogSettings(
            level=table.text("level", "info", choices=["debug", "info", "warning", "error"]),
            json=table.switch("json", False),
        )
        table.done()
        return settings

    # --- the whole ---

    def _check_twice(
        self, meters: list[tuple[Meter, MeterConnection]], chargers: list[tuple[Charger, ChargerConnection]]
    ) -> None:
        addresses: dict[str, MeterConnection] = {}
        buses: dict[str, MeterConnection] = {}
        for _, one in meters:
            place = f"meters.{one.meter}"
            if isinstance(one.place, MadePlace):
                continue
            if isinstance(one.place, ModbusPlace) and one.place.host is None and one.place.serial is None:
                continue
            if (other := addresses.setdefault(one.address.lower(), one)) is not one:
                what = f"{one.address} is the address of meter {other.meter}, too."
                remedy = "Give each its own unit, as set on the meter."
                self._wrong(place, what, "Keep one of them." if isinstance(one.place, InletPlace) else remedy)
            if one.serial is not None and _port(other := buses.setdefault(one.serial, one)) != _port(one):
                what = f"baud, parity or stop_bits differ from those of meter {other.meter}, on the same serial line."
                self._wrong(place, what, "Set all meters on one line alike.")
        taken = {address: f"meter {one.meter}" for address, one in addresses.items()}
        lines: dict[str, tuple[str, object]] = {
            serial: (f"meter {one.meter}", _port(one)) for serial, one in buses.items()
        }
        ids: dict[str, str] = {}
        for charger, connection in chargers:
            if connection.direct is not None:
                self._check_place(charger.id, connection.direct, taken, lines)
            elif (first := ids.setdefault(connection.ocpp_id, charger.id)) != charger.id:
                self._wrong(
                    f"chargers.{charger.id}.ocpp_id",
                    f"{shown(connection.ocpp_id)} is the identity of charger {first}, too.",
                    "Give each charger its own identity, as set on the charger.",
                )

    def _check_place(
        self,
        charger: ChargerId,
        direct: DirectConnection,
        taken: dict[str, str],
        lines: dict[str, tuple[str, object]],
    ) -> None:
        """Against who has the same address, or is on the same serial line."""
        me = f"charger {charger}"
        if (holder := taken.setdefault(direct.address.lower(), me)) != me:
            what = f"{direct.address} is the address of {holder}, too."
            self._wrong(f"chargers.{charger}", what, "Give each its own unit, or its own socket, as set on the device.")
        if direct.serial is not None:
            first, frames = lines.setdefault(direct.serial, (me, direct.frames))
            if frames != direct.frames:
                what = f"baud, parity or stop_bits differ from those of {first}, on the same serial line."
                self._wrong(f"chargers.{charger}", what, "Set all devices on one line alike.")

    def _check_features(self, features: Features, circuits: list[Circuit], chargers: list[ChargerId]) -> None:
        if Feature.SINGLE in features.on and len(chargers) > 1:
            self._wrong(
                "features.single",
                f"single-charger mode is for one charger; there are {len(chargers)}.",
                "Set single = false and dynamic = true.",
            )
        main = next((circuit for circuit in circuits if circuit.parent is None), None)
        if Feature.STATIC in features.on and features.static_a is not None and main is not None:
            limit = min(main.limit_a)
            if features.static_a > limit:
                self._wrong(
                    "features.static_a",
                    f"{features.static_a:g} A is more than the main breaker bears ({limit:g} A).",
                    f"Set at most {limit:g} A, less what the building itself draws.",
                )

    def _site(self, **parts: Any) -> Site | None:
        try:
            return Site(**parts)
        except SiteError as error:
            self._wrong(error.place, error.problem, error.remedy)
            return None


def _warnings(site: Site, region: str, connections: tuple[ChargerConnection, ...], ocpp: OcppSettings) -> list[str]:
    warnings: list[str] = []
    for circuit in site.circuits:
        if circuit.meter is not None and circuit.worst_load_a is None:
            warnings.append(
                Caution(
                    "worst-load",
                    f"circuits.{circuit.id}: worst_load_a is not stated, so the safe currents can't be proven. "
                    "Set the most the building draws there, per line, without cars.",
                    circuit=circuit.id,
                )
            )
        if region == "north-america" and circuit.continuous_factor == 1.0:
            warnings.append(
                Caution(
                    "factor-1",
                    f"circuits.{circuit.id}: continuous_factor is 1.0. Right only for a breaker listed for 100 %.",
                    circuit=circuit.id,
                )
            )
    for charger in site.chargers:
        warnings += _charger_warnings(charger, site)
    warnings += door_warnings(connections, ocpp)
    return warnings


def _charger_warnings(charger: Charger, site: Site) -> list[str]:
    place = f"chargers.{charger.id}"
    warnings: list[str] = []
    if charger.wiring is None and len(site.supply.lines) > 1:
        words = f"{place}: its wiring is unknown, so it is counted on every line. Set `lines`."
        warnings.append(Caution("wiring-unknown", words, charger=charger.id))
    limit, narrowest = min(
        (min(site.circuits[site.index_of_circuit[c]].limit_a), c) for c in site.path(charger.circuit)
    )
    if charger.min_a > limit:
        warnings.append(
            Caution(
                "minimum-too-large",
                f"{place}: its minimum is more than circuit {narrowest} bears ({limit:g} A): it will never charge. "
                "Put it on a larger circuit.",
                charger=charger.id,
                circuit=narrowest,
                limit_a=limit,
            )
        )
    elif charger.max_a > limit:
        warnings.append(
            Caution(
                "maximum-too-large",
                f"{place}: max_a {charger.max_a:g} A is more than circuit {narrowest} bears ({limit:g} A). It is held "
                "to that while it obeys; set its own maximum lower, on the charger and here.",
                charger=charger.id,
                circuit=narrowest,
                limit_a=limit,
                max_a=charger.max_a,
            )
        )
    if not charger.guarded:
        warnings.append(
            Caution(
                "unguarded",
                f"{place}: it can't fall back by itself; offline, it counts at {charger.max_a:g} A. Set max_a as low "
                "as the charger's own.",
                charger=charger.id,
                max_a=charger.max_a,
            )
        )
    return warnings


def _last(table: Table) -> str:
    return table.place.partition(".")[2]


def _port(meter: MeterConnection) -> tuple[int, str, int] | MeterId:
    """What must be alike on one serial line; a meter that is no Modbus device has the line for itself."""
    place = meter.place
    return (place.baud, place.parity, place.stop_bits) if isinstance(place, ModbusPlace) else meter.meter
