"""Values of the core as bytes, and back to the same values, to the last bit.

msgpack keeps every float as it is. Observations are a union of dataclasses: each is stored with its type's name.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args, get_type_hints

import msgspec

from ampacity.core.decision import Decision
from ampacity.core.memory import Memory
from ampacity.core.observations import ChargerSeen, MeterReading, Observation, Observed
from ampacity.core.site import ChargerId, MeterId, Site

_encode = msgspec.msgpack.Encoder().encode
_KINDS: Mapping[str, type] = {kind.__name__: kind for kind in get_args(Observation)}
_DECODERS: Mapping[str, msgspec.msgpack.Decoder[Any]] = {
    name: msgspec.msgpack.Decoder(kind) for name, kind in _KINDS.items()
}


class Pass(msgspec.Struct, array_like=True):
    """One pass as it is journalled."""

    at_s: float
    seen: list[tuple[str, msgspec.Raw]]
    limits: dict[str, float]
    """Setpoints that changed."""
    commands: int
    digest: bytes


def packed(value: object) -> bytes:
    return zlib.compress(_encode(value), 6)


def unpacked_passes(body: bytes) -> list[Pass]:
    return msgspec.msgpack.decode(zlib.decompress(body), type=list[Pass])


def encoded_observation(one: Observation) -> tuple[str, msgspec.Raw]:
    return type(one).__name__, msgspec.Raw(_encode(one))


def decoded_observation(name: str, body: msgspec.Raw) -> Observation:
    one: Observation = _DECODERS[name].decode(body)
    return one


def digest(decision: Decision) -> bytes:
    """Of everything a decision says to chargers and people."""
    return hashlib.blake2b(_encode((decision.setpoints, decision.commands)), digest_size=8).digest()


def packed_observed(observed: Observed) -> bytes:
    return packed((observed.meters, observed.chargers, observed.memory))


def unpacked_observed(body: bytes) -> Observed:
    meters, chargers, memory = msgspec.msgpack.decode(
        zlib.decompress(body),
        type=tuple[dict[MeterId, MeterReading], dict[ChargerId, ChargerSeen], Memory],
    )
    return Observed(meters, chargers, memory)


def packed_site(site: Site) -> bytes:
    return packed({field.name: getattr(site, field.name) for field in fields(Site) if field.init})


def unpacked_site(body: bytes) -> Site:
    hints = get_type_hints(Site)
    values: dict[str, Any] = msgspec.msgpack.decode(zlib.decompress(body))
    return Site(**{name: msgspec.convert(value, hints[name]) for name, value in values.items()})


def limits_of(decision: Decision, before: Mapping[str, float]) -> dict[str, float]:
    """Setpoints that differ from `before`."""
    return {
        setpoint.charger: setpoint.limit_a
        for setpoint in decision.setpoints
        if before.get(setpoint.charger) != setpoint.limit_a
    }
