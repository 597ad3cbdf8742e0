"""What the self-check goes by, gathered from the parts that know it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ampacity.commission.selfcheck import ChargerFacts, Facts, LinkFacts, MeterFacts, SettingFacts
from ampacity.config.installation import Installation
from ampacity.config.meter_place import InletPlace, MeterConnection
from ampacity.core.observations import ChargerSeen
from ampacity.core.site import ChargerId, MeterId
from ampacity.core.trust import SHORTEST_DEADLINE_S
from ampacity.devices.catalogue import charger_families
from ampacity.links.ocpp.endpoint import StationFacts
from ampacity.links.tally import Tally
from ampacity.runtime.desk import Latest
from ampacity.sources import MeterLink

_UNSEEN = ChargerSeen()


def link_facts(tally: Tally, now_s: float) -> LinkFacts:
    """`now_s`: the controller's clock."""
    return LinkFacts(
        requests=tally.requests,
        answers=tally.answers,
        timeouts=tally.timeouts,
        garbled=tally.garbled,
        exceptions=tally.exceptions,
        connections=tally.connections,
        received_bytes=tally.received.bytes(now_s),
        sent_bytes=tally.sent.bytes(now_s),
        age_s=None if tally.last_good_s is None else max(0.0, now_s - tally.last_good_s),
        median_s=tally.latency_s(0.5),
        slow_s=tally.latency_s(0.99),
    )


def facts_of(
    installation: Installation,
    *,
    meters: Mapping[MeterId, MeterLink],
    latest: Latest | None,
    stations: Mapping[ChargerId, StationFacts],
    tally: Callable[[ChargerId], Tally],
    version: str,
    newer: str | None,
    now_s: float,
) -> Facts:
    """As the controller sees them now. `tally`: of a charger."""
    return Facts(
        meters=[
            _meter(installation, connection, meters[connection.meter], latest, now_s)
            for connection in installation.meters
            if connection.meter in meters
        ],
        chargers=[
            _charger(installation, charger.id, latest, stations.get(charger.id, StationFacts()), tally, now_s)
            for charger in installation.site.chargers
        ],
        version=version,
        newer=newer,
        reads_meter=installation.features.reads_meter,
    )


def _meter(
    installation: Installation, connection: MeterConnection, meter: MeterLink, latest: Latest | None, now_s: float
) -> MeterFacts:
    trouble, place = meter.trouble, connection.place
    blind = None
    if latest is not None:
        of = {circuit.id for circuit in latest.site.circuits if circuit.meter == connection.meter}
        views = [view for view in latest.decision.circuits if view.circuit in of and view.blind is not None]
        blind = views[0].blind.value if views and views[0].blind is not None else None
    return MeterFacts(
        name=f"{connection.meter} ({connection.address})",
        device=connection.device,
        model=meter.identified,
        serial=connection.serial is not None,
        deadline_s=max(SHORTEST_DEADLINE_S, 3 * connection.period_s),
        trouble=None if trouble is None else trouble.code,
        what="" if trouble is None else trouble.what,
        connected=meter.connected,
        blind=blind,
        charger=installation.name_of(place.charger) if isinstance(place, InletPlace) else None,
        settings=tuple(
            SettingFacts(
                what=held.setting.what,
                now=held.now,
                right=held.right,
                at_the_board=held.setting.at_the_board,
            )
            for held in meter.setup.wrong
        ),
        wiring=tuple(f"{remark.what} {remark.remedy}" for remark in meter.setup.remarks),
        link=link_facts(meter.tally, now_s),
    )


def _charger(
    installation: Installation,
    charger: ChargerId,
    latest: Latest | None,
    station: StationFacts,
    tally: Callable[[ChargerId], Tally],
    now_s: float,
) -> ChargerFacts:
    seen = _UNSEEN if latest is None else latest.observed.chargers.get(charger, _UNSEEN)
    flag = None
    if latest is not None and charger in latest.site.index_of_charger:
        found = latest.decision.setpoints[latest.site.index_of_charger[charger]].flag
        flag = None if found is None else found.value
    family = charger_families().get(station.family)
    return ChargerFacts(
        name=installation.name_of(charger),
        online=seen.online,
        known=bool(station.vendor or station.model),
        firmware=station.firmware,
        firmware_old=family is not None and family.is_too_old(station.firmware) is True,
        flag=flag,
        link=link_facts(tally(charger), now_s),
    )
