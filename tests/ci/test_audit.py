"""The audit of the locked packages, with a pip-audit that says what it is told to say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

AUDIT = Path(__file__).parents[2] / ".ci" / "audit.py"


def audited(folder: Path, said: str) -> tuple[int, str]:
    """Exit code and output."""
    (folder / "pip_audit.py").write_text(f"print({said!r})", encoding="utf-8")
    lock = folder / "requirements.lock"
    lock.write_text("pytest==8.0.0 \\\n    --hash=sha256:00\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(AUDIT), str(lock)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    return done.returncode, done.stdout


def of(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def test_a_package_without_a_known_vulnerability_passes(tmp_path: Path) -> None:
    code, told = audited(tmp_path, of({"name": "pytest", "version": "8.0.0", "vulns": []}))
    assert code == 0
    assert "1 of 1 packages looked up" in told


def test_a_known_vulnerability_fails_and_says_what_mends_it(tmp_path: Path) -> None:
    found = {"id": "PYSEC-1", "fix_versions": ["8.0.1"]}
    code, told = audited(tmp_path, of({"name": "pytest", "version": "8.0.0", "vulns": [found]}))
    assert code == 1
    assert "pytest 8.0.0 has PYSEC-1; mended in: 8.0.1" in told


def test_a_service_that_knows_no_package_is_an_audit_not_done(tmp_path: Path) -> None:
    code, told = audited(tmp_path, of({"name": "pytest", "version": "8.0.0", "skip_reason": "not found on PyPI"}))
    assert code == 0
    assert told.startswith("audit not done: requirements.lock")


def test_a_pip_audit_that_fails_is_an_audit_not_done(tmp_path: Path) -> None:
    code, told = audited(tmp_path, "")
    assert code == 0
    assert told.startswith("audit not done: requirements.lock: pip-audit said nothing")
