"""Everything in one file, and back: nothing is lost, and nothing is half."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from ampacity.backup import (
    PENDING,
    RECORD,
    SITE,
    BackupFailed,
    BackupUnusable,
    look,
    make,
    stage,
    take_back,
)
from ampacity.config.installation import Installation
from ampacity.config.site_toml import load
from ampacity.config.template import new_site_text
from ampacity.core.observations import SessionEnded
from ampacity.core.phases import Supply
from ampacity.core.site import ChargerId
from ampacity.storage.accounts import add_account, all_accounts
from ampacity.storage.database import open_database, writing
from ampacity.storage.records import finish_session, sessions_between, set_setting, setting
from ampacity.storage.schema import batches, metadata, runs

BESIDE = ("ampacity-app.pem",)


def house(folder: Path, name: str = "House") -> Installation:
    folder.mkdir(exist_ok=True)
    text = new_site_text(
        name=name,
        supply=Supply.THREE_PHASE,
        region="europe",
        limit_a=40,
        chargers=2,
        meter_host="127.0.0.1",
        meter_serial=None,
    )
    (folder / "site.toml").write_text(text)
    return load(folder / "site.toml")


def lived_in(installation: Installation) -> None:
    """A record with an account, a setting, a session and a journal."""
    engine = open_database(installation.storage.place)
    with writing(engine) as connection:
        add_account(
            connection, name="Ann", email="ann@x.org", role="owner", language="de", password_hash="x", now_s=1.0
        )
        connection.execute(runs.insert().values(started_s=1.0, monotonic_s=1.0, version="1"))
        connection.execute(
            batches.insert(),
            [
                {"run": 1, "first_s": float(n), "last_s": n + 1.0, "wall_s": float(n), "passes": 1, "body": b"b" * n}
                for n in range(1200)
            ],
        )
    set_setting(engine, "k", "v", who="Ann", wall_s=2.0)
    finish_session(engine, SessionEnded(charger=ChargerId("c"), at_s=1.0, session="s", energy_wh=7), 3.0)
    engine.dispose()


def backup(installation: Installation, out: Path, *, journal: bool = True) -> Path:
    engine = open_database(installation.storage.place)
    make(installation, engine, out, version="1", now_s=5.0, beside=BESIDE, journal=journal)
    engine.dispose()
    return out


def file_with(file: Path, text: str, folder: Path) -> Path:
    """The backup with another site.toml, its digest put right."""
    out = folder / f"{file.stem}-other.zip"
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(out, "w") as new:
        about = json.loads(old.read("backup.json"))
        about["sha256"][SITE] = hashlib.sha256(text.encode()).hexdigest()
        for name in old.namelist():
            part = {SITE: text.encode(), "backup.json": json.dumps(about).encode()}.get(name)
            new.writestr(name, old.read(name) if part is None else part)
    return out


def counts(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {
            table.name: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
            for table in metadata.sorted_tables
        }


def test_everything_comes_back_on_another_machine(tmp_path: Path) -> None:
    there = house(tmp_path / "there")
    lived_in(there)
    (tmp_path / "there" / BESIDE[0]).write_text("certificate")
    file = backup(there, tmp_path / "backup.zip")
    site = tmp_path / "here" / "site.toml"
    site.parent.mkdir()
    about, _ = stage(file, site, beside=BESIDE)
    assert (about.site, about.version, about.journal) == ("House", "1", True)
    assert take_back(site, beside=BESIDE) is not None
    here = load(site)
    assert here.text == there.text
    assert (site.parent / BESIDE[0]).read_text() == "certificate"
    engine, old = open_database(here.storage.place), open_database(there.storage.place)
    assert counts(engine) == counts(old)
    assert [one.name for one in all_accounts(engine)] == ["Ann"]
    assert sessions_between(engine, 0.0, 9.0)[0].energy_wh == 7
    with writing(engine) as connection:
        new = add_account(
            connection, name="Ben", email="ben@x.org", role="driver", language="en", password_hash="x", now_s=2.0
        )
    assert new.id == 2
    assert take_back(site, beside=BESIDE) is None


def test_what_was_there_is_kept_under_another_name(tmp_path: Path) -> None:
    there, here = house(tmp_path / "there", "There"), house(tmp_path / "here", "Here")
    lived_in(there)
    engine = open_database(here.storage.place)
    set_setting(engine, "k", "mine", who="Ben", wall_s=1.0)
    engine.dispose()
    stage(backup(there, tmp_path / "b.zip"), here.path)
    assert load(here.path).site.name == "Here"
    take_back(here.path)
    assert load(here.path).site.name == "There"
    old_site = next(here.path.parent.glob("site.toml.before-*"))
    old_record = next(here.path.parent.glob("ampacity.db.before-*"))
    assert old_site.read_text() == here.text
    kept = open_database(old_record)
    assert setting(kept, "k") == "mine"


def test_a_cut_in_the_middle_is_finished_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there, here = house(tmp_path / "there", "There"), house(tmp_path / "here", "Here")
    lived_in(there)
    engine = open_database(here.storage.place)
    set_setting(engine, "k", "mine", who="Ben", wall_s=1.0)
    engine.dispose()
    stage(backup(there, tmp_path / "b.zip"), here.path)

    def cut(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("ampacity.backup.write", cut)
        with pytest.raises(BackupFailed, match="No space left"):
            take_back(here.path)
    take_back(here.path)
    assert load(here.path).site.name == "There"
    old = next(here.path.parent.glob("ampacity.db.before-*"))
    assert setting(open_database(old), "k") == "mine"
    assert not here.path.with_name("site.toml" + PENDING).exists()


def test_without_the_journal_only_a_replay_is_missing(tmp_path: Path) -> None:
    there = house(tmp_path / "there")
    lived_in(there)
    small = backup(there, tmp_path / "small.zip", journal=False)
    assert small.stat().st_size < backup(there, tmp_path / "whole.zip").stat().st_size
    site = tmp_path / "here" / "site.toml"
    site.parent.mkdir()
    stage(small, site)
    take_back(site)
    found = counts(open_database(load(site).storage.place))
    assert (found["batch"], found["account"], found["session"], found["audit"]) == (0, 1, 1, 2)


def test_it_may_be_made_while_somebody_writes(tmp_path: Path) -> None:
    there = house(tmp_path / "there")
    lived_in(there)
    engine = open_database(there.storage.place)
    done: list[int] = []

    def write_meanwhile(rows: int, of: int) -> None:
        if not done:
            set_setting(engine, "later", "x", who="Ann", wall_s=9.0)
        done.append(rows)

    make(there, engine, tmp_path / "b.zip", version="1", now_s=5.0, progress=write_meanwhile)
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        archive.extract(RECORD, tmp_path / "out")
    taken = open_database(tmp_path / "out" / RECORD)
    assert setting(taken, "k") == "v"
    assert setting(taken, "later") is None
    assert done[-1] == sum(counts(taken).values())


def test_it_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    there = house(tmp_path / "there")
    assert backup(there, tmp_path / "b.zip").stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


@pytest.mark.parametrize("body", [b"", b"PK", b"x" * 5000])
def test_what_is_no_backup_is_refused(body: bytes, tmp_path: Path) -> None:
    here = house(tmp_path / "here")
    (tmp_path / "b.zip").write_bytes(body)
    with pytest.raises(BackupUnusable):
        stage(tmp_path / "b.zip", here.path)
    assert take_back(here.path) is None


def changed(file: Path, name: str, body: bytes) -> Path:
    """The backup with one part replaced."""
    out = file.with_name("changed.zip")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(out, "w") as new:
        for part in old.namelist():
            new.writestr(part, body if part == name else old.read(part))
    return out


@pytest.mark.parametrize("name", [SITE, RECORD])
def test_a_damaged_part_is_named(name: str, tmp_path: Path) -> None:
    there = house(tmp_path / "there")
    file = changed(backup(there, tmp_path / "b.zip"), name, b"something else")
    with pytest.raises(BackupUnusable, match=name):
        look(file)


@pytest.mark.parametrize("about", [b"{}", b"[]", b"\xff", b'{"format": 99}', b"null"])
def test_an_odd_description_is_refused(about: bytes, tmp_path: Path) -> None:
    there = house(tmp_path / "there")
    with pytest.raises(BackupUnusable):
        look(changed(backup(there, tmp_path / "b.zip"), "backup.json", about))


def test_one_of_a_later_version_asks_for_an_update(tmp_path: Path) -> None:
    file = backup(house(tmp_path / "there"), tmp_path / "b.zip")
    about = json.loads(zipfile.ZipFile(file).read("backup.json")) | {"format": 2, "version": "9.0"}
    with pytest.raises(BackupUnusable, match=r"9\.0"):
        look(changed(file, "backup.json", json.dumps(about).encode()))


def test_it_brings_no_files_but_those_that_are_asked_for(tmp_path: Path) -> None:
    there = house(tmp_path / "there")
    (tmp_path / "there" / "other").write_text("x")
    engine = open_database(there.storage.place)
    make(there, engine, tmp_path / "b.zip", version="1", now_s=5.0, beside=("other",))
    here = house(tmp_path / "here")
    stage(tmp_path / "b.zip", here.path, beside=BESIDE)
    take_back(here.path, beside=BESIDE)
    assert not (tmp_path / "here" / "other").exists()


def test_a_record_in_use_is_not_taken_away(tmp_path: Path) -> None:
    here = house(tmp_path / "here")
    lived_in(here)
    stage(backup(here, tmp_path / "b.zip"), here.path)
    with closing(sqlite3.connect(tmp_path / "here" / "ampacity.db")) as other:
        other.execute("SELECT count(*) FROM setting").fetchone()
        with pytest.raises(BackupFailed, match="in use"):
            take_back(here.path)
    assert take_back(here.path) is not None


def test_a_damaged_record_can_be_replaced(tmp_path: Path) -> None:
    here = house(tmp_path / "here")
    lived_in(here)
    stage(backup(here, tmp_path / "b.zip"), here.path)
    (tmp_path / "here" / "ampacity.db").write_bytes(b"not a database at all" * 400)
    take_back(here.path)
    assert setting(open_database(here.storage.place), "k") == "v"
