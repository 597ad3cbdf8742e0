"""Everything in one file from the app, and back at the next start, without a door around the installer."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine
from tests.api.conftest import As, FakeControl
from tests.test_backup import file_with

from ampacity import backup
from ampacity.api.access import Role
from ampacity.api.restoring import of_an_installer
from ampacity.config.site_toml import load, parse
from ampacity.storage.database import open_database
from ampacity.storage.records import changes, set_setting, setting

RESTORE = "/api/v1/restore"


def taken(client_as: As) -> bytes:
    answer = client_as(Role.OWNER).get("/api/v1/backup")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith('attachment; filename="ampacity-test-house-')
    return answer.content


def other_site(body: bytes, text: str, folder: Path) -> bytes:
    """The backup with another site.toml: what somebody may do at home."""
    (folder / "taken.zip").write_bytes(body)
    return file_with(folder / "taken.zip", text, folder).read_bytes()


def left(site_file: Path) -> list[str]:
    return [one.name for one in site_file.parent.iterdir() if one.name.startswith(".")]


def test_everything_is_taken_and_comes_back_at_the_next_start(
    client_as: As, engine: Engine, site_file: Path, control: FakeControl
) -> None:
    set_setting(engine, "k", "before", who="Ann", wall_s=1.0)
    body = taken(client_as)
    set_setting(engine, "k", "after", who="Ann", wall_s=2.0)
    owner = client_as(Role.OWNER)
    assert owner.get(RESTORE).json() is None
    staged = owner.post(RESTORE, content=body)
    assert (staged.status_code, staged.json()["site"]) == (200, "Test house")
    assert owner.get(RESTORE).json() == staged.json()
    assert setting(engine, "k") == "after"
    assert owner.post("/api/v1/restart").status_code == 204
    assert control.restarts == 1
    engine.dispose()
    backup.take_back(site_file)
    assert setting(open_database(site_file.parent / "ampacity.db"), "k") == "before"
    assert left(site_file) == []


def test_it_can_be_thought_over(client_as: As, site_file: Path, engine: Engine) -> None:
    owner = client_as(Role.OWNER)
    owner.post(RESTORE, content=taken(client_as))
    assert owner.delete(RESTORE).status_code == 204
    assert owner.delete(RESTORE).status_code == 404
    assert backup.take_back(site_file) is None
    assert [line.key for line in changes(engine)][-2:] == ["restore", "restore"]


@pytest.mark.parametrize("body", [b"", b"PK\x03\x04 and no more", b"{}"])
def test_what_is_no_backup_is_told(body: bytes, client_as: As, site_file: Path) -> None:
    answer = client_as(Role.OWNER).post(RESTORE, content=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "not-a-backup")
    assert left(site_file) == []


def test_an_owner_raises_nothing_by_an_edited_backup(
    client_as: As, control: FakeControl, site_file: Path, tmp_path: Path
) -> None:
    text = control.installation.text.replace("limit_a = 40", "limit_a = 63")
    assert text != control.installation.text
    answer = client_as(Role.OWNER).post(RESTORE, content=other_site(taken(client_as), text, tmp_path))
    assert (answer.status_code, answer.json()["code"], answer.json()["place"]) == (
        403,
        "restore-needs-installer",
        "circuits.main.limit_a",
    )
    assert backup.take_back(site_file) is None


def test_a_lower_limit_and_fewer_chargers_are_an_owners(control: FakeControl, site_file: Path) -> None:
    now = load(site_file)
    lower = now.text.replace("limit_a = 40", "limit_a = 25").replace('name = "Test house"', 'name = "Ours"')
    assert of_an_installer(now, parse(lower, site_file)) == []
    assert of_an_installer(parse(lower, site_file), now) == ["circuits.main.limit_a"]


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("max_a = 16", "max_a = 32", "chargers.charger-1"),
        ('host = "127.0.0.1"', 'host = "127.0.0.2"', "meters"),
    ],
)
def test_chargers_and_meters_are_an_installers(old: str, new: str, place: str, site_file: Path) -> None:
    now = load(site_file)
    assert old in now.text
    assert of_an_installer(now, parse(now.text.replace(old, new, 1), site_file)) == [place]
