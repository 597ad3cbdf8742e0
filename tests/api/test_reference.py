from __future__ import annotations

from pathlib import Path

from ampacity.api.reference import page

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "api.md"


def test_the_page_of_routes_is_made_from_the_routes() -> None:
    assert PAGE.read_text() == page(), "run: make docs"
