"""The maximum that a charger is set to, where its configuration tells: OCPP 1.6 has no key of its own for it."""

from __future__ import annotations

from collections.abc import Mapping

KEYS = ("chargingalimitconn1", "station-maxcurrent", "maxcurrent", "g_maxcurrent")
"""In lower case: Wallbox (ConnectorIO/connectorio-addons pull request 155, seen at a Pulsar Plus with 6.7.38), Alfen
(the key "Station-MaxCurrent" of several public back ends), Grizzl-E (lbbrhzn/ocpp issue 899), Growatt (issue 1293)."""
LEAST_A, MOST_A = 6.0, 125.0


def own_maximum_a(settings: Mapping[str, str]) -> float | None:
    """In amperes per phase; None: it does not tell, or what can't be. Grizzl-E tells milliamperes."""
    told = {key.lower(): value for key, value in settings.items()}
    for key in KEYS:
        try:
            amps = float(told.get(key, ""))
        except ValueError:
            continue
        for one in (amps, amps / 1000):
            if LEAST_A <= one <= MOST_A:
                return one
    return None
