"""A family of chargers that is asked and told over Modbus or HTTP, as data: where its values stand, how it is paused,
and what it does when it hears nothing more."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ampacity.devices.registers import BIT, TEXTS, bits_of, text_of, value_of, whole_of, words_of

MODBUS, HTTP = "modbus", "http"
READ_COIL, READ_HOLDING, READ_INPUT = 1, 3, 4
WRITE_COIL, WRITE_ONE, WRITE_MANY = 5, 6, 16
NEVER = 0
"""In the place of a function code: it can't be read, or written."""


VALIDITY, READ, WRITE_LIMIT, LIFE = "validity", "read", "write-limit", "life"
KINDS = (VALIDITY, READ, WRITE_LIMIT, LIFE)
"""What keeps it from falling back: a set current ends by itself and is set again; any request; the current, written
again; a register that is written for that."""

STATES = ("A", "B", "C", "E", "F")
"""IEC 61851-1: no car, a car, a car that charges, an error; F: out of service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Where one value stands. A number is what stands there times `scale`, in A, W, Wh or s."""

    at: int | str
    """Address on the wire, zero-based; or a key of the JSON, `nrg.4` for the fifth of a list."""
    type: str = "uint16"
    registers: int = 1
    scale: float = 1.0
    read: int = NEVER
    """Function code."""
    write: int = NEVER
    mask: int = 0
    """Only these bits, moved down to the lowest; 0: all."""


@dataclass(frozen=True, slots=True)
class Write:
    """A value that is written; read back, where it can be read."""

    point: Point
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRule:
    """What one value says of the state. A value that it says nothing of is left to the next rule."""

    point: Point
    values: Mapping[str, str]
    least: float | None = None
    """From this value on it is `least_is`."""
    least_is: str = ""
    other: str = ""
    """Of all other values; "": the next rule tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How much it may offer its car."""

    point: Point
    step_a: float
    least_a: float = 6.0
    most_a: float = math.inf
    pause_a: float | None = 0.0
    """What is set for a pause; None: the current stays, and `pause` alone pauses."""
    shown: Point | None = None
    """What it says that its limit is now; None: it does not tell."""
    in_force: Write | None = None
    """What stands where when it goes by what was set."""
    pause: tuple[Write, ...] = ()
    """Written for a pause, before all."""
    go: tuple[Write, ...] = ()
    """Written after the current, to end a pause."""

    def grid_a(self, amps: float) -> float:
        """The largest current it knows that is not more; 0, a pause, below its least."""
        on_step = max(0.0, round(math.floor(min(amps, self.most_a) / self.step_a + 1e-6) * self.step_a, 3))
        return on_step if on_step >= self.least_a else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchdog:
    """What it does when it hears nothing more."""

    kind: str
    timeout: Point | None = None
    """After so long; None: it is not told."""
    timeout_shown: Point | None = None
    """Where it is read, if not in the same place."""
    least_s: float = 10.0
    most_s: float = 600.0
    safe: Point | None = None
    """The current it falls back to; None: it is not told."""
    safe_shown: Point | None = None
    safe_least_a: float = 0.0
    """The lowest that it takes; 0: it can pause."""
    safe_pause_a: float = 0.0
    """What is set for a pause."""
    rewrite: bool = False
    """Nobody says whether a request alone feeds it: the current is written again as well."""
    feed: tuple[Write, ...] = ()
    feed_every_s: float = math.inf
    """At least so often, whatever the timeout."""
    enable: tuple[Write, ...] = ()
    what: str = ""
    """What people must know: where the rest is set."""

    @property
    def is_known(self) -> bool:
        """Whether it tells when it falls back, and to what: only then it is guarded."""
        return self.timeout is not None and self.safe is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """How it changes between one and three phases, while it is paused."""

    point: Point
    one: float
    three: float
    shown: Point
    """Where it tells how many are on."""
    shown_one: float
    shown_three: float
    able: Write | None = None
    """What stands where when it can do that; None: all of the family can."""
    before: tuple[Write, ...] = ()
    wait_s: float = 5.0
    """How long it takes at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A setting that it needs, and gets when it is connected to."""

    write: Write
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A value by which it is known."""

    point: Point
    least: float
    most: float
    what: str


@dataclass(frozen=True, slots=True)
class SerialDefaults:
    """How it leaves the factory. 8 data bits."""

    baud: int
    parity: str
    stop_bits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What was read, and what it says."""

    what: str
    seen: str
    """Where it is from."""
    registers: Mapping[tuple[int, int], tuple[int, ...]]
    """Blocks by function code and first address."""
    json: str
    state: str
    currents: tuple[float, ...] | None
    power_w: float | None
    energy_wh: float | None
    limit_a: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectFamily:
    """Chargers with one map of registers or keys."""

    id: str
    protocol: str
    maker: str
    models: tuple[str, ...]
    transports: tuple[str, ...]
    """tcp, rtu, http."""
    unit: int = 1
    port: int = 502
    serial: SerialDefaults | None = None
    low_word_first: bool = False
    single_reads: bool = False
    """One value a request."""
    answer_max_s: float = 1.0
    write_pause_s: float = 0.0
    """Silence after a write."""
    period_s: float = 2.0
    """How often it is asked."""
    min_interval_s: float | None = None
    """Between two commands that take nothing away."""
    sockets: int = 1
    socket_stride: int = 0
    """How far the registers of the next socket are."""
    read_path: str = ""
    write_path: str = ""
    write_method: str = ""
    state: tuple[StateRule, ...]
    currents: tuple[Point, ...] = ()
    """Empty: it does not measure them, or does not tell."""
    nan_is_zero: bool = False
    nothing: int | None = None
    """A raw value that means: not known."""
    power: Point | None = None
    energy: Point | None = None
    limit: Limit
    watchdog: Watchdog | None = None
    """None: it has none that is known."""
    phases: Phases | None = None
    setup: tuple[Setup, ...] = ()
    identity: Identity | None = None
    needs: str = ""
    """What has to be set at the charger."""
    firmware_min: str | None = None
    verified: str
    """How sure the facts are."""
    hardware: str = ""
    """Who has seen it work with this program, on what; "": nobody."""
    samples: tuple[Sample, ...] = ()
    source: tuple[str, ...] = ()

    @property
    def guardable(self) -> bool:
        """Whether it can fall back to a safe current by itself, in a way that can be read back."""
        return self.watchdog is not None and self.watchdog.is_known

    @property
    def fast_points(self) -> tuple[Point, ...]:
        """What is read every period."""
        limit, phases = self.limit, self.phases
        found = [rule.point for rule in self.state] + list(self.currents)
        found += [one for one in (self.power, limit.shown) if one is not None]
        found += [limit.in_force.point] if limit.in_force is not None else []
        found += [phases.shown] if phases is not None else []
        return tuple(dict.fromkeys(found))

    def reads_of(self, points: Sequence[Point], most: int = 60) -> list[tuple[int, int, int]]:
        """(function, first address, count) of as few requests as bring all points: registers next to each other go
        together, and nothing is asked that is not wanted: what lies between may be no register."""
        found: list[tuple[int, int, int]] = []
        for function, address, count in sorted({(one.read, int(one.at), one.registers) for one in points}):
            if found and not self.single_reads:
                last, first, length = found[-1]
                end = max(first + length, address + count)
                if last == function and address <= first + length and end - first <= most:
                    found[-1] = (last, first, end - first)
                    continue
            found.append((function, address, count))
        return found

    def value_of(self, point: Point, words: Sequence[int]) -> float | str | None:
        """What registers, or a coil, say at a point; None: they say that it is not known."""
        if point.type in TEXTS:
            return text_of(words, point.type)
        if point.type == BIT:
            return float(words[0])
        if bits_of(words, low_word_first=self.low_word_first) == self.nothing:
            return None
        if not point.mask:
            return float(value_of(words, point.type, low_word_first=self.low_word_first)) * point.scale
        whole = whole_of(words, point.type, low_word_first=self.low_word_first) & point.mask
        return float(whole >> (point.mask & -point.mask).bit_length() - 1) * point.scale

    def words_of(self, point: Point, value: float) -> tuple[int, ...]:
        """The registers that hold a number at a point; of a coil, 0 or 1.

        Raises:
            ValueError: the point does not hold such a number.
        """
        if point.type == BIT:
            return (1 if value else 0,)
        try:
            return words_of(value / point.scale, point.type, low_word_first=self.low_word_first)
        except ValueError as error:
            raise ValueError(f"{point.at}: {error}") from error
