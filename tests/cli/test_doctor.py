"""`ampacity doctor`: asks the controller that runs, or the meters where none does."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.links.postbox import closed_port
from typer.testing import CliRunner

from ampacity.api.routes.diagnosis import shown
from ampacity.cli import doctor
from ampacity.cli.main import app
from ampacity.commission.selfcheck import Facts
from ampacity.config.rewrite import set_value
from ampacity.config.site_toml import load
from ampacity.kept import keep_diagnosis
from ampacity.sim.wire import LOOPBACK
from ampacity.storage.database import open_database

run = CliRunner().invoke


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Whose meter is not there."""
    monkeypatch.setattr(doctor, "LOOK_S", 0.5)
    file = tmp_path / "site.toml"
    assert run(app, ["init", str(file), "--yes", "--meter-host", LOOPBACK]).exit_code == 0
    set_value(file, "meters.main.port", closed_port())
    return file


def kept(site: Path, facts: Facts, at_s: float) -> None:
    engine = open_database(load(site).storage.place)
    keep_diagnosis(engine, shown(facts, at_s).model_dump_json())
    engine.dispose()


FINE = Facts(meters=[], chargers=[], version="0.1", newer="9.9", reads_meter=False)


def test_a_controller_that_runs_is_asked(site: Path) -> None:
    kept(site, FINE, time.time())
    told = run(app, ["doctor", str(site)])
    assert told.exit_code == 0
    assert "Version 9.9 of Ampacity is available" in told.stdout
    assert "No controller runs" not in told.stdout


@pytest.mark.parametrize("age_s", [None, 600.0])
def test_where_none_runs_the_meter_is_asked(site: Path, age_s: float | None) -> None:
    if age_s is not None:
        kept(site, FINE, time.time() - age_s)
    told = run(app, ["doctor", str(site), "--json"])
    found = json.loads(told.stdout)
    assert told.exit_code == 1
    assert found["controller_runs"] is False
    assert found["likely"]["code"] == "tx-dark"
    codes = [finding["code"] for step in found["steps"] for finding in step["findings"]]
    assert {"no-way-network", "not-running"} <= set(codes)


def test_what_is_told_to_a_program_is_one_document(site: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ampacity.cli.main", "doctor", str(site), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["controller_runs"] is False


def test_it_speaks_other_languages(site: Path) -> None:
    kept(site, FINE, time.time())
    assert "Beginnen Sie hier" in run(app, ["doctor", str(site), "--language", "de"]).stdout


def test_a_record_that_can_not_be_read_is_told_and_the_meter_is_asked(site: Path) -> None:
    site.with_name("ampacity.db").write_bytes(b"no database " * 300)
    told = run(app, ["doctor", str(site), "--json"])
    assert json.loads(told.stdout)["controller_runs"] is False
    assert "can't be read" in told.stderr


OF_CHARGER = """
[site]
supply = "three-phase"
[circuits.main]
limit_a = 40
meter = "main"
[meters.main]
device = "charger"
charger = "left"
[chargers.left]
name = "By the door"
lines = ["L1", "L2", "L3"]
"""


@pytest.fixture
def of_charger(tmp_path: Path) -> Path:
    """Whose only meter is what a charger tells."""
    file = tmp_path / "site.toml"
    file.write_text(OF_CHARGER)
    return file


def test_what_a_charger_tells_is_not_looked_for_where_no_controller_runs(of_charger: Path) -> None:
    told = run(app, ["doctor", str(of_charger)])
    assert told.exit_code == 0
    assert "main (charger left) can be seen only while a controller runs" in told.stdout
    assert "D+" not in told.stdout


def test_a_probe_says_so_too(of_charger: Path) -> None:
    told = run(app, ["probe", str(of_charger)])
    assert told.exit_code == 1
    assert "Meter main is what charger left tells of the supply" in " ".join(told.stderr.split())
    assert "serial port" not in told.stderr


def test_check_says_whose_word_it_is(of_charger: Path) -> None:
    told = " ".join(run(app, ["check", str(of_charger)]).stdout.split())
    assert "meter main: what charger left tells of the supply, every 10 s" in told
