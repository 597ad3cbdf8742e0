"""A charging station on the wire: an OCPP 1.6J client that charges simulated cars and keeps to its profiles.

Written from OCPP 1.6 edition 2 and OCPP-J alone; the controller's own code is not used, so that the two can disagree.
What OCPP 2.0.1 and 2.1 say otherwise is in charger2.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from ampacity.sim.wire.car import LOWEST_A, Car
from ampacity.sim.wire.profiles import BadProfile, Installed, Transaction, profile_of
from ampacity.sim.wire.quirks import Quirk

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 15.0
ANSWER_S = 15.0
AUTHORISED_AFTER_S = 2.0
"""How long a driver takes from plugging in to being let charge."""

PLAN_S = 3600
"""A composite schedule reaches no further."""

KEPT_MESSAGES = 200

_MEASURANDS = (
    "Current.Import",
    "Current.Offered",
    "Energy.Active.Import.Register",
    "Power.Active.Export",
    "Power.Active.Import",
    "Temperature",
    "Voltage",
)
_READ_ONLY = {
    "ChargeProfileMaxStackLevel": "8",
    "ChargingScheduleAllowedChargingRateUnit": "Current,Power",
    "ChargingScheduleMaxPeriods": "24",
    "MaxChargingProfilesInstalled": "10",
    "NumberOfConnectors": "1",
    "SupportedFeatureProfiles": "Core,RemoteTrigger,SmartCharging",
}
_WRITABLE = {
    "AuthorizeRemoteTxRequests": "false",
    "ConnectionTimeOut": "60",
    "HeartbeatInterval": "60",
    "LocalPreAuthorize": "true",
    "MeterValueSampleInterval": "60",
    "MeterValuesSampledData": "Energy.Active.Import.Register",
    "WebSocketPingInterval": "60",
}
_NUMBERS = frozenset({"ConnectionTimeOut", "HeartbeatInterval", "MeterValueSampleInterval", "WebSocketPingInterval"})

_log = structlog.get_logger("ampacity.sim.charger")

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What kind of station it is."""

    identity: str
    phases: int
    max_a: float = 32.0
    volts: float = 230.0
    """Nominal, of one phase."""
    vendor: str = "Ampacity"
    name: str = "Simulated charger"
    firmware: str = "1.0.0"
    password: str | None = None
    version: str = "1.6"
    """Of OCPP. 2.0.1 and 2.1 are spoken by a SimulatedCharger2."""


@dataclass(slots=True, kw_only=True)
class Faults:
    """What is wrong with it, from now on. The default: nothing."""

    disobeys: bool = False
    """It accepts limits, and offers its maximum."""
    refuses: bool = False
    """It rejects every profile."""
    answers_after_s: float = 0.0
    """How long it takes to answer a request."""
    outlasts_leases: bool = False
    """A limit holds until the next one, whatever end it was given."""
    outlasts_leases_alone: bool = False
    """The same, as long as it has no connection."""
    keeps_its_clock: bool = False
    """It does not set its clock by the central system's time."""


@dataclass(slots=True)
class Call:
    """A request to the central system."""

    action: str
    payload: dict[str, Any]
    done: Callable[[Fields], None] | None = None
    keep: bool = False
    """It is sent again over the next connection until it is answered."""


@dataclass(slots=True)
class Session:
    """A transaction at the plug. In OCPP 1.6 its number comes from the central system; in 2 it has a name at once."""

    began: datetime
    start_wh: int
    id: int | str | None = None


@dataclass(slots=True)
class Plug:
    """A car in the socket."""

    car: Car
    for_s: float = 0.0
    wants_start: bool = True
    session: Session | None = None


@dataclass(slots=True)
class _Outbox:
    """Calls to be sent, one at a time. Those on transactions are kept while there is no connection."""

    calls: deque[Call] = field(default_factory=lambda: deque(maxlen=KEPT_MESSAGES))
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, call: Call) -> None:
        self.calls.append(call)
        self.wake.set()

    def connection_lost(self) -> None:
        kept = [call for call in self.calls if call.keep]
        self.calls = deque(kept, maxlen=KEPT_MESSAGES)


class SimulatedCharger:
    """One station with one connector. `step` moves it on; `run` is its connection."""

    def __init__(
        self,
        model: Model,
        url: str,
        *,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        seed: int = 0,
        quirks: Sequence[Quirk] = (),
    ) -> None:
        """`url` is the central system's, to which the identity is added. `wall` is the station's quartz; it is set
        to the central system's time at each boot and heartbeat. `quirks`: in what it differs from the standard."""
        self.model = model
        self.quirks = tuple(quirks)
        self.older: SimulatedCharger | None = None
        """The same station in an older version of OCPP, which it offers as well."""
        self.energy_wh = 0.0
        self.installed = Installed()
        self.status = "Available"
        self.faults = Faults()
        self.online = asyncio.Event()
        """Set while booted and accepted."""
        self.stopped: list[int | str] = []
        """Transactions whose end the central system has acknowledged."""
        self.confirmed_a: float | None = None
        """The first limit of the profile that it accepted last, where that is one to operate by."""
        self.supply: Callable[[], Sequence[float]] | None = None
        """What own clamps on the building's supply see: amperes of each line, negative where they flow out; None:
        it has none."""
        self._url = f"{url.rstrip('/')}/{model.identity}"
        self._wall = wall
        self._clock_off = timedelta()
        self._random = random.Random(f"{seed} {model.identity}")
        self._configuration = dict(_WRITABLE)
        self._plug: Plug | None = None
        self._volts = model.volts
        self._sample_left_s = 0.0
        self._beat_s = 60.0
        self._outbox = _Outbox()
        self._answers: dict[str, asyncio.Future[Fields]] = {}
        self._triggered: list[Callable[[], None]] = []
        self._restart = asyncio.Event()
        self._connection: ClientConnection | None = None
        self._pause_s = FIRST_PAUSE_S

    # --- the plant ---

    @property
    def car(self) -> Car | None:
        return None if self._plug is None else self._plug.car

    @property
    def transaction(self) -> int | str | None:
        """The transaction under way, once it has a number."""
        session = None if self._plug is None else self._plug.session
        return None if session is None else session.id

    @property
    def currents_a(self) -> tuple[float, ...]:
        """Of the station's own phases, in its order."""
        car = self.car
        if car is None:
            return (0.0,) * self.model.phases
        return tuple(car.current_a if phase < car.phases else 0.0 for phase in range(self.model.phases))

    @property
    def now(self) -> datetime:
        """By its own clock."""
        return self._wall() + self._clock_off

    @property
    def limit_a(self) -> float:
        """What it may offer by its profiles and its own maximum, amperes per phase."""
        faults, alone = self.faults, not self.online.is_set()
        if self.confirmed_a is not None and (faults.outlasts_leases or (faults.outlasts_leases_alone and alone)):
            return min(self.confirmed_a, self.model.max_a)
        limit = self.installed.limit_a(self.now, self._known_transaction())
        return self.model.max_a if limit is None else min(limit, self.model.max_a)

    def plug_in(self, car: Car) -> None:
        """A car comes. There must be none."""
        self._plug = Plug(car)
        self._show("Preparing")

    def unplug(self) -> None:
        """The car leaves, if there is one."""
        if self._plug is None:
            return
        self._end_session("EVDisconnected")
        self._plug = None
        self._show("Available")

    def reboot(self, *, forgets: bool) -> None:
        """It starts anew in mid-session. `forgets`: with the profiles that a charger need not keep."""
        if forgets:
            self.installed = Installed(tuple(one for one in self.installed.profiles if one.stack_level == 0))
        self._restart.set()

    def set_clock(self, ahead_s: float) -> None:
        """Its clock is ahead of the quartz by so much from now on."""
        self._clock_off = timedelta(seconds=ahead_s)

    async def flood(self, messages: int) -> None:
        """Sends so many heartbeats, without waiting for an answer."""
        connection = self._connection
        for number in range(messages):
            if connection is None:
                return
            try:
                await connection.send(f'[2,"flood{number}","Heartbeat",{{}}]')
            except WebSocketException:
                return

    def step(self, dt_s: float, volts: float | None = None) -> None:
        """Goes on by `dt_s` seconds. `volts`: what its phases see, if not nominal."""
        self._volts = self.model.volts if volts is None else volts
        plug = self._plug
        if plug is not None:
            self._step_plug(plug, dt_s)
        interval_s = self._sample_interval_s()
        self._sample_left_s -= dt_s
        if self._sample_left_s <= 0 < interval_s:
            self._sample_left_s += interval_s
            self._sample_left_s = max(self._sample_left_s, 0.0)
            if self.transaction is not None:
                self._report("Sample.Periodic")

    def _sample_interval_s(self) -> float:
        interval_s = float(self._configuration["MeterValueSampleInterval"])
        for quirk in self.quirks:
            interval_s = quirk.samples_every_s(interval_s)
        return interval_s

    def _step_plug(self, plug: Plug, dt_s: float) -> None:
        plug.for_s += dt_s
        if plug.session is None and plug.wants_start and plug.for_s >= AUTHORISED_AFTER_S:
            self._begin_session(plug)
        limit_a = self.model.max_a if self.faults.disobeys else self.limit_a
        for quirk in self.quirks:
            limit_a = min(quirk.offers(limit_a, self.model.max_a, dt_s), self.model.max_a)
        offer_a = limit_a if plug.session is not None and limit_a >= LOWEST_A else 0.0
        before_wh = plug.car.drawn_wh
        plug.car.step(dt_s, offer_a, self._volts)
        self.energy_wh += plug.car.drawn_wh - before_wh
        if plug.session is None:
            self._show("Preparing" if plug.wants_start else "Finishing")
        elif plug.car.full:
            self._show("SuspendedEV")
        else:
            self._show("Charging" if offer_a > 0 else "SuspendedEVSE")

    def _begin_session(self, plug: Plug) -> None:
        plug.session = session = Session(self.now, round(self.energy_wh))
        payload = {
            "connectorId": 1,
            "idTag": "SIMULATED",
            "meterStart": session.start_wh,
            "timestamp": stamp(session.began),
        }

        def started(answer: Fields) -> None:
            number = answer.get("transactionId")
            if isinstance(number, int):
                session.id = number
                if self._plug is None or self._plug.session is not session:
                    self._stop(session, "EVDisconnected")

        self._outbox.put(Call("StartTransaction", payload, started, keep=True))

    def _end_session(self, reason: str) -> None:
        plug = self._plug
        if plug is None or plug.session is None:
            return
        session, plug.session = plug.session, None
        plug.wants_start = False
        self.installed = self.installed.after_transaction()
        if session.id is not None:
            self._stop(session, reason)

    def _stop(self, session: Session, reason: str) -> None:
        payload = {
            "transactionId": session.id,
            "meterStop": round(self.energy_wh),
            "timestamp": stamp(self.now),
            "reason": reason,
        }
        number = session.id
        self._outbox.put(Call("StopTransaction", payload, lambda _: self._stop_acknowledged(number), keep=True))

    def _stop_acknowledged(self, number: int | str | None) -> None:
        if number is not None:
            self.stopped.append(number)

    def _known_transaction(self) -> Transaction | None:
        session = None if self._plug is None else self._plug.session
        if session is None:
            return None
        return Transaction(id=session.id if isinstance(session.id, int) else -1, began=session.began)

    # --- what it says ---

    def _show(self, status: str) -> None:
        if status != self.status:
            self.status = status
            self._say_status()

    def _say_status(self) -> None:
        self._say(
            "StatusNotification",
            {"connectorId": 1, "errorCode": "NoError", "status": self.status, "timestamp": stamp(self.now)},
        )

    def _say(self, action: str, payload: dict[str, Any], done: Callable[[Fields], None] | None = None) -> None:
        """What is of use only now: without a connection it is dropped."""
        if self.online.is_set():
            self._outbox.put(Call(action, payload, done))

    def _report(self, context: str) -> None:
        payload: dict[str, Any] = {
            "connectorId": 1,
            "meterValue": [{"timestamp": stamp(self.now), "sampledValue": self._sampled(context)}],
        }
        if self.transaction is not None:
            payload["transactionId"] = self.transaction
        self._say("MeterValues", payload)

    def _sampled(self, context: str) -> list[dict[str, str]]:
        out: list[dict[str, str]] = []
        asked = self._configuration["MeterValuesSampledData"].split(",")
        if any(quirk.starts_anew_over(asked) for quirk in self.quirks):
            self._restart.set()
            return []

        def add(measurand: str, value: str, unit: str, phase: str | None = None) -> None:
            one = {"value": value, "context": context, "format": "Raw", "measurand": measurand, "unit": unit}
            out.append(one if phase is None else {**one, "phase": phase})

        for measurand in asked:
            for value, unit, phase in self._measured(measurand):
                add(measurand, value, unit, phase)
        for quirk in self.quirks:
            out = quirk.reports(out)
        for measurand in asked:
            for value, unit, phase in self._of_supply(measurand):
                add(measurand, value, unit, phase)
                out[-1]["location"] = "Inlet"
        return out

    def _measured(self, measurand: str) -> list[tuple[str, str, str | None]]:
        """(value, unit, phase) of each."""
        amps = self.currents_a
        match measurand:
            case "Current.Import":
                return [(f"{one_a:.2f}", "A", f"L{phase}") for phase, one_a in enumerate(amps, 1)]
            case "Voltage":
                return [(f"{self._volts:.1f}", "V", f"L{phase}-N") for phase in range(1, len(amps) + 1)]
            case "Power.Active.Import":
                return [(f"{sum(amps) * self._volts:.0f}", "W", None)]
            case "Energy.Active.Import.Register":
                return [(f"{self.energy_wh:.0f}", "Wh", None)]
            case "Current.Offered":
                return [(f"{self.limit_a:.1f}", "A", None)]
            case "Temperature":
                return [("25.0", "Celsius", None)]
        return []

    def _of_supply(self, measurand: str) -> list[tuple[str, str, str | None]]:
        """The same, where it has clamps on the building's supply. A clamp alone has no sign."""
        phases = [] if self.supply is None else list(enumerate(self.supply(), 1))
        match measurand:
            case "Current.Import":
                return [(f"{abs(amps):.2f}", "A", f"L{phase}") for phase, amps in phases]
            case "Power.Active.Import":
                return [(f"{max(0.0, amps) * self._volts:.0f}", "W", f"L{phase}") for phase, amps in phases]
            case "Power.Active.Export":
                return [(f"{max(0.0, -amps) * self._volts:.0f}", "W", f"L{phase}") for phase, amps in phases]
        return []

    def _beat(self) -> None:
        self._say("Heartbeat", {}, self._set_clock)

    def _set_clock(self, answer: Fields) -> None:
        try:
            moment = datetime.fromisoformat(str(answer.get("currentTime")).replace("Z", "+00:00"))
        except ValueError:
            return
        if moment.tzinfo is not None and not self.faults.keeps_its_clock:
            self._clock_off = moment - self._wall()

    # --- the connection ---

    async def run(self) -> None:
        """Connects and stays connected, with back-off between, until cancelled."""
        await asyncio.sleep(sum(quirk.first_s for quirk in self.quirks))
        while True:
            try:
                async with connect(
                    self._url,
                    subprotocols=[Subprotocol(f"ocpp{one.model.version}") for one in (self, self.older) if one],
                    ssl=next((one.tls for one in self.quirks if one.tls is not None), None),
                    additional_headers=self._authorization(),
                    compression=None,
                    proxy=None,
                    open_timeout=10,
                    close_timeout=1,
                ) as connection:
                    older = self.older
                    is_older = older is not None and connection.subprotocol == f"ocpp{older.model.version}"
                    await (older if older is not None and is_older else self)._serve(connection)
            except (OSError, WebSocketException) as error:
                _log.debug("sim-charger-offline", charger=self.model.identity, what=str(error))
            await asyncio.sleep(sum(quirk.again_s for quirk in self.quirks))
            await asyncio.sleep(self._pause_s * self._random.uniform(0.8, 1.2))
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def _authorization(self) -> dict[str, str]:
        if self.model.password is None:
            return {}
        token = base64.b64encode(f"{self.model.identity}:{self.model.password}".encode()).decode()
        return {"Authorization": f"Basic {token}"}

    async def _serve(self, connection: ClientConnection) -> None:
        """Until the connection ends, or the station is told to start anew."""
        self._restart.clear()
        self._connection = connection
        tasks = [
            asyncio.create_task(self._listen(connection)),
            asyncio.create_task(self._speak(connection)),
            asyncio.create_task(self._restart.wait()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._connection = None
            self.online.clear()
            self._outbox.connection_lost()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _listen(self, connection: ClientConnection) -> None:
        async for message in connection:
            answer = self.received(message)
            if answer is not None:
                if self.faults.answers_after_s > 0:
                    await asyncio.sleep(self.faults.answers_after_s)
                await connection.send(json.dumps(answer, separators=(",", ":")))
            for act in self._triggered:
                act()
            self._triggered.clear()

    def received(self, message: str | bytes) -> list[Any] | None:
        """The answer to a frame, or None where it needs none."""
        try:
            frame = json.loads(message)
        except (ValueError, RecursionError):
            return None
        match frame:
            case [2, str(number), str(action), dict(payload)]:
                for quirk in self.quirks:
                    match quirk.answers(action, payload):
                        case str(code):
                            return [4, number, code, "", {}]
                        case dict(answer):
                            return [3, number, answer]
                return self._called(number, action, payload)
            case [3, str(number), dict(payload)]:
                if (future := self._answers.pop(number, None)) is not None and not future.done():
                    future.set_result(payload)
            case [4, str(number), *_]:
                if (future := self._answers.pop(number, None)) is not None and not future.done():
                    future.set_result({})
        return None

    async def _speak(self, connection: ClientConnection) -> None:
        await self._boot(connection)
        self.online.set()
        self._pause_s = FIRST_PAUSE_S
        self._say_status()
        beat_s = 0.0
        while True:
            if self._outbox.calls:
                call = self._outbox.calls[0]
                answer = await self._call(connection, call.action, call.payload)
                if answer is None and call.keep:
                    raise TimeoutError(f"{call.action} is not answered")
                if self._outbox.calls and self._outbox.calls[0] is call:
                    self._outbox.calls.popleft()
                if call.done is not None and answer is not None:
                    call.done(answer)
                continue
            self._outbox.wake.clear()
            try:
                async with asyncio.timeout(1.0):
                    await self._outbox.wake.wait()
            except TimeoutError:
                beat_s += 1.0
            if beat_s >= self._beat_s > 0:
                beat_s = 0.0
                self._beat()

    async def _boot(self, connection: ClientConnection) -> None:
        while True:
            answer = await self._call(connection, "BootNotification", self._introduction("PowerUp"))
            interval_s = 10
            if answer is not None:
                self._set_clock(answer)
                if isinstance(answer.get("interval"), int) and answer["interval"] > 0:
                    interval_s = answer["interval"]
                if answer.get("status") == "Accepted":
                    self._beat_s = float(interval_s)
                    return
            await asyncio.sleep(interval_s)

    async def _call(self, connection: ClientConnection, action: str, payload: dict[str, Any]) -> Fields | None:
        """None: no answer in time."""
        number = uuid.UUID(int=self._random.getrandbits(128)).hex
        future: asyncio.Future[Fields] = asyncio.get_running_loop().create_future()
        self._answers[number] = future
        text = json.dumps([2, number, action, payload], separators=(",", ":"), ensure_ascii=False).encode()
        for quirk in self.quirks:
            text = quirk.writes(action, text)
        await connection.send(text, text=True)
        try:
            async with asyncio.timeout(ANSWER_S):
                return await future
        except TimeoutError:
            return None
        finally:
            self._answers.pop(number, None)

    # --- what it is told ---

    def _called(self, number: str, action: str, payload: Fields) -> list[Any]:
        match action:
            case "GetConfiguration":
                return [3, number, self._on_get_configuration(payload)]
            case "ChangeConfiguration":
                return [3, number, {"status": self._on_change_configuration(payload)}]
            case "SetChargingProfile":
                return [3, number, {"status": self._on_set_profile(payload)}]
            case "ClearChargingProfile":
                return [3, number, {"status": self._on_clear_profile(payload)}]
            case "GetCompositeSchedule":
                return [3, number, self._on_composite(payload)]
            case "TriggerMessage":
                return [3, number, {"status": self._on_trigger(payload)}]
            case "RemoteStartTransaction":
                return [3, number, {"status": self._on_remote_start()}]
            case "RemoteStopTransaction":
                return [3, number, {"status": self._on_remote_stop(payload)}]
            case "Reset":
                return [3, number, {"status": self._on_reset(payload)}]
            case "ClearCache":
                return [3, number, {"status": "Accepted"}]
            case "UnlockConnector":
                return [3, number, {"status": "NotSupported"}]
            case "DataTransfer":
                return [3, number, {"status": "UnknownVendorId"}]
        return [4, number, "NotImplemented", f"{action} is not known here", {}]

    def _on_get_configuration(self, payload: Fields) -> dict[str, Any]:
        own = {key: value for quirk in self.quirks for key, value in quirk.configuration.items()}
        known = {**_READ_ONLY, "MaxCurrent": f"{self.model.max_a:g}", **self._configuration, **own}
        asked = payload.get("key")
        keys = [str(key) for key in asked] if isinstance(asked, list) and asked else sorted(known)
        return {
            "configurationKey": [
                {"key": key, "readonly": key not in self._configuration, "value": known[key]}
                for key in keys
                if key in known
            ],
            "unknownKey": [key for key in keys if key not in known],
        }

    def _on_change_configuration(self, payload: Fields) -> str:
        key, value = payload.get("key"), str(payload.get("value"))
        if key in _READ_ONLY:
            return "Rejected"
        if key not in self._configuration:
            return "NotSupported"
        if key in _NUMBERS and not (value.isascii() and value.isdigit() and len(value) <= 6):
            return "Rejected"
        if key == "MeterValuesSampledData":
            names = [name.strip() for name in value.split(",")]
            if any(name not in _MEASURANDS for name in names):
                return "Rejected"
            value = ",".join(names)
        if key == "HeartbeatInterval":
            self._beat_s = float(value)
        if key == "MeterValueSampleInterval":
            self._sample_left_s = min(self._sample_left_s, float(value))
        self._configuration[key] = value
        return "Accepted"

    def _on_set_profile(self, payload: Fields) -> str:
        if self.faults.refuses:
            return "Rejected"
        try:
            profile = profile_of(
                payload.get("connectorId"),
                payload.get("csChargingProfiles"),
                phases=self.model.phases,
                volts=self.model.volts,
            )
            if profile.purpose == "TxProfile" and (
                self.transaction is None or profile.transaction not in (None, self.transaction)
            ):
                raise BadProfile("no such transaction")
            for quirk in self.quirks:
                taken = quirk.takes(profile, payload["csChargingProfiles"])
                if taken is None:
                    return "Accepted"
                profile = taken
            self.installed = self.installed.with_(profile)
            if profile.stack_level > 0:
                self.confirmed_a = profile.periods[0][1]
        except BadProfile as error:
            _log.debug("sim-charger-refuses", charger=self.model.identity, what=str(error))
            return "Rejected"
        return "Accepted"

    def _on_clear_profile(self, payload: Fields) -> str:
        def whole(key: str) -> int | None:
            value = payload.get(key)
            return value if isinstance(value, int) else None

        purpose = payload.get("chargingProfilePurpose")
        left = self.installed.without(
            profile_id=whole("id"),
            connector=whole("connectorId"),
            purpose=None if purpose is None else str(purpose),
            stack_level=whole("stackLevel"),
        )
        cleared, self.installed = left != self.installed, left
        return "Accepted" if cleared else "Unknown"

    def _on_composite(self, payload: Fields) -> dict[str, Any]:
        length_s, unit = payload.get("duration"), payload.get("chargingRateUnit") or "A"
        if not isinstance(length_s, int) or length_s <= 0 or unit not in ("A", "W"):
            return {"status": "Rejected"}
        now, transaction = self.now, self._known_transaction()
        length_s = min(length_s, PLAN_S)
        periods = []
        for second in self.installed.changes_s(now, transaction, length_s):
            limit = self.installed.limit_a(now + timedelta(seconds=second), transaction)
            amps = self.model.max_a if limit is None else min(limit, self.model.max_a)
            factor = self.model.volts * self.model.phases if unit == "W" else 1.0
            periods.append({"startPeriod": second, "limit": round(amps * factor, 1)})
        return {
            "status": "Accepted",
            "connectorId": payload.get("connectorId", 0),
            "scheduleStart": stamp(now),
            "chargingSchedule": {
                "duration": length_s,
                "startSchedule": stamp(now),
                "chargingRateUnit": unit,
                "chargingSchedulePeriod": periods,
            },
        }

    def _on_trigger(self, payload: Fields) -> str:
        match payload.get("requestedMessage"):
            case "BootNotification":
                self._triggered.append(self._boot_again)
            case "Heartbeat":
                self._triggered.append(self._beat)
            case "MeterValues":
                self._triggered.append(lambda: self._report("Trigger"))
            case "StatusNotification":
                self._triggered.append(self._say_status)
            case _:
                return "NotImplemented"
        return "Accepted"

    def _boot_again(self) -> None:
        self._say("BootNotification", self._introduction("Triggered"), self._set_clock)

    def _introduction(self, reason: str) -> dict[str, Any]:
        return {
            "chargePointVendor": self.model.vendor,
            "chargePointModel": self.model.name,
            "firmwareVersion": self.model.firmware,
        }

    def _on_remote_start(self) -> str:
        if self._plug is None or self._plug.session is not None:
            return "Rejected"
        self._plug.wants_start = True
        self._plug.for_s = AUTHORISED_AFTER_S
        return "Accepted"

    def _on_remote_stop(self, payload: Fields) -> str:
        if self.transaction is None or payload.get("transactionId") != self.transaction:
            return "Rejected"
        self._triggered.append(lambda: self._end_session("Remote"))
        return "Accepted"

    def _on_reset(self, payload: Fields) -> str:
        kind = payload.get("type")
        if kind not in ("Hard", "Soft"):
            return "Rejected"

        def restart() -> None:
            self._end_session(f"{kind}Reset")
            if self._plug is not None:
                self._plug = Plug(self._plug.car)
            self._restart.set()

        self._triggered.append(restart)
        return "Accepted"


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
