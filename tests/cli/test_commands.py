"""The commands as a user meets them: what they say, where, and with which exit code."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ampacity import __version__
from ampacity.cli.init import Region
from ampacity.cli.main import app
from ampacity.config.site_toml import CONTINUOUS_FACTOR, load
from ampacity.core.phases import Supply

PROGRAM = [sys.executable, "-m", "ampacity.cli.main"]
SITE = """\
[site]
name = "[/bold] \\\\ [red]"
supply = "three-phase"

[circuits.main]
limit_a = 40
meter = "main"
worst_load_a = 15

[circuits.garage]
parent = "main"
limit_a = 32
continuous_factor = 0.8
other_load_a = 2

[meters.main]
device = "carlo-gavazzi-em3xx"
host = "10.0.0.7"

[chargers.left]
ocpp_id = "[CP] 1"
circuit = "garage"
lines = ["L2", "L3", "L1"]
max_a = 16
safe_a = 6

[chargers.right]
circuit = "garage"
lines = "unknown"
phases = 1
family = "wallbox"
max_a = 16
rank = 2
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "site.toml"
    file.write_text(SITE)
    return file


def run(*arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    return result.exit_code, result.stdout, result.stderr


def document(*arguments: object) -> Any:
    return json.loads(run(*arguments)[1])


def as_program(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


# --- check ---


def test_check_explains_the_site(site: Path) -> None:
    code, out, _ = run("check", site)
    assert code == 0
    for words in (
        "[/bold] \\ [red]: three lines and neutral, 230 V from line to neutral",
        "main breaker 40 A, meter main (carlo-gavazzi-em3xx) at 10.0.0.7:502, unit 1, every 1 s",
        "garage breaker 32 A, of which 80% for hours: 25.6 A, no meter of its own, other loads up to 2 A",
        "charger left ([CP] 1): L2-L3-L1, 6 to 16 A, safe 6 A",
        "charger right (right, wallbox): unknown wiring, 1 phase, 6 to 16 A, unguarded, rank 2",
        "Chargers connect to ws://<this machine>:8887/<identity> (OCPP 1.6, 2.0.1 or 2.1).",
        "Chargers that are not in the file are refused.",
        "a car charges 20 min before it gives way",
    ):
        assert words in out


def test_check_draws_the_circuits_as_a_tree(site: Path) -> None:
    lines = run("check", site)[1].splitlines()
    assert [line[:8] for line in lines[1:5]] == ["main bre", "└── gara", "    ├── ", "    └── "]


def test_check_proves_the_safe_currents_line_by_line(site: Path) -> None:
    rows = [line for line in run("check", site)[1].splitlines() if line.startswith("│")]
    assert len(rows) == 6
    assert " ".join(rows[3].split()) == "│ garage │ L1 │ 25.6 A │ 2.0 A │ 22.0 A │ 1.6 A │"


def test_check_puts_warnings_on_standard_error(site: Path) -> None:
    code, out, err = run("check", site)
    assert code == 0
    assert "warning chargers" not in out
    assert "warning chargers.right: its wiring is unknown" in err


def test_check_fails_when_the_safe_currents_do_not_fit(site: Path) -> None:
    site.write_text(SITE.replace("safe_a = 6", "safe_a = 8"))
    code, _, err = run("check", site)
    assert code == 1
    assert "error garage L1: without the controller 24.0 A of chargers and 2.0 A of building are 0.4 A more" in err
    assert "Lower safe_a of left. Lower max_a of right" in err


def test_check_names_every_mistake(site: Path) -> None:
    site.write_text(SITE.replace("limit_a = 32", "limit_a = 3").replace("rank", "rang"))
    code, out, err = run("check", site)
    assert (code, out) == (1, "")
    assert [line.split(":")[0] for line in err.splitlines()] == [
        "error site.toml, line 12, circuits.garage.limit_a",
        "error site.toml, line 33, chargers.right.rang",
    ]


def test_check_as_json_has_stable_keys(site: Path) -> None:
    found = document("check", site, "--json")
    assert sorted(found) == [
        "chargers",
        "circuits",
        "fits",
        "grace_s",
        "meters",
        "name",
        "pause_mode",
        "proof",
        "region",
        "supply",
        "turn_s",
        "voltage_v",
        "warnings",
    ]
    assert found["fits"] is True
    assert found["proof"][3] == {
        "circuit": "garage",
        "line": "L1",
        "limit_a": 25.6,
        "worst_load_a": 2.0,
        "safe_a": 22.0,
        "spare_a": 1.6,
        "what": None,
        "remedy": None,
    }


def test_check_as_json_says_when_it_can_not_be_told_whether_it_fits(site: Path) -> None:
    site.write_text(SITE.replace("worst_load_a = 15\n", ""))
    assert document("check", site, "--json")["fits"] is None


def test_check_as_json_gives_mistakes_with_place_and_remedy(site: Path) -> None:
    site.write_text(SITE.replace("limit_a = 32", "limit_a = 3"))
    found = document("check", site, "--json")
    assert found["error"] == "site-file"
    assert found["mistakes"] == [
        {
            "line": 12,
            "place": "circuits.garage.limit_a",
            "what": "3 A is not accepted.",
            "remedy": "Only values greater than 6 A are: no car charges below.",
        }
    ]


def test_each_line_of_the_output_stays_one_line_in_a_pipe(site: Path) -> None:
    site.write_text(SITE.replace('host = "10.0.0.7"', f'host = "{"a" * 150}"'))
    assert f"at {'a' * 150}:502, unit 1, every 1 s\n" in as_program("check", site).stdout


# --- init ---


@pytest.mark.parametrize("supply", list(Supply))
@pytest.mark.parametrize("region", list(CONTINUOUS_FACTOR))
def test_what_init_writes_passes_check(tmp_path: Path, supply: Supply, region: str) -> None:
    file = tmp_path / "site.toml"
    assert run("init", file, "--supply", supply.value, "--region", region, "--chargers", 4, "--yes")[0] == 0
    assert run("check", file)[0] == 0
    found = load(file)
    assert (found.site.supply, found.region, len(found.site.chargers)) == (supply, region, 4)


def test_the_regions_of_init_are_those_of_the_file() -> None:
    assert [region.value for region in Region] == list(CONTINUOUS_FACTOR)


def test_init_takes_its_options(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    options = ("--name", 'Elm "4" \\ [b]', "--limit-a", "63.5", "--chargers", 0, "--meter-serial", "/dev/ttyUSB7")
    assert run("init", file, *options)[0] == 0
    found = load(file)
    assert found.site.name == 'Elm "4" \\ [b]'
    assert found.site.circuits[0].rating_a[0] == 63.5
    assert found.meters[0].serial == "/dev/ttyUSB7"


def test_init_does_not_overwrite(site: Path) -> None:
    code, _, err = run("init", site, "--yes")
    assert code == 1
    assert "--force" in err
    assert site.read_text() == SITE


def test_init_overwrites_when_forced(site: Path) -> None:
    assert run("init", site, "--yes", "--force")[0] == 0
    assert site.read_text() != SITE


@pytest.mark.parametrize(
    "options",
    [
        ("--limit-a", "6"),
        ("--limit-a", "nan"),
        ("--limit-a", "many"),
        ("--chargers", "-1"),
        ("--supply", "steam"),
        ("--region", "mars"),
        ("--meter-host", "a", "--meter-serial", "/dev/b"),
    ],
)
def test_init_with_a_wrong_option_is_a_usage_error(tmp_path: Path, options: tuple[str, ...]) -> None:
    assert run("init", tmp_path / "site.toml", "--yes", *options)[0] == 2
    assert not list(tmp_path.iterdir())


def test_init_with_a_host_that_is_none_writes_nothing(tmp_path: Path) -> None:
    code, _, err = run("init", tmp_path / "site.toml", "--yes", "--meter-host", "http://10.0.0.7")
    assert code == 1
    assert 'Write host = "10.0.0.7".' in err
    assert not list(tmp_path.iterdir())


def test_init_into_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    code, _, err = run("init", tmp_path / "nowhere" / "site.toml", "--yes")
    assert code == 1
    assert "can't be written (No such file or directory)" in err


async def at_a_terminal(folder: Path, answers: list[tuple[str, str]]) -> tuple[int, str]:
    """`ampacity init` on a terminal: waits for each question, then types. Exit code, and what was on the screen."""
    ours, theirs = pty.openpty()
    program = await asyncio.create_subprocess_exec(
        *PROGRAM, "init", cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    seen = ""
    async with asyncio.timeout(60):
        for question, answer in answers:
            while question not in seen.rpartition("\n")[2]:
                seen += (await asyncio.to_thread(os.read, ours, 10_000)).decode()
            os.write(ours, answer.encode())
            seen += "\n"
        code = await program.wait()
    os.close(theirs)
    os.close(ours)
    return code, seen


async def test_at_a_terminal_init_asks_and_asks_again(tmp_path: Path) -> None:
    answers = [
        ("Supply", "steam\n"),
        ("Supply", "single-phase\n"),
        ("Region", "\n"),
        ("Main breaker", "6\n"),
        ("Main breaker", "25\n"),
        ("Chargers", "two\n"),
        ("Chargers", "3\n"),
        ("Meter", "/dev/ttyS0\n"),
    ]
    code, seen = await at_a_terminal(tmp_path, answers)
    assert code == 0, seen
    found = load(tmp_path / "site.toml")
    assert (found.site.supply, found.meters[0].serial) == (Supply.SINGLE_PHASE, "/dev/ttyS0")
    assert (found.site.circuits[0].rating_a.values, len(found.site.chargers)) == ((25.0,), 3)


async def test_end_of_input_at_a_question_writes_nothing(tmp_path: Path) -> None:
    code, _ = await at_a_terminal(tmp_path, [("Supply", "\x04")])
    assert code == 130
    assert os.listdir(tmp_path) == []


# --- the others ---


def test_version_is_told() -> None:
    assert run("--version")[:2] == run("version")[:2] == (0, f"ampacity {__version__}\n")
    assert document("version", "--json") == {"version": __version__}


def test_devices_lists_the_catalogue() -> None:
    found = document("devices", "--json")
    assert "carlo-gavazzi-em3xx" in [meter["id"] for meter in found["meters"]]
    assert "wallbox" in [charger["id"] for charger in found["chargers"]]
    assert "carlo-gavazzi-em3xx" in run("devices")[1]


@pytest.mark.parametrize("command", [["check"], ["run"], ["replay"], ["check", "a", "b"], ["nonsense"], ["run", "--x"]])
def test_a_command_line_that_is_not_understood_is_2(command: list[str]) -> None:
    assert run(*command)[0] == 2


@pytest.mark.parametrize(("option", "value"), [("--log-level", "loud"), ("--port", "70000")])
def test_run_with_a_wrong_option_is_a_usage_error(site: Path, option: str, value: str) -> None:
    assert run("run", site, option, value)[0] == 2


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_file_that_is_not_there_is_said_with_its_remedy(tmp_path: Path, command: str) -> None:
    done = as_program(command, tmp_path / "site.toml")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error site.toml: there is no such file. Make one with: ampacity init ")


@pytest.mark.parametrize("name", ["init", "check", "run", "demo", "simulate", "replay", "devices", "version"])
def test_every_command_has_help(name: str) -> None:
    code, out, _ = run(name, "--help")
    assert code == 0
    assert f"{name} " in out


def test_help_names_every_command() -> None:
    out = run("--help")[1]
    assert all(name in out for name in ("init", "check", "run", "demo", "simulate", "replay", "devices", "version"))


def test_a_fault_of_ours_asks_to_be_reported() -> None:
    code = "import ampacity.cli.main as m\n@m.app.command()\ndef broken() -> None: raise ZeroDivisionError\nm.run()"
    done = subprocess.run(
        [sys.executable, "-c", code, "broken"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert "Please report it" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_offers_the_commands(shell: str) -> None:
    words = {"_AMPACITY_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": "ampacity ch", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", "from ampacity.cli.main import app; app(prog_name='ampacity')"],
        env={**os.environ, **words, "COMP_WORDS": "ampacity ch", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "check" in done.stdout
