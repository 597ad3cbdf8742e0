"""What a run of the fuzz targets tried, and the smallest input of each that failed."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path


class Findings:
    """Of one run. Hypothesis tries the smallest failing input last."""

    def __init__(self) -> None:
        self.examples: Counter[str] = Counter()
        self._last: dict[str, bytes] = {}

    def tried(self, target: str, data: bytes) -> None:
        self.examples[target] += 1
        self._last[target] = data

    def passed(self, target: str) -> None:
        self._last.pop(target, None)

    def lines(self, folder: Path) -> list[str]:
        """A line for each target; what failed is kept in `folder`."""
        out = []
        for target, count in self.examples.items():
            line = f"{target}: {count} inputs"
            if target in self._last:
                data = self._last[target]
                kept = folder / f"{target}-{hashlib.sha256(data).hexdigest()[:8]}"
                folder.mkdir(parents=True, exist_ok=True)
                kept.write_bytes(data)
                line += f"; FAILED, the input is {kept}: copy it to tests/fuzz/corpus/{target}/ under a telling name"
            out.append(line)
        return out
