"""Finds meters: asks on serial lines, setting by setting and unit by unit, and at given addresses on the network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from ampacity.core.errors import DeviceError
from ampacity.devices.meter_family import MeterFamily
from ampacity.links.modbus import Bus, SerialPort

ANSWER_S = 0.6
"""The slowest meter known takes 0.5 s."""
AGAIN = 3
"""Answers that can't be read are asked for so often, before they are told."""

SETTINGS: tuple[tuple[int, str, int], ...] = (
    (9600, "N", 1),
    (9600, "E", 1),
    (19200, "E", 1),
    (19200, "N", 1),
    (2400, "N", 1),
    (115200, "N", 1),
    (57600, "N", 2),
)
"""Baud, parity and stop bits, the most common first: as meters leave their factories."""


@dataclass(frozen=True, slots=True)
class Way:
    """Where to look: a serial port at one setting, or an address."""

    host: str | None = None
    port: int = 502
    serial: SerialPort | None = None

    @property
    def place(self) -> str:
        """For people."""
        if self.serial is None:
            return f"{self.host}:{self.port}"
        return f"{self.serial.path}, {self.serial.baud} baud, 8{self.serial.parity}{self.serial.stop_bits}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something that answers."""

    way: Way
    unit: int
    family: str | None
    """Catalogue id; None: it is not one that can be used."""
    model: str | None
    own_number: str | None
    wrong: tuple[tuple[str, str], ...]
    """Settings that lie: what, and what to do."""
    what: str
    """Why it can't be used; empty: it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """Nobody answered on a way."""

    way: Way
    what: str
    remedy: str


Told = Found | Nothing
Step = Callable[[Way, int], None]
"""Told before each unit is asked."""


def serial_ways(path: str) -> list[Way]:
    """All settings of a port, the most common first."""
    return [Way(serial=SerialPort(path, *setting)) for setting in SETTINGS]


async def probe(
    ways: Sequence[Way],
    units: Sequence[int],
    families: dict[str, MeterFamily],
    *,
    step: Step = lambda way, unit: None,
    answer_s: float = ANSWER_S,
) -> AsyncIterator[Told]:
    """What answers, as it is found. Other settings of a port on which a meter was read are not tried: it would be
    disturbed, and one line has one setting."""
    settled: set[str] = set()
    for way in ways:
        if way.serial is not None and way.serial.path in settled:
            continue
        bus = Bus.rtu(way.serial, answer_s=answer_s) if way.serial is not None else _tcp(way, answer_s)
        heard, told, remedy = False, "", ""
        try:
            for unit in units:
                step(way, unit)
                try:
                    found = await _asked(bus, way, unit, families)
                except DeviceError as error:
                    told, remedy = error.what, error.remedy
                    if not bus.connected and not bus.tally(unit).requests:
                        break  # no connection: other units have none either
                    continue
                heard = True
                if found.family is not None and way.serial is not None:
                    settled.add(way.serial.path)
                yield found
        finally:
            await bus.close()
        if not heard:
            yield Nothing(way=way, what=told, remedy=remedy)


def _tcp(way: Way, answer_s: float) -> Bus:
    return Bus.tcp(str(way.host), way.port, answer_s=answer_s)


async def _asked(bus: Bus, way: Way, unit: int, families: dict[str, MeterFamily]) -> Found:
    """
    Raises:
        DeviceError: nothing answers to this number.
    """
    for address in sorted({family.identify_address for family in families.values()}):
        garbled = 0
        while True:
            before = bus.tally(unit).garbled
            try:
                code = (await bus.read(unit, address, 1))[0]
                break
            except DeviceError:
                if bus.tally(unit).garbled == before:
                    raise
                garbled += 1
                if garbled < AGAIN:
                    continue
            return _unknown(
                way,
                unit,
                "Something answers that can't be read: two devices have this number, or parity or wiring is wrong.",
            )
        for family in families.values():
            if family.identify_address == address and code in family.identify_values:
                return await _read(bus, way, unit, family, family.identify_values[code])
        for family in families.values():
            if family.identify_address == address and code in family.identify_reject:
                return _unknown(way, unit, f"It identifies itself as {code}. {family.identify_reject[code]}")
    return _unknown(way, unit, f"It answers, and identifies itself as {code}, which no known meter does.")


async def _read(bus: Bus, way: Way, unit: int, family: MeterFamily, model: str) -> Found:
    wrong = []
    for check in family.setup:
        try:
            is_right = (await bus.read(unit, check.address, 1))[0] == check.want
        except DeviceError:
            continue
        if not is_right:
            wrong.append((check.what, check.remedy))
    number = None
    if family.number_address is not None:
        try:
            number = family.own_number(await bus.read(unit, family.number_address, family.number_registers))
        except DeviceError:
            number = None
    return Found(way=way, unit=unit, family=family.id, model=model, own_number=number, wrong=tuple(wrong), what="")


def _unknown(way: Way, unit: int, what: str) -> Found:
    return Found(way=way, unit=unit, family=None, model=None, own_number=None, wrong=(), what=what)
