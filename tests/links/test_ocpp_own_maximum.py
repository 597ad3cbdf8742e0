"""The maximum that a charger is set to, as its configuration tells."""

from __future__ import annotations

import pytest

from ampacity.links.ocpp.own_maximum import own_maximum_a


@pytest.mark.parametrize(
    ("settings", "amps"),
    [
        ({"chargingALimitConn1": "16"}, 16.0),
        ({"Station-MaxCurrent": "20.0"}, 20.0),
        ({"MaxCurrent": "40000"}, 40.0),
        ({"G_MaxCurrent": "25.00"}, 25.0),
        ({"MaxCurrent": ""}, None),
        ({"MaxCurrent": "0"}, None),
        ({"MaxCurrent": "nan"}, None),
        ({"MaxCurrent": "1e400"}, None),
        ({"HeartbeatInterval": "60"}, None),
        ({}, None),
    ],
)
def test_it_is_told_in_amperes_or_milliamperes_or_not_at_all(settings: dict[str, str], amps: float | None) -> None:
    assert own_maximum_a(settings) == amps
