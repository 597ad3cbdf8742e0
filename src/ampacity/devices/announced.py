"""Devices that announce themselves on the network, as data: which service is whose, and what to do with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

IS = ("meter", "charger", "modbus", "other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A service that devices of interest announce (DNS-SD, RFC 6763)."""

    kind: str
    """`_shelly._tcp`."""
    name: str
    """How the device's own name begins; empty: any."""
    maker: str
    """With the products; empty: anybody's."""
    is_: str
    """One of IS; "modbus": it speaks Modbus TCP on the port it announces, so it can be asked what it is."""
    what_to_do: str
    source: str


def announcement_of(entry: Mapping[str, Any]) -> Announcement:
    """From its table of TOML; KeyError or ValueError where it is not complete."""
    if entry["is"] not in IS:
        raise ValueError(f"{entry['kind']}: {entry['is']} is none of {', '.join(IS)}")
    return Announcement(
        kind=entry["kind"],
        name=entry.get("name", ""),
        maker=entry.get("maker", ""),
        is_=entry["is"],
        what_to_do=entry["what_to_do"],
        source=entry["source"],
    )


def whose(known: Iterable[Announcement], kind: str, name: str) -> Announcement | None:
    """The first that fits; None: it is of no interest."""
    for one in known:
        if one.kind.lower() == kind.lower() and name.lower().startswith(one.name.lower()):
            return one
    return None
