"""A measured resistance is judged as an electrician would."""

from __future__ import annotations

import math

import pytest

from ampacity.commission.bus import judged
from ampacity.commission.selfcheck import Verdict


@pytest.mark.parametrize(
    ("ohm", "code"),
    [
        (0.0, "bus-short"),
        (3.0, "bus-short"),
        (30.0, "bus-many"),
        (40.0, "bus-one-too-many"),
        (54.0, "bus-right"),
        (60.0, "bus-right"),
        (64.0, "bus-right"),
        (85.0, "bus-odd"),
        (120.0, "bus-one-missing"),
        (124.0, "bus-one-missing"),
        (680.0, "bus-open"),
        (1e6, "bus-open"),
        (math.inf, "bus-open"),
    ],
)
def test_what_it_means(ohm: float, code: str) -> None:
    found = judged(ohm)
    assert found.code == code
    assert (found.verdict is Verdict.FINE) == (code == "bus-right")
