"""Changes a site.toml in place: at once or not at all, its comments kept."""

from __future__ import annotations

import os
import re
import secrets
import tomllib
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from ampacity.config.installation import Installation
from ampacity.config.mistakes import Mistake, SiteFileError
from ampacity.config.site_toml import parse, read_text
from ampacity.core.site import ChargerId, CircuitId

Value = str | bool | int | float | list[str] | list[float]
_HEADER = re.compile(r"(?<=[^\n]\n)\[.+\n")
_Tables = MutableMapping[str, Any]
"""A document, or a table in it."""


def with_charger(path: Path, ocpp_id: str, circuit: CircuitId) -> ChargerId:
    """Adds a charger of unknown wiring; returns its name, made from its identity. Keeps the file's comments.

    Raises:
        SiteFileError: the file is not right, or would not be.
        OSError: it can't be written.
    """
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", ocpp_id).strip("-_")[:40] or "charger"
    taken = parse(read_text(path), path).site.index_of_charger
    name, number = stem, 2
    while name in taken:
        name, number = f"{stem}-{number}", number + 1
    entry = tomlkit.table()
    entry.add(tomlkit.comment("Adopted when it connected. Set its lines in its own order, and its maximum."))
    entry.update({"ocpp_id": ocpp_id, "circuit": str(circuit), "lines": "unknown"})

    def add(document: _Tables) -> None:
        chargers = document.setdefault("chargers", tomlkit.table(is_super_table=True))
        chargers[name] = entry

    _change(path, add, f"chargers.{name}")
    return ChargerId(name)


def set_value(path: Path, place: str, value: Value | None) -> Installation:
    """Sets one key, as `chargers.left.max_a`; None removes it. Returns the file as it now reads. Keeps its comments.

    Raises:
        SiteFileError: the file is not right, or would not be: it stays as it was.
        OSError: it can't be written.
    """
    *tables, key = place.split(".")

    def change(document: _Tables) -> None:
        table = document
        for name in tables:
            if value is None and name not in table:
                return
            table = table.setdefault(name, tomlkit.table(is_super_table=name != tables[-1]))
            if not isinstance(table, MutableMapping):
                raise _refused(path, place, f"{name} is a value, not a table.", "Name a key, as `log.level`.")
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value

    return _change(path, change, place)


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
    return write(path, changed)


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
