"""The adapter to ACN-Sim: the network as a site, the sockets as observations, the setpoints as pilots."""

from __future__ import annotations

import gzip
import importlib.util
import json
import math
import warnings
from collections.abc import Mapping
from dataclasses import asdict, replace
from itertools import pairwise, product
from pathlib import Path

import pytest

from acn_events import EventsUnreadable, Stay, stand_in, stays_from
from acn_network import ANGLES_DEG, PAIRS, Express, Network, NetworkNotExpressible, Row, Socket, readings_a, site_of
from acn_steering import UNCHANGED_S, Car, Steering
from ampacity.core.phases import Supply
from ampacity.core.site import ChargerId, CircuitId, MeterId, Site

NAMES = (("ab1", "ab2", "ab3", "ab4"), ("bc1", "bc2"), ("ca1", "ca2"))
POD = ("ab1", "ab2")
CAP_KW = 30.0
SECONDARY_A = CAP_KW * 1000 / 3 / 120
PRIMARY_A = CAP_KW * 1000 / 3 / 277
PERIOD_S = 300
HUNGRY = Car(31.7)
FULL = Car(0.0)


def row(name: str, pairs: tuple[float, float, float], limit_a: float) -> Row:
    weights = {one: weight for names, weight in zip(NAMES, pairs, strict=True) for one in names if weight}
    return Row(name=name, weights=weights, limit_a=limit_a)


SECONDARY_ROWS = (
    row("Secondary A", (1, 0, -1), SECONDARY_A),
    row("Secondary B", (-1, 1, 0), SECONDARY_A),
    row("Secondary C", (0, -1, 1), SECONDARY_A),
)
PRIMARY_ROWS = (
    row("Primary A", (0.25, 0.25, -0.5), PRIMARY_A),
    row("Primary B", (-0.5, 0.25, 0.25), PRIMARY_A),
    row("Primary C", (0.25, -0.5, 0.25), PRIMARY_A),
)
NETWORK = Network(
    sockets=tuple(Socket(id=name, pair=pair) for pair, names in enumerate(NAMES) for name in names),
    rows=(Row(name="AV Pod", weights=dict.fromkeys(POD, 1.0), limit_a=40.0), *SECONDARY_ROWS, *PRIMARY_ROWS),
    volts=208,
)
EVERYONE: Mapping[str, Car] = {socket.id: HUNGRY for socket in NETWORK.sockets}


def limit_a(site: Site, circuit: str) -> float:
    return site.circuits[site.index_of_circuit[CircuitId(circuit)]].rating_a[0]


def largest_a(site: Site, mixture: tuple[float, float, float]) -> dict[str, float]:
    """So much of a mixture of the three pairs as the site's own circuits bear, at one socket a pair, outside pods."""
    at = {names[-1]: share for names, share in zip(NAMES, mixture, strict=True)}
    topology = site.topology
    sums = [0j] * topology.places
    for name, share in at.items():
        for place, re, im in topology.pulls[topology.way[site.index_of_charger[ChargerId(name)]][0]]:
            sums[place] += share * complex(re, im)
    limits = [a for circuit in site.limits_a for a in circuit]
    scale = min(limit / abs(size) for size, limit in zip(sums, limits, strict=True) if abs(size) > 1e-9)
    return {name: share * scale for name, share in at.items()}


MIXTURES = [m for m in product((0.0, 0.2, 0.5, 0.8, 1.0), repeat=3) if any(m)]


# --- the network as a site -------------------------------------------------------------------------------------------


def test_sockets_become_chargers_between_two_lines() -> None:
    site = site_of(NETWORK, Express.PAIRS)
    assert site.supply is Supply.LINE_TO_LINE
    assert [charger.wiring for charger in site.chargers] == [PAIRS[socket.pair] for socket in NETWORK.sockets]


def test_a_pod_becomes_a_circuit_that_holds_its_sockets() -> None:
    site = site_of(NETWORK, Express.EXACT)
    assert limit_a(site, "av-pod") == 40.0
    assert {charger.id for charger in site.chargers if charger.circuit == "av-pod"} == set(POD)


def test_a_pod_is_never_larger_than_what_feeds_it() -> None:
    pod, *others = NETWORK.rows
    site = site_of(replace(NETWORK, rows=(replace(pod, limit_a=80.0), *others)), Express.PAIRS)
    assert limit_a(site, "av-pod") == limit_a(site, "pair-l1-l2")


def test_any_pilot_means_the_least_a_car_may_charge_with() -> None:
    charger = site_of(NETWORK, Express.PAIRS).chargers[0]
    assert (charger.min_a, charger.max_a, charger.step_a) == (6.0, 32.0, 0.1)


def test_a_list_of_pilots_means_its_least_and_its_step() -> None:
    sockets = (replace(NETWORK.sockets[0], pilots_a=(8.0, 16.0, 24.0, 32.0)), *NETWORK.sockets[1:])
    charger = site_of(replace(NETWORK, sockets=sockets), Express.PAIRS).chargers[0]
    assert (charger.min_a, charger.max_a, charger.step_a) == (8.0, 32.0, 8.0)


def test_a_pair_of_lines_may_have_what_balanced_loads_may_have() -> None:
    balanced_a = min(PRIMARY_A / 0.75, SECONDARY_A / math.sqrt(3))
    assert limit_a(site_of(NETWORK, Express.PAIRS), "pair-l2-l3") == pytest.approx(balanced_a)


def test_smaller_lines_imply_the_primary_side_for_a_load_on_one_pair_alone() -> None:
    assert limit_a(site_of(NETWORK, Express.LINES), "secondary") == pytest.approx(2 * PRIMARY_A)


@pytest.mark.parametrize("express", list(Express))
@pytest.mark.parametrize("mixture", MIXTURES)
def test_what_the_site_bears_the_network_bears(express: Express, mixture: tuple[float, float, float]) -> None:
    assert NETWORK.worst_a(largest_a(site_of(NETWORK, express), mixture)) <= 1e-6


@pytest.mark.parametrize("mixture", MIXTURES)
def test_with_the_primary_side_as_a_circuit_nothing_that_the_network_bears_is_lost(
    mixture: tuple[float, float, float],
) -> None:
    assert NETWORK.worst_a(largest_a(site_of(NETWORK, Express.EXACT), mixture)) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("express", list(Express))
def test_without_rows_for_a_primary_side_the_lines_keep_their_limits(express: Express) -> None:
    site = site_of(replace(NETWORK, rows=SECONDARY_ROWS), express)
    assert [circuit.id for circuit in site.circuits] == ["secondary"]
    assert limit_a(site, "secondary") == pytest.approx(SECONDARY_A)


def test_a_row_that_weighs_sockets_of_one_pair_differently_is_refused() -> None:
    odd = Row(name="odd", weights={"ab1": 1.0, "ab2": 0.5}, limit_a=40.0)
    with pytest.raises(NetworkNotExpressible, match="'odd'"):
        site_of(replace(NETWORK, rows=(odd, *SECONDARY_ROWS)), Express.PAIRS)


def test_a_network_without_a_limit_on_each_line_is_refused() -> None:
    with pytest.raises(NetworkNotExpressible, match="2 of three lines"):
        site_of(replace(NETWORK, rows=SECONDARY_ROWS[:2]), Express.PAIRS)


# --- sockets as observations -----------------------------------------------------------------------------------------


def test_two_cars_on_neighbouring_pairs_add_as_phasors_on_the_meter() -> None:
    shown = readings_a(NETWORK, site_of(NETWORK, Express.PAIRS), {"ab1": 16.0, "ca1": 16.0})[MeterId("secondary")]
    assert [abs(phasor) for phasor in shown] == pytest.approx([16 * math.sqrt(3), 16.0, 16.0])


@pytest.mark.parametrize("pair", range(3))
def test_the_meters_agree_with_the_sites_own_reckoning(pair: int) -> None:
    site = site_of(NETWORK, Express.EXACT)
    name = NAMES[pair][-1]
    topology = site.topology
    expected = [0j] * topology.places
    for place, re, im in topology.pulls[topology.way[site.index_of_charger[ChargerId(name)]][0]]:
        expected[place] += 10 * complex(re, im)
    shown = readings_a(NETWORK, site, {name: 10.0})
    flat = [phasor for circuit in site.circuits if circuit.meter for phasor in shown[circuit.meter]]
    assert flat == pytest.approx(expected[: len(flat)], abs=1e-9)


@pytest.mark.parametrize("express", list(Express))
def test_a_car_alone_gets_all_it_takes(express: Express) -> None:
    steering = Steering(NETWORK, site_of(NETWORK, express))
    pilots = steering.period(0, PERIOD_S, {"bc1": HUNGRY})
    assert pilots["bc1"] >= HUNGRY.takes_a


@pytest.mark.parametrize("express", list(Express))
def test_pilots_are_never_more_than_the_network_bears(express: Express) -> None:
    steering = Steering(NETWORK, site_of(NETWORK, express))
    for period, cars in enumerate(({"ab1": HUNGRY, "ab4": HUNGRY}, EVERYONE, {**EVERYONE, "ab1": FULL}, EVERYONE)):
        pilots = steering.period(period * PERIOD_S, PERIOD_S, cars)
        assert NETWORK.worst_a(pilots) <= 1e-6
    assert steering.worst_a <= 1e-6


@pytest.mark.parametrize("express", list(Express))
def test_every_pilot_is_a_pause_or_one_that_the_socket_can_send(express: Express) -> None:
    rates = tuple(float(a) for a in range(6, 33))
    sockets = tuple(replace(socket, pilots_a=rates) for socket in NETWORK.sockets)
    network = replace(NETWORK, sockets=sockets)
    pilots = Steering(network, site_of(network, express)).period(0, PERIOD_S, EVERYONE)
    assert set(pilots.values()) <= {0.0, *rates}


def test_a_socket_without_a_car_offers_nothing() -> None:
    steering = Steering(NETWORK, site_of(NETWORK, Express.PAIRS))
    steering.period(0, PERIOD_S, {"ab1": HUNGRY})
    assert steering.period(PERIOD_S, PERIOD_S, {"ab2": HUNGRY})["ab1"] == 0.0


def test_what_a_full_car_leaves_goes_to_the_others() -> None:
    steering = Steering(NETWORK, site_of(NETWORK, Express.PAIRS))
    before = steering.period(0, PERIOD_S, EVERYONE)["ab4"]
    after = steering.period(PERIOD_S, PERIOD_S, {**EVERYONE, "ab1": FULL, "ab2": FULL})["ab4"]
    assert after > before + 5.0


def test_a_car_that_waits_charges_after_a_turn() -> None:
    rows = (*(replace(one, limit_a=14.0) for one in SECONDARY_ROWS),)
    network = replace(NETWORK, rows=rows)
    steering = Steering(network, site_of(network, Express.PAIRS, turn_s=600.0))
    cars = dict.fromkeys(NAMES[0], HUNGRY)
    served: set[str] = set()
    for period in range(8):
        pilots = steering.period(period * PERIOD_S, PERIOD_S, cars)
        served |= {name for name, amps in pilots.items() if amps > 0}
        assert sum(amps > 0 for amps in pilots.values()) <= 2
    assert served == set(cars)


def test_a_period_like_the_one_before_takes_few_passes() -> None:
    steering = Steering(NETWORK, site_of(NETWORK, Express.PAIRS))
    cars = {"ab1": HUNGRY, "bc1": HUNGRY}
    first = dict(steering.period(0, PERIOD_S, cars))
    before = steering.seconds
    assert steering.period(PERIOD_S, PERIOD_S, cars) == first
    assert steering.seconds - before == UNCHANGED_S


def test_the_same_cars_give_the_same_pilots() -> None:
    one, other = (Steering(NETWORK, site_of(NETWORK, Express.PAIRS)) for _ in range(2))
    for period in range(3):
        assert one.period(period * PERIOD_S, PERIOD_S, EVERYONE) == other.period(period * PERIOD_S, PERIOD_S, EVERYONE)


# --- the cars of a run -----------------------------------------------------------------------------------------------


def queue_document() -> dict[str, object]:
    """As EventQueue.to_json writes it, of two cars."""
    objects: dict[str, object] = {}
    for number, (arrival, departure) in enumerate(((90, 120), (80, 100))):
        objects[f"battery{number}"] = {
            "class": "acnportal.acnsim.models.battery.Battery",
            "attributes": {"_max_power": 6.6},
        }
        objects[f"ev{number}"] = {
            "class": "acnportal.acnsim.models.ev.EV",
            "attributes": {
                "_arrival": arrival,
                "_departure": departure,
                "_session_id": f"s{number}",
                "_station_id": "ab1",
                "_requested_energy": 4.5,
                "_battery": f"battery{number}",
            },
        }
    return {"id": "1", "context_dict": objects}


def test_a_file_of_events_gives_its_cars_in_the_order_of_arrival(tmp_path: Path) -> None:
    path = tmp_path / "events.json.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        json.dump(json.dumps(queue_document()), file)
    assert [stay.id for stay in stays_from(path)] == ["s1", "s0"]
    assert stays_from(path)[0] == Stay(id="s1", socket="ab1", arrival=80, departure=100, kwh=4.5, most_kw=6.6)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'"text"', b'{"context_dict": {"1": {}}}'])
def test_a_file_of_another_kind_is_refused_with_a_remedy(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "events.json.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(EventsUnreadable, match=r"events\.json\.gz.*EventQueue\.to_json"):
        stays_from(path)


def test_a_missing_file_of_events_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EventsUnreadable):
        stays_from(tmp_path / "none.json.gz")


def test_the_stand_in_is_the_same_for_the_same_seed() -> None:
    sockets = [f"s{number}" for number in range(54)]
    assert stand_in(sockets, 7, seed=3) == stand_in(sockets, 7, seed=3)
    assert stand_in(sockets, 7, seed=3) != stand_in(sockets, 7, seed=4)


def test_in_the_stand_in_no_two_cars_are_at_one_socket() -> None:
    stays = stand_in(["s1", "s2", "s3"], 5, seed=1)
    for socket in ("s1", "s2", "s3"):
        mine = sorted((stay.arrival, stay.departure) for stay in stays if stay.socket == socket)
        assert all(one[1] < other[0] for one, other in pairwise(mine))


def test_in_the_stand_in_every_car_could_be_full_when_it_leaves() -> None:
    stays = stand_in([f"s{number}" for number in range(54)], 14, seed=1)
    assert all(0 < stay.kwh <= stay.most_kw * (stay.departure - stay.arrival) / 12 for stay in stays)


# --- in ACN-Sim itself -----------------------------------------------------------------------------------------------


def test_in_acn_sim_the_network_is_caltechs_and_no_schedule_is_above_its_limits() -> None:
    if importlib.util.find_spec("acnportal") is None:
        pytest.skip("acnportal is not installed: `make bench-acn` installs it")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its libraries', at import
        acn_sim = importlib.import_module("acn_sim")
        network = acn_sim.network_of(acn_sim.acnsim.sites.caltech_acn(basic_evse=True, voltage=208, transformer_cap=10))
    assert [sum(socket.pair == pair for socket in network.sockets) for pair in range(3)] == [26, 14, 14]
    assert {ANGLES_DEG[socket.pair] for socket in network.sockets} == set(ANGLES_DEG)
    stays = stand_in([socket.id for socket in network.sockets], 1, seed=1)
    outcome = acn_sim.run("ampacity", 10.0, stays, real_pilots=True, period_min=5, advance=lambda period: None)
    assert outcome.periods_above == 0
    assert outcome.worst_above_a <= 1e-6
    assert 0 < outcome.delivered_pct < 100
    assert json.loads(json.dumps(asdict(outcome)))["algorithm"] == "ampacity"
    peer = acn_sim.run("FCFS", 10.0, stays, real_pilots=True, period_min=5, advance=lambda period: None)
    assert json.loads(json.dumps(asdict(peer)))["full"] == peer.full
