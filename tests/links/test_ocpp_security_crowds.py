"""The door of chargers among those who block it, flood it, or claim the identity of another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import websockets
from structlog.testing import capture_logs
from structlog.typing import EventDict
from tests.links.test_ocpp_security import BEAT, Authorities, answers, comes, endpoint, refusal, serving, until

from ampacity.links.ocpp import admission, doorway
from ampacity.links.ocpp import server as server_module
from ampacity.links.ocpp.doorway import address_of
from ampacity.links.ocpp.pace import Pace, Paces
from ampacity.links.ocpp.server import OcppServer


def told(logs: list[EventDict], code: str) -> int:
    return sum(one["event"] == code for one in logs)


@asynccontextmanager
async def silent(server: OcppServer, count: int, host: str = "127.0.0.1") -> AsyncIterator[None]:
    """Connections that begin a request and never end it."""
    opened = []
    try:
        for _ in range(count):
            _, writer = await asyncio.open_connection("127.0.0.1", server.port, local_addr=(host, 0))
            writer.write(b"GET /CP HTTP/1.1\r\nX: ")
            opened.append(writer)
        yield
    finally:
        for writer in opened:
            writer.transport.abort()


# --- those who block it ---


async def test_connections_that_say_nothing_keep_no_charger_out() -> None:
    async with serving(endpoint()) as server:
        with capture_logs() as logs:
            async with silent(server, doorway.MOST_OPENING_OF_ONE + 20), comes(server) as one:
                assert await answers(one)
        assert told(logs, "ocpp-crowded") == 1


async def test_connections_that_say_nothing_keep_no_charger_out_of_tls(tmp_path: Path) -> None:
    authorities = Authorities(tmp_path)
    async with (
        serving(endpoint(), tls=authorities.server()) as server,
        silent(server, doorway.MOST_OPENING_OF_ONE + 20),
        comes(server, tls=authorities.client()) as one,
    ):
        assert await answers(one)


async def test_a_crowd_from_many_addresses_keeps_no_charger_out() -> None:
    async with serving(endpoint()) as server, AsyncExitStack() as opened:
        for n in range(2, 7):
            await opened.enter_async_context(silent(server, doorway.MOST_OPENING_OF_ONE - 10, f"127.0.0.{n}"))
        assert server.opening <= doorway.MOST_OPENING
        async with comes(server) as one:
            assert await answers(one)


async def test_sixty_chargers_behind_one_address_all_come_back_at_once() -> None:
    names = [f"c{n}" for n in range(60)]
    async with serving(*(endpoint(name) for name in names)) as server, AsyncExitStack() as opened:
        await asyncio.gather(*(opened.enter_async_context(comes(server, name)) for name in names))
        await until(lambda: len(server.stations) == 60)


async def test_who_comes_too_often_waits_and_is_not_locked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorway, "ATTEMPTS", 3)
    async with serving(endpoint()) as server:
        for _ in range(6):
            async with comes(server) as one:
                assert await answers(one)


def test_a_pace_allows_a_burst_and_then_its_rate() -> None:
    pace = Pace(3, 2.0, 0.0)
    assert [pace.take(0.0) for _ in range(5)] == [0, 0, 0, 0.5, 1.0]
    assert pace.take(100.0) == 0


def test_paces_of_made_up_keys_are_bounded() -> None:
    paces = Paces(1, 1.0, 10, lambda: 0.0)
    for n in range(1000):
        paces.of(n)
    assert len(paces) == 10


@pytest.mark.parametrize(
    ("peer", "counted"),
    [
        (("10.0.0.7", 1), "10.0.0.7"),
        (("::ffff:10.0.0.7", 1, 0, 0), "10.0.0.7"),
        (("2001:db8:1:2:3:4:5:6", 1, 0, 0), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 1, 0, 2), "fe80::1"),
        (None, "?"),
    ],
)
def test_a_host_with_many_addresses_counts_once(peer: object, counted: str) -> None:
    assert address_of(peer) == counted


# --- those who flood it ---


async def test_a_flood_is_heard_slowly_and_others_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MESSAGES", 20)
    monkeypatch.setattr(server_module, "MESSAGES_HZ", 1.0)
    answered = 0
    async with serving(endpoint("loud"), endpoint("calm")) as server:
        with capture_logs() as logs:
            async with comes(server, "loud") as loud, comes(server, "calm") as calm:

                async def shout() -> None:
                    for _ in range(2000):
                        await loud.send(BEAT)

                async def listen() -> None:
                    nonlocal answered
                    async for message in loud:
                        answered += str(message).startswith('[3,"1"')

                tasks = [asyncio.create_task(shout()), asyncio.create_task(listen())]
                await until(lambda: told(logs, "charger-floods") > 0)
                for _ in range(10):
                    assert await answers(calm)
                assert answered < 100
                assert len(server.stations) == 2
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        assert told(logs, "charger-floods") == 1


async def test_hundreds_of_messages_after_a_day_offline_are_all_heard() -> None:
    async with serving(endpoint()) as server:
        with capture_logs() as logs:
            async with comes(server) as one:
                for _ in range(400):
                    await one.send(BEAT)
                heard = 0
                async with asyncio.timeout(30):
                    while heard < 400:
                        heard += str(await one.recv()).startswith('[3,"1"')
        assert told(logs, "charger-floods") == 0


async def test_a_message_that_is_too_large_closes_its_connection_only() -> None:
    async with (
        serving(endpoint("large"), endpoint("calm")) as server,
        comes(server, "large") as large,
        comes(server, "calm") as calm,
    ):
        await large.send('[2,"1","DataTransfer",{"data":"' + "x" * 300_000 + '"}]')
        async with asyncio.timeout(30):
            await large.wait_closed()
        assert large.close_code == 1009
        assert await answers(calm)


# --- those who claim the identity of another ---


async def test_a_live_charger_is_not_pushed_out_from_another_address() -> None:
    async with serving(endpoint()) as server, comes(server) as real:
        assert await answers(real)
        with capture_logs() as logs:
            assert await refusal(server, host="127.0.0.2") == 409
            assert await refusal(server, host="127.0.0.2") == 409
        assert told(logs, "charger-identity-twice") == 1
        assert await answers(real)


async def test_a_dead_connection_gives_way_to_another_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "ALIVE_S", 0.2)
    async with serving(endpoint()) as server, comes(server) as dead:
        assert await answers(dead)
        dead.transport.pause_reading()
        async with comes(server, host="127.0.0.2") as real:
            assert await answers(real)


async def test_a_charger_that_restarts_comes_anew_from_its_own_address() -> None:
    async with serving(endpoint()) as server, comes(server) as before:
        assert await answers(before)
        with capture_logs() as logs:
            async with comes(server) as after:
                assert await answers(after)
                async with asyncio.timeout(30):
                    await before.wait_closed()
        assert told(logs, "charger-identity-twice") == 0


async def test_two_that_take_turns_are_told_once() -> None:
    async with serving(endpoint()) as server, AsyncExitStack() as opened:
        with capture_logs() as logs:
            for _ in range(6):
                one = await opened.enter_async_context(comes(server))
                assert await answers(one)
        assert told(logs, "charger-identity-twice") == 1


async def test_a_charger_that_restarts_often_is_not_taken_for_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "ALIVE_AT_HOME_S", 0.1)
    async with serving(endpoint()) as server:
        with capture_logs() as logs:
            async with AsyncExitStack() as opened:
                for _ in range(6):
                    one = await opened.enter_async_context(comes(server))
                    assert isinstance(one, websockets.ClientConnection)
                    assert await answers(one)
                    one.transport.pause_reading()
        assert told(logs, "charger-identity-twice") == 0
