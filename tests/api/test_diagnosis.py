"""The self-check and the counters, as the app and other programs get them."""

from __future__ import annotations

from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families
from tests.api.conftest import As, FakeControl
from tests.commission.test_selfcheck import CHARGER, FINE, GOOD_LINK, METER

from ampacity.api.access import Role, Scope
from ampacity.core.observations import ChargerLink
from ampacity.core.site import ChargerId


def test_the_steps_come_with_the_likely_cause_and_every_link(client_as: As, control: FakeControl) -> None:
    control.known = replace(FINE, chargers=[replace(CHARGER, online=False)])
    told = client_as(Role.OWNER).get("/api/v1/diagnosis").json()
    assert told["likely"] == {"code": "charger-lost", "verdict": "wrong", "params": {"charger": "Left"}}
    assert [step["verdict"] for step in told["steps"]].count("wrong") == 1
    assert [(link["kind"], link["name"]) for link in told["links"]] == [("meter", METER.name), ("charger", "Left")]
    assert told["links"][0]["requests"] == GOOD_LINK.requests


def test_a_measured_resistance_is_judged(client_as: As) -> None:
    owner = client_as(Role.OWNER)
    assert owner.get("/api/v1/diagnosis/bus?ohm=120").json()["code"] == "bus-one-missing"
    assert owner.get("/api/v1/diagnosis/bus?ohm=-1").status_code == 422


def test_prometheus_can_read_the_counters_with_a_token(client_as: As, control: FakeControl) -> None:
    control.known = FINE
    control.step(ChargerLink(charger=ChargerId("charger-1"), at_s=control.clock_s, online=True))
    answer = client_as(scopes=frozenset({Scope.READ})).get("/api/v1/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert found["ampacity_link_requests_total", METER.name, "meter"] == 1000
    assert found["ampacity_link_latency_seconds", "0.99", METER.name, "meter"] == 0.09
    assert found["ampacity_charger_online", "charger-1"] == 1
    assert found["ampacity_circuit_limit_amperes", "L1", "main"] == 40
