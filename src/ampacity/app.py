"""Puts the parts together: the one file that knows them all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import structlog
import uvloop
from sqlalchemy import Engine

from ampacity import __version__
from ampacity.api.identity import Identity
from ampacity.api.machine import app_url
from ampacity.api.ports import Services
from ampacity.api.routes.diagnosis import shown
from ampacity.api.routes.options import TAGS_REQUIRED
from ampacity.api.server import create
from ampacity.api.serving import AppServer, Tls, given_tls, own_tls
from ampacity.commission.basis import Basis, basis_of, meters_above
from ampacity.commission.dossier import Dossier, KeptDossier, Made
from ampacity.commission.expiry import LEASE_S, Expiry
from ampacity.commission.gathered import facts_of
from ampacity.commission.selfcheck import Facts
from ampacity.commission.tester import Failed, Progress, Tester, TestResult
from ampacity.commission.watch.kept import KeptWatch
from ampacity.commission.watch.watcher import Watch
from ampacity.config.direct_place import DirectConnection
from ampacity.config.installation import ChargerConnection, Installation
from ampacity.config.meter_place import InletPlace
from ampacity.config.mistakes import SiteFileError
from ampacity.config.rewrite import set_value, text_with, with_charger
from ampacity.config.site_toml import load, parse
from ampacity.config.steered import effective, family_named
from ampacity.core.decision import Decision
from ampacity.core.errors import AmpacityError, SiteError
from ampacity.core.observations import MeterReading, Observation, Observed, SessionEnded
from ampacity.core.site import Charger, ChargerId, MeterId, Site
from ampacity.devices.catalogue import charger_families
from ampacity.devices.charger_family import ChargerFamily
from ampacity.kept import (
    ON,
    KeptCheck,
    KeptEvents,
    KeptTags,
    KeptTallies,
    keep_diagnosis,
    keep_knocking,
    notification_settings,
    resume_sessions,
)
from ampacity.links.chargers import Chargers
from ampacity.links.direct.charger import DirectCharger
from ampacity.links.ocpp.admission import Knock
from ampacity.links.ocpp.endpoint import Endpoint, StationFacts
from ampacity.links.ocpp.inlet import InletMeter
from ampacity.links.ocpp.schema_check import message_check
from ampacity.links.ocpp.server import OcppServer, tls_context
from ampacity.links.tally import Tally
from ampacity.runtime.allowances import Allowances, Plan
from ampacity.runtime.chronicle import Chronicle, NoEvents
from ampacity.runtime.desk import Desk, Latest
from ampacity.runtime.happenings import Happenings
from ampacity.runtime.linkwatch import LinkWatch
from ampacity.runtime.loop import Loop, Watcher
from ampacity.runtime.notices import Notices
from ampacity.runtime.notifications import Notifications, Sender, Settings
from ampacity.runtime.ports import Clock, Journal, Put
from ampacity.runtime.relay import Relay
from ampacity.runtime.sessions import Sessions
from ampacity.runtime.supervise import supervised
from ampacity.runtime.tags import Tags
from ampacity.runtime.updates import Updates
from ampacity.runtime.watchdog import Watchdog
from ampacity.sources import MeterLink, Sources, endpoint_of, relay_for
from ampacity.storage.accounts import note
from ampacity.storage.errors import StorageError
from ampacity.storage.history import Retention
from ampacity.storage.journal import JournalWriter
from ampacity.storage.records import finish_session, setting
from ampacity.storage.store import Store
from ampacity.storage.transactions import keeping
from ampacity.web.texts import text

TAGS_EVERY_S = 10.0
LINKS_EVERY_S = LOOKS_EVERY_S = 60.0
ALIVE_S = 10.0
JUDGED_S = 20.0
"""At the end it is waited so long for what came of a test."""

_log = structlog.get_logger("ampacity")


class MonotonicClock:
    """The machine's monotonic clock."""

    def now_s(self) -> float:
        return time.monotonic()


class NoJournal:
    """Control without a record."""

    def append(self, seen: Sequence[Observation], decision: Decision) -> None:
        """Keeps nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Where the app is, once it can be reached."""

    url: str
    fingerprint: str | None
    """SHA-256 of the self-made certificate; None: it was given, or there is no TLS."""
    engine: Callable[[], Engine]
    """The database; blocks while it opens."""


class AppLink:
    """The app as a source that observes nothing: what fails of it is started again, like every link."""

    name = "app"

    def __init__(self, start: Callable[[], AppServer]) -> None:
        """`start` blocks until it listens; raises AmpacityError."""
        self._start = start

    async def run(self, _: Put) -> None:
        """Until cancelled."""
        starting = asyncio.create_task(asyncio.to_thread(self._start))
        try:
            await asyncio.shield(starting)
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.wait([starting])  # a start under way can't be stopped
            if starting.exception() is None:
                await asyncio.to_thread(starting.result().close)


@dataclass(frozen=True, slots=True)
class _Tested:
    """Which charger, on which site, the newest test is of."""

    said: StationFacts
    basis: Basis


class Steered:
    """The running controller, as the API needs it. See `ampacity.api.ports.Control`."""

    def __init__(self, app: App, desk: Desk) -> None:
        self._app = app
        self._desk = desk
        self.put = desk.put
        self.watch = desk.watch

    @property
    def installation(self) -> Installation:
        return self._app.installation

    @property
    def latest(self) -> Latest | None:
        return self._desk.latest

    def now_s(self) -> float:
        return self._app.clock.now_s()

    def stations(self) -> Mapping[ChargerId, StationFacts]:
        return self._app.chargers.facts()

    def knocking(self) -> Sequence[Knock]:
        return self._app.server.knocking()

    def refuse(self, ocpp_id: str) -> None:
        self._desk.do(lambda: self._app.server.refuse(ocpp_id))

    def facts(self) -> Facts:
        return self._app.facts()

    def readings(self) -> Mapping[MeterId, MeterReading]:
        return self._app.readings()

    def begin_test(self, kind: str, charger: ChargerId, *, checked: bool, by: str) -> None:
        self._desk.do(lambda: self._app.begin_test(kind, charger, checked=checked, by=by))

    def stop_test(self) -> None:
        self._desk.do(self._app.tester.stop)

    def test_progress(self) -> Progress | None:
        return self._app.tester.progress

    def switch_phases(self, charger: ChargerId, phases: int) -> None:
        self._desk.do(lambda: self._app.chargers.switch_phases(charger, phases))

    def restart(self) -> None:
        self._desk.do(self._app.end_and_restart)

    def use(self, installation: Installation) -> None:
        self._desk.do(lambda: self._app.use(installation))


class App:
    """A controller for one installation. Build it, then `run` it once."""

    def __init__(
        self,
        installation: Installation,
        *,
        clock: Clock | None = None,
        wall: Callable[[], datetime] | None = None,
        port: int | None = None,
        storage: bool = True,
        watchers: Sequence[Watcher] = (),
        serve: bool = False,
        served: Callable[[Served], None] | None = None,
    ) -> None:
        """`wall`: the time of day, with its zone, as chargers are told it; it goes as fast as `clock`. `port`: instead
        of the file's; 0 takes any that is free. `serve`: the app as well, as the file says; once it can be reached,
        `served` is called in a thread of its own.

        Raises:
            AmpacityError: a device family, certificate or key can't be used.
        """
        self.installation = installation
        self.clock = clock if clock is not None else MonotonicClock()
        wall = _wall if wall is None else wall
        self._served = served
        self.saving = threading.Lock()
        """Held while site.toml is read, changed and written, by whomever."""
        self._store = Store(installation.storage.place) if storage else None
        site = effective(installation)
        self._journal: Journal = NoJournal() if self._store is None else self._open_journal(self._store, site)
        ocpp = installation.ocpp
        tls = None  # loaded once, here: a certificate that can't be used is told before anything runs
        if ocpp.tls_certificate is not None and ocpp.tls_key is not None:
            tls = tls_context(ocpp.tls_certificate, ocpp.tls_key, ocpp.tls_client_ca)
        families = charger_families()
        self.tags = Tags(None if self._store is None else KeptTags(self._store.engine))
        self.server = OcppServer(
            _endpoints(site, installation, families),
            families,
            listen=ocpp.listen,
            port=ocpp.port if port is None else port,
            tls=tls,
            tls_port=ocpp.tls_port,
            adopt=self._adopt if ocpp.adopt_into is not None else None,
            adopt_profile=ocpp.security_profile,
            session_ended=self._session_ended,
            authorise=self.tags.verdict,
            now_s=self.clock.now_s,
            wall=wall,
            first_transaction=int(time.time()),
            check=message_check() if ocpp.check_messages else None,
        )
        self._sources = Sources(self.clock.now_s)
        self.chargers = Chargers(self.server, self._direct(site, installation, {}))
        self._watchdog = Watchdog(os.environ)
        self.desk = Desk(self._put)
        self._allowances = Allowances(_plan(installation), self._put, wall)
        self.sessions = Sessions()
        self.events = Chronicle(NoEvents() if self._store is None else KeptEvents(self._store.engine))
        self._relay = Relay()
        relay_for(self._relay, installation)
        self._happenings = Happenings(
            lambda: self.installation, self.events.put, time.time, self._lost, self._relay.standins
        )
        self.tester = Tester(
            self.chargers,
            now_s=self.clock.now_s,
            use=self._control_by,
            hold=self._allowances.test,
            put=self._put,
            keep=self._keep_test,
        )
        self._tested = _Tested(StationFacts(), Basis())
        own: list[Watcher] = [
            self._watchdog,
            Notices(),
            self._allowances,
            self._tell_happenings,
            self.tester,
            self.sessions,
            self.desk,
        ]
        self._watch: Watch | None = None
        if self._store is not None:
            self._watch = Watch(
                KeptWatch(self._store.engine),
                lambda: self.installation,
                self.events.put,
                time.time,
                is_testing=lambda: self.tester.progress is not None,
            )
            own.append(self._watch)
        self.loop = Loop(site, self.clock, self.tester, self._journal, [*own, *watchers])
        self.meters: dict[MeterId, MeterLink] = {}
        for connection in installation.meters:
            if (link := self._sources.meter(site, connection)) is not None:
                self.meters[connection.meter] = link
        self.server.tell(_inlets(self.meters))
        self._reading: dict[MeterId, asyncio.Task[None]] = {}
        self._asking: dict[ChargerId, asyncio.Task[None]] = {}
        self._counts = None if self._store is None else KeptTallies(self._store.engine)
        self._ended = asyncio.Event()
        self.is_to_restart = False
        """Somebody wishes it to start anew once `run` has ended."""
        self._url: str | None = None
        """Of the app, once it can be reached."""
        self.notifications, self._updates = self._tellers(self._store)
        self._links: list[AppLink] = []
        if serve and self._store is not None and installation.app.enabled:
            self._links.append(AppLink(partial(self._start_app, self._store)))

    async def run(self) -> None:
        """Controls until cancelled, or told to end by SIGTERM or SIGINT; then leaves every charger at its safe
        current.

        Raises:
            AmpacityError: the address for chargers can't be used.
        """
        running = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            # Windows has none of this, and only the main thread may ask for it.
            with contextlib.suppress(NotImplementedError, RuntimeError):
                running.add_signal_handler(name, self._ended.set)
        self.desk.open()
        beside: list[Chronicle | Notifications | Updates | Watch] = [self.events]
        if self._store is not None:
            beside += [self.notifications, self._updates]
        if self._watch is not None:
            beside.append(self._watch)
        for one in beside:
            one.start()
        self._happenings.begin(__version__)
        self._allowances.begin(self.loop.site, self.clock.now_s())
        serving = asyncio.create_task(self.server.run(self._seen), name="chargers")
        tasks = [asyncio.create_task(self.loop.run(), name="loop")]
        for meter in self.meters:
            self._read(meter)
        for charger in self.chargers.direct:
            self._ask(charger)
        links = [asyncio.create_task(supervised(one, self._put, self.clock), name=one.name) for one in self._links]
        tags = asyncio.create_task(self._keep_tags(), name="tags")
        stop = asyncio.create_task(self._ended.wait(), name="stop")
        ready = asyncio.create_task(self._tell_ready(), name="ready")
        alive = asyncio.create_task(_tell_alive(), name="alive")
        watching = [
            asyncio.create_task(self._watch_links(), name="link watch"),
            asyncio.create_task(self._keep_looks(), name="looks"),
        ]
        try:
            done, _ = await asyncio.wait([serving, stop, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                await task
        finally:
            self._watchdog.stopping()
            await _cancelled([stop, ready, alive, tags, *watching, *self._reading.values(), *tasks])
            self.tester.stop()
            left = await self.chargers.park()
            if left:
                _log.warning("chargers-not-parked", chargers=left, remedy="Their leases end by themselves.")
            await asyncio.to_thread(self.tester.wait, JUDGED_S)
            await _cancelled([serving, *links, *self._asking.values()])
            await self._sources.close()
            if isinstance(self._journal, JournalWriter):
                await asyncio.to_thread(self._journal.close)
            for one in reversed(beside):
                await asyncio.to_thread(one.close)
            if self._store is not None and self._counts is not None:
                with contextlib.suppress(StorageError):
                    await asyncio.to_thread(self._keep_last, self._store, self._counts)
                self._store.close()
            _log.info("ended", site=self.installation.site.name)

    def facts(self) -> Facts:
        """What the self-check goes by. For any thread."""
        return facts_of(
            self.installation,
            meters=dict(self.meters),
            latest=self.desk.latest,
            stations=self.chargers.facts(),
            tally=self.chargers.tally,
            version=__version__,
            newer=self._updates.newer,
            now_s=self.clock.now_s(),
        )

    def begin_test(self, kind: str, charger: ChargerId, *, checked: bool, by: str) -> None:
        """A step or an expiry test of the site as it is installed. On the control loop's thread.

        Raises:
            AmpacityError: it can't be made.
        """
        site, said = effective(self.installation), self.chargers.facts().get(charger, StationFacts())
        if kind == "expiry":
            family = charger_families().get(said.family)
            lease_s = max(LEASE_S, (family.lease_s if family is not None else None) or 0.0)
            self.tester.expiry(site, charger, lease_s=lease_s, by=by)
        else:
            self.tester.step(site, charger, checked=checked, by=by)
        basis = basis_of(self.installation, self.readings())
        basis = basis.of(chargers=[charger], meters=meters_above(site, charger) if kind == "step" else ())
        self._tested = _Tested(said, basis)

    def readings(self) -> Mapping[MeterId, MeterReading]:
        """What each meter said last, also while a test keeps it from the controller. For any thread."""
        latest = self.desk.latest
        return {**({} if latest is None else latest.observed.meters), **self.tester.readings}

    def end_and_restart(self) -> None:
        """On the control loop's thread."""
        self.is_to_restart = True
        self._ended.set()

    def use(self, installation: Installation) -> None:
        """From the next pass on: its site, its chargers and its meters. On the control loop's thread.

        Raises:
            AmpacityError: it can't be used; all is as before.
        """
        site = effective(installation)
        families = charger_families()
        endpoints = _endpoints(site, installation, families)
        before = {connection.meter: connection for connection in self.installation.meters}
        changed_supply = site.supply is not self.loop.site.supply or site.nominal_v != self.loop.site.nominal_v
        after = {connection.meter: connection for connection in installation.meters}
        fresh = {
            meter: self._sources.meter(site, connection)
            for meter, connection in after.items()
            if changed_supply or before.get(meter) != connection
        }
        asked = self._direct(site, installation, {one.charger: one.direct for one in self.installation.chargers})
        gone = [one for one, charger in self.chargers.direct.items() if asked.get(one) is not charger]
        self.tester.stop()
        self.installation = installation
        relay_for(self._relay, installation)
        self.loop.use(site)
        self._allowances.use(_plan(installation))
        self._allowances.begin(site, self.clock.now_s())
        if isinstance(self._journal, JournalWriter):
            self._journal.site_changed(site, installation.text)
        for meter in [one for one in self.meters if one not in after or one in fresh]:
            del self.meters[meter]
            if (task := self._reading.pop(meter, None)) is not None:
                task.cancel()
        for meter, source in fresh.items():
            if source is not None:
                self.meters[meter] = source
                self._read(meter)
        self.server.use(endpoints)
        self.server.tell(_inlets(self.meters))
        for one in gone:
            if (asking := self._asking.pop(one, None)) is not None:
                asking.cancel()
        self.chargers.direct = asked
        for one in asked.keys() - self._asking.keys():
            self._ask(one)
        _log.info("site-in-use", site=site.name, features=sorted(one.value for one in installation.features.on))

    def _put(self, one: Observation) -> None:
        self.loop.put(one)

    def _seen(self, one: Observation) -> None:
        """From meters and chargers: a test that is under way sees it first."""
        for reading in self._relay.passed(one):
            if (passed := self.tester.taken(reading)) is not None:
                self.loop.put(passed)

    def _tell_happenings(self, site: Site, observed: Observed, seen: Sequence[Observation], decision: Decision) -> None:
        """The site of a test is none that people have changed."""
        self._happenings(self.tester.installed(site), observed, seen, decision)

    def _control_by(self, site: Site) -> None:
        self.loop.use(site)
        if isinstance(self._journal, JournalWriter):
            self._journal.site_changed(site, self.installation.text)

    def _read(self, meter: MeterId) -> None:
        source = self.meters[meter]
        task = asyncio.create_task(supervised(source, self._seen, self.clock), name=source.name)
        self._reading[meter] = task

    def _direct(
        self, site: Site, installation: Installation, before: Mapping[ChargerId, DirectConnection | None]
    ) -> dict[ChargerId, DirectCharger]:
        """Those that are asked. One that is where it was before is the same, with other limits."""
        found = {}
        for charger, connection in zip(site.chargers, installation.chargers, strict=True):
            if (direct := connection.direct) is None:
                continue
            if before.get(charger.id) == direct:
                found[charger.id] = self.chargers.direct[charger.id]
                found[charger.id].use(endpoint_of(charger, direct))
            else:
                found[charger.id] = self._sources.charger(charger, direct, time.time)
        return found

    def _ask(self, charger: ChargerId) -> None:
        source = self.chargers.direct[charger]
        self._asking[charger] = asyncio.create_task(supervised(source, self._seen, self.clock), name=source.name)

    def _resume_visits(self) -> None:
        """Chargers that are asked have no numbers of sessions: what the record tells goes on."""
        resumed = self.sessions.resumed().items()
        known = {charger: (session, running.begin_wh) for (charger, session), running in resumed}
        for name, one in self.chargers.direct.items():
            one.resume(*known.get(name, (None, None)))

    async def _keep_tags(self) -> None:
        """Reads the known tags as soon as the database is open, and again and again: an account may be disabled from
        the command line. Keeps what chargers told of them. Until they are read every tag may charge: a full disk keeps
        nobody from home."""
        store, loaded = self._store, False
        while store is not None:
            try:
                if not loaded:
                    required = await asyncio.to_thread(lambda: setting(store.engine(), TAGS_REQUIRED) == ON)
                    await asyncio.to_thread(self.tags.load)
                    await asyncio.to_thread(lambda: resume_sessions(store.engine(), self.sessions))
                    self._resume_visits()
                    self.tags.require(required)
                    loaded = True
                else:
                    await asyncio.to_thread(self.tags.load)
                await asyncio.to_thread(self.tags.flush)
            except StorageError as error:
                _log.debug("tags-not-kept", what=error.what)
            await asyncio.sleep(TAGS_EVERY_S)

    async def _keep_looks(self) -> None:
        """What has passed on the links, and what the self-check says: seldom, since a memory card wears by writing."""
        store, counts = self._store, self._counts
        while store is not None and counts is not None:
            await asyncio.sleep(LOOKS_EVERY_S)
            try:
                await asyncio.to_thread(self._keep_look, store, counts)
            except StorageError as error:
                _log.debug("looks-not-kept", what=error.what)

    def _keep_look(self, store: Store, counts: KeptTallies) -> None:
        counts.keep({device: tally for device, (_, tally) in self._tallies().items()})
        keep_diagnosis(store.engine(), shown(self.facts(), time.time()).model_dump_json())
        keep_knocking(store.engine(), time.time(), self.server.knocking())

    def _keep_last(self, store: Store, counts: KeptTallies) -> None:
        """At the end; nobody takes the last look for one of now."""
        counts.keep({device: tally for device, (_, tally) in self._tallies().items()})
        keep_diagnosis(store.engine(), "")

    def _tallies(self) -> dict[str, tuple[str, Tally]]:
        """By device, with what people call it."""
        found = {f"meter {meter}": (source.name, source.tally) for meter, source in dict(self.meters).items()}
        for one in self.loop.site.chargers:
            found[f"charger {one.id}"] = self.installation.name_of(one.id), self.chargers.tally(one.id)
        return found

    async def _watch_links(self) -> None:
        watch = LinkWatch(self.events.put, time.time)
        while True:
            watch.look(self._tallies())
            await asyncio.sleep(LINKS_EVERY_S)

    def _start_app(self, store: Store) -> AppServer:
        settings, folder = self.installation.app, self.installation.path.resolve().parent
        tls: Tls | None = None
        if settings.tls_certificate is not None and settings.tls_key is not None:
            tls = given_tls(settings.tls_certificate, settings.tls_key)
        elif settings.tls:
            tls = own_tls(folder, settings.host_names)
        services = Services(
            control=Steered(self, self.desk),
            engine=store.engine,
            identify=Identity(store.engine, time.time),
            wall_s=time.time,
            tags=self.tags,
            events=self.events,
            notifications=self.notifications,
            sessions=self.sessions,
            saving=self.saving,
        )
        server = AppServer(create(services), settings.listen, settings.port, tls=tls)
        server.start()
        url = app_url(tls=tls is not None, listen=settings.listen, port=server.port, names=settings.host_names)
        self._url = url
        _log.info("app-listening", url=url)
        if self._served is not None:
            fingerprint = None if tls is None else tls.fingerprint
            self._served(Served(url=url, fingerprint=fingerprint, engine=store.engine))
        return server

    async def _tell_ready(self) -> None:
        await self.server.listening.wait()
        self._watchdog.is_ready = True

    def _tellers(self, store: Store | None) -> tuple[Notifications, Updates]:
        """Tell people who are not looking, and of a newer version."""

        def settings() -> Settings:
            return Settings() if store is None else notification_settings(store.engine())

        def sender() -> Sender:
            return Sender(site=self.installation.site.name, zone=self.installation.time_zone, url=self._url)

        def engine() -> Engine:
            if store is None:
                raise StorageError("There is no record.")
            return store.engine()

        notifications = Notifications(settings, sender, text, tell=self.events.put)
        self.events.watch(notifications)
        return notifications, Updates(KeptCheck(engine), __version__, self.events.put)

    def _keep_test(self, result: TestResult, site: Site, by: str) -> None:
        """What came of a test, in a thread of its own. A charger that does not fall back by itself is not counted on
        from now on, whatever site.toml said."""
        made, said = Made(by=by, at_s=time.time(), basis=self._tested.basis), self._tested.said
        match result:
            case Expiry():
                told = {"vendor": said.vendor, "model": said.model, "firmware": said.firmware}
                try:
                    if result.honoured is False:
                        self._unguard(result.charger, by)
                finally:
                    self._keep(lambda one: one.with_expiry(result, made, **told))
            case Failed():
                self._keep(lambda one: one.with_failed(result.kind, result.charger, made))
            case _:
                self._keep(lambda one: one.with_step(result.verdict, result.most_a, made))

    def _keep(self, change: Callable[[Dossier], Dossier]) -> None:
        if self._store is not None:
            KeptDossier(self._store.engine).change(change)

    def _unguard(self, charger: ChargerId, by: str) -> None:
        place = f"chargers.{charger}.guarded"
        with self.saving:
            before = self.installation
            there = [one for one in before.site.chargers if one.id == charger]
            if not there or not there[0].guarded:
                return
            remedy = "It counts at its maximum from now on when it can't be reached. Look into its firmware and "
            remedy += "settings, and test it again."
            try:
                installation = set_value(before.path, place, False)
            except (SiteFileError, OSError) as error:
                # It is controlled so all the same, as long as this program runs.
                installation = parse(text_with(before.path, before.text, {place: False}), before.path)
                remedy = f"site.toml can't be changed ({error}): set {place} = false in it. {remedy}"
            self.desk.do(lambda: self.use(installation))
        what = "It did not fall to its safe current when its lease ended."
        _log.warning("charger-unguarded", charger=charger, what=what, remedy=remedy)
        if self._store is not None:
            with keeping(self._store.engine()) as connection:
                note(connection, time.time(), by, place, "True", "False")

    def _lost(self) -> int:
        return self._journal.lost if isinstance(self._journal, JournalWriter) else 0

    def _open_journal(self, store: Store, site: Site) -> Journal:
        storage = self.installation.storage
        return JournalWriter(
            store.engine,
            site,
            self.installation.text,
            version=__version__,
            retention=Retention(
                seconds_days=storage.keep_1s_days,
                minutes_days=storage.keep_1min_days,
                quarters_days=storage.keep_15min_days,
                journal_days=storage.keep_journal_days,
            ),
            started_wall_s=time.time(),
            started_s=self.clock.now_s(),
            wall_s=time.time,
        )

    def _adopt(self, ocpp_id: str) -> Endpoint | None:
        """Takes an unknown charger into site.toml, its wiring unknown, and into control."""
        circuit = self.installation.ocpp.adopt_into
        if circuit is None:
            return None
        if not self.saving.acquire(blocking=False):
            return None  # somebody saves in the app just now, and waits for this loop: the charger comes again
        try:
            name = with_charger(self.installation.path, ocpp_id, circuit)
            self.use(load(self.installation.path))
        except (AmpacityError, SiteError, OSError) as error:
            _log.warning("charger-not-adopted", ocpp_id=ocpp_id[:48], what=str(error))
            return None
        finally:
            self.saving.release()
        site = self.loop.site
        place = site.index_of_charger[name]
        _log.info("charger-adopted", charger=name, remedy="Set its lines in site.toml: unknown wiring counts on all.")
        installation = self.installation
        return _endpoint(site, site.chargers[place], installation.chargers[place], installation, charger_families())

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
    serve: bool = False,
    served: Callable[[Served], None] | None = None,
    started: Callable[[App], Awaitable[None]] | None = None,
) -> bool:
    """Controls until SIGTERM or SIGINT. `started` is run beside it, once chargers can connect. Returns whether it is to
    be started anew."""

    async def main() -> bool:
        app = App(installation, port=port, storage=storage, watchers=watchers, serve=serve, served=served)
        beside = None
        if started is not None:
            beside = asyncio.create_task(_when_listening(app, started))
        try:
            await app.run()
        finally:
            if beside is not None:
                await _cancelled([beside])
        return app.is_to_restart

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


async def _when_listening(app: App, started: Callable[[App], Awaitable[None]]) -> None:
    await app.server.listening.wait()
    await started(app)


async def _cancelled(tasks: Sequence[asyncio.Task[object] | asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _plan(installation: Installation) -> Plan:
    return Plan(features=installation.features, schedules=installation.schedules, zone=installation.time_zone)


def _wall() -> datetime:
    return datetime.now(UTC)


def _endpoints(site: Site, installation: Installation, families: dict[str, ChargerFamily]) -> list[Endpoint]:
    """Of those that connect over OCPP."""
    return [
        _endpoint(site, charger, connection, installation, families)
        for charger, connection in zip(site.chargers, installation.chargers, strict=True)
        if connection.direct is None
    ]


def _inlets(meters: Mapping[MeterId, MeterLink]) -> list[InletMeter]:
    return [one for one in meters.values() if isinstance(one, InletMeter)]


def _endpoint(
    site: Site,
    charger: Charger,
    connection: ChargerConnection,
    installation: Installation,
    families: dict[str, ChargerFamily],
) -> Endpoint:
    phases, volts = site.socket_of(charger.id)
    return Endpoint(
        charger=charger.id,
        ocpp_id=connection.ocpp_id,
        phases=phases,
        volts=volts,
        safe_a=charger.safe_a,
        password=connection.password,
        password_hash=connection.password_hash,
        security_profile=connection.security_profile,
        certificate_cn=connection.certificate_cn,
        versions=connection.ocpp_versions,
        family=family_named(families, connection.family, f"chargers.{charger.id}.family"),
        tells_supply=charger.id
        in {one.place.charger for one in installation.meters if isinstance(one.place, InletPlace)},
    )
