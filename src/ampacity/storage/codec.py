"""Values of the core as bytes, and back to the same values, to the last bit.

msgpack keeps every float as it is. Dataclasses are maps by field name, so that a recording outlives a new field;
named tuples are arrays. Observations are a union of dataclasses: each is stored with its type's name.
Every decoder raises `StorageDamaged` for bytes that are not its own.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from ampacity.core.decision import Command, Decision
from ampacity.core.errors import SiteError
from ampacity.core.memory import Memory
from ampacity.core.observations import ChargerSeen, MeterReading, Observation, Observed
from ampacity.core.site import ChargerId, MeterId, Site
from ampacity.storage.errors import StorageDamaged

T = TypeVar("T")

_encode = msgspec.msgpack.Encoder().encode
_KINDS: Mapping[str, type] = {kind.__name__: kind for kind in get_args(Observation)}
_DECODERS: Mapping[str, msgspec.msgpack.Decoder[Any]] = {
    name: msgspec.msgpack.Decoder(kind) for name, kind in _KINDS.items()
}
_SITE_HINTS: Mapping[str, Any] = get_type_hints(Site)


class Pass(msgspec.Struct, array_like=True):
    """One pass as it is journalled."""

    at_s: float
    seen: list[tuple[str, msgspec.Raw]]
    limits: dict[str, float]
    """Setpoints that changed, in amperes; after a gap, all of them."""
    commands: list[Command]
    digest: bytes
    """Of the whole decision, see `digest`."""


class _Start(msgspec.Struct, array_like=True):
    """What was known before a pass."""

    meters: dict[MeterId, MeterReading]
    chargers: dict[ChargerId, ChargerSeen]
    memory: Memory
    limits: dict[str, float] = {}


_PASSES = msgspec.msgpack.Decoder(list[Pass])
_STARTS = msgspec.msgpack.Decoder(_Start)


def packed(value: object) -> bytes:
    return zlib.compress(_encode(value), 6)


def unpacked(body: bytes, decoder: msgspec.msgpack.Decoder[T]) -> T:
    """
    Raises:
        StorageDamaged: these are not the bytes of such a value.
    """
    try:
        return decoder.decode(zlib.decompress(body))
    except (zlib.error, msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise StorageDamaged(f"A record can't be read ({error}).") from error


def encoded_pass(seen: Sequence[Observation], decision: Decision, limits: dict[str, float]) -> msgspec.Raw:
    """
    Raises:
        ValueError, OverflowError, TypeError: a value of it has no encoding: text that is no Unicode, an integer of
            more than 64 bits.
    """
    kept = [encoded_observation(one) for one in seen]
    return msgspec.Raw(_encode(Pass(decision.at_s, kept, limits, list(decision.commands), digest(decision))))


def packed_passes(passes: Sequence[msgspec.Raw]) -> bytes:
    return packed(list(passes))


def unpacked_passes(body: bytes) -> list[Pass]:
    return unpacked(body, _PASSES)


def encoded_observation(one: Observation) -> tuple[str, msgspec.Raw]:
    return type(one).__name__, msgspec.Raw(_encode(one))


def decoded_observation(name: str, body: msgspec.Raw | bytes) -> Observation:
    """
    Raises:
        StorageDamaged: there is no such kind of observation, or it has other fields.
    """
    decoder = _DECODERS.get(name)
    if decoder is None:
        raise StorageDamaged(f"A record holds an observation of an unknown kind ({name[:40]!r}).")
    try:
        one: Observation = decoder.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise StorageDamaged(f"A recorded {name} can't be read ({error}).") from error
    return one


def digest(decision: Decision) -> bytes:
    """8 bytes of everything a decision says to chargers and people: setpoints, their causes, and commands."""
    return hashlib.blake2b(_encode((decision.setpoints, decision.commands)), digest_size=8).digest()


def packed_start(observed: Observed, limits: Mapping[str, float]) -> bytes:
    """What was observed, and the setpoints in amperes, before a pass."""
    return packed((observed.meters, observed.chargers, observed.memory, limits))


def unpacked_start(body: bytes) -> tuple[Observed, dict[str, float]]:
    start = unpacked(body, _STARTS)
    return Observed(start.meters, start.chargers, start.memory), start.limits


def packed_site(site: Site) -> bytes:
    return packed({field.name: getattr(site, field.name) for field in fields(Site) if field.init})


def unpacked_site(body: bytes) -> Site:
    try:
        values: dict[str, Any] = msgspec.msgpack.decode(zlib.decompress(body), type=dict[str, Any])
        known = {name: value for name, value in values.items() if name in _SITE_HINTS}
        return Site(**{name: msgspec.convert(value, _SITE_HINTS[name]) for name, value in known.items()})
    except (zlib.error, msgspec.MsgspecError, ValueError, TypeError, RecursionError, SiteError) as error:
        raise StorageDamaged(f"A recorded site can't be read ({error}).") from error


def limits_of(decision: Decision, before: Mapping[str, float]) -> dict[str, float]:
    """Setpoints that differ from `before`."""
    return {
        setpoint.charger: setpoint.limit_a
        for setpoint in decision.setpoints
        if before.get(setpoint.charger) != setpoint.limit_a
    }
