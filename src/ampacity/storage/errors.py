"""What can be wrong with the record. Control never depends on it."""

from __future__ import annotations

from ampacity.core.errors import AmpacityError


class StorageError(AmpacityError):
    """The database can't be used."""

    code = "storage"
    remedy = "Check the path, its permissions, and that the disk is not full. Control goes on without a record."


class StorageNewer(StorageError):
    """The database was written by a newer version."""

    code = "storage-newer"
    remedy = "Install that version again, or move the file away."


class StorageForeign(StorageError):
    """The file is something else."""

    code = "storage-foreign"
    remedy = "Name another file under [storage] in site.toml; this one is left as it is."


class StorageDamaged(StorageError):
    """A record can't be read back."""

    code = "storage-damaged"
    remedy = "Move the file away and restore a copy of it; the controller begins a new one by itself."


def cause_of(error: BaseException) -> str:
    """What the database itself said, in its words."""
    found = getattr(error, "orig", None) or error
    told = found.args[0] if found.args else None
    if isinstance(told, dict):  # as PostgreSQL answers: M is the message
        return str(told.get("M", told))
    return str(found)
