"""Settings of a meter that make it lie when they are wrong, and what it says of its own wiring, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ampacity.devices.registers import WHOLE, WORDS

STATED = ("ct_ratio",)
"""What only the installer knows: primary current of the transformers by secondary current."""

Stated = Mapping[str, float]
"""What the installer states, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """While `address` holds `value`, the meter takes no setting."""

    address: int
    value: int
    what: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting of the meter that must be right. It stands in holding registers."""

    address: int
    what: str
    """Its name."""
    remedy: str
    """What to do when it is wrong, and why."""
    want: int | None
    """The raw number that is right; None: it is the one `stated`."""
    stated: str | None
    """One of STATED."""
    type: str
    scale: float
    """A stated number is raw * scale."""
    values: dict[int, str]
    """Words for raw numbers; may be empty."""
    models: tuple[str, ...]
    """Only these have it; empty: all."""
    write: bool
    """Whether it can be set over the wire."""
    at_the_board: bool
    """What is right depends on the wiring: it is set only when somebody says so for this meter."""
    effect: str
    """What else happens when it is set; empty: nothing."""
    lock: Lock | None
    refused: str
    """Why the meter may refuse it; empty: nothing is known."""
    refused_by: tuple[str, ...]
    """Models that are known to refuse it."""

    @property
    def count(self) -> int:
        """Of registers."""
        return WORDS[self.type]

    def words(self, raw: int) -> str:
        """A raw number for people: `0 (A: never negative)`, or `50`."""
        if raw in self.values:
            return f"{raw} ({self.values[raw]})"
        return f"{round(raw * self.scale, 6):g}"

    def wanted(self, stated: Stated) -> int | None:
        """The raw number that is right; None: nobody has stated it."""
        if self.stated is None:
            return self.want
        number = stated.get(self.stated)
        return None if number is None else round(number / self.scale)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a setting holds."""

    setting: Setting
    raw: int
    wanted: int | None
    """None: it can't be told what is right."""

    @property
    def is_wrong(self) -> bool:
        return self.wanted is not None and self.raw != self.wanted

    @property
    def now(self) -> str:
        return self.setting.words(self.raw)

    @property
    def right(self) -> str:
        """What it should be; empty: it can't be told."""
        return "" if self.wanted is None else self.setting.words(self.wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What the meter says of its own wiring, in one number of its input registers."""

    address: int
    type: str
    what: str
    remedy: str
    values: dict[int, str]
    """Numbers that tell of something wrong, and what."""
    bits: dict[int, str]
    """Bits that tell of something wrong when they are set, and what."""
    models: tuple[str, ...]

    @property
    def count(self) -> int:
        """Of registers."""
        return WORDS[self.type]

    def told(self, number: int) -> list[str]:
        """What is wrong; empty: nothing."""
        found = [self.values[number]] if number in self.values else []
        return list(dict.fromkeys([*found, *(words for bit, words in self.bits.items() if number >> bit & 1)]))


def setting_of(entry: Mapping[str, Any]) -> Setting:
    """From its table of TOML; KeyError, TypeError or ValueError where it is not complete."""
    _no_others(entry, Setting)
    want, stated = entry.get("want"), entry.get("stated")
    if (want is None) == (stated is None) or stated not in (None, *STATED):
        raise ValueError(f"{entry['what']}: either want, or stated, which is one of {', '.join(STATED)}")
    lock = entry.get("lock")
    return Setting(
        address=entry["address"],
        what=entry["what"],
        remedy=entry["remedy"],
        want=want,
        stated=stated,
        type=_type(entry),
        scale=float(entry.get("scale", 1)),
        values=_numbered(entry.get("values", {})),
        models=tuple(entry.get("models", ())),
        write=entry.get("write", True),
        at_the_board=entry.get("at_the_board", False),
        effect=entry.get("effect", ""),
        lock=None if lock is None else Lock(**lock),
        refused=entry.get("refused", ""),
        refused_by=tuple(entry.get("refused_by", ())),
    )


def check_of(entry: Mapping[str, Any]) -> Check:
    """The same of a check."""
    _no_others(entry, Check)
    return Check(
        address=entry["address"],
        type=_type(entry),
        what=entry["what"],
        remedy=entry["remedy"],
        values=_numbered(entry.get("values", {})),
        bits=_numbered(entry.get("bits", {})),
        models=tuple(entry.get("models", ())),
    )


def _no_others(entry: Mapping[str, Any], kind: type[Setting] | type[Check]) -> None:
    others = set(entry) - {one.name for one in fields(kind)}
    if others:
        raise ValueError(f"{', '.join(sorted(others))}: not known here")


def _type(entry: Mapping[str, Any]) -> str:
    kind = str(entry.get("type", "uint16"))
    if kind not in WHOLE:
        raise ValueError(f"type {kind} is none of {', '.join(WHOLE)}")
    return kind


def _numbered(table: Mapping[str, str]) -> dict[int, str]:
    return {int(number): words for number, words in table.items()}
