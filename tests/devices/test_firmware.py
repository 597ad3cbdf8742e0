"""A charger's firmware against the oldest that can be steered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampacity.devices.catalogue import charger_families
from ampacity.devices.charger_family import charger_family_of
from ampacity.devices.firmware import is_older, is_version

VERSIONS = st.lists(st.integers(0, 10_000), min_size=2, max_size=4)


@pytest.mark.parametrize(
    ("firmware", "least", "older"),
    [
        ("1.8.21", "1.8.22", True),
        ("1.8.21", "1.8.21", False),
        ("1.10", "1.9", False),
        ("V1.8", "1.8.0", False),
        ("TAC3Z9119006710273::V1.8.21", "1.6.5", False),
        ("055.5", "60.3", True),
        ("6.7.38-rc1", "6.8", True),
        ("327", "328", True),
        ("9012", "328", False),
        ("", "328", None),
        ("unknown", "1.0", None),
        ("PFA0102|V0.00.00|V1.38.00||2.4.3.0", "1.0", None),
        ("2024-05-01", "328", None),
        ("1.0", "328", None),
    ],
)
def test_versions_are_compared_number_by_number(firmware: str, least: str, older: bool | None) -> None:
    assert is_older(firmware, least) is older


@given(VERSIONS, VERSIONS)
def test_the_greater_number_on_the_left_decides(one: list[int], other: list[int]) -> None:
    length = max(len(one), len(other))
    padded = [numbers + [0] * (length - len(numbers)) for numbers in (one, other)]
    assert is_older(".".join(map(str, one)), ".".join(map(str, other))) is (padded[0] < padded[1])


@given(st.text(max_size=60), st.sampled_from(["328", "1.8.21"]))
def test_whatever_a_charger_calls_its_firmware_is_compared_or_not(firmware: str, least: str) -> None:
    assert is_older(firmware, least) in (True, False, None)


def test_a_family_tells_who_is_too_old() -> None:
    easee = charger_families()["easee"]
    assert [easee.is_too_old(one) for one in ("327", "328", "")] == [True, False, None]
    assert charger_families()["generic"].is_too_old("0.0.1") is False


def test_an_oldest_firmware_is_a_version() -> None:
    assert is_version("1.8.21")
    with pytest.raises(ValueError, match="firmware_min"):
        charger_family_of({"id": "x", "maker": "X", "firmware_min": "the newest"})
