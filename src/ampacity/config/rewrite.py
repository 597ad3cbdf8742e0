"""Changes a site.toml in place: at once or not at all, its comments kept."""

from __future__ import annotations

import os
import re
import secrets
import tomllib
from collections.abc import Callable, Container, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from ampacity.config.installation import Installation
from ampacity.config.mistakes import Mistake, SiteFileError
from ampacity.config.site_toml import parse, read_text
from ampacity.core.site import ChargerId, CircuitId

Value = str | bool | int | float | list[str] | list[float]
Setting = Value | Mapping[str, Value]
"""What may stand at a place: a value, or a table of values."""
_HEADER = re.compile(r"(?<=[^\n]\n)\[.+\n")
_Tables = MutableMapping[str, Any]
"""A document, or a table in it."""


def with_charger(path: Path, ocpp_id: str, circuit: CircuitId) -> ChargerId:
    """Adds a charger of unknown wiring; returns its name, made from its identity. Keeps the file's comments.

    Raises:
        SiteFileError: the file is not right, or would not be.
        OSError: it can't be written.
    """
    name = new_charger_name(ocpp_id, parse(read_text(path), path).site.index_of_charger)
    entry = tomlkit.table()
    entry.add(tomlkit.comment("Adopted when it connected. Set its lines in its own order, and its maximum."))
    entry.update({"ocpp_id": ocpp_id, "circuit": str(circuit), "lines": "unknown"})

    def add(document: _Tables) -> None:
        chargers = document.setdefault("chargers", tomlkit.table(is_super_table=True))
        chargers[name] = entry

    _change(path, add, f"chargers.{name}")
    return name


def new_charger_name(ocpp_id: str, taken: Container[ChargerId]) -> ChargerId:
    """A name for a charger of this identity, as a table of site.toml may be called."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", ocpp_id).strip("-_")[:40] or "charger"
    name, number = ChargerId(stem), 2
    while name in taken:
        name, number = ChargerId(f"{stem}-{number}"), number + 1
    return name


def set_value(path: Path, place: str, value: Value | None) -> Installation:
    """Sets one key, as `chargers.left.max_a`; None removes it. Returns the file as it now reads. Keeps its comments.

    Raises:
        SiteFileError: the file is not right, or would not be: it stays as it was.
        OSError: it can't be written.
    """
    return _change(path, lambda document: _set(document, path, place, value), place)


def text_with(path: Path, text: str, changes: Mapping[str, Setting | None]) -> str:
    """The text with several places set; None removes one. Comments stay. Whether it is right is not looked at.

    Raises:
        SiteFileError: it can't be changed in place.
    """

    def change(document: _Tables) -> None:
        for place, setting in changes.items():
            _set(document, path, place, setting)

    return _changed_text(path, text, change, next(iter(changes), "site"))


def with_password_hash(path: Path, charger: ChargerId, password_hash: str) -> Installation:
    """In place of whatever password the charger had. Keeps the file's comments.

    Raises:
        SiteFileError: the file is not right, or would not be: it stays as it was.
        OSError: it can't be written.
    """

    def change(document: _Tables) -> None:
        table = document["chargers"][charger]
        for key in ("password", "password_file"):
            table.pop(key, None)
        table["password_hash"] = password_hash

    return _change(path, change, f"chargers.{charger}.password_hash")


def write(path: Path, text: str) -> Installation:
    """Puts a text in the file's place if it is right: atomically, permissions kept. Creates the file if there is none.

    Raises:
        SiteFileError: the text has mistakes; the file is as it was.
        OSError: it can't be written.
    """
    installation = parse(text, path)
    real = path.resolve()
    new = real.with_name(f".{real.name}.{secrets.token_hex(4)}")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            if real.exists():
                os.fchmod(file.fileno(), real.stat().st_mode & 0o777)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(real)
        _sync_folder(real.parent)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    return installation


def _change(path: Path, change: Callable[[_Tables], None], place: str) -> Installation:
    text = read_text(path)
    parse(text, path)
    return write(path, _changed_text(path, text, change, place))


def _set(document: _Tables, path: Path, place: str, setting: Setting | None) -> None:
    *tables, key = place.split(".")
    table = document
    for name in tables:
        if setting is None and name not in table:
            return
        table = table.setdefault(name, tomlkit.table(is_super_table=name != tables[-1] or isinstance(setting, Mapping)))
        if not isinstance(table, MutableMapping):
            raise _refused(path, place, f"{name} is a value, not a table.", "Name a key, as `log.level`.")
    if setting is None:
        table.pop(key, None)
        if not table and len(tables) == 1:
            del document[tables[0]]  # the last of a group takes the group with it
    elif isinstance(setting, Mapping):
        entry = tomlkit.table()
        entry.update(setting)
        table[key] = entry
    else:
        table[key] = setting


def _changed_text(path: Path, text: str, change: Callable[[_Tables], None], place: str) -> str:
    wanted: dict[str, Any] = tomllib.loads(text)
    try:
        change(wanted)
        document = tomlkit.parse(text)
        change(document)
        changed = _new_tables_apart(tomlkit.dumps(document), text)
        # Nothing else may change with it, whatever the layout of the file.
        faithful = tomllib.loads(changed) == wanted
    except (TOMLKitError, tomllib.TOMLDecodeError) as error:
        raise _refused(path, place, f"it can't be changed in place ({error}).", "Change the file by hand.") from error
    if not faithful:
        raise _refused(path, place, "it can't be changed in place, as the file is laid out.", "Change it by hand.")
    return changed


def _new_tables_apart(changed: str, text: str) -> str:
    """With an empty line above each table that was not there before."""
    there = set(text.splitlines(keepends=True))
    return _HEADER.sub(lambda found: found[0] if found[0] in there else f"\n{found[0]}", changed)


def _refused(path: Path, place: str, what: str, remedy: str) -> SiteFileError:
    return SiteFileError(path, [Mistake(None, place, what, remedy)])


def _sync_folder(folder: Path) -> None:
    """So that the new name, too, survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
