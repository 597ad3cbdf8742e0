"""One decision as one line of JSON, for machines and for the demo's view."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ampacity.core.decision import Decision
from ampacity.core.observations import ChargerSeen, Observed
from ampacity.core.site import Site
from ampacity.core.words import in_words

_UNSEEN = ChargerSeen()


def status_line(site: Site, observed: Observed, decision: Decision) -> str:
    return json.dumps(status(site, observed, decision), ensure_ascii=False)


def status(site: Site, observed: Observed, decision: Decision) -> Mapping[str, Any]:
    """Currents in A, per line where they are lists; `null` where it is not known."""
    chargers = []
    for setpoint, charger in zip(decision.setpoints, site.chargers, strict=True):
        seen = observed.chargers.get(charger.id, _UNSEEN)
        cause = setpoint.held_by
        chargers.append(
            {
                "id": charger.id,
                "online": seen.online,
                "state": None if seen.state is None else seen.state.value,
                "session": seen.session,
                "lines": None if charger.wiring is None else [line.name for line in charger.wiring],
                "setpoint_a": setpoint.limit_a,
                "max_a": charger.max_a,
                "current_a": None if seen.currents is None else list(seen.currents),
                "power_w": seen.power_w,
                "rule": None if cause is None else cause.rule.value,
                "circuit": None if cause is None else cause.circuit,
                "line": None if cause is None or cause.line is None else cause.line.name,
                "because": in_words(setpoint),
                "flag": None if setpoint.flag is None else setpoint.flag.value,
            }
        )
    return {
        "at_s": round(decision.at_s, 3),
        "circuits": [
            {
                "id": view.circuit,
                "limit_a": _rounded(view.limit_a),
                "measured_a": _rounded(view.measured_a),
                "building_a": _rounded(view.building_a),
                "cars_a": _rounded(view.cars_a),
                "headroom_a": _rounded(view.headroom_a),
                "budget": round(view.budget, 4),
                "blind": None if view.blind is None else view.blind.value,
            }
            for view in decision.circuits
        ],
        "chargers": chargers,
        "commands": [{"charger": c.charger, "limit_a": c.limit_a, "renewal": c.renewal} for c in decision.commands],
    }


def _rounded(amps: Any) -> list[float] | None:
    return None if amps is None else [round(a, 2) for a in amps]
