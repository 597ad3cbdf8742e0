"""Meters over Modbus TCP and RTU. pymodbus speaks the protocol; here is when to ask, and when to believe an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from pymodbus import ModbusException
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

from ampacity.core.errors import DeviceError
from ampacity.core.observations import Observation
from ampacity.core.site import MeterId
from ampacity.devices.meter_family import FrameAbsurd, MeterFamily

SLOW_EVERY_S = 15.0
"""How often figures that change slowly are read."""

CONNECT_S = 5.0
SILENT_AFTER = 5
"""So many periods without an answer: the link is given up and built anew."""

_log = structlog.get_logger("ampacity.meter")


class MeterSilent(DeviceError):
    """A meter does not answer."""

    code = "meter-silent"
    remedy = "Check that it has power, its address and cable, and that no other system holds its only connection."


class MeterMismatch(DeviceError):
    """Another device answers than the one that was set."""

    code = "meter-mismatch"
    remedy = "Set the device that is installed."


@dataclass(slots=True)
class Counters:
    """Frames since the start."""

    sent: int = 0
    received: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class SerialPort:
    """A serial line and how its frames look."""

    path: str
    baud: int
    parity: str
    stop_bits: int


Client = AsyncModbusTcpClient | AsyncModbusSerialClient


class Bus:
    """One connection, over which one request at a time is under way.

    On a serial line an answer carries no number: one that comes late would be taken for the answer to the next
    request. So after a time-out the line stays reserved, and what comes is dropped, until it has been silent for
    the longest answering time of the meters on it; and a request, once sent, is never abandoned half way.
    """

    def __init__(self, make: Callable[[], Client], *, answer_s: float, late_frames: bool) -> None:
        self._make = make
        self._answer_s = answer_s
        self._late_frames = late_frames
        self._client: Client | None = None
        self._lock = asyncio.Lock()
        self._reads: set[asyncio.Task[list[int]]] = set()

    @classmethod
    def tcp(cls, host: str, port: int, *, answer_s: float) -> Bus:
        def make() -> Client:
            return AsyncModbusTcpClient(host, port=port, timeout=answer_s, retries=0, reconnect_delay=0)

        return cls(make, answer_s=answer_s, late_frames=False)

    @classmethod
    def rtu(cls, port: SerialPort, *, answer_s: float) -> Bus:
        def make() -> Client:
            return AsyncModbusSerialClient(
                port.path,
                baudrate=port.baud,
                parity=port.parity,
                stopbits=port.stop_bits,
                timeout=answer_s,
                retries=0,
                reconnect_delay=0,
            )

        return cls(make, answer_s=answer_s, late_frames=True)

    async def read(self, unit: int, address: int, count: int) -> list[int]:
        """Input registers, or holding registers where the device has no input registers.

        Raises:
            MeterSilent: no connection, no answer, or an answer that is an error.
        """
        task = asyncio.ensure_future(self._read(unit, address, count))
        self._reads.add(task)
        task.add_done_callback(self._reads.discard)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Lets a read under way end and closes the connection."""
        if self._reads:
            await asyncio.wait(self._reads, timeout=2 * self._answer_s + 1)
        if self._client is not None:
            self._client.close()
            self._client = None

    async def _read(self, unit: int, address: int, count: int) -> list[int]:
        async with self._lock:
            client = await self._connected()
            try:
                answer = await client.read_input_registers(address, count=count, device_id=unit)
            except (ModbusException, OSError) as error:
                await self._give_up(client)
                raise MeterSilent(f"Unit {unit} did not answer ({error}).") from error
            if answer.isError():
                raise MeterSilent(
                    f"Unit {unit} refused to give {count} registers from {address:#06x} ({answer}).",
                    remedy="Check that the device set is the one installed.",
                )
            if len(answer.registers) != count:
                await self._give_up(client)
                raise MeterSilent(f"Unit {unit} answered {len(answer.registers)} registers instead of {count}.")
            return list(answer.registers)

    async def _connected(self) -> Client:
        if self._client is not None and self._client.connected:
            return self._client
        if self._client is not None:
            self._client.close()
        self._client = client = self._make()
        try:
            async with asyncio.timeout(CONNECT_S):
                connected = await client.connect()
        except (TimeoutError, OSError, ModbusException):
            connected = False
        if not connected:
            client.close()
            self._client = None
            raise MeterSilent("No connection.")
        return client

    async def _give_up(self, client: Client) -> None:
        """After a time-out. The connection is dropped; a late answer finds nobody waiting for it."""
        client.close()
        self._client = None
        if self._late_frames:
            await asyncio.sleep(self._answer_s)


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
    ) -> None:
        """`family` None: it is recognised by its identification. `nominal_v`: the voltages that may stand
        in its registers; `lines`: those of the supply; `address` is for people."""
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
        self.counters = Counters()
        self.energy_import_wh: int | None = None
        self.identified: str | None = None
        """Model, once recognised."""

    @property
    def name(self) -> str:
        return f"meter {self._meter} ({self._address})"

    async def run(self, put: Callable[[Observation], None]) -> None:
        """Identifies the meter, then reads it on a steady schedule.

        Raises:
            MeterSilent: it has not answered for several periods.
            MeterMismatch: another device answers.
        """
        family = await self._identify()
        await self._check_setup(family)
        loop = asyncio.get_running_loop()
        due = loop.time()
        failures, told, slow_s = 0, "", -SLOW_EVERY_S
        while True:
            try:
                reading = await self._reading(family)
            except (MeterSilent, FrameAbsurd) as error:
                failures += 1
                self.counters.failed += 1
                if error.code != told:
                    told = error.code
                    _log.warning(error.code, meter=self.name, what=error.what, remedy=error.remedy)
                if failures >= SILENT_AFTER and isinstance(error, MeterSilent):
                    raise self._named(error) from error
            else:
                if told:
                    _log.info("meter-back", meter=self.name, failures=failures)
                failures, told = 0, ""
                put(reading)
                if self._now_s() - slow_s >= SLOW_EVERY_S:
                    slow_s = self._now_s()
                    await self._read_slow(family)
            due += self._period_s
            if due < loop.time():
                due = loop.time()  # after a stall there is no burst
            await asyncio.sleep(due - loop.time())

    async def _reading(self, family: MeterFamily) -> Observation:
        registers: dict[int, int] = {}
        at_s = None
        for address, count in family.reads:
            words = await self._read(address, count)
            at_s = self._now_s() if at_s is None else at_s
            registers.update(enumerate(words, start=address))
        return family.reading(
            self._meter, registers, self._now_s() if at_s is None else at_s, self._lines, self._nominal_v
        )

    async def _read_slow(self, family: MeterFamily) -> None:
        registers: dict[int, int] = {}
        try:
            for address, count in family.slow_reads:
                registers.update(enumerate(await self._read(address, count), start=address))
            self.energy_import_wh = family.energy_import_wh(registers)
            hertz = family.values(family.frequency, registers)[0]
        except (MeterSilent, FrameAbsurd) as error:
            self.counters.failed += 1
            _log.debug("meter-slow-figures", meter=self.name, what=error.what)
            return
        if min(abs(hertz - 50), abs(hertz - 60)) > 1:
            _log.warning("meter-frequency", meter=self.name, hertz=hertz, remedy="Check the meter's wiring and model.")

    async def _read(self, address: int, count: int) -> list[int]:
        self.counters.sent += 1
        words = await self._bus.read(self._unit, address, count)
        self.counters.received += 1
        return words

    async def _identify(self) -> MeterFamily:
        known = self._family
        address = known.identify_address if known is not None else 0x000B
        try:
            code = (await self._read(address, 1))[0]
        except MeterSilent as error:
            raise self._named(error) from error
        if known is not None and code in known.identify_values:
            family, model = known, known.identify_values[code]
        else:
            for family in self._families.values():
                if code in family.identify_values:
                    model = family.identify_values[code]
                    break
            else:
                raise self._unknown(code)
            if known is not None:
                raise MeterMismatch(
                    f"{self.name}: {model} answers, but {known.id} is set.",
                    remedy=f'Set device = "{family.id}" or "auto", or check the address.',
                )
        if self._lines > family.phases:
            raise MeterMismatch(
                f"{self.name}: {model} measures {family.phases} line, the supply has {self._lines}.",
                remedy="Install a meter that measures every line.",
            )
        if self.identified != model:
            self.identified = model
            _log.info("meter-identified", meter=self.name, model=model, family=family.id)
        return family

    def _unknown(self, code: int) -> MeterMismatch:
        for family in self._families.values():
            if code in family.identify_reject:
                return MeterMismatch(f"{self.name} identifies itself as {code}.", remedy=family.identify_reject[code])
        return MeterMismatch(
            f"{self.name} identifies itself as {code}, which no known meter does.",
            remedy="Check address and unit; `ampacity devices` lists the meters that can be used.",
        )

    async def _check_setup(self, family: MeterFamily) -> None:
        for check in family.setup:
            try:
                found = (await self._read(check.address, 1))[0]
            except MeterSilent:
                _log.info("meter-setup-unread", meter=self.name, what=check.what)
                continue
            if found != check.want:
                _log.warning("meter-setup", meter=self.name, what=check.what, found=found, remedy=check.remedy)

    def _named(self, error: MeterSilent) -> MeterSilent:
        return MeterSilent(f"{self.name}: {error.what}", remedy=error.remedy)
