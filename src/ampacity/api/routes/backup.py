"""Everything in one file, and back."""

from __future__ import annotations

import os
import re
import tempfile
from datetime import datetime
from pathlib import Path
from typing import IO, Annotated

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from ampacity import __version__, backup
from ampacity.api.access import OWNER, Person, Scope, access
from ampacity.api.certificate import CERTIFICATE, KEY
from ampacity.api.ports import Reach, Services
from ampacity.api.problems import NotFound, Problem
from ampacity.api.restoring import of_an_installer
from ampacity.backup import About, BackupFailed, BackupUnusable
from ampacity.config.installation import Installation
from ampacity.storage.accounts import note
from ampacity.storage.transactions import keeping

router = APIRouter(tags=["backup"])

BESIDE = (CERTIFICATE, KEY)
"""Files beside site.toml that belong to the site."""


class RestoreRefused(Problem):
    """What is taken back would change what only an installer may change."""

    code = "restore-needs-installer"
    status = 403
    remedy = "Take it back at the controller itself: ampacity restore FILE SITE.TOML."


class NotABackup(Problem):
    """It can't be taken back."""

    code = "not-a-backup"
    status = 422
    remedy = BackupUnusable.remedy


class NoRoom(Problem):
    """It can't be written."""

    code = "backup-not-written"
    status = 507
    remedy = BackupFailed.remedy


class Waiting(BaseModel):
    """A backup that is taken back at the next start."""

    site: str
    made_s: float
    """UTC."""
    version: str
    journal: bool


@router.get("/backup", response_class=FileResponse)
def make(person: Annotated[Person, access(OWNER, Scope.ADMIN)], services: Reach, journal: bool = True) -> FileResponse:
    """Site, accounts and history as one file, with the passwords and keys in them: keep it safe. `journal`: with what
    only a replay needs, most of the bytes."""
    installation = services.control.installation
    file = _place(installation)
    try:
        backup.make(
            installation,
            services.engine(),
            file,
            version=__version__,
            now_s=services.wall_s(),
            beside=BESIDE,
            journal=journal,
        )
        with keeping(services.engine()) as connection:
            note(connection, services.wall_s(), person.name, "backup", None, "made")
    except BackupFailed as error:
        file.unlink(missing_ok=True)
        raise NoRoom(error.what) from error
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    return FileResponse(
        file,
        media_type="application/zip",
        filename=file_name(installation, services.wall_s()),
        background=BackgroundTask(lambda: file.unlink(missing_ok=True)),
    )


@router.get("/restore")
def waiting(person: Annotated[Person, access(OWNER, Scope.ADMIN)], services: Reach) -> Waiting | None:
    """The backup that is taken back at the next start; null: none."""
    site = services.control.installation.path.resolve()
    waits = site.with_name(site.name + backup.PENDING)
    if not waits.exists():
        return None
    try:
        return _waiting(backup.look(waits)[0])
    except BackupUnusable as error:
        raise NotABackup(error.what, remedy=error.remedy) from error


@router.post(
    "/restore",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def restore(request: Request, person: Annotated[Person, access(OWNER, Scope.ADMIN)], services: Reach) -> Waiting:
    """Takes a backup in, checks it, and keeps it for the next start. Its body is the file itself. Nothing is changed
    until then."""
    file = _place(services.control.installation)
    try:
        with file.open("wb") as taken:
            async for chunk in request.stream():
                await run_in_threadpool(_put, taken, chunk)
        return await run_in_threadpool(_stage, services, person, file)
    except (OSError, BackupFailed) as error:
        raise NoRoom(str(error)) from error
    finally:
        file.unlink(missing_ok=True)


@router.delete("/restore", status_code=204)
def forget(person: Annotated[Person, access(OWNER, Scope.ADMIN)], services: Reach) -> Response:
    """Nothing is taken back at the next start."""
    if not backup.forget(services.control.installation.path):
        raise NotFound("No backup waits to be taken back.")
    with keeping(services.engine()) as connection:
        note(connection, services.wall_s(), person.name, "restore", "staged", None)
    return Response(status_code=204)


@router.post("/restart", status_code=204)
def restart(person: Annotated[Person, access(OWNER, Scope.ADMIN)], services: Reach) -> Response:
    """Ends the controller and starts it anew: every charger has its safe current for a few seconds. A backup that waits
    is taken back on the way."""
    with keeping(services.engine()) as connection:
        note(connection, services.wall_s(), person.name, "restart", None, None)
    services.control.restart()
    return Response(status_code=204)


def file_name(installation: Installation, now_s: float) -> str:
    """`ampacity-house-2026-11-24-0815.zip`."""
    name = re.sub(r"[^a-z0-9]+", "-", installation.site.name.lower()).strip("-")[:40]
    at = datetime.fromtimestamp(now_s, installation.time_zone)
    return "-".join(part for part in ("ampacity", name, f"{at:%Y-%m-%d-%H%M}") if part) + ".zip"


def _stage(services: Services, person: Person, file: Path) -> Waiting:
    now = services.control.installation
    try:
        text = backup.look(file)[1]
        refused = of_an_installer(now, backup.site_of(text, now.path))
        if refused:
            what = f"It would change what only an installer may change: {', '.join(refused[:5])}."
            raise RestoreRefused(what, place=refused[0])
        about, _ = backup.stage(file, now.path, beside=BESIDE)
    except BackupUnusable as error:
        raise NotABackup(error.what, remedy=error.remedy) from error
    with keeping(services.engine()) as connection:
        note(connection, services.wall_s(), person.name, "restore", None, f"{about.site}, {about.made_s:.0f}")
    return _waiting(about)


def _place(installation: Installation) -> Path:
    """A new file beside site.toml, readable by its owner alone."""
    folder = installation.path.resolve().parent
    try:
        handle, name = tempfile.mkstemp(prefix=".backup-", suffix=".zip", dir=folder)
    except OSError as error:
        raise NoRoom(f"In {folder}: {error.strerror or error}.") from error
    os.close(handle)
    return Path(name)


def _put(file: IO[bytes], chunk: bytes) -> None:
    file.write(chunk)


def _waiting(about: About) -> Waiting:
    return Waiting(site=about.site, made_s=about.made_s, version=about.version, journal=about.journal)
