"""What the documents show as a site.toml is one."""

from __future__ import annotations

import re
from pathlib import Path

from ampacity.config.installation import Installation
from ampacity.config.site_toml import parse
from ampacity.config.steered import effective
from ampacity.core.proof import proof

MANY_MAKERS = Path(__file__).parents[2] / "docs" / "how-to" / "a-site-of-many-makers.md"


def shown(document: Path) -> Installation:
    """Its first example."""
    found = re.search(r"```toml\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return parse(found[1], Path("site.toml"))


def test_the_site_of_many_makers_can_be_used_and_its_safe_currents_fit() -> None:
    assert not [line for line in proof(effective(shown(MANY_MAKERS))) if line.fails]


def test_the_site_of_many_makers_mixes_every_way_to_reach_a_charger() -> None:
    ways = {
        "ocpp" if one.direct is None else "serial" if one.direct.serial is not None else one.direct.protocol
        for one in shown(MANY_MAKERS).chargers
    }
    assert ways == {"ocpp", "modbus", "serial", "http"}
