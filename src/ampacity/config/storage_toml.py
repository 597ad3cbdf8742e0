"""[storage]: a file of SQLite, or the URL of a PostgreSQL server."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from ampacity.config.table import Table, hint, shown

SCHEMES = ("postgresql", "postgres")
SSL_MODES = ("disable", "prefer", "require", "verify-full")
PARAMETERS = ("sslmode", "sslrootcert", "host")
AS = "postgresql://ampacity@db.example.org/ampacity"


def place_of(table: Table, folder: Path, password: str | None) -> Path | URL:
    """Where the record is; mistakes are noted. `password`: what stands in the password file."""
    file = folder / table.text("file", "ampacity.db")
    given = table.optional_text("url")
    if not given:
        if "password_file" in table:
            table.wrong("password_file", "there is no url that it would be for.", "Give url as well, or remove it.")
        return file
    if "file" in table:
        table.wrong("url", "file is given as well.", "Keep one of the two.")
        return file
    try:
        url = make_url(given)
        port = url.port
    except (ArgumentError, ValueError):
        table.wrong("url", "this is no URL.", f'Write it as url = "{AS}".')
        return file
    if url.drivername not in SCHEMES:
        remedy = f'Write it as url = "{AS}", or give file for a record in a file.'
        table.wrong("url", f"{shown(url.drivername)} is not a kind of database that is known.", remedy)
        return file
    if not url.database or (url.host is None and "host" not in url.query) or (port is not None and port > 65535):
        table.wrong("url", "it needs a host and a database.", f'Write it as url = "{AS}".')
        return file
    for name, value in url.query.items():
        if name not in PARAMETERS:
            table.wrong("url", f"{shown(name)} is not known.", f"{hint(name, PARAMETERS)}Use: {', '.join(PARAMETERS)}.")
        elif not isinstance(value, str):
            table.wrong("url", f"{shown(name)} is given twice.", "Give it once.")
        elif name == "sslmode" and value not in SSL_MODES:
            remedy = f"{hint(value, SSL_MODES)}Use one of: {', '.join(SSL_MODES)}."
            table.wrong("url", f"sslmode {shown(value)} is not known.", remedy)
    if password is not None and url.password is not None:
        table.wrong("password_file", "the URL has a password as well.", "Keep one of the two.")
    root = url.query.get("sslrootcert")
    if isinstance(root, str):
        if not (folder / root).is_file():
            table.wrong(
                "url", f"{shown(root)} is no file.", "Give the path of a PEM file, which starts where the site.toml is."
            )
        url = url.update_query_dict({"sslrootcert": str(folder / root)})
    return url if password is None else url.set(password=password)
