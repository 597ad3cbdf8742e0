"""From the TOML file of a family that is asked over Modbus or HTTP to its value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ampacity.devices.direct_family import (
    HTTP,
    KINDS,
    MODBUS,
    NEVER,
    STATES,
    DirectFamily,
    Identity,
    Limit,
    Phases,
    Point,
    Sample,
    SerialDefaults,
    Setup,
    StateRule,
    Watchdog,
    Write,
)
from ampacity.devices.firmware import is_version
from ampacity.devices.registers import BIT, TEXTS, WORDS

Entry = Mapping[str, Any]

_PLAIN = (
    "id",
    "protocol",
    "maker",
    "unit",
    "port",
    "single_reads",
    "answer_max_s",
    "write_pause_s",
    "period_s",
    "min_interval_s",
    "sockets",
    "socket_stride",
    "read_path",
    "write_path",
    "write_method",
    "nan_is_zero",
    "nothing",
    "needs",
    "firmware_min",
    "verified",
    "hardware",
)
_LISTS = ("models", "transports", "source")
_OTHERS = (
    "read",
    "write",
    "word_order",
    "serial",
    "state",
    "currents",
    "power",
    "energy",
    "limit",
    "watchdog",
    "phases",
    "setup",
    "identity",
    "sample",
)

_TYPES = (*WORDS, *TEXTS, BIT)


def is_direct(document: Entry) -> bool:
    """Whether the file of a charger is about one that is asked over Modbus or HTTP."""
    return document.get("protocol") in (MODBUS, HTTP)


def direct_family_of(document: Entry) -> DirectFamily:
    """A family from its TOML document; KeyError, TypeError or ValueError, with what is wrong, where it is not one."""
    _only(document, (*_PLAIN, *_LISTS, *_OTHERS), "the file")
    return _Reader(document).family()


def _only(entry: Entry, known: tuple[str, ...], where: str) -> None:
    for key in entry:
        if key not in known:
            raise ValueError(f"{where} has a key {key}, which is not known; known are {', '.join(known)}")


class _Reader:
    """Of one file: what it says once for all its points."""

    def __init__(self, document: Entry) -> None:
        self._document = document
        self._is_http = document["protocol"] == HTTP
        self._read = document.get("read", 3)
        self._write = document.get("write", 16)

    def family(self) -> DirectFamily:
        document = self._document
        fields: dict[str, Any] = {key: document[key] for key in _PLAIN if key in document}
        fields |= {key: tuple(document[key]) for key in _LISTS if key in document}
        family = DirectFamily(
            **fields,
            low_word_first={"low-first": True, "high-first": False}[document.get("word_order", "high-first")],
            serial=SerialDefaults(**document["serial"]) if "serial" in document else None,
            state=tuple(self._state(rule) for rule in document["state"]),
            currents=self._currents(document["currents"]) if "currents" in document else (),
            power=self._optional(document, "power"),
            energy=self._optional(document, "energy"),
            limit=self._limit(document["limit"]),
            watchdog=self._watchdog(document["watchdog"]) if "watchdog" in document else None,
            phases=self._phases(document["phases"]) if "phases" in document else None,
            setup=tuple(self._setup(entry) for entry in document.get("setup", ())),
            identity=self._identity(document["identity"]) if "identity" in document else None,
            samples=tuple(_sample(entry) for entry in document.get("sample", ())),
        )
        _check(family)
        return family

    def _point(self, entry: Entry) -> Point:
        if self._is_http:
            _only(entry, ("key", "scale", "set"), "a key of the JSON")
            readable = "key" in entry  # else it has a name only by which it is set
            at = entry["key"] if readable else entry["set"]
            return Point(
                at=at, type="json", scale=float(entry.get("scale", 1.0)), read=1 if readable else NEVER, write=1
            )
        _only(entry, ("address", "type", "registers", "scale", "read", "write", "mask"), "a register")
        type_ = entry.get("type", "uint16")
        if type_ not in _TYPES:
            raise ValueError(f"type {type_} is not known; known are {', '.join(_TYPES)}")
        return Point(
            at=entry["address"],
            type=type_,
            registers=WORDS.get(type_) or entry.get("registers", 1),
            scale=float(entry.get("scale", 1.0)),
            read=entry.get("read", 1 if type_ == BIT else self._read),
            write=entry.get("write", 5 if type_ == BIT else self._write),
            mask=entry.get("mask", 0),
        )

    def _currents(self, entry: Entry) -> tuple[Point, ...]:
        """One place for each phase, all of one kind."""
        name = "key" if self._is_http else "address"
        return tuple(self._point({**entry, name: place}) for place in entry[name])

    def _optional(self, entry: Entry, key: str) -> Point | None:
        return self._point(entry[key]) if key in entry else None

    def _value(self, entry: Entry) -> Write:
        return Write(self._point({key: entry[key] for key in entry if key != "value"}), float(entry["value"]))

    def _values(self, entry: Entry, key: str) -> tuple[Write, ...]:
        return tuple(self._value(one) for one in entry.get(key, ()))

    def _state(self, entry: Entry) -> StateRule:
        _only(entry, ("at", "values", "least", "least_is", "other"), "[[state]]")
        rule = StateRule(
            point=self._point(entry["at"]),
            values=entry.get("values", {}),
            least=entry.get("least"),
            least_is=entry.get("least_is", ""),
            other=entry.get("other", ""),
        )
        for letter in (*rule.values.values(), rule.least_is, rule.other):
            if letter and letter not in STATES:
                raise ValueError(f"state {letter} is none of {', '.join(STATES)}")
        return rule

    def _limit(self, entry: Entry) -> Limit:
        _only(
            entry,
            ("at", "step_a", "least_a", "most_a", "pause_a", "keeps_current", "shown", "in_force", "pause", "go"),
            "[limit]",
        )
        point = self._point(entry["at"])
        numbers: dict[str, Any] = {key: float(entry[key]) for key in ("least_a", "most_a", "pause_a") if key in entry}
        if entry.get("keeps_current"):
            numbers["pause_a"] = None
        return Limit(
            point=point,
            step_a=float(entry["step_a"]),
            shown=self._optional(entry, "shown") or (point if point.read else None),
            in_force=self._value(entry["in_force"]) if "in_force" in entry else None,
            pause=self._values(entry, "pause"),
            go=self._values(entry, "go"),
            **numbers,
        )

    def _watchdog(self, entry: Entry) -> Watchdog:
        points = ("timeout", "timeout_shown", "safe", "safe_shown")
        numbers = ("least_s", "most_s", "safe_least_a", "safe_pause_a", "feed_every_s")
        _only(entry, ("kind", *points, *numbers, "feed", "enable", "rewrite", "what"), "[watchdog]")
        fields: dict[str, Any] = {key: self._optional(entry, key) for key in points}
        fields |= {key: float(entry[key]) for key in numbers if key in entry}
        if entry["kind"] not in KINDS:
            raise ValueError(f"watchdog.kind {entry['kind']} is none of {', '.join(KINDS)}")
        return Watchdog(
            kind=entry["kind"],
            feed=self._values(entry, "feed"),
            enable=self._values(entry, "enable"),
            rewrite=entry.get("rewrite", False),
            what=entry.get("what", ""),
            **fields,
        )

    def _phases(self, entry: Entry) -> Phases:
        known = ("at", "one", "three", "shown", "shown_one", "shown_three", "able", "before", "wait_s")
        _only(entry, known, "[phases]")
        one, three = float(entry["one"]), float(entry["three"])
        point = self._point(entry["at"])
        return Phases(
            point=point,
            one=one,
            three=three,
            shown=self._optional(entry, "shown") or point,
            shown_one=float(entry.get("shown_one", one)),
            shown_three=float(entry.get("shown_three", three)),
            able=self._value(entry["able"]) if "able" in entry else None,
            before=self._values(entry, "before"),
            wait_s=float(entry.get("wait_s", 5.0)),
        )

    def _setup(self, entry: Entry) -> Setup:
        return Setup(write=self._value({key: entry[key] for key in entry if key != "what"}), what=entry["what"])

    def _identity(self, entry: Entry) -> Identity:
        _only(entry, ("at", "least", "most", "what"), "[identity]")
        return Identity(
            point=self._point(entry["at"]),
            least=float(entry["least"]),
            most=float(entry["most"]),
            what=entry["what"],
        )


def _check(family: DirectFamily) -> None:
    if family.firmware_min is not None and not is_version(family.firmware_min):
        raise ValueError(f"firmware_min {family.firmware_min} is no version")
    for one in family.transports:
        if one not in ("tcp", "rtu", "http"):
            raise ValueError(f"transport {one} is none of tcp, rtu, http")
    if "rtu" in family.transports and family.serial is None:
        raise ValueError("it has a serial line, and [serial] is missing")
    if len(family.currents) not in (0, 1, 3):
        raise ValueError(f"currents has {len(family.currents)} entries; it has one for each phase, or none")
    if family.limit.step_a <= 0:
        raise ValueError("limit.step_a is to be greater than 0")
    if not family.limit.point.write:
        raise ValueError("limit.at can't be written")
    if family.limit.pause_a is None and not family.limit.pause:
        raise ValueError("the current is kept in a pause, and limit.pause is empty: nothing pauses it")
    if not family.state:
        raise ValueError("[[state]] is missing")


def _sample(entry: Entry) -> Sample:
    known = ("what", "seen", "registers", "json", "state", "currents", "power_w", "energy_wh", "limit_a")
    _only(entry, known, "[[sample]]")
    blocks = entry.get("registers", {})
    return Sample(
        what=entry["what"],
        seen=entry["seen"],
        registers={
            (int(function), int(address, 0)): tuple(words)
            for function, by_address in blocks.items()
            for address, words in by_address.items()
        },
        json=entry.get("json", ""),
        state=entry["state"],
        currents=tuple(entry["currents"]) if "currents" in entry else None,
        power_w=entry.get("power_w"),
        energy_wh=entry.get("energy_wh"),
        limit_a=entry.get("limit_a"),
    )
