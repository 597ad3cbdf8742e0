"""Tags over OCPP, with the `ocpp` package's charger over a real websocket."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
import websockets
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from ocpp.v16.enums import (
    ChargingProfileStatus,
    ConfigurationStatus,
    RemoteStartStopStatus,
    TriggerMessageStatus,
)

from ampacity.config.site_toml import parse
from ampacity.config.template import new_site_text
from ampacity.core.observations import Observation, Observed, SessionEnded, SessionStarted, Wish
from ampacity.core.phases import Supply
from ampacity.core.site import ChargerId
from ampacity.devices.catalogue import charger_families
from ampacity.links.ocpp.endpoint import Endpoint
from ampacity.links.ocpp.remembered import Remembered
from ampacity.links.ocpp.server import OcppServer
from ampacity.links.ocpp.station import Station
from ampacity.links.ocpp.tags import OWN_TAG, Authorise, TagVerdict

FAMILIES = charger_families()
LEFT = ChargerId("left")
OCPP16 = [websockets.Subprotocol("ocpp1.6")]
STAMP = "2026-01-01T00:00:00Z"


def only(*known: str, blocked: str = "") -> Authorise:
    """Known tags are required."""

    def verdict(_: ChargerId, tag: str) -> TagVerdict:
        if tag == blocked:
            return TagVerdict.BLOCKED
        return TagVerdict.ACCEPTED if tag in known else TagVerdict.INVALID

    return verdict


class Bench:
    """A server and what it put."""

    def __init__(self, family: str, authorise: Authorise) -> None:
        self.seen: list[Observation] = []
        self._came = asyncio.Event()
        self.server = OcppServer(
            [
                Endpoint(
                    charger=LEFT,
                    ocpp_id="CP-left",
                    phases=3,
                    volts=230.0,
                    safe_a=6.0,
                    password=None,
                    family=FAMILIES[family],
                )
            ],
            FAMILIES,
            listen="127.0.0.1",
            port=0,
            tls=None,
            adopt=None,
            authorise=authorise,
            now_s=time.monotonic,
            wall=lambda: datetime.now(UTC),
            first_transaction=100,
        )

    def put(self, one: Observation) -> None:
        self.seen.append(one)
        self._came.set()

    def of(self, kind: type) -> list[Any]:
        return [one for one in self.seen if isinstance(one, kind)]

    async def until(self, test: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not test():
                self._came.clear()
                await self._came.wait()


@asynccontextmanager
async def serving(authorise: Authorise, family: str = "generic") -> AsyncIterator[Bench]:
    bench = Bench(family, authorise)
    task = asyncio.create_task(bench.server.run(bench.put))
    async with asyncio.timeout(10):
        await bench.server.listening.wait()
    try:
        yield bench
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class Charger(ChargePoint):  # type: ignore[misc]
    """One that does what it is told."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.started: asyncio.Queue[str] = asyncio.Queue()
        self.stopped: asyncio.Queue[int] = asyncio.Queue()
        self.set_up = asyncio.Event()

    @on("SetChargingProfile")  # type: ignore[untyped-decorator]
    def on_profile(self, **_: Any) -> Any:
        return call_result.SetChargingProfile(status=ChargingProfileStatus.accepted)

    @on("GetConfiguration")  # type: ignore[untyped-decorator]
    def on_get(self, **_: Any) -> Any:
        return call_result.GetConfiguration(configuration_key=[])

    @on("ChangeConfiguration")  # type: ignore[untyped-decorator]
    def on_change(self, key: str, **_: Any) -> Any:
        if key == "WebSocketPingInterval":
            self.set_up.set()
        return call_result.ChangeConfiguration(status=ConfigurationStatus.accepted)

    @on("TriggerMessage")  # type: ignore[untyped-decorator]
    def on_trigger(self, **_: Any) -> Any:
        return call_result.TriggerMessage(status=TriggerMessageStatus.accepted)

    @on("RemoteStartTransaction")  # type: ignore[untyped-decorator]
    def on_remote_start(self, id_tag: str, **_: Any) -> Any:
        self.started.put_nowait(id_tag)
        return call_result.RemoteStartTransaction(status=RemoteStartStopStatus.accepted)

    @on("RemoteStopTransaction")  # type: ignore[untyped-decorator]
    def on_remote_stop(self, transaction_id: int) -> Any:
        self.stopped.put_nowait(transaction_id)
        return call_result.RemoteStopTransaction(status=RemoteStartStopStatus.accepted)

    async def boot(self) -> None:
        await self.call(call.BootNotification(charge_point_vendor="Acme", charge_point_model="One"))

    async def authorise(self, tag: str) -> str:
        return str((await self.call(call.Authorize(id_tag=tag))).id_tag_info["status"])

    async def start(self, tag: str, *, at: str = STAMP, connector: int = 1) -> tuple[int, str]:
        answer = await self.call(call.StartTransaction(connector_id=connector, id_tag=tag, meter_start=0, timestamp=at))
        return answer.transaction_id, str(answer.id_tag_info["status"])

    async def stop(self, number: int) -> None:
        await self.call(call.StopTransaction(meter_stop=500, timestamp=STAMP, transaction_id=number))

    async def say(self, state: str) -> None:
        await self.call(call.StatusNotification(connector_id=1, error_code="NoError", status=state))


@asynccontextmanager
async def connected(bench: Bench) -> AsyncIterator[Charger]:
    url = f"ws://127.0.0.1:{bench.server.port}/CP-left"
    async with websockets.connect(url, subprotocols=OCPP16) as socket:
        charger = Charger("CP-left", socket)
        task = asyncio.create_task(ChargePoint.start(charger))
        try:
            await charger.boot()
            yield charger
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, websockets.ConnectionClosed):
                await task


async def test_a_tag_is_accepted_refused_or_blocked_as_the_register_says() -> None:
    async with serving(only("AB12", blocked="DEAD")) as bench, connected(bench) as charger:
        said = [await charger.authorise(tag) for tag in ("AB12", "FFFF", "DEAD")]
        assert said == ["Accepted", "Invalid", "Blocked"]


async def test_a_session_tells_the_tag_that_began_it() -> None:
    async with serving(only("Ab12")) as bench, connected(bench) as charger:
        number, status = await charger.start("Ab12")
        assert status == "Accepted"
        (begun,) = bench.of(SessionStarted)
        assert (begun.session, begun.tag) == (str(number), "AB12")
        assert bench.of(Wish) == []


async def test_a_refused_session_gets_no_current_and_is_ended() -> None:
    async with serving(only("AB12")) as bench, connected(bench) as charger:
        number, status = await charger.start("FFFF")
        assert status == "Invalid"
        assert [type(one) for one in bench.seen[-2:]] == [SessionStarted, Wish]
        assert bench.of(Wish)[0].paused
        async with asyncio.timeout(30):
            assert await charger.stopped.get() == number
        await charger.stop(number)
        assert [one.session for one in bench.of(SessionEnded)] == [str(number)]


async def test_a_refused_session_that_ends_by_itself_is_not_told_to_end() -> None:
    async with serving(only("AB12")) as bench, connected(bench) as charger:
        number, _ = await charger.start("FFFF")
        await charger.stop(number)
        good, status = await charger.start("AB12", at="2026-01-01T01:00:00Z")
        assert status == "Accepted"
        assert [wish.paused for wish in bench.of(Wish)] == [True]  # its end has taken the wish away
        await charger.call(call.Heartbeat())
        assert charger.stopped.empty()
        assert bench.of(SessionStarted)[-1].session == str(good)


async def test_a_session_after_one_that_never_ended_gets_current_again() -> None:
    async with serving(only("AB12")) as bench, connected(bench) as charger:
        await charger.start("FFFF")
        await charger.start("AB12", at="2026-01-01T01:00:00Z")
        assert [wish.paused for wish in bench.of(Wish)] == [True, False]


async def test_a_verdict_survives_a_new_connection() -> None:
    verdicts = [TagVerdict.INVALID, TagVerdict.ACCEPTED]
    async with serving(lambda *_: verdicts[0]) as bench:
        async with connected(bench) as charger:
            first = await charger.start("FFFF")
        verdicts.pop(0)
        async with connected(bench) as charger:
            assert await charger.start("FFFF") == first
            async with asyncio.timeout(30):
                assert await charger.stopped.get() == first[0]
        assert len(bench.of(SessionStarted)) == len(bench.of(Wish)) == 1


async def test_an_accepted_session_stays_accepted_when_its_tag_is_taken_away() -> None:
    verdicts = [TagVerdict.ACCEPTED, TagVerdict.INVALID]
    async with serving(lambda *_: verdicts[0]) as bench:
        async with connected(bench) as charger:
            first = await charger.start("AB12")
        verdicts.pop(0)
        async with connected(bench) as charger:
            assert await charger.start("AB12") == first
        assert first[1] == "Accepted"


async def test_a_tag_at_another_socket_is_judged_as_well() -> None:
    async with serving(only("AB12")) as bench, connected(bench) as charger:
        assert (await charger.start("FFFF", connector=2))[1] == "Invalid"
        assert bench.of(SessionStarted) == []


async def test_a_charger_that_needs_a_remote_start_gets_one_where_any_tag_may_charge() -> None:
    async with serving(lambda *_: TagVerdict.ACCEPTED, "autel") as bench, connected(bench) as charger:
        await charger.say("Preparing")
        async with asyncio.timeout(30):
            assert await charger.started.get() == OWN_TAG
        assert await charger.authorise(OWN_TAG) == "Accepted"
        assert (await charger.start(OWN_TAG))[1] == "Accepted"
        assert [begun.tag for begun in bench.of(SessionStarted)] == [None]


async def test_what_was_started_from_here_is_accepted_although_tags_were_required_since() -> None:
    required = [False]

    def verdict(_: ChargerId, __: str) -> TagVerdict:
        return TagVerdict.INVALID if required[0] else TagVerdict.ACCEPTED

    async with serving(verdict, "autel") as bench, connected(bench) as charger:
        await charger.say("Preparing")
        async with asyncio.timeout(30):
            await charger.started.get()
        required[0] = True
        assert (await charger.start(OWN_TAG))[1] == "Accepted"


async def test_where_known_tags_are_required_nothing_starts_by_itself_and_our_own_tag_is_no_key() -> None:
    async with serving(only("AB12"), "autel") as bench, connected(bench) as charger:
        await charger.say("Preparing")
        async with asyncio.timeout(30):
            await charger.set_up.wait()
        assert charger.started.empty()
        assert await charger.authorise(OWN_TAG) == "Invalid"
        assert bench.of(SessionStarted) == []


def test_a_refused_pause_ends_with_the_session_or_when_the_car_leaves() -> None:
    """What the core makes of it: the next car is not held."""
    text = new_site_text(
        name="House",
        supply=Supply.THREE_PHASE,
        region="europe",
        limit_a=40,
        chargers=1,
        meter_host="127.0.0.1",
        meter_serial=None,
    )
    site = parse(text, Path("site.toml")).site
    charger = site.chargers[0].id
    for end in (
        ["StopTransaction", {"transactionId": 7, "meterStop": 1}],
        ["StatusNotification", {"connectorId": 1, "status": "Available"}],
    ):
        seen: list[Observation] = []
        station = _station(only("AB12"), seen.append, [0.0], charger)
        station.receive(json.dumps([2, "s", "StatusNotification", {"connectorId": 1, "status": "Charging"}]))
        station.receive(_start("FFFF", 0.0))
        assert Observed().with_(site, seen).chargers[charger].is_paused(0.0)
        station.receive(json.dumps([2, "e", *end]))
        assert not Observed().with_(site, seen).chargers[charger].is_paused(0.0)


def test_a_session_that_began_while_the_charger_was_offline_is_taken_as_it_happened_and_told() -> None:
    clock = [0.0]
    seen: list[Observation] = []
    station = _station(only("AB12"), seen.append, clock)
    for now_s in (0.0, 10.0, 20.0):
        clock[0] = now_s
        station.receive(json.dumps([2, "b", "StatusNotification", _status(now_s)]))
    with structlog.testing.capture_logs() as log:
        answer = json.loads(station.receive(_start("AB12", -3600.0)) or "")
    assert answer[2]["idTagInfo"] == {"status": "Accepted"}
    assert [(one["event"], one["verdict"]) for one in log if "offline" in one["event"]] == [
        ("charger-started-offline", "Accepted")
    ]
    assert [one.tag for one in seen if isinstance(one, SessionStarted)] == ["AB12"]


def _station(
    authorise: Authorise, put: Callable[[Observation], None], clock: list[float], charger: ChargerId = LEFT
) -> Station:
    async def send(_: str) -> None:
        return None

    return Station(
        Endpoint(charger=charger, ocpp_id="CP", phases=3, volts=230.0, safe_a=6.0, password=None, family=None),
        FAMILIES,
        Remembered(charger, lambda: 7),
        send=send,
        put=put,
        now_s=lambda: clock[0],
        wall=lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=clock[0]),
        authorise=authorise,
    )


def _at(at_s: float) -> str:
    return (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=at_s)).isoformat()


def _status(at_s: float) -> dict[str, Any]:
    return {"connectorId": 1, "status": "Available", "errorCode": "NoError", "timestamp": _at(at_s)}


def _start(tag: str, at_s: float) -> str:
    return json.dumps(
        [2, "m", "StartTransaction", {"connectorId": 1, "idTag": tag, "meterStart": 0, "timestamp": _at(at_s)}]
    )
