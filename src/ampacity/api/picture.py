"""The live picture: what the newest decision says, in the words of the app. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache

from pydantic import BaseModel

from ampacity.api.ports import Latest, StationFacts
from ampacity.api.setup import Status, primary_of
from ampacity.commission.steptest.ground import TEST_CIRCUIT
from ampacity.config.installation import Installation
from ampacity.core.decision import Cause, CircuitView, Setpoint
from ampacity.core.observations import ChargerSeen
from ampacity.core.phases import PhaseAmps, Supply
from ampacity.core.site import Charger, ChargerId
from ampacity.devices.catalogue import charger_families
from ampacity.devices.charger_family import ChargerFamily
from ampacity.runtime.sessions import Running

_UNSEEN = ChargerSeen()


class SiteShown(BaseModel):
    """What is looked at."""

    name: str
    supply: str
    lines: list[str]
    time_zone: str
    line_v: float
    """Nominal, from a line to neutral or, where there is none, to the star point: an ampere is so many watts."""


class CircuitShown(BaseModel):
    """A circuit; lists by the site's lines, in A."""

    id: str
    name: str
    parent: str | None
    spans: bool
    """It has no wire of its own: static load management."""
    rating_a: list[float]
    limit_a: list[float]
    measured_a: list[float] | None
    building_a: list[float] | None
    cars_a: list[float]
    offered_a: list[float]
    headroom_a: list[float]
    budget: float
    """Share of the breaker's trip budget that is used."""
    blind: str | None


class CauseShown(BaseModel):
    """What holds a setpoint. The numbers are those of the named line, where they are known."""

    rule: str
    circuit: str | None
    circuit_name: str | None
    line: str | None
    building_a: float | None
    cars_a: float | None
    """What cars draw."""
    offered_a: float | None
    """What they may draw: a car that starts has not taken it yet."""
    limit_a: float | None


class PlaceShown(BaseModel):
    """Where a waiting car stands."""

    number: int
    wait_s: float | None


class SessionShown(BaseModel):
    """A car's charging, as it goes on."""

    id: str
    begun_s: float | None
    energy_wh: int | None
    """What it got so far; None: its begin was not seen, or the charger does not tell."""
    account: int | None
    """Whose tag began it; None: nobody's that has an account."""


class WishShown(BaseModel):
    """What people wish for a charger, as long as it holds."""

    paused: bool
    first: bool
    until_s: float | None


class CarShown(BaseModel):
    """What the car asks for over ISO 15118, as its charger tells."""

    min_a: float | None
    max_a: float | None
    """The most it takes of each phase."""
    energy_wh: float | None
    """What it wants until it leaves."""
    departure: str | None
    """ISO 8601, UTC."""
    mode: str


class OwnLimitShown(BaseModel):
    """A limit that a charger has from elsewhere."""

    source: str
    limit_a: float | None
    """None: it does not say how much."""


class ChargerShown(BaseModel):
    """A charger as it is now."""

    id: str
    name: str
    circuit: str
    primary: bool
    online: bool
    state: str | None
    session: SessionShown | None
    lines: list[str] | None
    setpoint_a: float
    min_a: float
    max_a: float
    safe_a: float
    current_a: list[float] | None
    power_w: float | None
    energy_wh: int | None
    soc_pct: float | None
    phases_on: int | None
    """1 or 3, where it can change that; 0: it changes it now. None: it can't, or does not tell."""
    cause: CauseShown | None
    """None: it has its own maximum."""
    place: PlaceShown | None
    flag: str | None
    wish: WishShown
    vendor: str | None
    model: str | None
    firmware: str | None
    firmware_old: bool
    """Older than the oldest that can be steered."""
    ocpp: str | None
    """The version that is spoken with it; None: it is not connected."""
    car: CarShown | None
    """None: nothing is told of the car's needs."""
    own_limit: OwnLimitShown | None


class Live(BaseModel):
    """Everything at a moment."""

    at_s: float | None
    """None: nothing has been decided yet."""
    site: SiteShown
    status: Status
    features: list[str]
    circuits: list[CircuitShown]
    chargers: list[ChargerShown]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a charger beside what control goes by."""

    station: StationFacts = field(default_factory=StationFacts)
    running: Running | None = None
    """The session that goes on there."""
    account: int | None = None
    """Whose it is."""


def picture(
    installation: Installation, latest: Latest | None, facts: Callable[[ChargerId], Facts], status: Status
) -> Live:
    """Of the newest decision. One made before the site was changed last is shown as it was."""
    site = installation.site if latest is None else latest.site
    shown = SiteShown(
        name=site.name,
        supply=site.supply.value,
        lines=[line.name for line in site.supply.lines],
        time_zone=installation.time_zone.key or "UTC",
        line_v=round(site.nominal_v / (3**0.5 if site.supply is Supply.LINE_TO_LINE else 1), 1),
    )
    live = Live(
        at_s=None if latest is None else round(latest.at_s, 3),
        site=shown,
        status=status,
        features=sorted(feature.value for feature in installation.features.on),
        circuits=[],
        chargers=[],
    )
    if latest is None:
        return live
    views: dict[str, CircuitView] = {view.circuit: view for view in latest.decision.circuits}
    for circuit in site.circuits:
        if circuit.id == TEST_CIRCUIT:
            continue  # nobody has installed it
        live.circuits.append(_circuit(installation, latest, views[circuit.id]))
    for charger, setpoint in zip(site.chargers, latest.decision.setpoints, strict=True):
        live.chargers.append(_charger(installation, latest, charger, setpoint, views, facts(charger.id)))
    return live


def _circuit(installation: Installation, latest: Latest, view: CircuitView) -> CircuitShown:
    circuit = latest.site.circuits[latest.site.index_of_circuit[view.circuit]]
    return CircuitShown(
        id=circuit.id,
        name=installation.circuit_name_of(circuit.id),
        parent=circuit.parent,
        spans=circuit.spans,
        rating_a=_amps(circuit.rating_a),
        limit_a=_amps(view.limit_a),
        measured_a=None if view.measured_a is None else _amps(view.measured_a),
        building_a=None if view.building_a is None else _amps(view.building_a),
        cars_a=_amps(view.cars_a),
        offered_a=_amps(view.offered_a),
        headroom_a=_amps(view.headroom_a),
        budget=round(view.budget, 4),
        blind=None if view.blind is None else view.blind.value,
    )


def _charger(
    installation: Installation,
    latest: Latest,
    charger: Charger,
    setpoint: Setpoint,
    views: Mapping[str, CircuitView],
    facts: Facts,
) -> ChargerShown:
    seen = latest.observed.chargers.get(charger.id, _UNSEEN)
    now_s = latest.decision.at_s
    offset_s = latest.at_s - now_s
    paused, first = seen.is_paused(now_s), seen.is_first(now_s)
    ends = [
        until_s
        for holds, until_s in ((paused, seen.paused_until_s), (first, seen.first_until_s))
        if holds and until_s is not None
    ]
    return ChargerShown(
        id=charger.id,
        name=installation.name_of(charger.id),
        circuit=charger.circuit,
        primary=charger.id == primary_of(installation),
        online=seen.online,
        state=None if seen.state is None else seen.state.value,
        session=None if seen.session is None else _session(seen.session, seen, facts, offset_s),
        lines=None if charger.wiring is None else [line.name for line in charger.wiring],
        setpoint_a=setpoint.limit_a,
        min_a=charger.min_a,
        max_a=charger.max_a,
        safe_a=charger.safe_a,
        current_a=None if seen.currents is None else _amps(seen.currents),
        power_w=seen.power_w,
        energy_wh=seen.energy_wh,
        soc_pct=seen.soc_pct,
        phases_on=seen.phases_on,
        cause=None if setpoint.held_by is None else _cause(installation, setpoint.held_by, latest, views),
        place=None
        if setpoint.place is None
        else PlaceShown(number=setpoint.place.number, wait_s=setpoint.place.wait_s),
        flag=None if setpoint.flag is None else setpoint.flag.value,
        wish=WishShown(paused=paused, first=first, until_s=round(min(ends) + offset_s, 1) if ends else None),
        vendor=facts.station.vendor or None,
        model=facts.station.model or None,
        firmware=facts.station.firmware or None,
        firmware_old=_is_old(facts.station),
        ocpp=facts.station.version or None,
        car=None if facts.station.car is None else CarShown(**asdict(facts.station.car)),
        own_limit=None if facts.station.own_limit is None else OwnLimitShown(**asdict(facts.station.own_limit)),
    )


def _session(session: str, seen: ChargerSeen, facts: Facts, offset_s: float) -> SessionShown:
    begun_s = None if seen.session_at_s is None else round(seen.session_at_s + offset_s, 1)
    begin_wh = None if facts.running is None else facts.running.begin_wh
    energy_wh = None
    if seen.energy_wh is not None and begin_wh is not None and seen.energy_wh >= begin_wh:
        energy_wh = seen.energy_wh - begin_wh
    return SessionShown(id=session, begun_s=begun_s, energy_wh=energy_wh, account=facts.account)


def _is_old(facts: StationFacts) -> bool:
    family = _families().get(facts.family)
    return family is not None and family.is_too_old(facts.firmware) is True


@cache
def _families() -> Mapping[str, ChargerFamily]:
    """The catalogue, read once: a picture is made every second."""
    return charger_families()


def _cause(installation: Installation, cause: Cause, latest: Latest, views: Mapping[str, CircuitView]) -> CauseShown:
    view = None if cause.circuit is None else views.get(cause.circuit)
    line = None if cause.line is None or cause.line not in latest.site.supply.lines else int(cause.line)
    building = limit = cars = offered = None
    if view is not None and line is not None:
        limit, cars = round(view.limit_a.values[line], 1), round(view.cars_a.values[line], 1)
        offered = round(view.offered_a.values[line], 1)
        building = None if view.building_a is None else round(view.building_a.values[line], 1)
    return CauseShown(
        rule=cause.rule.value,
        circuit=cause.circuit,
        circuit_name=None if cause.circuit is None else installation.circuit_name_of(cause.circuit),
        line=None if cause.line is None else cause.line.name,
        building_a=building,
        cars_a=cars,
        offered_a=offered,
        limit_a=limit,
    )


def _amps(amps: PhaseAmps) -> list[float]:
    return [round(one, 2) for one in amps]
