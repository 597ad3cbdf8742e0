"""Counters and figures in the text format of Prometheus (0.0.4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import CONTENT_TYPE_LATEST as CONTENT_TYPE
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ampacity.commission.selfcheck import Facts, LinkFacts
from ampacity.runtime.desk import Latest

__all__ = ["CONTENT_TYPE", "exposition"]

_COUNTS: Mapping[str, str] = {
    "requests": "Requests sent.",
    "answers": "Good answers.",
    "timeouts": "Requests that nothing came to.",
    "garbled": "Answers that were none: a wrong check sum, noise.",
    "exceptions": "Requests that were refused.",
    "connections": "Times that the link came about.",
}


class _Now(Collector):
    """One look."""

    def __init__(self, facts: Facts, latest: Latest | None) -> None:
        self._facts = facts
        self._latest = latest

    def collect(self) -> Iterator[Metric]:
        yield from _links(self._facts)
        if self._latest is not None:
            yield from _circuits(self._latest)
            yield from _chargers(self._latest)


def exposition(facts: Facts, latest: Latest | None) -> bytes:
    """`latest`: the newest decision; None: there was none yet."""
    registry = CollectorRegistry()
    registry.register(_Now(facts, latest))
    return generate_latest(registry)


def _links(facts: Facts) -> Iterator[Metric]:
    links: list[tuple[str, str, LinkFacts]] = [("meter", meter.name, meter.link) for meter in facts.meters]
    links += [("charger", charger.name, charger.link) for charger in facts.chargers]
    labels = ["kind", "device"]
    for name, words in _COUNTS.items():
        count = CounterMetricFamily(f"ampacity_link_{name}", words, labels=labels)
        for kind, device, link in links:
            count.add_metric([kind, device], getattr(link, name))
        yield count
    age = GaugeMetricFamily("ampacity_link_age_seconds", "Age of the last good answer.", labels=labels)
    latency = GaugeMetricFamily("ampacity_link_latency_seconds", "Of answers.", labels=[*labels, "quantile"])
    for kind, device, link in links:
        if link.age_s is not None:
            age.add_metric([kind, device], link.age_s)
        for quantile, value in (("0.5", link.median_s), ("0.99", link.slow_s)):
            if value is not None:
                latency.add_metric([kind, device, quantile], value)
    yield age
    yield latency


def _circuits(latest: Latest) -> Iterator[Metric]:
    limit = GaugeMetricFamily("ampacity_circuit_limit_amperes", "What may flow.", labels=["circuit", "line"])
    measured = GaugeMetricFamily("ampacity_circuit_amperes", "What flows, by the meter.", labels=["circuit", "line"])
    budget = GaugeMetricFamily("ampacity_circuit_budget_ratio", "Used share of the trip budget.", labels=["circuit"])
    blind = GaugeMetricFamily("ampacity_circuit_blind", "1: its meter is not believed.", labels=["circuit"])
    for view in latest.decision.circuits:
        for line, amps in enumerate(view.limit_a.values):
            limit.add_metric([view.circuit, f"L{line + 1}"], amps)
        for line, amps in enumerate(() if view.measured_a is None else view.measured_a.values):
            measured.add_metric([view.circuit, f"L{line + 1}"], amps)
        budget.add_metric([view.circuit], view.budget)
        blind.add_metric([view.circuit], float(view.blind is not None))
    yield from (limit, measured, budget, blind)


def _chargers(latest: Latest) -> Iterator[Metric]:
    setpoint = GaugeMetricFamily("ampacity_charger_setpoint_amperes", "What a phase may draw.", labels=["charger"])
    online = GaugeMetricFamily("ampacity_charger_online", "1: it can be reached.", labels=["charger"])
    for one in latest.decision.setpoints:
        setpoint.add_metric([one.charger], one.limit_a)
        seen = latest.observed.chargers.get(one.charger)
        online.add_metric([one.charger], float(seen is not None and seen.online))
    yield from (setpoint, online)
