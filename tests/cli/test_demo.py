from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest


async def start(folder: Path, *options: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "ampacity.cli.main", "demo", *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(folder)},
        start_new_session=True,
    )


async def until(program: asyncio.subprocess.Process, words: str) -> str:
    """Output up to the first line with these words."""
    assert program.stdout is not None
    seen = ""
    while words not in seen:
        line = await program.stdout.readline()
        assert line, seen
        seen += line.decode()
    return seen


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_it_shows_a_car_that_comes_and_charges_and_saves_the_picture(tmp_path: Path) -> None:
    picture = tmp_path / "demo.svg"
    async with asyncio.timeout(60):
        program = await start(tmp_path, "--plain", "--save-picture", str(picture))
        output = await until(program, "garage-left: 0 A → ")
        program.send_signal(signal.SIGINT)
        rest, errors = await program.communicate()
    assert program.returncode == 0, errors
    assert "plugs in at garage-left" in output
    assert "cars came and got" in rest.decode()
    assert names_in(tmp_path) == ["demo.svg"]
    svg = picture.read_text(encoding="utf-8")
    assert "garage-left" in svg
    assert "@font-face" not in svg


async def test_it_ends_when_its_time_is_over(tmp_path: Path) -> None:
    async with asyncio.timeout(60):
        program = await start(tmp_path, "--seconds", "1")
        _, errors = await program.communicate()
    assert (program.returncode, errors) == (0, b"")
    assert not names_in(tmp_path)


@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_to_its_group_ends_it_cleanly(tmp_path: Path, name: signal.Signals) -> None:
    async with asyncio.timeout(60):
        program = await start(tmp_path, "--plain")
        await until(program, "is connected")
        os.killpg(program.pid, name)
        _, errors = await program.communicate()
    assert (program.returncode, errors) == (0, b"")
    assert not names_in(tmp_path)
