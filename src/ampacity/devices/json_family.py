"""Meters that speak JSON, over HTTP or MQTT: where each quantity stands in it, and how it becomes a reading.

Places are JMESPath expressions (jmespath.org): `a_current`, `emeters[0].current`, `"em:0".a_voltage`. An empty one is
the whole of a message that is nothing but a number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from ampacity.core.observations import MeterReading
from ampacity.core.site import MeterId
from ampacity.devices.readings import FrameAbsurd, checked, volts_to_neutral


@dataclass(frozen=True, slots=True)
class Places:
    """Of one quantity: a place a line, or one in all. Physical = found * scale."""

    at: tuple[str, ...]
    scale: float = 1.0

    def found(self, document: object) -> list[float] | None:
        """None: one of them is not there, or is null.

        Raises:
            FrameAbsurd: something else than a number stands there.
        """
        out = []
        for place in self.at:
            value: Any = document if not place else jmespath.search(place, document)
            if value is None:
                return None
            try:
                out.append(float(value) * self.scale)
            except (TypeError, ValueError) as error:
                raise FrameAbsurd(f"At {place or 'the top'} stands no number.", remedy="Correct the place.") from error
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonMap:
    """Where each quantity stands. Currents, or powers with voltages, are needed."""

    currents: Places | None = None
    powers: Places | None = None
    voltages: Places | None = None
    reactive: Places | None = None
    energy_import_wh: Places | None = None
    time_s: str | None = None
    """When it was measured: seconds since 1970, milliseconds, or ISO 8601. None: when it came."""
    number: str | None = None
    """The meter's own."""
    valid: str | None = None
    """Must be true, or absent."""
    current_step_a: float = 0.0
    """The resolution of its currents, where that is coarse: power and voltage refine them."""

    def reading(
        self, meter: MeterId, document: object, at_s: float, lines: int, nominal_v: Sequence[float]
    ) -> MeterReading:
        """
        Raises:
            FrameAbsurd: a quantity is missing, or what stands there can't be what flows.
        """
        if self.valid is not None and jmespath.search(self.valid, document) is False:
            raise FrameAbsurd("The meter says itself that its values are not valid.", remedy="Look at the meter.")
        amps = _lines(self.currents, document, lines)
        watts = _lines(self.powers, document, lines)
        volts = _lines(self.voltages, document, lines)
        reactive = _lines(self.reactive, document, lines)
        each = volts_to_neutral(volts, lines, nominal_v)
        if amps is not None and watts is not None and volts is not None and self.current_step_a:
            amps = [
                max(abs(watts[line]) / each[line] if each[line] else math.inf, abs(one) - self.current_step_a / 2)
                for line, one in enumerate(amps)
            ]
        if amps is None and watts is not None:
            amps = [
                math.hypot(p, 0.0 if reactive is None else reactive[line]) / each[line] if each[line] else math.inf
                for line, p in enumerate(watts)
            ]
        if amps is None:
            wanted = self.currents or self.powers
            raise FrameAbsurd(
                f"There is nothing at {', '.join(wanted.at) if wanted is not None else 'any place'}.",
                remedy="Correct the places in site.toml; they are case-sensitive.",
            )
        reading = checked(
            meter,
            at_s,
            currents_a=amps,
            powers_w=watts,
            voltages_v=volts,
            reactive_var=reactive,
            nominal_v=nominal_v,
        )
        energy = None if self.energy_import_wh is None else self.energy_import_wh.found(document)
        number = None if self.number is None else jmespath.search(self.number, document)
        return replace(
            reading,
            energy_import_wh=None if energy is None else round(sum(energy)),
            serial=None if number is None else str(number),
        )


@dataclass(frozen=True, slots=True)
class JsonSample:
    """A document as it came, and what it says."""

    what: str
    document: str
    currents: tuple[float, ...]
    powers: tuple[float, ...] | None
    voltages: tuple[float, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonFamily:
    """Meters whose documents are alike."""

    id: str
    maker: str
    models: tuple[str, ...]
    phases: int
    map: JsonMap
    every_s: float
    """Its values do not change more often."""
    url: str
    """Where it is polled, below `http://HOST`; empty: it is not."""
    pushes: str
    """The place below `ws://HOST` where it tells by itself; empty: it does not."""
    hello: str
    """What is sent there first."""
    pushed: str
    """Where in a pushed message the document stands, a JMESPath."""
    topic: str
    """Under its own prefix, over MQTT; empty: it does not speak MQTT."""
    samples: tuple[JsonSample, ...]
    verified: str
    """How sure the facts are."""
    source: tuple[str, ...] = field(default=())
    hardware: str = ""
    """Who has seen it work with this program, on what; "": nobody."""


def json_map_of(document: Mapping[str, Any]) -> JsonMap:
    """From the table of places.

    Raises:
        ValueError: an expression can't be read, or what is needed is missing.
    """
    places: dict[str, Any] = {}
    for key, value in document.items():
        if key in ("time_s", "number", "valid"):
            places[key] = _expression(value)
        elif key in ("currents", "powers", "voltages", "reactive", "energy_import_wh"):
            at = value["at"] if isinstance(value, Mapping) else value
            scale = float(value.get("scale", 1.0)) if isinstance(value, Mapping) else 1.0
            places[key] = Places(tuple(_expression(one) for one in at), scale)
        elif key == "current_step_a":
            places[key] = float(value)
        else:
            raise ValueError(f"{key} is no quantity")
    found = JsonMap(**places)
    if found.currents is None and found.powers is None:
        raise ValueError("currents are missing, or powers")
    return found


def json_family_of(document: Mapping[str, Any]) -> JsonFamily:
    """A family from its TOML document; KeyError, TypeError or ValueError where the document is not complete."""
    samples = tuple(
        JsonSample(
            one["what"],
            one["document"],
            tuple(one["currents"]),
            tuple(one["powers"]) if "powers" in one else None,
            tuple(one["voltages"]) if "voltages" in one else None,
        )
        for one in document["sample"]
    )
    if not samples:
        raise ValueError("a sample is missing")
    return JsonFamily(
        id=document["id"],
        maker=document["maker"],
        models=tuple(document["models"]),
        phases=document["phases"],
        map=json_map_of(document["places"]),
        every_s=float(document["every_s"]),
        url=document.get("url", ""),
        pushes=document.get("pushes", ""),
        hello=document.get("hello", ""),
        pushed=_expression(document.get("pushed", "")),
        topic=document.get("topic", ""),
        samples=samples,
        verified=document["verified"],
        source=tuple(document["source"]),
        hardware=document.get("hardware", ""),
    )


def _expression(text: str) -> str:
    if text:
        try:
            jmespath.compile(text)
        except JMESPathError as error:
            raise ValueError(f"{text} is no JMESPath: {error}") from error
    return text


def _lines(places: Places | None, document: object, lines: int) -> list[float] | None:
    if places is None:
        return None
    found = places.found(document)
    if found is not None and len(found) < lines:
        raise FrameAbsurd(f"There are {len(found)} values for {lines} lines.", remedy="Give a place for each line.")
    return None if found is None else found[:lines]
