"""Whether a locked package has a known vulnerability, or a licence that does not fit ours: python .ci/audit.py LOCK...

Exit code 1 for a vulnerability or a licence. Without an answer of the vulnerability service it says so, and goes on:
a build must not depend on it.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

OK, FAILED = 0, 1
LONGEST_S = 300

FIT = re.compile(
    r"\b(MIT|BSD|0BSD|ISC|Apache|PSF|PSFL|Python Software Foundation|MIT-CMU|MPL-2\.0|Mozilla|Zlib|CC0|Unlicense)\b",
    re.I,
)
"""May stand beside Apache-2.0 in a product. MPL-2.0 asks for its own files alone, which are not changed."""
UNFIT = re.compile(r"\b(A?GPL|GNU (Affero )?General|SSPL|BUSL|Commons Clause|CC-BY-NC)", re.I)
PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.M)


def main(locks: Sequence[Path]) -> int:
    """Tells what it found, and the exit code."""
    bad = [line for lock in locks for line in _vulnerable(lock)]
    bad += _unfit({name: version for lock in locks for name, version in PINNED.findall(lock.read_text("utf-8"))})
    for line in bad:
        print(f"audit: {line}")
    return FAILED if bad else OK


def _vulnerable(lock: Path) -> list[str]:
    told = _asked(lock)
    if isinstance(told, str):
        print(f"audit not done: {lock.name}: {told}")
        return []
    packages = told.get("dependencies", [])
    # A mirror without the service says of every package that it is not there, and pip-audit that none is vulnerable.
    looked_up = [one for one in packages if "skip_reason" not in one]
    if not looked_up:
        print(f"audit not done: {lock.name}: the vulnerability service of PyPI is not to be had here.")
        return []
    missing = sorted(one["name"] for one in packages if "skip_reason" in one)
    rest = f"; not known there: {', '.join(missing)}" if missing else ""
    print(f"audit: {lock.name}: {len(looked_up)} of {len(packages)} packages looked up{rest}")
    return [
        f"{lock.name}: {one['name']} {one['version']} has {found['id']}; mended in: {', '.join(found['fix_versions'])}"
        for one in looked_up
        for found in one["vulns"]
    ]


def _asked(lock: Path) -> dict[str, Any] | str:
    """What pip-audit says; or why it says nothing."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off"]
    try:
        done = subprocess.run(
            [*command, "--format", "json", "-r", str(lock)],
            check=False,
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
        )
        told: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return f"no answer within {LONGEST_S} s."
    except ValueError:
        return (done.stderr.strip().rpartition("\n")[2] or "pip-audit said nothing")[:300]
    return told


def _unfit(pinned: Mapping[str, str]) -> list[str]:
    """Packages whose licence does not fit, of those that are installed."""
    out = []
    for name in sorted(pinned):
        try:
            about = importlib.metadata.metadata(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # of another platform
        stated = about.get_all("License-Expression") or about.get_all("License") or [""]
        words = " ".join([stated[0][:200], *(one for one in about.get_all("Classifier") or [] if "License ::" in one)])
        if UNFIT.search(words) or not FIT.search(words):
            out.append(f"{name}: licence {words.strip()[:100] or 'not stated'!r} may not fit Apache-2.0. Look at it.")
    return out


if __name__ == "__main__":
    sys.exit(main([Path(one) for one in sys.argv[1:]]))
