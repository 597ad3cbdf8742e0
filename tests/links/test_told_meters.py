"""Meters that tell by themselves or give whole documents: real sockets, a real pseudo-terminal, a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import shutil
import socket
import subprocess
import time
import tty
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import aiomqtt
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from websockets.asyncio.server import ServerConnection, serve

from ampacity.core.observations import MeterReading, Observation
from ampacity.core.site import MeterId
from ampacity.devices.catalogue import json_families, p1_families
from ampacity.devices.json_family import json_map_of
from ampacity.links.json_meter import Broker, Document, HttpPoll, JsonDecoder, MqttTopics, Pushes
from ampacity.links.modbus import MeterSilent
from ampacity.links.p1 import P1Decoder, P1Port, P1Stream
from ampacity.links.stream import Stream, StreamMeter

MAIN = MeterId("main")
ESMR = p1_families()["p1-esmr5"]
SHELLY = json_families()["shelly-pro-3em"]
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
needs_broker = pytest.mark.skipif(MOSQUITTO is None, reason="needs mosquitto (Debian: apt install mosquitto)")


class Seen:
    """What a meter put, until there is enough of it."""

    def __init__(self) -> None:
        self.readings: list[MeterReading] = []
        self.more = asyncio.Event()

    def put(self, one: Observation) -> None:
        assert isinstance(one, MeterReading)
        self.readings.append(one)
        self.more.set()

    async def count(self, wanted: int) -> list[MeterReading]:
        async with asyncio.timeout(20):
            while len(self.readings) < wanted:
                self.more.clear()
                await self.more.wait()
        return self.readings


@contextlib.asynccontextmanager
async def running(meter: StreamMeter[Any]) -> AsyncIterator[Seen]:
    seen = Seen()
    task = asyncio.create_task(meter.run(seen.put))
    try:
        yield seen
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, MeterSilent):
            await task


def p1_meter(port: P1Port, *, key: str = "", family: str = "p1-esmr5") -> StreamMeter[str]:
    one = p1_families()[family]
    decoder = P1Decoder(MAIN, one, key=key, lines=3, nominal_v=[230.0])
    stream = P1Stream(port, encrypted=one.encrypted)
    return StreamMeter(MAIN, stream, decoder, address="here", model=family, every_s=1.0, now_s=time.monotonic)


def json_meter(stream: Stream[Document], decoder: JsonDecoder) -> StreamMeter[Document]:
    return StreamMeter(MAIN, stream, decoder, address="here", model="json", every_s=1.0, now_s=time.monotonic)


def decoder_of(places: dict[str, object], *, lines: int = 1, wall_s: Callable[[], float] = time.time) -> JsonDecoder:
    return JsonDecoder(MAIN, json_map_of(places), lines=lines, nominal_v=[230.0], wall_s=wall_s)


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[int]:
    """A server on this machine, and its port. At the end nothing of it is left open."""
    opened: list[tuple[asyncio.Task[Any] | None, asyncio.StreamWriter]] = []

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append((asyncio.current_task(), writer))
        with contextlib.suppress(asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
            await handler(reader, writer)

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task, writer in opened:
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def sends(*chunks: bytes) -> AsyncIterator[P1Port]:
    """A customer port on the network."""

    async def tell_all(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(0.02)
        await asyncio.Event().wait()

    async with listening(tell_all) as port:
        yield P1Port(None, "127.0.0.1", port, ESMR.serial)


TELEGRAM = ESMR.samples[0].telegram.encode()


async def test_a_customer_port_on_the_network_is_read_telegram_by_telegram() -> None:
    async with sends(TELEGRAM[200:], TELEGRAM[:300], TELEGRAM[300:], TELEGRAM) as port, running(p1_meter(port)) as seen:
        readings = await seen.count(2)
    assert readings[0].currents.values == pytest.approx(ESMR.samples[0].currents)


async def test_a_telegram_with_a_wrong_check_sum_is_counted_and_passed_over() -> None:
    bad = TELEGRAM.replace(b"02.530", b"09.530")
    async with sends(bad, TELEGRAM) as port:
        meter = p1_meter(port)
        async with running(meter) as seen:
            readings = await seen.count(1)
    assert readings[0].powers is not None
    assert readings[0].powers[0] == 2530.0
    assert meter.tally.garbled == 1


async def test_noise_between_telegrams_does_no_harm() -> None:
    async with sends(b"\xff\x00\x13garbage\r\n", TELEGRAM, b"\x80!\r\n/", TELEGRAM) as port:
        async with running(p1_meter(port)) as seen:
            readings = await seen.count(2)
    assert {one.currents.values for one in readings} == {readings[0].currents.values}


async def test_a_customer_port_on_a_serial_line_is_read() -> None:
    outer, inner = pty.openpty()
    tty.setraw(outer)
    tty.setraw(inner)
    port = P1Port(os.ttyname(inner), None, 0, ESMR.serial)
    try:
        async with running(p1_meter(port)) as seen:
            for _ in range(3):
                await asyncio.sleep(0.1)
                os.write(outer, TELEGRAM)
            readings = await seen.count(1)
    finally:
        os.close(outer)
        os.close(inner)
    assert readings[0].currents.values == pytest.approx(ESMR.samples[0].currents)


async def test_a_port_that_is_not_there_says_what_to_do() -> None:
    meter = p1_meter(P1Port("/dev/ttyNONE", None, 0, ESMR.serial))
    with pytest.raises(MeterSilent, match="ttyNONE can't be opened") as told:
        await meter.run(lambda _: None)
    assert "Check the cable" in (told.value.remedy or "")


KEY = "000102030405060708090A0B0C0D0E0F"
AUTH = "00112233445566778899AABBCCDDEEFF"
SMARTY = p1_families()["p1-luxembourg"]


def encrypted(telegram: bytes, key: str) -> bytes:
    """As a Smarty sends it: general-global-cipher of DLMS, AES-128-GCM with a tag of 12 bytes."""
    title, counter = b"SAGY\x00\x00\x00\x01", b"\x00\x00\x00\x07"
    aad = b"\x30" + bytes.fromhex(AUTH)
    sealed = AESGCM(bytes.fromhex(key)).encrypt(title + counter, telegram, aad)
    body = b"\x30" + counter + sealed[:-16] + sealed[-16:-4]
    return b"\xdb\x08" + title + b"\x82" + len(body).to_bytes(2, "big") + body


async def test_an_encrypted_telegram_is_read_with_its_key() -> None:
    async with sends(encrypted(SMARTY.samples[0].telegram.encode(), KEY)) as port:
        async with running(p1_meter(port, key=KEY, family="p1-luxembourg")) as seen:
            readings = await seen.count(1)
    assert readings[0].currents.values == pytest.approx(SMARTY.samples[0].currents)


async def test_another_key_gives_no_reading_and_names_the_key() -> None:
    async with sends(encrypted(SMARTY.samples[0].telegram.encode(), KEY)) as port:
        meter = p1_meter(port, key=KEY[::-1], family="p1-luxembourg")
        async with running(meter) as seen:
            async with asyncio.timeout(10):
                while meter.trouble is None:
                    await asyncio.sleep(0.02)
    assert (seen.readings, "key" in (meter.trouble.remedy or "")) == ([], True)


# --- over HTTP ---


@contextlib.asynccontextmanager
async def http(*answers: tuple[int, bytes]) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Gives its answers one after the other, the last again and again."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            status, body = answers[min(len(asked), len(answers)) - 1]
            head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n"
            if status == 401:
                head += 'WWW-Authenticate: Digest qop="auth", realm="m", nonce="1", algorithm=SHA-256\r\n'
            writer.write(head.encode() + b"\r\n" + body)
            await writer.drain()

    async with listening(answer) as port:
        yield f"http://127.0.0.1:{port}", asked


async def test_a_document_is_polled_again_and_again() -> None:
    document = SHELLY.samples[0].document.encode()
    async with http((200, document)) as (url, asked):
        poll = HttpPoll(url + SHELLY.url, every_s=0.05, now_s=time.monotonic)
        decoder = JsonDecoder(MAIN, SHELLY.map, lines=3, nominal_v=[230.0], wall_s=time.time)
        async with running(json_meter(poll, decoder)) as seen:
            readings = await seen.count(2)
    assert readings[0].currents.values == SHELLY.samples[0].currents
    assert asked[0].startswith(b"GET /rpc/EM.GetStatus?id=0 ")


async def test_a_password_is_given_as_the_meter_asks_for_it() -> None:
    async with http((401, b""), (200, b'{"a": 6}')) as (url, asked):
        poll = HttpPoll(url, every_s=0.05, now_s=time.monotonic, login=("admin", "secret"))
        async with running(json_meter(poll, decoder_of({"currents": ["a"]}))) as seen:
            await seen.count(1)
    assert b'authorization: digest username="admin"' in asked[1].lower()
    assert b"secret" not in asked[1]


@pytest.mark.parametrize(
    ("answer", "what"),
    [((401, b""), "asks for a password"), ((404, b""), "answers with 404"), ((500, b"x"), "answers with 500")],
)
async def test_an_answer_that_is_none_is_told(answer: tuple[int, bytes], what: str) -> None:
    async with http(answer) as (url, _):
        meter = json_meter(HttpPoll(url, every_s=0.01, now_s=time.monotonic), decoder_of({"currents": ["a"]}))
        with pytest.raises(MeterSilent, match=what):
            await meter.run(lambda _: None)


async def test_what_is_no_json_is_counted_and_the_next_is_used() -> None:
    async with http((200, b"<html>"), (200, b'{"a": 7}')) as (url, _):
        meter = json_meter(HttpPoll(url, every_s=0.01, now_s=time.monotonic), decoder_of({"currents": ["a"]}))
        async with running(meter) as seen:
            readings = await seen.count(1)
    assert (readings[0].currents.values, meter.tally.garbled) == ((7.0,), 1)


async def test_a_quantity_that_is_gone_is_a_reading_that_can_not_be_used() -> None:
    async with http((200, b'{"b": 7}')) as (url, _):
        meter = json_meter(HttpPoll(url, every_s=0.01, now_s=time.monotonic), decoder_of({"currents": ["a"]}))
        async with running(meter) as seen:
            readings = await seen.count(1)
    assert readings[0].currents.values == ()


async def test_a_document_without_end_is_cut_off() -> None:
    async with http((200, b" " * 400_000)) as (url, _):
        meter = json_meter(HttpPoll(url, every_s=0.01, now_s=time.monotonic), decoder_of({"currents": ["a"]}))
        with pytest.raises(MeterSilent, match="no end"):
            await meter.run(lambda _: None)


@pytest.mark.parametrize(
    ("stamp", "wall_s"),
    [(1000.0, 1010.0), (1_700_000_000_000.0, 1_700_000_010.0), ("1970-01-12T13:46:30Z", 1_000_000.0)],
)
def test_the_age_of_a_reading_is_that_of_its_own_stamp(stamp: object, wall_s: float) -> None:
    decode = decoder_of({"currents": ["a"], "time_s": "t"}, wall_s=lambda: wall_s)
    reading = decode(Document(json.dumps({"a": 6, "t": stamp}), 50.0), 50.0)
    assert reading is not None
    assert reading.at_s == pytest.approx(40.0)


def test_a_clock_that_is_fast_makes_no_reading_younger_than_its_arrival() -> None:
    decode = decoder_of({"currents": ["a"], "time_s": "t"}, wall_s=lambda: 1000.0)
    reading = decode(Document('{"a": 6, "t": 1060}', 49.0), 50.0)
    assert reading is not None
    assert reading.at_s == 49.0


# --- over a websocket ---


async def test_what_a_meter_pushes_and_what_it_answers_are_both_read() -> None:
    document = json.loads(SHELLY.samples[0].document)

    async def talk(connection: ServerConnection) -> None:
        hello = json.loads(await connection.recv())
        await connection.send(json.dumps({"id": hello["id"], "src": "x", "result": document}))
        await connection.send(json.dumps({"method": "NotifyStatus", "params": {"ts": 1.0, "sys": {}}}))
        await connection.send(json.dumps({"method": "NotifyStatus", "params": {"ts": 1.0, "em:0": document}}))
        await connection.wait_closed()

    async with serve(talk, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        pushes = Pushes(f"ws://127.0.0.1:{port}/rpc", hello=SHELLY.hello, every_s=60.0, now_s=time.monotonic)
        decoder = JsonDecoder(MAIN, SHELLY.map, lines=3, nominal_v=[230.0], wall_s=time.time, pushed=SHELLY.pushed)
        async with running(json_meter(pushes, decoder)) as seen:
            readings = await seen.count(2)
    assert [one.currents.values for one in readings] == [SHELLY.samples[0].currents] * 2


async def test_a_websocket_that_is_not_there_says_what_to_do() -> None:
    pushes = Pushes("ws://127.0.0.1:9/rpc", hello="", every_s=1.0, now_s=time.monotonic)
    with pytest.raises(MeterSilent, match="can't be reached"):
        await json_meter(pushes, decoder_of({"currents": ["a"]})).run(lambda _: None)


# --- over MQTT ---


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = tmp_path_factory.mktemp("broker") / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    assert MOSQUITTO is not None
    process = subprocess.Popen([MOSQUITTO, "-c", str(settings)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        yield Broker(host="127.0.0.1", port=port, user=None, password=None, tls=False)
    finally:
        process.terminate()
        process.wait()


async def tell(broker: Broker, *messages: tuple[str, str], retain: bool = False) -> None:
    async with aiomqtt.Client(broker.host, broker.port) as client:
        for topic, text in messages:
            await client.publish(topic, text, retain=retain)


async def connected(meter: StreamMeter[Document]) -> None:
    async with asyncio.timeout(10):
        while not meter.connected:
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)  # the subscription is on its way


@needs_broker
async def test_a_topic_is_read_as_it_is_told(broker: Broker) -> None:
    meter = json_meter(MqttTopics(broker, ["house/main"], now_s=time.monotonic), decoder_of({"currents": ["l.a"]}))
    async with running(meter) as seen:
        await connected(meter)
        await tell(broker, ("house/main", '{"l": {"a": 6.5}}'), ("house/other", '{"l": {"a": 9}}'))
        readings = await seen.count(1)
    assert [one.currents.values for one in readings] == [(6.5,)]


@needs_broker
async def test_what_the_broker_has_kept_is_not_taken_for_new(broker: Broker) -> None:
    await tell(broker, ("kept/main", '{"a": 1}'), retain=True)
    meter = json_meter(MqttTopics(broker, ["kept/main"], now_s=time.monotonic), decoder_of({"currents": ["a"]}))
    async with running(meter) as seen:
        await connected(meter)
        await tell(broker, ("kept/main", '{"a": 2}'))
        readings = await seen.count(1)
    assert readings[0].currents.values == (2.0,)


@needs_broker
async def test_a_reading_of_several_topics_is_as_old_as_its_oldest(broker: Broker) -> None:
    ticks = iter(range(1000))
    topics = MqttTopics(broker, ["p/1", "p/2"], now_s=lambda: float(next(ticks)))
    decoder = decoder_of({"currents": ['"p/1"', '"p/2"']}, lines=2)
    meter = StreamMeter(MAIN, topics, decoder, address="here", model="mqtt", every_s=1.0, now_s=lambda: 900.0)
    async with running(meter) as seen:
        await connected(meter)
        await tell(broker, ("p/1", "6"), ("p/1", "7"), ("p/2", "8"), ("p/2", "9"), ("p/1", "10"))
        readings = await seen.count(2)
    assert [(one.at_s, one.currents.values) for one in readings] == [(1.0, (7.0, 8.0)), (3.0, (10.0, 9.0))]


@needs_broker
async def test_a_broker_that_is_gone_ends_the_link_with_a_reason(broker: Broker) -> None:
    away = replace(broker, port=9)
    meter = json_meter(MqttTopics(away, ["x"], now_s=time.monotonic), decoder_of({"currents": ["a"]}))
    with pytest.raises(MeterSilent, match=r"broker at 127\.0\.0\.1:9 can't be used"):
        await meter.run(lambda _: None)
