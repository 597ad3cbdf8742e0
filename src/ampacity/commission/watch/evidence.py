"""What shows that something has been found: kept as figures, drawn when somebody wants to see it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ampacity.commission.watch.judge import Weighed
from ampacity.core.errors import AmpacityError

MOST_STEPS = 8
TRACES = 2
"""Of the newest steps it is shown how they went."""
WITHIN_S = 60.0
WORDS = ("title", "expected", "shown", "usual", "car", "step")
"""The texts `events.picture-<word>`."""


class NotDrawn(AmpacityError):
    """The picture can't be made now."""

    code = "picture-not-drawn"
    remedy = "Try again later. If it goes on, report this."


def evidence_of(steps: Sequence[Weighed], name: str) -> str:
    """As JSON. `name`: of the meter's circuit."""
    shown = [dict(step.proof) for step in steps[-MOST_STEPS:]]
    for one in shown[:-TRACES]:
        one.pop("trace_s", None)
        one.pop("trace_a", None)
    return json.dumps({"version": 1, "circuit": name, "steps": shown}, separators=(",", ":"))


def picture_of(evidence: str, words: Mapping[str, str], zone: str) -> bytes:
    """As SVG. `words`: for each of WORDS, in the reader's language. Drawn by a process of its own: the library's memory
    and its work stay out of the controller's.

    Raises:
        NotDrawn
    """
    given: dict[str, Any] = json.loads(evidence)
    given["zone"], given["words"] = zone, dict(words)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ampacity.commission.watch.picture"],
            input=json.dumps(given).encode(),
            stdout=subprocess.PIPE,
            check=True,
            timeout=WITHIN_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise NotDrawn(f"The picture could not be drawn ({type(error).__name__}).") from error
    return done.stdout
