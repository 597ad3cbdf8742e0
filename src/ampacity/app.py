"""Puts the parts together: the one file that knows them all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import structlog
import uvloop

from ampacity import __version__
from ampacity.config.installation import ChargerConnection, Installation, MeterConnection
from ampacity.config.rewrite import with_charger
from ampacity.config.site_toml import load
from ampacity.config.steered import effective, family_named
from ampacity.core.decision import Decision
from ampacity.core.errors import AmpacityError, SiteError
from ampacity.core.observations import Observation, SessionEnded
from ampacity.core.phases import Supply
from ampacity.core.site import Charger, Site
from ampacity.devices.catalogue import charger_families, meter_families
from ampacity.devices.charger_family import ChargerFamily
from ampacity.links.modbus import Bus, ModbusMeter, SerialPort
from ampacity.links.ocpp.server import OcppServer, tls_context
from ampacity.links.ocpp.station import Endpoint
from ampacity.runtime.loop import Loop, Watcher
from ampacity.runtime.notices import Notices
from ampacity.runtime.ports import Clock, Journal
from ampacity.runtime.supervise import supervised
from ampacity.runtime.watchdog import Watchdog
from ampacity.storage.errors import StorageError
from ampacity.storage.history import Retention
from ampacity.storage.journal import JournalWriter
from ampacity.storage.records import finish_session
from ampacity.storage.store import Store

SHORTEST_ANSWER_S = 1.0
ALIVE_S = 10.0

_log = structlog.get_logger("ampacity")


class MonotonicClock:
    """The machine's monotonic clock."""

    def now_s(self) -> float:
        return time.monotonic()


class NoJournal:
    """Control without a record."""

    def append(self, seen: Sequence[Observation], decision: Decision) -> None:
        """Keeps nothing."""


class App:
    """A controller for one installation. Build it, then `run` it once."""

    def __init__(
        self,
        installation: Installation,
        *,
        clock: Clock | None = None,
        port: int | None = None,
        storage: bool = True,
        watchers: Sequence[Watcher] = (),
    ) -> None:
        """`port`: instead of the file's; 0 takes any that is free.

        Raises:
            AmpacityError: a device family, certificate or key can't be used.
        """
        self._installation = installation
        self._clock = clock if clock is not None else MonotonicClock()
        self._store = Store(installation.storage.file) if storage else None
        site = effective(installation)
        self._journal: Journal = NoJournal() if self._store is None else self._open_journal(self._store, site)
        ocpp = installation.ocpp
        tls = None  # loaded once, here: a certificate that can't be used is told before anything runs
        if ocpp.tls_certificate is not None and ocpp.tls_key is not None:
            tls = tls_context(ocpp.tls_certificate, ocpp.tls_key, ocpp.tls_client_ca)
        families = charger_families()
        self.server = OcppServer(
            [
                _endpoint(site, charger, connection, families)
                for charger, connection in zip(site.chargers, installation.chargers, strict=True)
            ],
            families,
            listen=ocpp.listen,
            port=ocpp.port if port is None else port,
            tls=tls,
            tls_port=ocpp.tls_port,
            adopt=self._adopt if ocpp.adopt_into is not None else None,
            adopt_profile=ocpp.security_profile,
            session_ended=self._session_ended,
            now_s=self._clock.now_s,
            wall=_wall,
            first_transaction=int(time.time()),
        )
        self._watchdog = Watchdog(os.environ)
        self.loop = Loop(site, self._clock, self.server, self._journal, [self._watchdog, Notices(), *watchers])
        self._buses: dict[object, Bus] = {}
        self.meters = [self._meter(site, connection) for connection in installation.meters]

    async def run(self) -> None:
        """Controls until cancelled, or told to end by SIGTERM or SIGINT; then leaves every charger at its safe
        current.

        Raises:
            AmpacityError: the address for chargers can't be used.
        """
        ended = asyncio.Event()
        running = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError, RuntimeError):
                running.add_signal_handler(name, ended.set)
        serving = asyncio.create_task(self.server.run(self.loop.put), name="chargers")
        tasks = [
            asyncio.create_task(self.loop.run(), name="loop"),
            *(
                asyncio.create_task(supervised(meter, self.loop.put, self._clock), name=meter.name)
                for meter in self.meters
            ),
        ]
        stop = asyncio.create_task(ended.wait(), name="stop")
        ready = asyncio.create_task(self._tell_ready(), name="ready")
        alive = asyncio.create_task(_tell_alive(), name="alive")
        try:
            done, _ = await asyncio.wait([serving, stop, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                await task
        finally:
            self._watchdog.stopping()
            await _cancelled([stop, ready, alive, *tasks])
            left = await self.server.park()
            if left:
                _log.warning("chargers-not-parked", chargers=left, remedy="Their leases end by themselves.")
            await _cancelled([serving])
            for bus in self._buses.values():
                await bus.close()
            if isinstance(self._journal, JournalWriter):
                await asyncio.to_thread(self._journal.close)
            if self._store is not None:
                self._store.close()
            _log.info("ended", site=self._installation.site.name)

    async def _tell_ready(self) -> None:
        await self.server.listening.wait()
        self._watchdog.is_ready = True

    def _open_journal(self, store: Store, site: Site) -> Journal:
        storage = self._installation.storage
        return JournalWriter(
            store.engine,
            site,
            self._installation.text,
            version=__version__,
            retention=Retention(
                seconds_days=storage.keep_1s_days,
                minutes_days=storage.keep_1min_days,
                quarters_days=storage.keep_15min_days,
                journal_days=storage.keep_journal_days,
            ),
            started_wall_s=time.time(),
            started_s=self._clock.now_s(),
            wall_s=time.time,
        )

    def _meter(self, site: Site, connection: MeterConnection) -> ModbusMeter:
        families = meter_families()
        family = family_named(families, connection.device, f"meters.{connection.meter}.device")
        answer_s = max(SHORTEST_ANSWER_S, family.answer_max_s if family is not None else 0.0)
        volts = [site.nominal_v]
        if site.supply is Supply.LINE_TO_LINE:
            volts.append(site.nominal_v / 3**0.5)
        return ModbusMeter(
            connection.meter,
            self._bus(connection, answer_s),
            address=connection.address,
            unit=connection.unit,
            family=family,
            families=families,
            period_s=connection.period_s,
            lines=len(site.supply.lines),
            nominal_v=volts,
            now_s=self._clock.now_s,
        )

    def _bus(self, connection: MeterConnection, answer_s: float) -> Bus:
        """One for each serial line, and one for each address: many gateways allow a single connection."""
        if connection.host is not None:
            key: object = (connection.host, connection.port)
            bus = self._buses.get(key) or Bus.tcp(connection.host, connection.port, answer_s=answer_s)
        else:
            key = str(connection.serial)
            port = SerialPort(str(connection.serial), connection.baud, connection.parity, connection.stop_bits)
            bus = self._buses.get(key) or Bus.rtu(port, answer_s=answer_s)
        self._buses[key] = bus
        return bus

    def _adopt(self, ocpp_id: str) -> Endpoint | None:
        """Takes an unknown charger into site.toml, its wiring unknown, and into control."""
        circuit = self._installation.ocpp.adopt_into
        if circuit is None:
            return None
        path = self._installation.path
        try:
            name = with_charger(path, ocpp_id, circuit)
            installation = load(path)
            site = effective(installation)
        except (AmpacityError, SiteError, OSError) as error:
            _log.warning("charger-not-adopted", ocpp_id=ocpp_id[:48], what=str(error))
            return None
        self._installation = installation
        self.loop.use(site)
        if isinstance(self._journal, JournalWriter):
            self._journal.site_changed(site, installation.text)
        place = next(n for n, charger in enumerate(site.chargers) if charger.id == name)
        _log.info("charger-adopted", charger=name, remedy="Set its lines in site.toml: unknown wiring counts on all.")
        return _endpoint(site, site.chargers[place], installation.chargers[place], charger_families())

    async def _session_ended(self, ended: SessionEnded) -> None:
        """A charger's StopTransaction is answered once its session is durable, or can't be made so."""
        if self._store is None:
            return
        try:
            async with asyncio.timeout(5.0):
                await asyncio.to_thread(_finish, self._store, ended, time.time())
        except (StorageError, TimeoutError) as error:
            # The journal has it as well, and goes on trying.
            what = str(error) or "The disk does not answer."
            _log.error("session-not-stored", charger=ended.charger, session=ended.session, what=what)


async def _tell_alive() -> None:
    """What may leak, for who looks for a leak."""
    while True:
        _log.debug("alive", tasks=len(asyncio.all_tasks()))
        await asyncio.sleep(ALIVE_S)


def _finish(store: Store, ended: SessionEnded, wall_s: float) -> None:
    finish_session(store.engine(), ended, wall_s)


def run_site(
    installation: Installation,
    *,
    port: int | None = None,
    storage: bool = True,
    watchers: Sequence[Watcher] = (),
    started: Callable[[App], Awaitable[None]] | None = None,
) -> None:
    """Controls until SIGTERM or SIGINT. `started` is run beside it, once chargers can connect."""

    async def main() -> None:
        app = App(installation, port=port, storage=storage, watchers=watchers)
        beside = None
        if started is not None:
            beside = asyncio.create_task(_when_listening(app, started))
        try:
            await app.run()
        finally:
            if beside is not None:
                await _cancelled([beside])

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


async def _when_listening(app: App, started: Callable[[App], Awaitable[None]]) -> None:
    await app.server.listening.wait()
    await started(app)


async def _cancelled(tasks: Sequence[asyncio.Task[object] | asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _wall() -> datetime:
    return datetime.now(UTC)


def _endpoint(
    site: Site, charger: Charger, connection: ChargerConnection, families: dict[str, ChargerFamily]
) -> Endpoint:
    # Between two lines a charger has one phase, of the voltage between them.
    between = charger.phases == 2 and site.supply is not Supply.THREE_PHASE
    volts = site.nominal_v
    if site.supply is Supply.SPLIT_PHASE and between:
        volts *= 2
    elif site.supply is Supply.LINE_TO_LINE and not between:
        volts /= 3**0.5
    return Endpoint(
        charger=charger.id,
        ocpp_id=connection.ocpp_id,
        phases=1 if between else charger.phases,
        volts=volts,
        safe_a=charger.safe_a,
        password=connection.password,
        password_hash=connection.password_hash,
        security_profile=connection.security_profile,
        certificate_cn=connection.certificate_cn,
        family=family_named(families, connection.family, f"chargers.{charger.id}.family"),
    )
