"""The whole command, as a person starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SITE = """
[site]
name = "Test"
supply = "three-phase"

[circuits.main]
limit_a = 32
meter = "main"

[meters.main]
host = "127.0.0.1"

[chargers.left]
lines = ["L1", "L2", "L3"]

[chargers.right]
lines = ["L2"]
"""
BUILDING = "time_s,l1_a,l2_a,l3_a\n0,5,6,7\n300,20,6,7\n900,5,6,7\n"
SESSIONS = """session_id,charger,arrival_s,departure_s,energy_wh,max_a,lines
s1,left,10,800,9000,16,3
s2,right,100,700,200,32,1
"""


def started(folder: Path, *more: str, out: str = "out") -> subprocess.CompletedProcess[str]:
    for name, text in (("site.toml", SITE), ("building.csv", BUILDING)):
        (folder / name).write_text(text, encoding="utf-8")
    if not (folder / "sessions.csv").exists():
        (folder / "sessions.csv").write_text(SESSIONS, encoding="utf-8")
    arguments = ["simulate", "site.toml", "--building", "building.csv", "--sessions", "sessions.csv", "--out", out]
    return subprocess.run(
        [sys.executable, "-m", "ampacity.cli.main", *arguments, *more],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("run")
    return folder, started(folder, "--lag", "2", "--json")


def test_it_writes_a_summary_a_trace_and_a_picture(done: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, process = done
    assert process.returncode == 0, process.stderr
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["summary.json", "trace.csv", "trace.png"]
    assert (folder / "out" / "trace.png").read_bytes().startswith(b"\x89PNG")


def test_with_json_the_summary_is_all_of_standard_output(done: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, process = done
    assert json.loads(process.stdout) == json.loads((folder / "out" / "summary.json").read_text(encoding="utf-8"))
    assert json.loads(process.stdout)["lag_s"] == 2
    assert process.stderr == ""


def test_the_same_seed_gives_the_same_three_files(done: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = done
    assert started(folder, "--lag", "2", out="again").returncode == 0
    for path in (folder / "out").iterdir():
        assert path.read_bytes() == (folder / "again" / path.name).read_bytes(), path.name


def test_a_wrong_table_ends_with_exit_code_one_and_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "sessions.csv").write_text(SESSIONS.replace("s2,right,100", "s2,wrong,100"), encoding="utf-8")
    process = started(tmp_path, "--json")
    assert process.returncode == 1
    told = json.loads(process.stdout)
    assert told["error"] == "table-invalid"
    assert told["what"].startswith("sessions.csv, line 3, charger: 'wrong' is not on the site.")


def test_a_folder_that_can_not_be_made_ends_with_exit_code_one_and_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")
    process = started(tmp_path, out="taken")
    assert process.returncode == 1
    assert "taken can't be written" in process.stderr
    assert "Choose another folder" in process.stderr


def test_policies_are_compared_side_by_side(tmp_path: Path) -> None:
    process = started(tmp_path, "--policy", "ampacity", "--policy", "rolling-30", "--policy", "uncontrolled", "--json")
    assert process.returncode == 0, process.stderr
    summaries = json.loads(process.stdout)
    assert list(summaries) == ["ampacity", "rolling-30", "uncontrolled"]
    assert summaries["uncontrolled"]["over_as"] > summaries["ampacity"]["over_as"]
    assert {one["energy_optimum_wh"] for one in summaries.values()} == {summaries["ampacity"]["energy_optimum_wh"]}
    assert (tmp_path / "out" / "policies.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "out" / "rolling-30" / "trace.csv").is_file()


def test_a_policy_that_is_not_there_is_named(tmp_path: Path) -> None:
    process = started(tmp_path, "--policy", "roling-30")
    assert process.returncode == 1
    assert "no policy 'roling-30'" in process.stderr
