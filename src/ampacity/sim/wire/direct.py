"""A charger that is asked over Modbus or HTTP, made from its family's own file.

It does what the file says: it takes a current on its grid, pauses, falls back when nothing feeds it, and switches its
phases. What the file has wrong, it has wrong too: that is what samples from the makers' documents are for.
"""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl

from pymodbus import FramerType
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from ampacity.devices.direct_family import HTTP, LIFE, READ, VALIDITY, DirectFamily, Point, StateRule, Write
from ampacity.devices.registers import TEXTS
from ampacity.sim.wire import LOOPBACK
from ampacity.sim.wire.car import Car
from ampacity.sim.wire.http import HttpServer

VOLTS = 230.0
_COILS = (1, 5)
_WRITES = (5, 6, 15, 16)

Place = tuple[bool, int | str]
"""Whether it is a coil, and its address; or the key of the JSON."""


@dataclass(slots=True)
class SimCar:
    """A car, or none."""

    connected: bool = True
    wants_a: float = 16.0
    phases: int = 3


class DirectSim:
    """One charger with one socket."""

    def __init__(
        self,
        family: DirectFamily,
        *,
        now_s: Callable[[], float],
        factory_timeout_s: float = 600.0,
        factory_safe_a: float = 32.0,
        rated_a: float = 32.0,
    ) -> None:
        """`factory_...`: what it falls back to before it is told otherwise."""
        self.family = family
        self.car = SimCar()
        self.rated_a = rated_a
        self.disobeys = False
        """It says yes, and does nothing."""
        self.fault = False
        self.drawing_alone_a = 0.0
        """What it measures though no car is there."""
        self.without: set[int | str] = set()
        """Addresses that its firmware does not have."""
        self.switched_under_load = False
        self.writes: list[tuple[int | str, float]] = []
        """All that was written to it that its file knows, in order."""
        self._slow_car: Car | None = None
        self._now_s = now_s
        self._words: dict[Place, int] = {}
        self._json: dict[Place, float | str] = {}
        self._limit_a = rated_a
        self._released = True
        self._fallen = False
        self._validity_end_s = -math.inf
        self._fed_s = now_s()
        self._on = 3
        self._energy_wh = 12_345.0
        self._at_s = now_s()
        most_s = math.inf if family.watchdog is None else family.watchdog.most_s
        self._timeout_s, self._safe_a = min(factory_timeout_s, most_s), factory_safe_a
        self._begin()

    # --- what it does ---

    @property
    def offered_a(self) -> float:
        """What its car may take now."""
        self._live()
        if self._fallen:
            return self._safe_a
        if not self._released or self._limit_a < self.family.limit.least_a:
            return 0.0
        return min(self._limit_a, self.rated_a)

    @property
    def drawn_a(self) -> float:
        """What its car takes on each of its phases."""
        offered = self._given_a()
        if self.drawing_alone_a > 0.0:
            return self.drawing_alone_a
        if self._slow_car is not None:
            return self._slow_car.current_a
        if not self.car.connected or self.fault or offered < 6.0:
            return 0.0
        return min(offered, self.car.wants_a)

    @property
    def currents_a(self) -> tuple[float, ...]:
        """Of its three phases."""
        drawn_a, on = self.drawn_a, min(self._on, self.car.phases)
        return tuple(drawn_a if phase < on else 0.0 for phase in range(3))

    @property
    def phases_on(self) -> int:
        return self._on

    def plug_in(self, car: Car) -> None:
        """A car that takes its time to follow, as `step` goes on. Without one, `car` follows at once."""
        self.car, self._slow_car = SimCar(wants_a=car.max_a, phases=car.phases), car

    def step(self, dt_s: float) -> None:
        """Its slow car goes on by so many seconds."""
        if self._slow_car is not None:
            self._slow_car.step(dt_s, 0.0 if self.fault else self._given_a(), VOLTS)

    def _given_a(self) -> float:
        return self.rated_a if self.disobeys else self.offered_a

    def restart(self) -> None:
        """It forgets what is not stored: everything but its factory settings."""
        self._limit_a, self._released, self._fallen = self.rated_a, True, False
        self._fed_s = self._now_s()
        self._begin()

    def written(self, place: Place, words: tuple[int, ...]) -> bool:
        """Takes what is written to it. False: it has no such place."""
        self._live()
        if self.family.watchdog is not None and self.family.watchdog.kind == READ:
            self._feed()
        known = False
        for point in self._points():
            if _place(point) == place:
                value = self._number(point, words)
                self.writes.append((point.at, value))
                self._store(point, value)
                self._take(point, value)
                known = True
                break
        return known

    def _take(self, point: Point, value: float) -> None:
        family, limit = self.family, self.family.limit
        for gate, is_go in [(one, False) for one in limit.pause] + [(one, True) for one in limit.go]:
            if _place(gate.point) == _place(point) and gate.value == value and not self.disobeys:
                self._released = is_go
        if _place(point) == _place(limit.point):
            if not self.disobeys:
                self._limit_a = value
            if not limit.pause:
                self._released = True
            self._fed_by_limit(value)
        if (watchdog := family.watchdog) is not None:
            for one in watchdog.feed:
                if _place(one.point) == _place(point) and one.value == value:
                    self._feed()
            if watchdog.timeout is not None and _place(watchdog.timeout) == _place(point):
                self._timeout_s = value
            if watchdog.safe is not None and _place(watchdog.safe) == _place(point):
                self._safe_a = value
        if (phases := family.phases) is not None and _place(phases.point) == _place(point):
            self.switched_under_load |= self.drawn_a >= 1.0
            self._on = 1 if value == phases.one else 3

    def _fed_by_limit(self, value: float) -> None:
        watchdog = self.family.watchdog
        if watchdog is None or watchdog.kind in (READ, LIFE):
            return
        self._feed()
        if watchdog.kind == VALIDITY:
            self._validity_end_s = self._now_s() + self._timeout_s

    def _feed(self) -> None:
        self._fed_s, self._fallen = self._now_s(), False

    def _live(self) -> None:
        """What has passed since it was last looked at."""
        now_s, watchdog = self._now_s(), self.family.watchdog
        if watchdog is not None and watchdog.is_known and 0 < self._timeout_s < 65_535:
            self._fallen = self._fallen or now_s > self._fed_s + self._timeout_s
        passed_s, self._at_s = max(0.0, now_s - self._at_s), now_s
        if self.car.connected:
            drawn = 0.0 if not self._released else min(self._limit_a, self.rated_a, self.car.wants_a)
            drawn = drawn if self._slow_car is None else self._slow_car.current_a
            self._energy_wh += drawn * VOLTS * min(self._on, self.car.phases) * passed_s / 3600

    # --- what it shows ---

    def shown(self) -> Mapping[Place, int]:
        """Its registers and coils now; a request for them feeds it, where it is fed so."""
        if self.family.watchdog is not None and self.family.watchdog.kind == READ:
            self._live()
            self._feed()
        self._show()
        return {place: word for place, word in self._words.items() if place[1] not in self.without}

    def document(self) -> dict[str, Any]:
        """The same as JSON."""
        self.shown()
        found: dict[str, Any] = {}
        for (_, key), value in self._json.items():
            _put(found, str(key).split("."), value)
        return found

    def _begin(self) -> None:
        family, limit, watchdog = self.family, self.family.limit, self.family.watchdog
        self._store(limit.point, self.rated_a)
        for write in (*limit.pause, *limit.go):
            self._store(write.point, write.value)  # the last of them: released
        for setup in family.setup:
            self._store(setup.write.point, 0.0)
        for rule in family.state:
            if rule.point.type not in TEXTS:
                self._store(rule.point, 0.0)
        if watchdog is not None:
            for one in (*watchdog.feed, *watchdog.enable):
                self._store(one.point, 0.0)
        if family.identity is not None and _place(family.identity.point) != _place(limit.point):
            self._store(family.identity.point, family.identity.least)
        if family.phases is not None:
            for write in family.phases.before:
                self._store(write.point, 0.0)
            if family.phases.able is not None:
                self._store(family.phases.able.point, family.phases.able.value)
            self._store(family.phases.point, family.phases.three)
        self._show()

    def _show(self) -> None:
        family, limit = self.family, self.family.limit
        offered, drawn = self.offered_a, self.drawn_a
        self._show_state(drawn)
        on = min(self._on, self.car.phases)
        for phase, point in enumerate(family.currents):
            self._store(point, drawn if phase < on else 0.0)
        if family.power is not None:
            self._store(family.power, drawn * VOLTS * on)
        if family.energy is not None:
            self._store(family.energy, self._energy_wh)
        if limit.shown is not None and _place(limit.shown) != _place(limit.point):
            self._store(limit.shown, offered)
        if limit.in_force is not None:
            self._store(limit.in_force.point, limit.in_force.value if not self._fallen else 0.0)
        if (phases := family.phases) is not None:
            self._store(phases.shown, phases.shown_one if self._on == 1 else phases.shown_three)
        if (watchdog := family.watchdog) is not None:
            remaining_s = max(0.0, self._validity_end_s - self._now_s())
            timeout_s = remaining_s if watchdog.kind == VALIDITY else self._timeout_s
            for one in (watchdog.timeout, watchdog.timeout_shown):
                if one is not None:
                    self._store(one, timeout_s)
            for one in (watchdog.safe, watchdog.safe_shown):
                if one is not None:
                    self._store(one, self._safe_a)

    def _show_state(self, drawn: float) -> None:
        letter = "A" if not self.car.connected else ("C" if drawn > 0 else "B")
        if self.fault:
            letter = "E"
        for rule in self.family.state:
            value, is_last = _showing(rule, letter)
            self._store(rule.point, value)
            if is_last:
                return

    def _store(self, point: Point, value: float | str) -> None:
        if self.family.protocol == HTTP:
            if point.read:
                self._json[_place(point)] = value / point.scale if isinstance(value, float) else value
            return
        words = (
            _text_words(point, value)
            if point.type in TEXTS
            else self.family.words_of(point, _masked(point, float(value)))
        )
        coil, at = _place(point)
        for n, word in enumerate(words):
            self._words[coil, int(at) + n] = word

    def _number(self, point: Point, words: tuple[int, ...]) -> float:
        packed = struct.pack(f">{len(words)}H", *(words[::-1] if self.family.low_word_first else words))
        if point.type in ("float32", "float64"):
            (raw,) = struct.unpack(">f" if point.type == "float32" else ">d", packed)
            return round(float(raw) * point.scale, 4)
        return round(int.from_bytes(packed, "big") * point.scale, 4)

    def set_key(self, key: str, text: str) -> bool:
        """Takes a key that is set over HTTP. False: it has no such key."""
        for point in self._points():
            if point.at == key and point.write:
                value = float(text) * point.scale
                self._live()
                self.writes.append((key, value))
                self._store(point, value)
                self._take(point, value)
                return True
        return False

    def _points(self) -> list[Point]:
        """All that can be written."""
        family, limit, watchdog = self.family, self.family.limit, self.family.watchdog
        writes: list[Write] = [*limit.pause, *limit.go, *(one.write for one in family.setup)]
        found = [limit.point]
        if watchdog is not None:
            writes += [*watchdog.feed, *watchdog.enable]
            found += [one for one in (watchdog.timeout, watchdog.safe) if one is not None and one.write]
        if family.phases is not None:
            found.append(family.phases.point)
            writes += family.phases.before
        return [*found, *(write.point for write in writes)]


class ModbusSimServer:
    """Answers for chargers over Modbus TCP, each under its own unit number."""

    def __init__(self, sims: Mapping[int, DirectSim], *, rtu_frames: bool = False) -> None:
        """`rtu_frames`: those of a serial line, for an adapter that passes them on."""
        self._sims = sims
        self._framer = FramerType.RTU if rtu_frames else FramerType.SOCKET
        self._server: ModbusTcpServer | None = None
        self.deaf = False
        """It takes requests, and answers none."""
        self.asked: list[tuple[int, int, int]] = []
        """Function, address and count of every request."""

    async def open(self, port: int = 0) -> int:
        """Begins to answer on loopback; returns the port."""
        devices = [self._device(unit, sim) for unit, sim in self._sims.items()]
        self._server = ModbusTcpServer(devices, framer=self._framer, address=(LOOPBACK, port))
        await self._server.serve_forever(background=True)
        listening = cast(asyncio.Server, self._server.transport)  # as pymodbus keeps it
        return int(listening.sockets[0].getsockname()[1])

    async def close(self) -> None:
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves it without types
            self._server = None

    def _device(self, unit: int, sim: DirectSim) -> SimDevice:
        addresses = sorted(
            {int(at) for _, at in sim.shown()}
            | {int(point.at) + n for point in sim._points() for n in range(point.registers)}
        )
        blocks = [SimData(at, values=0, datatype=DataType.REGISTERS) for at in addresses]

        async def answer(
            function_code: int,
            start_address: int,
            address: int,
            count: int,
            current_registers: list[int],
            set_values: list[int] | list[bool] | None,
        ) -> ExcCodes | None:
            return await self._answer(sim, function_code, address, count, start_address, current_registers, set_values)

        return SimDevice(id=unit, simdata=blocks, action=answer)

    async def _answer(
        self,
        sim: DirectSim,
        function: int,
        address: int,
        count: int,
        start: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        if self.deaf:
            await asyncio.sleep(3600)
        self.asked.append((function, address, count))
        coil = function in _COILS
        if any(address + n in sim.without for n in range(count)):
            return ExcCodes.ILLEGAL_ADDRESS
        if function in _WRITES and values is not None:
            if not sim.written((coil, address), tuple(int(one) for one in values)):
                return ExcCodes.ILLEGAL_ADDRESS
            return None
        if sim.family.single_reads and count > 4:
            return ExcCodes.ILLEGAL_ADDRESS
        words = sim.shown()
        for n in range(count):
            if (coil, address + n) in words:
                registers[address + n - start] = words[coil, address + n]
        return None


class HttpSimServer:
    """Answers for one charger over HTTP."""

    def __init__(self, sim: DirectSim) -> None:
        self._sim = sim
        self._server = HttpServer(lambda scope, body: self.says or self._answer(scope, body))
        self.says: tuple[int, bytes] | None = None
        """In the place of what it should answer: a status and a body."""

    async def open(self) -> int:
        """Begins to answer on loopback; returns the port."""
        return await self._server.open()

    async def close(self) -> None:
        await self._server.close()

    def _answer(self, scope: dict[str, Any], body: bytes) -> tuple[int, Any]:
        family = self._sim.family
        fields = dict(parse_qsl((scope["query_string"] if scope["method"] == "GET" else body).decode()))
        path = scope["path"]
        if path == family.write_path and scope["method"] == family.write_method and fields:
            done = {key: self._sim.set_key(key, text) for key, text in fields.items()}
            if all(done.values()):
                return 200, done
        if path == family.read_path.partition("?")[0] and scope["method"] == "GET":
            return 200, self._sim.document()
        return 404, b"{}"


def _place(point: Point) -> Place:
    return point.type == "bit", point.at


def _showing(rule: StateRule, letter: str) -> tuple[float | str, bool]:
    """A value by which this rule tells the state, and True; else one of which it says nothing, and False."""
    number = rule.point.type not in TEXTS
    for value, means in rule.values.items():
        if means == letter:
            return float(value) if number else value, True
    if rule.least is not None and rule.least_is == letter:
        return rule.least, True
    if not number:
        return "?", rule.other == letter
    highest = rule.least if rule.least is not None else math.inf
    spare = next(float(n) for n in range(100) if str(n) not in rule.values and n < highest)
    return spare, rule.other == letter


def _masked(point: Point, value: float) -> float:
    if not point.mask:
        return value
    return float(int(value) << (point.mask & -point.mask).bit_length() - 1)


def _text_words(point: Point, value: float | str) -> tuple[int, ...]:
    text = str(value).encode("ascii")
    if point.type == "high-char":
        return (text[0] << 8,)
    if point.type == "low-char":
        return (text[0],)
    padded = text.ljust(2 * point.registers, b"\0")
    return struct.unpack(f">{point.registers}H", padded)


def _put(into: dict[str, Any], path: list[str], value: float | str) -> None:
    """Under a dotted key; numbers in it are places in a list."""
    here: Any = into
    for part, after in zip(path, [*path[1:], None], strict=True):
        fresh: Any = value if after is None else ([] if after.isdigit() else {})
        if isinstance(here, list):
            here.extend([0] * (int(part) + 1 - len(here)))
            if after is None or not isinstance(here[int(part)], list | dict):
                here[int(part)] = fresh
            here = here[int(part)]
        else:
            if after is None or part not in here:
                here[part] = fresh
            here = here[part]
