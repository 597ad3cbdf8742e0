"""`ampacity backup` and `ampacity restore`, as people type them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ampacity.cli.main import app
from ampacity.config.rewrite import set_value
from ampacity.config.site_toml import load
from ampacity.storage.database import open_database
from ampacity.storage.records import set_setting, setting

run = CliRunner().invoke


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """With something in its record."""
    file = tmp_path / "site.toml"
    made = run(app, ["init", str(file), "--yes", "--name", "House"])
    assert made.exit_code == 0, made.output
    keep(file, "before")
    return file


def keep(site: Path, value: str) -> None:
    engine = open_database(load(site).storage.place)
    set_setting(engine, "k", value, who="Ann", wall_s=1.0)
    engine.dispose()


def kept(site: Path) -> str | None:
    engine = open_database(load(site).storage.place)
    found = setting(engine, "k")
    engine.dispose()
    return found


def test_everything_goes_into_a_file_and_comes_back(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "house.zip"
    assert run(app, ["backup", str(site), str(out)]).exit_code == 0
    keep(site, "after")
    assert run(app, ["restore", str(out), str(site)], input="n\n").exit_code == 1
    assert kept(site) == "after"
    assert "House is back" in run(app, ["restore", str(out), str(site)], input="y\n").stdout
    assert kept(site) == "before"


def test_it_may_come_back_where_nothing_is(site: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "house.zip", tmp_path / "new" / "site.toml"
    other.parent.mkdir()
    told = json.loads(run(app, ["backup", str(site), str(out), "--no-journal", "--json"]).stdout)
    assert told["bytes"] == out.stat().st_size
    assert run(app, ["restore", str(out), str(other), "--yes"]).exit_code == 0
    assert kept(other) == "before"


def test_later_is_at_the_next_start(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "house.zip"
    run(app, ["backup", str(site), str(out)])
    keep(site, "after")
    assert "starts next" in run(app, ["restore", str(out), str(site), "--later", "-y"]).stdout
    assert kept(site) == "after"
    assert site.with_name("site.toml.restore").exists()


def test_the_record_alone_comes_back_where_site_toml_has_changed(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "house.zip"
    run(app, ["backup", str(site), str(out)])
    set_value(site, "storage.file", "other.db")
    told = run(app, ["restore", str(out), str(site), "--keep-site", "--yes"])
    assert told.exit_code == 0, told.output
    assert load(site).storage.place == tmp_path / "other.db"
    assert kept(site) == "before"
    assert run(app, ["restore", str(out), str(site), "--keep-site", "--later", "-y"]).exit_code == 1


def test_a_file_that_is_there_is_not_written_over(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "house.zip"
    out.write_text("mine")
    told = run(app, ["backup", str(site), str(out), "--json"])
    assert told.exit_code == 1
    assert json.loads(told.stdout)["error"] == "backup-there"
    assert out.read_text() == "mine"


def test_what_is_no_backup_is_told_and_nothing_waits(site: Path, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_text("no")
    told = run(app, ["restore", str(tmp_path / "x.zip"), str(site), "--json"])
    assert told.exit_code == 1
    assert json.loads(told.stdout)["error"] == "backup-unusable"
    assert not site.with_name("site.toml.restore").exists()


def test_a_record_in_use_stays_and_nothing_waits(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "house.zip"
    run(app, ["backup", str(site), str(out)])
    engine = open_database(load(site).storage.place)
    with engine.connect() as using:
        using.exec_driver_sql("SELECT count(*) FROM setting").fetchone()
        told = run(app, ["restore", str(out), str(site), "--json"])
    engine.dispose()
    assert json.loads(told.stdout)["error"] == "backup-failed"
    assert not site.with_name("site.toml.restore").exists()
    assert kept(site) == "before"
