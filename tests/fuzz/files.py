"""Fuzz targets that are files: what people write, and a database that was damaged."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.fuzz.target import Target
from typer.testing import CliRunner

from ampacity.cli.main import app
from ampacity.config.mistakes import SiteFileError
from ampacity.config.rewrite import set_value, with_charger
from ampacity.config.site_toml import load
from ampacity.config.steered import effective
from ampacity.core.decide import decide
from ampacity.core.observations import Observed
from ampacity.core.site import ChargerId
from ampacity.sim.scenario import ScenarioError, TraceMissing, load_scenario, stories
from ampacity.sim.simulate import simulate
from ampacity.sim.tables import TableError, read_building, read_sessions

MOST_PLAYED = 300
"""Seconds of a story, times its chargers: longer ones are read and not played."""

TOML = (
    *(b"[", b"]]", b'"""', b"'''", b"\n[chargers.x]\n", b"\n[[cars]]\n", b"\nlimit_a = ", b"\nlines = ", b"1979-05-27"),
    *(b'"unknown"', b'["L1", "L1"]', b'"line-to-line"', b'"split-phase"', b"\r", b"0x7f", b"{a = 1}", b"-9", b"[]"),
)


def check_site_toml(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "site.toml"
        path.write_bytes(data)
        try:
            installation = load(path)
        except SiteFileError as error:
            _check_mistakes(error)
            return
        site = effective(installation)
        decide(site, Observed(), 0.0)
        try:
            set_value(path, "log.level", "debug")
            with_charger(path, "CP 9", site.circuits[0].id)
        except SiteFileError as error:
            _check_mistakes(error)
        load(path)


def _check_mistakes(error: SiteFileError) -> None:
    assert error.mistakes
    for one in error.mistakes:
        assert one.what
        assert one.remedy
    for line in error.lines():
        line.encode()


def check_scenario(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scenario.toml"
        path.write_bytes(data)
        try:
            scenario = load_scenario(path)
            runs = stories(path, scenario, traces=Path(folder))
        except SiteFileError as error:
            _check_mistakes(error)
            return
        except (ScenarioError, TraceMissing, TableError) as error:
            assert path.name in error.what
            assert error.remedy
            return
        assert runs
        for story in runs:
            if story.building.seconds * (1 + len(story.site.chargers)) <= MOST_PLAYED:
                optimum = {circuit.id: 0.0 for circuit in story.site.circuits}
                scenario.shortfalls(simulate(story, optimum_wh=optimum))


def check_building_table(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "building.csv"
        path.write_bytes(data)
        try:
            building = read_building(path, 3)
        except TableError as error:
            assert error.mistakes
            return
        assert building.seconds >= 1
        assert all(abs(amps) <= 10_000 for row in building.amps for amps in row)


def check_sessions_table(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sessions.csv"
        path.write_bytes(data)
        try:
            sessions = read_sessions(path, {ChargerId("left"): 3, ChargerId("right"): 1})
        except TableError as error:
            assert error.mistakes
            return
        assert all(one.arrival_s < one.departure_s and 0 <= one.energy_wh < 1e300 for one in sessions)


def check_recording(data: bytes) -> None:
    """A database of `ampacity run`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ampacity.db"
        path.write_bytes(data)
        result = CliRunner().invoke(app, ["replay", str(path), "--json"])
        assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
        assert result.exit_code in (0, 1)


CSV = (b"\n", b"\r\n", b'"', b",", b"time_s", b"l1_a", b"\x1f\x8b", b"\n0,0,0,0\n", b"1_0", b"left", b"\n\n")

FILES = (
    Target("site_toml", check_site_toml, TOML),
    Target("scenario", check_scenario, TOML),
    Target("building_table", check_building_table, CSV, share=2),
    Target("sessions_table", check_sessions_table, CSV, share=2),
    Target("recording", check_recording, (b"\x00" * 16, b"\xff" * 4, b"CREATE TABLE", b"batch"), share=0.3),
)
