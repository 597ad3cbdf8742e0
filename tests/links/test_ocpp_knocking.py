"""Unknown chargers that want in, and chargers that change while they are connected."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
import websockets
from hypothesis import given
from hypothesis import strategies as st
from tests.links.test_ocpp import endpoint

from ampacity.core.decision import Command
from ampacity.core.observations import ChargerLink, Observation, SessionStarted, SetpointAnswer
from ampacity.core.site import ChargerId
from ampacity.devices.catalogue import charger_families
from ampacity.links.ocpp.admission import MOST_KNOCKING, MOST_KNOCKING_OF_ONE, Knocks
from ampacity.links.ocpp.endpoint import Endpoint
from ampacity.links.ocpp.profiles import BASE_PROFILE, OPERATING_PROFILE
from ampacity.links.ocpp.server import OcppServer

FAMILIES = charger_families()
OCPP16 = [websockets.Subprotocol("ocpp1.6")]
LEFT = ChargerId("left")
WALL = datetime(2026, 1, 1, tzinfo=UTC)


class Bench:
    """A server and what it put."""

    def __init__(self, *endpoints: Endpoint, **options: Any) -> None:
        self.seen: list[Observation] = []
        self._came = asyncio.Event()
        self.server = OcppServer(
            endpoints,
            FAMILIES,
            **{"adopt": None, **options},
            listen="127.0.0.1",
            port=0,
            tls=None,
            now_s=time.monotonic,
            wall=lambda: WALL,
            first_transaction=100,
        )

    def put(self, one: Observation) -> None:
        self.seen.append(one)
        self._came.set()

    async def until(self, test: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not test():
                self._came.clear()
                await self._came.wait()

    async def setpoint(self, limit_a: float, safe_a: float) -> SetpointAnswer:
        """Commands it, and waits for the outcome."""
        before = len(self.answers())
        command = Command(charger=LEFT, limit_a=limit_a, safe_a=safe_a, lease_s=120.0, renewal=False)
        self.server.apply(command, self.put)
        await self.until(lambda: len(self.answers()) > before)
        return self.answers()[-1]

    def answers(self) -> list[SetpointAnswer]:
        return [one for one in self.seen if isinstance(one, SetpointAnswer)]

    def links(self) -> list[bool]:
        return [one.online for one in self.seen if isinstance(one, ChargerLink)]

    async def knock(self, ocpp_id: str, protocol: str = "ocpp1.6") -> int:
        """The status of the refusal; 101: it was let in."""
        url = f"ws://127.0.0.1:{self.server.port}/{ocpp_id}"
        try:
            async with websockets.connect(url, subprotocols=[websockets.Subprotocol(protocol)]):
                return 101
        except websockets.InvalidStatus as refused:
            return refused.response.status_code


@asynccontextmanager
async def serving(*endpoints: Endpoint, **options: Any) -> AsyncIterator[Bench]:
    bench = Bench(*endpoints, **options)
    task = asyncio.create_task(bench.server.run(bench.put))
    async with asyncio.timeout(10):
        await bench.server.listening.wait()
    try:
        yield bench
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class Charger:
    """One that agrees to all it is told."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        self._numbers = count(1)
        self._came = asyncio.Event()
        self._answers: dict[str, asyncio.Future[Any]] = {}
        self.profiles: list[dict[str, Any]] = []

    async def listen(self) -> None:
        async for text in self._socket:
            frame = json.loads(text)
            if frame[0] != 2:
                self._answers.pop(frame[1]).set_result(frame[2])
                continue
            if frame[2] == "SetChargingProfile":
                self.profiles.append(frame[3]["csChargingProfiles"])
                self._came.set()
            await self._socket.send(json.dumps([3, frame[1], {"status": "Accepted"}]))

    async def say(self, action: str, payload: dict[str, Any]) -> Any:
        number = f"n{next(self._numbers)}"
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps([2, number, action, payload]))
        async with asyncio.timeout(30):
            return await self._answers[number]

    async def boot(self) -> None:
        said = {"chargePointVendor": "Acme", "chargePointModel": "One", "firmwareVersion": "1.2"}
        await self.say("BootNotification", said)

    async def until_told(self, profile: int, limit: float) -> None:
        """Its newest profile of this number begins or ends with this limit."""
        async with asyncio.timeout(30):
            while not any(limit in _limits(one) for one in self.profiles if one["chargingProfileId"] == profile):
                self._came.clear()
                await self._came.wait()


def _limits(profile: dict[str, Any]) -> list[float]:
    return [period["limit"] for period in profile["chargingSchedule"]["chargingSchedulePeriod"]]


@asynccontextmanager
async def connected(bench: Bench, ocpp_id: str = "CP-left") -> AsyncIterator[Charger]:
    async with websockets.connect(f"ws://127.0.0.1:{bench.server.port}/{ocpp_id}", subprotocols=OCPP16) as socket:
        one = Charger(socket)
        task = asyncio.create_task(one.listen())
        try:
            yield one
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, websockets.ConnectionClosed):
                await task


def knocking(bench: Bench) -> list[tuple[str, str]]:
    return [(one.ocpp_id, one.why) for one in bench.server.knocking()]


# --- knocking ---


async def test_an_unknown_charger_that_knocks_is_remembered_with_where_it_came_from() -> None:
    async with serving(endpoint()) as bench:
        assert await bench.knock("CP-new") == 404
        (one,) = bench.server.knocking()
        assert (one.ocpp_id, one.address, one.why) == ("CP-new", "127.0.0.1", "charger-unknown")
        assert one.first_s == one.last_s == WALL.timestamp()


async def test_an_unknown_charger_of_another_protocol_is_remembered_with_the_reason() -> None:
    async with serving(endpoint()) as bench:
        assert await bench.knock("CP-new", "ocpp1.5") == 400
        assert await bench.knock("CP-left", "ocpp1.5") == 400
        assert knocking(bench) == [("CP-new", "charger-protocol")]


async def test_a_charger_that_is_linked_knocks_no_more() -> None:
    async with serving() as bench:
        await bench.knock("CP-left")
        bench.server.use([endpoint()])
        assert knocking(bench) == []
        assert await bench.knock("CP-left") == 101


async def test_a_refused_charger_is_neither_shown_nor_adopted_until_it_is_in_the_site() -> None:
    async with serving(adopt=lambda name: endpoint("new", ocpp_id=name)) as bench:
        bench.server.refuse("CP-new")
        assert await bench.knock("CP-new") == 404
        assert knocking(bench) == []
        bench.server.use([endpoint("new")])
        assert await bench.knock("CP-new") == 101


async def test_a_charger_that_was_known_here_knocks_with_what_it_said_of_itself() -> None:
    async with serving(endpoint()) as bench:
        async with connected(bench) as charger:
            await charger.boot()
            assert bench.server.facts()[LEFT].firmware == "1.2"
            bench.server.use([])
            await bench.until(lambda: bench.links()[-1:] == [False])
        await bench.knock("CP-left")
        (one,) = bench.server.knocking()
        assert (one.vendor, one.model, one.firmware) == ("Acme", "One", "1.2")


@pytest.mark.parametrize("ocpp_id", ["", "x" * 49, "a%0Ab"])
async def test_what_is_no_identity_is_not_remembered(ocpp_id: str) -> None:
    async with serving(endpoint()) as bench:
        assert await bench.knock(ocpp_id) == 404
        assert knocking(bench) == []


@given(st.lists(st.tuples(st.integers(0, 400), st.sampled_from(["a", "b", "c", "d"])), max_size=400))
def test_the_list_of_those_who_knock_is_bounded_and_who_makes_up_names_pushes_out_its_own(
    knocks: list[tuple[int, str]],
) -> None:
    clock = count()
    found = Knocks(lambda: float(next(clock)))
    found.note("the real one", "home", "charger-unknown")
    for number, address in knocks:
        found.note(f"CP-{address}-{number}", address, "charger-unknown")
    shown = found.all()
    assert len(shown) <= MOST_KNOCKING
    for address in "abcd":
        assert sum(one.address == address for one in shown) <= MOST_KNOCKING_OF_ONE
    assert "the real one" in [one.ocpp_id for one in shown]
    assert [one.last_s for one in shown] == sorted((one.last_s for one in shown), reverse=True)


def test_who_knocks_again_is_remembered_since_the_first_time() -> None:
    clock = count(10)
    found = Knocks(lambda: float(next(clock)))
    found.note("CP", "a", "charger-protocol")
    found.note("CP", "b", "charger-unknown")
    (one,) = found.all()
    assert (one.first_s, one.last_s, one.address, one.why) == (10.0, 11.0, "b", "charger-unknown")


# --- changes at run time ---


async def test_other_limits_count_from_the_next_command_on_over_the_same_connection() -> None:
    async with serving(endpoint()) as bench, connected(bench) as charger:
        await charger.boot()
        await charger.until_told(BASE_PROFILE, 6.0)
        bench.server.use([endpoint(safe_a=0.0, phases=1)])
        await charger.until_told(BASE_PROFILE, 0.0)
        assert (await bench.setpoint(10.0, 0.0)).accepted
        last = [one for one in charger.profiles if one["chargingProfileId"] == OPERATING_PROFILE][-1]
        assert _limits(last) == [10.0, 0.0]
        assert bench.links() == [True]
        assert bench.server.stations[LEFT].endpoint.phases == 1


async def test_an_endpoint_that_is_the_same_is_left_alone() -> None:
    async with serving(endpoint()) as bench, connected(bench) as charger:
        await charger.boot()
        bench.server.use([endpoint(), endpoint("right")])
        assert (await bench.setpoint(10.0, 6.0)).accepted
        assert bench.links() == [True]


@pytest.mark.parametrize(
    "changes", [{"ocpp_id": "CP-other"}, {"family": FAMILIES["autel"]}, {"password": "open sesame 1234"}]
)
async def test_another_identity_family_or_password_needs_a_new_connection(changes: dict[str, Any]) -> None:
    async with serving(endpoint()) as bench, connected(bench) as charger:
        await charger.boot()
        bench.server.use([replace(endpoint(), **changes)])
        await bench.until(lambda: bench.links() == [True, False])


async def test_a_charger_that_is_taken_out_is_put_out_and_can_not_come_back() -> None:
    async with serving(endpoint(), endpoint("right")) as bench, connected(bench) as charger:
        await charger.boot()
        bench.server.use([endpoint("right")])
        await bench.until(lambda: bench.links() == [True, False])
        assert await bench.knock("CP-left") == 404
        assert knocking(bench) == [("CP-left", "charger-unknown")]


async def test_a_charger_that_gets_the_name_of_another_inherits_nothing_of_it() -> None:
    async with serving(endpoint()) as bench:
        start = {"connectorId": 1, "idTag": "x", "meterStart": 5, "timestamp": "2026-01-01T00:00:00Z"}
        async with connected(bench) as charger:
            await charger.boot()
            first = (await charger.say("StartTransaction", start))["transactionId"]
            bench.server.use([endpoint(ocpp_id="CP-other")])
            await bench.until(lambda: bench.links()[-1:] == [False])
        async with connected(bench, "CP-other") as charger:
            await charger.boot()
            assert (await charger.say("StartTransaction", start))["transactionId"] != first
        assert len([one for one in bench.seen if isinstance(one, SessionStarted)]) == 2
