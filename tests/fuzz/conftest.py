"""Counts what the fuzz targets try, and tells it at the end of a run."""

from __future__ import annotations

import pytest
from tests.fuzz.findings import Findings

FINDINGS = pytest.StashKey[Findings]()


@pytest.fixture
def findings(pytestconfig: pytest.Config) -> Findings:
    return pytestconfig.stash.setdefault(FINDINGS, Findings())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    found = config.stash.get(FINDINGS, None)
    if found is not None:
        terminalreporter.section("fuzz")
        for line in found.lines(config.rootpath / "out" / "fuzz"):
            terminalreporter.line(line)
