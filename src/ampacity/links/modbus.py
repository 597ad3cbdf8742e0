"""Meters over Modbus TCP and RTU. pymodbus speaks the protocol; here is when to ask, and when to believe an answer."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import termios
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import structlog
from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.constants import ExcCodes
from pymodbus.exceptions import ConnectionException
from pymodbus.pdu import ExceptionResponse, ModbusPDU

from ampacity.core.errors import DeviceError
from ampacity.core.observations import MeterReading, Observation
from ampacity.core.phases import PhaseAmps
from ampacity.core.site import MeterId
from ampacity.devices.meter_family import SUNSPEC_END, SUNSPEC_MARK, USUAL, FrameAbsurd, MeterFamily
from ampacity.devices.meter_settings import Stated
from ampacity.devices.verified import unconfirmed
from ampacity.links.meter_settings import Setup, read_setup
from ampacity.links.tally import Tally

SLOW_EVERY_S = 15.0
"""How often figures that change slowly are read."""

SETTINGS_EVERY_S = 600.0
"""How often its settings are looked at again."""

SILENT_AFTER = 5
"""So many periods without an answer: the link is given up and built anew."""

LONGEST_CHAIN = 40
"""Models of a SunSpec device; a longer chain has no end."""

LOUD_S = 5.0
"""A serial line that was not silent once in this time is not ours alone, or disturbed."""

_COILS, _HOLDING, _INPUT = 1, 3, 4
"""Function codes of reading."""
_WRITE_COIL, _WRITE_ONE, _WRITE = 5, 6, 16
_EXCEPTION_BYTES, _WRITTEN_BYTES = 5, 8
"""Length of these answers on a serial line: Modbus Application Protocol V1.1b3, 6.6, 6.12 and 7, and two of CRC."""
_ILLEGAL_FUNCTION = 1
_BEHIND_GATEWAY = (ExcCodes.GATEWAY_PATH_UNAVIABLE, ExcCodes.GATEWAY_NO_RESPONSE)

_ANOTHER = "Use a meter that measures each line; `ampacity devices` lists them."

_log = structlog.get_logger("ampacity.meter")


class MeterSilent(DeviceError):
    """A meter does not answer."""

    code = "meter-silent"
    remedy = "Check that it has power, its address and cable, and that no other system holds its only connection."


class MeterRefuses(MeterSilent):
    """It answers, and has not what it is asked for."""

    code = "meter-refuses"
    remedy = "Check that the device set is the one installed."

    def __init__(self, what: str, *, exception: int, remedy: str | None = None) -> None:
        super().__init__(what, remedy=remedy)
        self.exception = exception
        """As Modbus numbers them: 1 the function, 2 the address, 3 the value, 4 a failure, 6 busy."""


class MeterMismatch(DeviceError):
    """Another device answers than the one that was set."""

    code = "meter-mismatch"
    remedy = "Set the device that is installed."


class LineNeverSilent(MeterSilent):
    """Something always comes over a serial line."""

    code = "line-never-silent"
    remedy = "Check that no other system asks on it, and its termination, polarity, baud and parity."


@dataclass(frozen=True, slots=True)
class SerialPort:
    """A serial line and how its frames look."""

    path: str
    baud: int
    parity: str
    stop_bits: int

    @property
    def pause_s(self) -> float:
        """Silence between frames: 3.5 characters of 11 bits, above 19200 baud 1.75 ms (Modbus over Serial Line V1.02,
        2.5.1.1)."""
        return 3.5 * 11 / self.baud if self.baud <= 19_200 else 0.001_75


Client = AsyncModbusTcpClient | AsyncModbusSerialClient
Tap = Callable[[bool, bytes], bytes]
"""Sees all bytes, sent (True) or received, and gives on what may be taken for an answer."""
Send = Callable[[], Awaitable[ModbusPDU]]
Question = tuple[int, Send, Callable[[ModbusPDU], bool], int]
"""Unit, how to ask it, what answer fits, and how long that is."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Order:
    """One request to one unit, as it is to be sent."""

    unit: int
    function: int
    """1, 3, 4: read coils, holding or input registers; 5, 6, 16: write a coil, a register, several."""
    address: int
    count: int = 1
    words: tuple[int, ...] = ()
    """What is written."""


class Bus:
    """One connection, over which one request at a time is under way.

    On a serial line an answer does not say which request it is for: one that comes late would be taken for the answer
    to the next. So a request, once sent, is never abandoned half way; and after one without a good answer, what comes
    is dropped, and nothing is asked until the line has been silent for the longest answering time.
    """

    def __init__(
        self,
        make: Callable[[Tap], Client],
        *,
        answer_s: float,
        serial: SerialPort | None,
        unreachable: str,
        loud_s: float = LOUD_S,
    ) -> None:
        """`unreachable`: what to do when no connection comes about."""
        self._make = make
        self._answer_s = answer_s
        self._serial = serial
        self._unreachable = unreachable
        self._loud_s = max(loud_s, 2 * answer_s)
        self._client: Client | None = None
        self._lock = asyncio.Lock()
        self._under_way: set[asyncio.Task[Any]] = set()
        self._asking = False
        self._doubtful = False
        """A late answer may still come."""
        self._free_s = 0.0
        """From then on the line may be used, on the event loop's clock. It moves on with every byte received."""
        self._holding: set[int] = set()
        """Units that answer to reading holding registers, and not input registers."""
        self._misses = 0
        self._tallies: dict[int, Tally] = {}
        self._asked = Tally()
        """Of the unit that is being asked."""
        self._heard_bytes = 0
        """Since it was asked."""
        self.strays = 0
        """Bytes that came over a serial line and belong to no answer: late, from a second device with the same number,
        for another master, or noise."""

    @property
    def connected(self) -> bool:
        return self._client is not None and bool(self._client.connected)

    def tally(self, unit: int) -> Tally:
        """What has passed to and from this unit."""
        return self._tallies.setdefault(unit, Tally())

    @classmethod
    def tcp(cls, host: str, port: int, *, answer_s: float) -> Bus:
        def make(tap: Tap) -> Client:
            return AsyncModbusTcpClient(
                host, port=port, timeout=answer_s, retries=0, reconnect_delay=0, trace_packet=tap
            )

        remedy = "Check power, network and address, and that no other system holds the only connection."
        return cls(make, answer_s=answer_s, serial=None, unreachable=remedy)

    @classmethod
    def rtu_over_tcp(cls, host: str, port: int, *, answer_s: float) -> Bus:
        """Frames of a serial line behind a plain adapter: as on the line, an answer does not say what it is to."""

        def make(tap: Tap) -> Client:
            return AsyncModbusTcpClient(
                host,
                port=port,
                framer=FramerType.RTU,
                timeout=answer_s,
                retries=0,
                reconnect_delay=0,
                trace_packet=tap,
            )

        remedy = "Check power, network and address of the adapter, and that it passes frames on as they are."
        return cls(make, answer_s=answer_s, serial=SerialPort(f"{host}:{port}", 9600, "N", 1), unreachable=remedy)

    @classmethod
    def rtu(cls, port: SerialPort, *, answer_s: float, loud_s: float = LOUD_S) -> Bus:
        """`answer_s`: the longest answering time of the meters on the line; `loud_s`: how long to wait for silence."""

        def make(tap: Tap) -> Client:
            return AsyncModbusSerialClient(
                port.path,
                baudrate=port.baud,
                parity=port.parity,
                stopbits=port.stop_bits,
                timeout=answer_s,
                retries=0,
                reconnect_delay=0,
                trace_packet=tap,
            )

        remedy = "Check that the adapter is plugged in, that this user may open it, and that no other program has it."
        return cls(make, answer_s=answer_s, serial=port, unreachable=remedy, loud_s=loud_s)

    async def read(self, unit: int, address: int, count: int, *, holding: bool = False) -> list[int]:
        """Input registers, or holding ones; a device that has only one of the two kinds gives that.

        Raises:
            MeterSilent: no connection, no answer, or an answer that is an error.
        """
        return await self._whole(self._read(unit, address, count, holding))

    async def write(self, unit: int, address: int, words: Sequence[int]) -> None:
        """Holding registers: one with function 6 or, where the device has not that, and several, with function 16.

        Raises:
            MeterSilent: the same. After no answer it is not known whether it was written.
        """
        await self._whole(self._write(unit, address, list(words)))

    async def ask(self, order: Order) -> list[int]:
        """Exactly this request: the registers or coils that it reads; empty for one that writes.

        Raises:
            MeterSilent: no connection, no answer, or one that is not what was asked for.
        """
        return await self._whole(self._exactly(order))

    def allow(self, answer_s: float) -> None:
        """A device on it may take so long to answer. From the next connection on."""
        self._answer_s = max(self._answer_s, answer_s)
        self._loud_s = max(self._loud_s, 2 * self._answer_s)

    async def overhear(self, seconds: float) -> int:
        """Listens without asking; how many bytes came in this time, which nobody here has asked for.

        Raises:
            MeterSilent: no connection.
        """
        return await self._whole(self._overhear(seconds))

    async def settle(self) -> None:
        """Waits until nothing of an earlier request can come any more.

        Raises:
            LineNeverSilent: something always comes.
        """
        async with self._lock:
            await self._silence()

    async def _whole(self, exchange: Coroutine[Any, Any, T]) -> T:
        """Goes on to its end when who waits for it does not."""
        task = asyncio.ensure_future(exchange)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Lets an exchange under way end and closes the connection."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=2 * self._answer_s + 1)
        self._drop()

    async def _read(self, unit: int, address: int, count: int, holding: bool) -> list[int]:
        async with self._lock:
            client = await self._free(unit)
            first = holding or unit in self._holding
            answer = await self._ask(*_reading(client, unit, address, count, holding=first))
            if _is_no_function(answer):
                # Some devices and gateways have their figures in registers of the other kind alone.
                if not holding:
                    self._holding ^= {unit}
                answer = await self._ask(*_reading(client, unit, address, count, holding=not first))
        if isinstance(answer, ExceptionResponse):
            raise _refusal(unit, f"give {count} registers from {address:#06x}", answer.exception_code)
        return list(answer.registers)

    async def _write(self, unit: int, address: int, words: list[int]) -> None:
        async with self._lock:
            client = await self._free(unit)
            answer = None
            if len(words) == 1:
                answer = await self._ask(*_writing_one(client, unit, address, words[0]))
            if answer is None or _is_no_function(answer):
                answer = await self._ask(*_writing(client, unit, address, words))
        if isinstance(answer, ExceptionResponse):
            raise _refusal(unit, f"take {len(words)} registers from {address:#06x}", answer.exception_code)

    async def _exactly(self, order: Order) -> list[int]:
        async with self._lock:
            client = await self._free(order.unit)
            answer = await self._ask(*_ordered(client, order))
        if isinstance(answer, ExceptionResponse):
            deed = f"{'take' if order.words else 'give'} {order.count} registers from {order.address:#06x}"
            raise _refusal(order.unit, deed, answer.exception_code)
        if order.function == _COILS:
            return [int(bit) for bit in answer.bits[: order.count]]
        return list(answer.registers) if order.function in (_HOLDING, _INPUT) else []

    async def _overhear(self, seconds: float) -> int:
        async with self._lock:
            await self._connected()
            before = self.strays
            await asyncio.sleep(seconds)
            return self.strays - before

    async def _free(self, unit: int) -> Client:
        """A connection over which this unit may be asked now."""
        self._asked = self.tally(unit)
        client = await self._connected()
        await self._silence()
        return client

    async def _connected(self) -> Client:
        if self._client is not None and self._client.connected:
            return self._client
        self._drop()
        client = self._make(self._heard)
        refused = False
        try:
            connected = await client.connect()
        except (OSError, ValueError, ModbusException, termios.error):
            connected, refused = False, True  # pyserial lets errors of the port's settings through
        if not connected:
            client.close()
            if refused and self._serial is not None:
                gc.collect()  # pymodbus then loses the port open and locked: other settings would find it taken
            raise MeterSilent("No connection.", remedy=self._unreachable)
        self._client = client
        self._asked.connections += 1
        return client

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _heard(self, sending: bool, data: bytes) -> bytes:
        now_s = time.monotonic()
        if sending:
            self._asked.gave_out(len(data), now_s)
            return data
        self._asked.took_in(len(data), now_s)
        self._heard_bytes += len(data)
        if self._serial is not None:
            if not self._asking:
                self.strays += len(data)
            pause_s = self._answer_s if self._doubtful else self._serial.pause_s
            self._free_s = asyncio.get_running_loop().time() + pause_s
        return data if self._asking else b""

    def _doubt(self) -> None:
        if self._serial is not None:
            self._doubtful = True
            self._free_s = asyncio.get_running_loop().time() + self._answer_s

    async def _silence(self) -> None:
        """Waits until nothing of an earlier request can come any more."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + self._loud_s
        while (wait_s := self._free_s - loop.time()) > 0:
            if loop.time() > end_s:
                raise LineNeverSilent("The line is never silent.")
            await asyncio.sleep(wait_s)
        self._doubtful = False

    async def _ask(self, unit: int, send: Send, fits: Callable[[ModbusPDU], bool], size: int) -> ModbusPDU:
        """One request and its answer, which fits it or is an exception response. `size`: of a fitting answer on a
        serial line, in bytes."""
        self._asking, good = True, False
        tally, begun_s = self._asked, time.monotonic()
        tally.requests += 1
        self._heard_bytes = 0
        try:
            answer = await send()
            good = isinstance(answer, ExceptionResponse) or fits(answer)
        except (ConnectionException, OSError, RuntimeError) as error:
            # uvloop raises RuntimeError for writing into a connection that has just ended.
            self._drop()
            tally.timeouts += 1
            raise MeterSilent("The connection was lost.", remedy=self._unreachable) from error
        except ModbusException as error:
            if self._heard_bytes:
                tally.garbled += 1
            else:
                tally.timeouts += 1
            raise MeterSilent(f"Unit {unit} did not answer within {self._answer_s:g} s.") from error
        finally:
            self._asking = False
            self._misses = 0 if good else self._misses + 1
            if not good:
                self._doubt()
                if self._serial is None or self._misses >= SILENT_AFTER:
                    self._drop()
                    self._misses = 0
        if good:
            if self._serial is not None:
                fitting = _EXCEPTION_BYTES if isinstance(answer, ExceptionResponse) else size
                self.strays += max(0, self._heard_bytes - fitting)
            now_s = time.monotonic()
            if isinstance(answer, ExceptionResponse):
                tally.exceptions += 1
            else:
                tally.answered(now_s - begun_s, now_s)
        else:
            tally.garbled += 1
            raise MeterSilent(f"Unit {unit} answered something else than what it was asked.")
        return answer


def _is_no_function(answer: ModbusPDU) -> bool:
    return isinstance(answer, ExceptionResponse) and answer.exception_code == _ILLEGAL_FUNCTION


def _reading(client: Client, unit: int, address: int, count: int, *, holding: bool) -> Question:
    ask = client.read_holding_registers if holding else client.read_input_registers
    function = _HOLDING if holding else _INPUT

    def fits(answer: ModbusPDU) -> bool:
        return answer.function_code == function and len(answer.registers) == count

    return unit, lambda: ask(address, count=count, device_id=unit), fits, 5 + 2 * count


def _writing_one(client: Client, unit: int, address: int, word: int) -> Question:
    def fits(answer: ModbusPDU) -> bool:
        return (answer.function_code, answer.address, answer.registers) == (_WRITE_ONE, address, [word])

    return unit, lambda: client.write_register(address, word, device_id=unit), fits, _WRITTEN_BYTES


def _writing(client: Client, unit: int, address: int, words: list[int]) -> Question:
    def fits(answer: ModbusPDU) -> bool:
        return (answer.function_code, answer.address, answer.count) == (_WRITE, address, len(words))

    return unit, lambda: client.write_registers(address, words, device_id=unit), fits, _WRITTEN_BYTES


def _ordered(client: Client, order: Order) -> Question:
    unit, address = order.unit, order.address
    match order.function:
        case 1:
            return (
                unit,
                lambda: client.read_coils(address, count=order.count, device_id=unit),
                lambda answer: answer.function_code == _COILS and len(answer.bits) >= order.count,
                5 + (order.count + 7) // 8,
            )
        case 3 | 4:
            return _reading(client, unit, address, order.count, holding=order.function == _HOLDING)
        case 5:
            return (
                unit,
                lambda: client.write_coil(address, bool(order.words[0]), device_id=unit),
                lambda answer: (answer.function_code, answer.address) == (_WRITE_COIL, address),
                _WRITTEN_BYTES,
            )
        case 6:
            return _writing_one(client, unit, address, order.words[0])
    return _writing(client, unit, address, list(order.words))


def _refusal(unit: int, deed: str, code: int) -> MeterSilent:
    if code in _BEHIND_GATEWAY:
        return MeterSilent(
            f"The gateway gets no answer from unit {unit}.",
            remedy="Check that the meter has power, its wiring to the gateway, its unit number, baud and parity.",
        )
    return MeterRefuses(
        f"Unit {unit} refuses to {deed} (exception {code}).",
        exception=code,
        remedy="Check that the device set is the one installed.",
    )


class ModbusMeter:
    """A meter as a source of observations."""

    def __init__(
        self,
        meter: MeterId,
        bus: Bus,
        *,
        address: str,
        unit: int,
        family: MeterFamily | None,
        families: dict[str, MeterFamily],
        period_s: float,
        lines: int,
        nominal_v: Sequence[float],
        now_s: Callable[[], float],
        stated: Stated | None = None,
    ) -> None:
        """`family` None: it is recognised by its identification. `nominal_v`: the voltages that may stand
        in its registers; `lines`: those of the supply; `address` is for people; `stated`: what its settings are held
        against."""
        self._meter = meter
        self._bus = bus
        self._address = address
        self._unit = unit
        self._family = family
        self._families = families
        self._period_s = period_s
        self._lines = lines
        self._nominal_v = nominal_v
        self._now_s = now_s
        self._frequency_wrong = False
        self._stated = stated or {}
        self.setup = Setup(settings=(), remarks=(), unread=frozenset())
        """As last read."""
        self.energy_import_wh: int | None = None
        """As last read; None before the first time."""
        self.identified: str | None = None
        """Model, once recognised."""
        self.own_number: str | None = None
        """As it told when it was identified; None: it does not tell."""

        self.trouble: DeviceError | None = None
        """Why its newest answer is missing or can't be used; None: it is good, or it was not asked yet."""

    @property
    def name(self) -> str:
        return f"meter {self._meter} ({self._address})"

    @property
    def connected(self) -> bool:
        """Whether the adapter, or the gateway, is there."""
        return self._bus.connected

    @property
    def tally(self) -> Tally:
        """What has passed to and from it."""
        return self._bus.tally(self._unit)

    async def run(self, put: Callable[[Observation], None]) -> None:
        """Identifies the meter, then reads it on a steady schedule.

        Raises:
            MeterSilent: it has not answered for several periods.
            MeterMismatch: another device answers.
        """
        try:
            family = await self._identify()
        except DeviceError as error:
            self.trouble = error
            raise
        await self._read_own_number(family)
        await self._read_setup(family)
        loop = asyncio.get_running_loop()
        due = loop.time()
        failures, told, slow_s, settings_s = 0, "", -SLOW_EVERY_S, self._now_s()
        while True:
            try:
                reading = await self._reading(family)
            except (MeterSilent, FrameAbsurd) as error:
                failures += 1
                self.trouble = error
                if error.code != told:
                    told = error.code
                    _log.warning(error.code, meter=self.name, what=error.what, remedy=error.remedy)
                if isinstance(error, FrameAbsurd):
                    put(self._absurd())
                elif failures >= SILENT_AFTER:
                    raise self._named(error) from error
            else:
                if told:
                    _log.info("meter-back", meter=self.name, failures=failures)
                failures, told = 0, ""
                self.trouble = None
                put(reading)
                if self._now_s() - slow_s >= SLOW_EVERY_S:
                    slow_s = self._now_s()
                    await self._read_slow(family)
                if self._now_s() - settings_s >= SETTINGS_EVERY_S:
                    settings_s = self._now_s()
                    # Some meters pass over what they have not, and each such question takes a second.
                    await self._read_setup(family, without=self.setup.unread)
            due += max(self._period_s, family.refresh_s)
            if due < loop.time():
                due = loop.time()  # after a stall there is no burst
            await asyncio.sleep(due - loop.time())

    async def _reading(self, family: MeterFamily) -> MeterReading:
        registers: dict[int, int] = {}
        at_s = None
        for address, count in family.reads:
            words = await self._read(family, address, count)
            at_s = self._now_s() if at_s is None else at_s
            registers.update(enumerate(words, start=address))
        at_s = self._now_s() if at_s is None else at_s
        try:
            reading = family.reading(self._meter, registers, at_s, self._lines, self._nominal_v)
        except FrameAbsurd:
            self.tally.garbled += 1
            raise
        return replace(reading, energy_import_wh=self.energy_import_wh, serial=self.own_number)

    def _absurd(self) -> MeterReading:
        """It answers, and that can't be what flows."""
        return MeterReading(meter=self._meter, at_s=self._now_s(), currents=PhaseAmps(()), serial=self.own_number)

    async def _read_slow(self, family: MeterFamily) -> None:
        registers: dict[int, int] = {}
        try:
            for address, count in family.slow_reads:
                registers.update(enumerate(await self._read(family, address, count), start=address))
            if (energy_wh := family.energy_import_wh(registers)) is not None:
                self._count(energy_wh)
            hertz = family.frequency_hz(registers)
        except (MeterSilent, FrameAbsurd) as error:
            _log.debug("meter-slow-figures", meter=self.name, what=error.what)
            return
        wrong = hertz is not None and min(abs(hertz - 50), abs(hertz - 60)) > 1
        if wrong and not self._frequency_wrong:
            _log.warning("meter-frequency", meter=self.name, hertz=hertz, remedy="Check the meter's wiring and model.")
        self._frequency_wrong = wrong

    def _count(self, energy_import_wh: int) -> None:
        before_wh, self.energy_import_wh = self.energy_import_wh, energy_import_wh
        if before_wh is not None and energy_import_wh < before_wh:
            _log.warning(
                "meter-counts-backwards",
                meter=self.name,
                what=f"Its import counter went from {before_wh} to {energy_import_wh} Wh.",
                remedy="It was reset or exchanged; if neither, check its measurement mode. Currents are still used.",
            )

    async def _read_own_number(self, family: MeterFamily) -> None:
        """Another number than before is another meter, and told with each reading."""
        if family.number_address is None:
            return
        try:
            number = family.own_number(await self._read(family, family.number_address, family.number_registers))
        except MeterSilent as error:
            _log.debug("meter-number-unread", meter=self.name, what=error.what)
            return
        if number is not None and self.own_number is not None and number != self.own_number:
            self.energy_import_wh = None
            _log.warning(
                "meter-exchanged",
                meter=self.name,
                before=self.own_number,
                now=number,
                remedy="Check its current transformers' ratio, direction and lines, as for a new meter.",
            )
        self.own_number = number or self.own_number

    async def _read(self, family: MeterFamily, address: int, count: int) -> list[int]:
        if family.quiet_s:
            await asyncio.sleep(family.quiet_s)
        return await self._bus.read(self._unit, address, count, holding=family.function == _HOLDING)

    async def _identify(self) -> MeterFamily:
        known = self._family
        if known is not None and known.unusable:
            raise MeterMismatch(f"{self.name}: a {known.id} can't be used. {known.unusable}", remedy=_ANOTHER)
        try:
            if known is not None and known.sunspec is not None:
                family, model = await self._walked(known)
            elif known is not None and known.identification is None:
                family, model = known, known.models[0]
                await self._reading(known)  # it says what a meter may say
            else:
                family, model = await self._recognised(known)
        except MeterSilent as error:
            raise self._named(error) from error
        if self._lines > family.phases:
            raise MeterMismatch(
                f"{self.name}: {model} measures {family.phases} line{'s' if family.phases > 1 else ''}, the supply "
                f"has {self._lines}.",
                remedy="Install a meter that measures every line.",
            )
        if self.identified != model:
            self.identified = model
            _log.info("meter-identified", meter=self.name, model=model, family=family.id, verified=family.verified)
            if known is None and not family.hardware:
                # Of one that site.toml names it was said at the start.
                _log.warning(
                    "meter-unconfirmed",
                    meter=self.name,
                    what=unconfirmed(family.id, family.verified),
                    remedy="Hold it against a clamp meter, line by line, and tell the project what came of it.",
                )
        return family

    async def _recognised(self, known: MeterFamily | None) -> tuple[MeterFamily, str]:
        """By its identification; of a family that is set, by its own first."""
        families = sorted(self._families.values(), key=lambda one: (one is not known, one.identify_address != USUAL))
        words: dict[tuple[int, int, bool], list[int]] = {}
        refused: MeterSilent | None = None
        for family in families:
            place = family.identification
            if place is None:
                continue
            if place not in words:
                try:
                    words[place] = await self._bus.read(self._unit, place[0], place[1], holding=place[2])
                except MeterRefuses as error:
                    words[place], refused = [], error
            model = family.model_of(words[place]) if words[place] else None
            if model is None:
                continue
            if known is not None and family is not known:
                raise MeterMismatch(
                    f"{self.name}: {model} answers, but {known.id} is set.",
                    remedy=f'Set device = "{family.id}" or "auto", or check the address.',
                )
            if family.unusable:
                raise MeterMismatch(f"{self.name}: a {model} can't be used. {family.unusable}", remedy=_ANOTHER)
            return family, model
        for family in families:
            if known is None and family.sunspec is not None:
                with contextlib.suppress(MeterMismatch, MeterRefuses):
                    return await self._walked(family)
        usual = next((found for (address, _, _), found in words.items() if address == USUAL and found), None)
        if usual is None and refused is not None:
            raise MeterMismatch(
                f"{self.name} answers, and does not say what it is.",
                remedy="Set device to the family that is installed; `ampacity devices` lists them.",
            )
        raise self._unknown(usual[0] if usual else 0)

    async def _walked(self, family: MeterFamily) -> tuple[MeterFamily, str]:
        """Along the chain of a SunSpec device, to the model of a meter."""
        assert family.sunspec is not None
        for base in family.sunspec.bases:
            try:
                mark = await self._bus.read(self._unit, base, 2, holding=True)
            except MeterRefuses:
                continue
            if tuple(mark) != SUNSPEC_MARK:
                continue
            at, seen = base + 2, []
            for _ in range(LONGEST_CHAIN):
                model, length = await self._bus.read(self._unit, at, 2, holding=True)
                if model in family.sunspec.models:
                    return family.located(model, at), f"SunSpec model {model}"
                if model == SUNSPEC_END:
                    break
                seen.append(model)
                at += 2 + length
            raise MeterMismatch(
                f"{self.name}: its chain of models ({', '.join(map(str, seen)) or 'empty'}) has none of "
                f"{', '.join(map(str, family.sunspec.models))}.",
                remedy="Choose the other SunSpec family, or check the unit: the meter may be another one behind it.",
            )
        raise MeterMismatch(f"{self.name} has no SunSpec chain.", remedy="Set the device that is installed.")

    def _unknown(self, code: int) -> MeterMismatch:
        for family in self._families.values():
            if code in family.identify_reject:
                return MeterMismatch(f"{self.name} identifies itself as {code}.", remedy=family.identify_reject[code])
        return MeterMismatch(
            f"{self.name} identifies itself as {code}, which no known meter does.",
            remedy="Check address and unit; `ampacity devices` lists the meters that can be used.",
        )

    async def _read_setup(self, family: MeterFamily, *, without: Collection[int] = ()) -> None:
        model, before = str(self.identified), self.setup
        self.setup = await read_setup(self._bus, self._unit, family, model, self._stated, without=without)
        for held in self.setup.wrong:
            if held not in before.wrong:
                _log.warning(
                    "meter-setup",
                    meter=self.name,
                    what=held.setting.what,
                    found=held.now,
                    right=held.right,
                    remedy=held.setting.remedy,
                )
        for remark in self.setup.remarks:
            if remark not in before.remarks:
                _log.warning("meter-wiring", meter=self.name, what=remark.what, remedy=remark.remedy)

    def _named(self, error: MeterSilent) -> MeterSilent:
        return MeterSilent(f"{self.name}: {error.what}", remedy=error.remedy)
