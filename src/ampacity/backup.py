"""Everything of a site in one file, and back: site.toml, the record with its accounts, the app's own certificate.

A backup is a zip: `backup.json` (what it is, and the SHA-256 of each part), `site.toml`, `record.db` (SQLite, whatever
the record is kept in), and further files that stand beside site.toml. It holds passwords and keys as the site has them.

A backup is taken back in two steps. `stage` checks it and puts it beside site.toml; `take_back` is called at the next
start, before anything else looks at the site. What was there before is kept under another name.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import tempfile
import time
import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from sqlalchemy import Engine, Table, delete, func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from ampacity.config.installation import Installation
from ampacity.config.mistakes import SiteFileError
from ampacity.config.rewrite import write
from ampacity.config.site_toml import parse
from ampacity.core.errors import AmpacityError
from ampacity.storage.database import Place, at_one_moment, copied, open_database, writing
from ampacity.storage.errors import StorageError, cause_of
from ampacity.storage.schema import batches, gaps, metadata, runs, sites, snapshots

FORMAT = 1
ABOUT, SITE, RECORD = "backup.json", "site.toml", "record.db"
JOURNAL: frozenset[Table] = frozenset({runs, sites, batches, snapshots, gaps})
"""What only a replay needs: most of the bytes."""
ROWS = 500
"""Copied at once."""
LARGEST_BYTES = 20_000_000_000
LARGEST_TEXT_BYTES = 10_000_000
PENDING = ".restore"
"""What the name of site.toml ends in while a backup waits for the next start."""

_NO_BACKUP = (KeyError, TypeError, ValueError, AttributeError, EOFError, NotImplementedError, zipfile.BadZipFile)
"""What reading something else than a backup may raise."""

Progress = Callable[[int, int], None]
"""Told how many rows are done, of how many."""


def _unseen(done: int, of: int) -> None:
    """Nobody watches."""


class BackupUnusable(AmpacityError):
    """It is no backup, a damaged one, or one of a later version."""

    code = "backup-unusable"
    remedy = "Choose another backup."


class BackupFailed(AmpacityError):
    """It can't be written or taken back."""

    code = "backup-failed"
    remedy = "Check that the disk is not full, and the permissions of the folder. Nothing was changed."


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a backup is."""

    format: int
    version: str
    """Of Ampacity that has made it."""
    site: str
    made_s: float
    """UTC seconds since 1970."""
    journal: bool
    """With what only a replay needs."""
    sha256: dict[str, str]
    """By part."""


def make(
    installation: Installation,
    engine: Engine,
    out: Path,
    *,
    version: str,
    now_s: float,
    beside: Collection[str] = (),
    journal: bool = True,
    progress: Progress = _unseen,
) -> About:
    """Writes a backup, readable by its owner alone. The controller may run meanwhile. `beside`: names of further files
    in the folder of site.toml, if they are there.

    Raises:
        BackupFailed, StorageError
    """
    folder = installation.path.resolve().parent
    with _failing(out.parent), tempfile.TemporaryDirectory(prefix=".backup-", dir=out.parent) as place:
        record = Path(place) / RECORD
        into = open_database(record)
        try:
            _copy(engine, into, _tables(journal), progress)
            with closing(into.raw_connection()) as raw:
                raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            into.dispose()
        parts: dict[str, Path | bytes] = {SITE: installation.text.encode(), RECORD: record}
        parts |= {name: (folder / name).read_bytes() for name in beside if (folder / name).is_file()}
        about = About(
            format=FORMAT,
            version=version,
            site=installation.site.name,
            made_s=round(now_s, 3),
            journal=journal,
            sha256={name: _digest(part) for name, part in parts.items()},
        )
        new = Path(place) / "backup.zip"
        with _private(new) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr(ABOUT, json.dumps(asdict(about), indent=2))
            for name, part in parts.items():
                if isinstance(part, Path):
                    archive.write(part, name)
                else:
                    archive.writestr(name, part)
        _synced(new)
        new.replace(out)
    return about


def look(path: Path) -> tuple[About, str]:
    """What a backup is, and its site.toml. All of it is read and compared.

    Raises:
        BackupUnusable
    """
    with _opened(path) as archive:
        return _looked(archive)


def stage(path: Path, site: Path, *, beside: Collection[str] = ()) -> tuple[About, Installation]:
    """Checks a backup as a whole, and puts it beside site.toml for the next start. `beside`: names of further files
    that it may bring. Returns what it is, and the site that it brings.

    Raises:
        BackupUnusable, BackupFailed
    """
    site = site.resolve()
    with _failing(site.parent), tempfile.TemporaryDirectory(prefix=".restore-", dir=site.parent) as place:
        about, installation = _unpacked(path, site, Path(place), beside)
        waits = site.with_name(site.name + PENDING)
        new = Path(place) / "staged"
        with _private(new) as file, path.open("rb") as given:
            while chunk := given.read(1 << 20):
                file.write(chunk)
        _synced(new)
        new.replace(waits)
    return about, installation


def take_record(path: Path, installation: Installation) -> About:
    """Puts a backup's record, and nothing else of it, in the place of the site's; nobody may use it meanwhile.

    Raises:
        BackupUnusable, BackupFailed, StorageError
    """
    site = installation.path.resolve()
    with _failing(site.parent), tempfile.TemporaryDirectory(prefix=".restore-", dir=site.parent) as place:
        about, _ = _unpacked(path, site, Path(place), ())
        _put_record(Path(place) / RECORD, installation.storage.place, site, f".before-{time.time_ns()}")
    return about


def take_back(site: Path, *, beside: Collection[str] = ()) -> About | None:
    """Takes back what `stage` has put there; nobody may use the site meanwhile. None: nothing waits.

    Raises:
        BackupUnusable, BackupFailed, StorageError: it still waits.
    """
    site = site.resolve()
    waits = site.with_name(site.name + PENDING)
    if not waits.exists():
        return None
    with _failing(site.parent), tempfile.TemporaryDirectory(prefix=".restore-", dir=site.parent) as place:
        about, installation = _unpacked(waits, site, Path(place), beside)
        kept = f".before-{about.sha256[SITE][:8]}-{waits.stat().st_mtime_ns}"
        _put_record(Path(place) / RECORD, installation.storage.place, site, kept)
        for name in (name for name in about.sha256 if name in beside):
            _swap(Path(place) / name, site.parent / name, kept)
        if site.exists():
            _keep(site, kept)
        write(site, installation.text)
        waits.unlink()
    return about


def forget(site: Path) -> bool:
    """Nothing is taken back at the next start. Returns whether something waited."""
    site = site.resolve()
    waits = site.with_name(site.name + PENDING)
    there = waits.exists()
    waits.unlink(missing_ok=True)
    return there


def site_of(text: str, site: Path) -> Installation:
    """The site that a backup's site.toml tells of, as if it stood at `site`.

    Raises:
        BackupUnusable
    """
    try:
        return parse(text, site)
    except SiteFileError as error:
        first = error.mistakes[0]
        raise BackupUnusable(f"Its site.toml can't be used: {first.place}: {first.what}") from error


def _tables(journal: bool) -> Sequence[Table]:
    return [table for table in metadata.sorted_tables if journal or table not in JOURNAL]


def _copy(source: Engine, into: Engine, tables: Sequence[Table], progress: Progress = _unseen) -> None:
    """All rows, as they are at one moment; what is there already makes room."""
    try:
        with at_one_moment(source) as reading, writing(into) as connection:
            of = sum(int(reading.execute(select(func.count()).select_from(table)).scalar_one()) for table in tables)
            done = 0
            for table in tables:
                connection.execute(delete(table))
                for rows in reading.execute(select(table)).mappings().partitions(ROWS):
                    connection.execute(insert(table), [dict(row) for row in rows])
                    done += len(rows)
                    progress(done, of)
            copied(connection)
    except SQLAlchemyError as error:
        raise StorageError(f"The record can't be copied ({cause_of(error)}).") from error


def _unpacked(path: Path, site: Path, place: Path, beside: Collection[str]) -> tuple[About, Installation]:
    """Its parts in the folder `place`; the record brought to the newest schema."""
    with _opened(path) as archive:
        about, text = _looked(archive)
        for name in (RECORD, *(name for name in about.sha256 if name in beside)):
            with archive.open(name) as part, _private(place / name) as file:
                while chunk := part.read(1 << 20):
                    file.write(chunk)
    installation = site_of(text, site)
    try:
        engine = open_database(place / RECORD)
        with closing(engine.raw_connection()) as raw:
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        engine.dispose()
    except (StorageError, SQLAlchemyError) as error:
        raise BackupUnusable(f"Its record can't be used ({error}).") from error
    return about, installation


def _looked(archive: zipfile.ZipFile) -> tuple[About, str]:
    try:
        about = About(**json.loads(_text(archive, ABOUT)))
        if about.format > FORMAT:
            raise BackupUnusable(f"It was made by a later version ({about.version}).", remedy="Update Ampacity first.")
        if not {SITE, RECORD} <= about.sha256.keys():
            raise BackupUnusable("It has no site.toml or no record.")
        if sum(archive.getinfo(name).file_size for name in about.sha256) > LARGEST_BYTES:
            raise BackupUnusable("It is larger than a backup can be.")
        for name, digest in about.sha256.items():
            with archive.open(name) as part:
                if _digest_of(part) != digest:
                    raise BackupUnusable(f"{name} in it is damaged.")
        return about, _text(archive, SITE)
    except _NO_BACKUP as error:
        raise BackupUnusable("This is no backup of Ampacity, or a damaged one.") from error


def _text(archive: zipfile.ZipFile, name: str) -> str:
    if archive.getinfo(name).file_size > LARGEST_TEXT_BYTES:
        raise BackupUnusable(f"{name} in it is larger than it can be.")
    return archive.read(name).decode()


def _put_record(new: Path, place: Place, site: Path, kept: str) -> None:
    if isinstance(place, Path):
        _swap_record(new, place, kept)
        return
    source, into = open_database(new), open_database(place)
    try:
        before = site.with_name(f"{RECORD}{kept}")
        if not before.exists():
            old = open_database(before.with_name(f"{before.name}.new"))
            _copy(into, old, _tables(journal=True))
            with closing(old.raw_connection()) as raw:
                raw.cursor().execute("PRAGMA journal_mode=DELETE")
            old.dispose()
            before.with_name(f"{before.name}.new").replace(before)
        _copy(source, into, _tables(journal=True))
    finally:
        source.dispose()
        into.dispose()


def _swap_record(new: Path, file: Path, kept: str) -> None:
    _synced(new)
    if file.exists():
        _settle(file)
        _keep(file, kept)
        for tail in ("-wal", "-shm"):  # of a record that can't be settled: it must not be taken for the new one's
            log = file.with_name(file.name + tail)
            if log.exists():
                log.replace(file.with_name(f"{file.name}{kept}{tail}"))
    new.replace(file)


def _settle(file: Path) -> None:
    """Brings what is in the write-ahead log into the file, which nobody may use meanwhile."""
    try:
        with closing(sqlite3.connect(file, timeout=2.0)) as raw:
            raw.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise BackupFailed(
                "The record is in use.",
                remedy="Stop the controller first, or let it take the backup at its next start.",
            ) from error
    except sqlite3.Error:
        pass  # damaged, perhaps why it is to be replaced


def _swap(new: Path, old: Path, kept: str) -> None:
    if old.exists():
        _keep(old, kept)
    new.replace(old)


def _keep(old: Path, kept: str) -> None:
    """Under another name as well; once, should the power fail in between."""
    other = old.with_name(old.name + kept)
    if not other.exists():
        os.link(old, other)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise BackupUnusable("This is no backup of Ampacity, or a damaged one.") from error
    with archive:
        yield archive


@contextmanager
def _failing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackupFailed(f"In {folder}: {error.strerror or error}.") from error


def _private(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "w+b")


def _synced(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _digest(part: Path | bytes) -> str:
    if isinstance(part, bytes):
        return hashlib.sha256(part).hexdigest()
    with part.open("rb") as file:
        return _digest_of(file)


def _digest_of(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()
