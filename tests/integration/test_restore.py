"""A backup that is taken back by the running program, which starts itself anew."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from ampacity.config.rewrite import set_value
from ampacity.config.template import new_site_text
from ampacity.core.phases import Supply


def site_in(folder: Path) -> Path:
    file = folder / "site.toml"
    text = new_site_text(
        name="House",
        supply=Supply.THREE_PHASE,
        region="europe",
        limit_a=40,
        chargers=2,
        meter_host="127.0.0.1",
        meter_serial=None,
    )
    file.write_text(text)
    return file


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(site: Path) -> Iterator[Iterator[dict[str, Any]]]:
    """The controller; yields where the app is, at each of its starts."""
    program = subprocess.Popen(
        [sys.executable, "-m", "ampacity.cli.main", "run", str(site), "--json", "--port", "0", "--log-level", "error"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None

    def starts(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
        for line in lines:
            told = json.loads(line)
            if "app" in told:
                yield told["app"]

    try:
        yield starts(iter(program.stdout))
    finally:
        program.terminate()
        program.communicate(timeout=60)


def test_a_backup_is_taken_back_by_a_restart_from_the_app(tmp_path: Path) -> None:
    site = site_in(tmp_path)
    set_value(site, "app.listen", "127.0.0.1")
    set_value(site, "app.port", free_port())
    set_value(site, "app.tls", False)
    with running(site) as starts:
        first = next(starts)
        key = first["first_start"].partition("#")[2]
        api = f"{first['url']}/api/v1"
        with httpx2.Client(timeout=60.0) as owner:
            ann = {"key": key, "name": "Ann", "email": "a@x.org", "password": "horse battery staple", "language": "en"}
            owner.headers["x-csrf"] = owner.post(f"{api}/first-start", json=ann).raise_for_status().json()["csrf"]
            taken = owner.get(f"{api}/backup").raise_for_status().content
            owner.put(f"{api}/options", json={"tags_required": True}).raise_for_status()
            owner.post(f"{api}/restore", content=taken).raise_for_status()
            assert owner.get(f"{api}/options").json()["tags_required"] is True
            owner.post(f"{api}/restart").raise_for_status()
            again = next(starts)
            assert again["first_start"] is None
            assert owner.get(f"{api}/options").raise_for_status().json()["tags_required"] is False
            codes = [one["code"] for one in owner.get(f"{api}/events").json()["events"]]
    assert codes.count("controller-started") == 2
    assert [one.name for one in tmp_path.glob("ampacity.db.before-*")]
    assert not list(tmp_path.glob(".*"))
