"""The benches are scripts: their folder is what Python looks in first when one is run."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3] / "bench"))
