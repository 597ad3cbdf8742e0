"""An energy meter that tells JSON: a Shelly Pro 3EM, asked over HTTP.

After Shelly, Gen2 API documentation, EM.GetStatus; the controller's own meter files are not used, so that the two can
disagree.
"""

from __future__ import annotations

from typing import Any

from ampacity.sim.wire.http import HttpServer
from ampacity.sim.wire.meter import Sample

_PATH = "/rpc/EM.GetStatus"


class ShellyPro3Em:
    """The meter. `show` sets what it measures."""

    def __init__(self, sample: Sample) -> None:
        self._sample = sample
        self._server = HttpServer(self._answer)

    def show(self, sample: Sample) -> None:
        """From now on, this is what it measures."""
        self._sample = sample

    async def open(self) -> int:
        """Begins to answer on loopback; returns the port."""
        return await self._server.open()

    async def close(self) -> None:
        await self._server.close()

    def _answer(self, scope: dict[str, Any], _: bytes) -> tuple[int, Any]:
        if scope["method"] != "GET" or scope["path"] != _PATH:
            return 404, b"{}"
        return 200, status_of(self._sample)


def status_of(sample: Sample) -> dict[str, Any]:
    """Currents have no sign there; the power has."""
    found: dict[str, Any] = {"id": 0, "n_current": None, "user_calibrated_phase": []}
    for name, volts, amps, watts in zip("abc", sample.volts, sample.amps, sample.watts, strict=True):
        apparent_va = volts * abs(amps)
        found |= {
            f"{name}_current": round(abs(amps), 3),
            f"{name}_voltage": round(volts, 1),
            f"{name}_act_power": round(watts, 1),
            f"{name}_aprt_power": round(apparent_va, 1),
            f"{name}_pf": round(watts / apparent_va, 2) if apparent_va else 0.0,
            f"{name}_freq": sample.hertz,
        }
    return found | {
        "total_current": round(sum(abs(amps) for amps in sample.amps), 3),
        "total_act_power": round(sum(sample.watts), 1),
    }
