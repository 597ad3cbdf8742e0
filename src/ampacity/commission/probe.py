"""Finds meters: asks on serial lines, setting by setting and unit by unit, and at given addresses on the network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

from ampacity.core.errors import DeviceError
from ampacity.core.observations import MeterReading
from ampacity.core.site import MeterId
from ampacity.devices.meter_family import FrameAbsurd, MeterFamily, identifications
from ampacity.devices.meter_settings import Held, Stated
from ampacity.devices.registers import bits_of
from ampacity.links.meter_settings import Remark, read_setup
from ampacity.links.modbus import Bus, LineNeverSilent, MeterRefuses, SerialPort

ANSWER_S = 0.6
"""The slowest meter known takes 0.5 s."""
LISTEN_S = 1.2
"""So long a serial line is listened on before anything is asked: a controller asks its meter every second."""
ALONE_S = 2 * ANSWER_S
"""So long it is listened after what a meter said: a second one with the same number may be slower."""
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

VOLTAGES_V = (230.0, 120.0, 240.0, 127.0, 208.0, 277.0, 400.0)
"""Between a line and neutral, or between lines: what a meter may show."""

CLASH = "Something answers that can't be read: two devices have this number, or parity or wiring is wrong."
BESIDE = (
    "Something else talks right after its answers: two devices have this number, or another system asks on the line."
)
LATE = f"Something answers later than {ANSWER_S:g} s: no meter that can be used does."
TAKEN = "Somebody else talks on this line."
TAKEN_REMEDY = (
    "Stop the controller, or whatever else asks on it: a line has one master. If there is none, it is noise: "
)
TAKEN_REMEDY += "check the terminators, and that D+ and D− are not exchanged or open."


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

    def bus(self, answer_s: float) -> Bus:
        """Not yet connected."""
        if self.serial is not None:
            return Bus.rtu(self.serial, answer_s=answer_s)
        return Bus.tcp(str(self.host), self.port, answer_s=answer_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something that answers."""

    way: Way
    unit: int
    family: str | None = None
    """Catalogue id; None: it is not one that can be used."""
    code: int | None = None
    """Of its identification."""
    model: str | None = None
    own_number: str | None = None
    settings: tuple[Held, ...] = ()
    """What its settings hold, right or wrong."""
    remarks: tuple[Remark, ...] = ()
    """What it says is wrong with its wiring."""
    shows: MeterReading | None = None
    """What it measures; None: that could not be read, or can't be."""
    doubt: str = ""
    """Why that can't be; empty: nothing speaks against it."""
    what: str = ""
    """Why it can't be used; empty: it can."""

    @property
    def wrong(self) -> tuple[Held, ...]:
        """The settings that lie."""
        return tuple(held for held in self.settings if held.is_wrong)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """Nobody answered on a way."""

    way: Way
    what: str
    remedy: str
    asked: bool
    """A question went out."""


Told = Found | Nothing
Step = Callable[[Way, int], None]
"""Told before each unit is asked."""


class _Unreadable(Exception):
    """What answers can't be read: in words."""


def serial_ways(path: str) -> list[Way]:
    """All settings of a port, the most common first."""
    return [Way(serial=SerialPort(path, *setting)) for setting in SETTINGS]


async def probe(
    ways: Sequence[Way],
    units: Sequence[int],
    families: Mapping[str, MeterFamily],
    *,
    stated: Stated | None = None,
    step: Step = lambda way, unit: None,
    answer_s: float = ANSWER_S,
    listen_s: float = LISTEN_S,
    alone_s: float = ALONE_S,
) -> AsyncIterator[Told]:
    """What answers, as it is found. Nothing is asked on a serial line on which somebody else talks, and other settings
    of a port on which a meter was read are not tried: it would be disturbed, and one line has one setting. `stated`:
    what the installer says of the meters."""
    done: set[str] = set()
    listened: set[str] = set()
    for way in ways:
        path = None if way.serial is None else way.serial.path
        if path in done:
            continue
        bus = way.bus(answer_s)
        heard, silence = False, Nothing(way=way, what="", remedy="", asked=False)
        try:
            if path is not None and path not in listened:
                listened.add(path)
                if await _is_taken(bus, listen_s):
                    done.add(path)
                    yield Nothing(way=way, what=TAKEN, remedy=TAKEN_REMEDY, asked=False)
                    continue
            for unit in units:
                step(way, unit)
                try:
                    found = await _Look(bus, way, unit, families, stated or {}, alone_s).found()
                except DeviceError as error:
                    asked = silence.asked or bus.tally(unit).requests > 0
                    silence = Nothing(way=way, what=error.what, remedy=error.remedy, asked=asked)
                    if isinstance(error, LineNeverSilent) or (not bus.connected and not bus.tally(unit).requests):
                        break  # of other units nothing will be heard either
                    continue
                heard = True
                if found.family is not None and path is not None:
                    done.add(path)
                yield found
        finally:
            await bus.close()
        if not heard:
            yield silence


async def _is_taken(bus: Bus, listen_s: float) -> bool:
    try:
        return await bus.overhear(listen_s) > 0
    except DeviceError:
        return False  # asking tells why there is no connection


class _Look:
    """At one unit on one way."""

    def __init__(
        self, bus: Bus, way: Way, unit: int, families: Mapping[str, MeterFamily], stated: Stated, alone_s: float
    ) -> None:
        self._bus = bus
        self._way = way
        self._unit = unit
        self._families = families
        self._stated = stated
        self._alone_s = alone_s
        self._garbled = 0
        self._strays = 0
        """Those before anything was asked here."""

    async def found(self) -> Found:
        """
        Raises:
            DeviceError: nothing answers to this number.
        """
        await self._begin()
        try:
            return await self._asked()
        except _Unreadable as why:
            return self._unusable(str(why))

    async def _begin(self) -> None:
        """From here on nothing of an earlier question comes any more."""
        self._garbled = 0
        if self._way.serial is not None:
            await self._bus.settle()
        self._strays = self._bus.strays

    async def _asked(self) -> Found:
        code: int | None = None
        for place in identifications(self._families.values()):
            try:
                words = await self._identification(place)
            except MeterRefuses:
                continue
            number = bits_of(words, low_word_first=False)
            code = number if code is None else code
            for family in self._families.values():
                model = family.model_of(words) if family.identification == place else None
                if model is not None and family.unusable:
                    return self._unusable(f"It is a {model}, which can't be used. {family.unusable}", number)
                if model is not None:
                    return await self._alone(await self._details(family, number, model))
            for family in self._families.values():
                if family.identification == place and number in family.identify_reject:
                    why = f"It identifies itself as {number}. {family.identify_reject[number]}"
                    return self._unusable(why, number)
        if code is None:
            return self._unusable("It answers, and does not say what it is: set its device by hand.")
        return self._unusable(f"It answers, and identifies itself as {code}, which no known meter does.", code)

    async def _identification(self, place: tuple[int, int, bool]) -> list[int]:
        address, count, holding = place
        try:
            return await self._read(address, count, holding=holding)
        except MeterRefuses:
            raise
        except DeviceError:
            if self._way.serial is not None and self._bus.connected:
                await self._bus.settle()  # as before the next question
                if self._bus.strays > self._strays:
                    raise _Unreadable(LATE) from None
            raise

    async def _details(self, family: MeterFamily, code: int, model: str) -> Found:
        """Of a meter that is known."""
        number = None
        if family.number_address is not None:
            words = await self._optional(family.number_address, family.number_registers, holding=family.function == 3)
            number = None if words is None else family.own_number(words)
        before = self._bus.tally(self._unit).garbled
        setup = await read_setup(self._bus, self._unit, family, model, self._stated)
        self._garbled += self._bus.tally(self._unit).garbled - before
        shows, doubt = await self._shown(family)
        return Found(
            way=self._way,
            unit=self._unit,
            family=family.id,
            code=code,
            model=model,
            own_number=number,
            settings=setup.settings,
            remarks=setup.remarks,
            shows=shows,
            doubt=doubt,
        )

    async def _shown(self, family: MeterFamily) -> tuple[MeterReading | None, str]:
        registers: dict[int, int] = {}
        for address, count in family.reads:
            words = await self._optional(address, count, holding=family.function == 3)
            if words is None:
                return None, "What it measures could not be read."
            registers.update(enumerate(words, start=address))
        try:
            return family.reading(MeterId("probe"), registers, 0.0, family.phases, VOLTAGES_V), ""
        except FrameAbsurd as error:
            return None, f"{error.what} {error.remedy}"

    async def _alone(self, found: Found) -> Found:
        """What was found, when it is sure that one device alone has said it.

        Raises:
            _Unreadable: another one talks as well.
        """
        if self._way.serial is None:
            return found
        if self._garbled or await self._hears_more():
            await self._begin()
            place = self._families[str(found.family)].identification
            assert place is not None
            for _ in range(AGAIN):
                words = await self._optional(place[0], place[1], holding=place[2])
                if words is None or bits_of(words, low_word_first=False) != found.code or self._garbled:
                    raise _Unreadable(CLASH)
            if await self._hears_more():
                raise _Unreadable(BESIDE)
        return found

    async def _hears_more(self) -> bool:
        """Whether anything came beside the answers, or comes now: a second device with this number may be slower."""
        await self._bus.overhear(self._alone_s)
        return self._bus.strays > self._strays

    async def _optional(self, address: int, count: int, *, holding: bool = False) -> list[int] | None:
        """None: it has not that."""
        try:
            return await self._read(address, count, holding=holding)
        except DeviceError:
            return None

    async def _read(self, address: int, count: int, *, holding: bool = False) -> list[int]:
        """
        Raises:
            DeviceError: no answer, or that it will not.
            _Unreadable: what comes is no answer, again and again.
        """
        for _ in range(AGAIN):
            before = self._bus.tally(self._unit).garbled
            try:
                return await self._bus.read(self._unit, address, count, holding=holding)
            except DeviceError:
                if self._bus.tally(self._unit).garbled == before:
                    raise
                self._garbled += 1
        raise _Unreadable(CLASH)

    def _unusable(self, what: str, code: int | None = None) -> Found:
        return Found(way=self._way, unit=self._unit, code=code, what=what)
