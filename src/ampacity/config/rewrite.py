"""Changes a site.toml in place: at once or not at all, its comments kept."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import tomlkit

from ampacity.config.site_toml import parse
from ampacity.core.site import ChargerId, CircuitId


def with_charger(path: Path, ocpp_id: str, circuit: CircuitId) -> ChargerId:
    """Adds a charger of unknown wiring; returns its name. The file is checked before it takes the place of the old.

    Raises:
        SiteFileError: the file would not be right.
        OSError: it can't be written.
    """
    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    chargers = document.setdefault("chargers", tomlkit.table(is_super_table=True))
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", ocpp_id).strip("-_")[:40] or "charger"
    name, number = stem, 2
    while name in chargers:
        name, number = f"{stem}-{number}", number + 1
    entry = tomlkit.table()
    entry.add(tomlkit.comment("Adopted when it connected. Set its lines in its own order, and its maximum."))
    entry["ocpp_id"] = ocpp_id
    entry["circuit"] = str(circuit)
    entry["lines"] = "unknown"
    chargers[name] = entry
    write(path, tomlkit.dumps(document))
    return ChargerId(name)


def write(path: Path, text: str) -> None:
    """Puts a checked text in the file's place, atomically, its permissions kept.

    Raises:
        SiteFileError: the text has mistakes; the file is as it was.
        OSError: it can't be written.
    """
    parse(text, path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(path.stat().st_mode & 0o777)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
