"""Keys on OCPP in site.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from ampacity.config.mistakes import SiteFileError
from ampacity.config.site_toml import parse

TEXT = """\
[circuits.main]
limit_a = 40
meter = "main"
[meters.main]
host = "10.0.0.7"
[chargers.left]
lines = ["L1", "L2", "L3"]
CHARGER
[ocpp]
OCPP
"""


def _text(charger: str = "", ocpp: str = "") -> str:
    return TEXT.replace("CHARGER", charger).replace("OCPP", ocpp)


@pytest.mark.parametrize(
    ("key", "versions"),
    [("", ()), ('ocpp_versions = ["1.6"]', ("1.6",)), ('ocpp_versions = ["2.1", "2.0.1"]', ("2.1", "2.0.1"))],
)
def test_the_versions_that_are_spoken_with_a_charger(key: str, versions: tuple[str, ...]) -> None:
    assert parse(_text(key), Path("site.toml")).chargers[0].ocpp_versions == versions


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ('ocpp_versions = ["2.0"]', '"2.0" is not known.'),
        ('ocpp_versions = "1.6"', "is no list of versions."),
        ("ocpp_versions = []", "is no list of versions."),
        ("ocpp_versions = [1.6]", "1.6 is not known."),
    ],
)
def test_a_version_that_is_none_is_a_mistake_with_its_line(key: str, what: str) -> None:
    with pytest.raises(SiteFileError) as caught:
        parse(_text(key), Path("site.toml"))
    (mistake,) = caught.value.mistakes
    assert mistake.line == 8
    assert what in mistake.what


def test_messages_are_checked_only_where_that_is_asked_for() -> None:
    assert not parse(_text(), Path("site.toml")).ocpp.check_messages
    assert parse(_text(ocpp="check_messages = true"), Path("site.toml")).ocpp.check_messages
