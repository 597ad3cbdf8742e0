"""The page of events has every event."""

from __future__ import annotations

import re
from pathlib import Path

from ampacity.runtime.happenings import CODES
from ampacity.runtime.notifications import BEGINS, ENDS
from ampacity.web.texts import text

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "events.md"


def test_the_page_has_every_event_with_its_severity_its_words_and_its_kind_of_notification() -> None:
    rows = []
    for code, severity in CODES.items():
        kind = BEGINS.get(code) or ENDS.get(code)
        told = "" if kind is None else f"`{kind.value}`"
        rows.append(f"| `{code}` | {severity.value} | {text('en', f'events.{code}')} | {told} |")
    assert re.findall(r"^\| `[a-z-]+` \| (?:info|warning|alarm) \|.*$", PAGE.read_text(), re.MULTILINE) == rows
