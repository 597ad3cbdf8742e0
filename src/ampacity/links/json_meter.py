"""Meters that speak JSON: polled over HTTP, telling over a websocket, or over MQTT."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

import aiomqtt
import httpx2
import jmespath
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from ampacity.core.observations import MeterReading
from ampacity.core.site import MeterId
from ampacity.devices.json_family import JsonMap
from ampacity.links.modbus import MeterSilent
from ampacity.links.stream import Garbled
from ampacity.links.tally import Tally

ANSWER_S = 5.0
SILENT_AFTER = 5
"""So many polls without an answer: the link is given up and built anew."""
LARGEST_BYTES = 262_144
MILLISECONDS = 1e11
"""A time that is larger counts milliseconds."""
_HTTP_REMEDY = "Check power, network and address, and that its local interface is switched on."


@dataclass(frozen=True, slots=True)
class Document:
    """What a meter said."""

    text: bytes | str | None
    """As it came; None: `content` has been read already."""
    at_s: float
    """When it came, or was asked for; the controller's clock."""
    content: object = None


class JsonDecoder:
    """Documents as readings."""

    def __init__(
        self,
        meter: MeterId,
        where: JsonMap,
        *,
        lines: int,
        nominal_v: Sequence[float],
        wall_s: Callable[[], float],
        pushed: str = "",
    ) -> None:
        """`pushed`: where in a message the document stands, a JMESPath; a message without it is of something else."""
        self._meter = meter
        self._where = where
        self._lines = lines
        self._nominal_v = nominal_v
        self._wall_s = wall_s
        self._pushed = pushed

    def __call__(self, message: Document, now_s: float) -> MeterReading | None:
        """
        Raises:
            Garbled: it is no JSON.
            FrameAbsurd: what it says can't be what flows, or is not enough.
        """
        content = message.content if message.text is None else _content(message.text)
        if self._pushed:
            content = jmespath.search(self._pushed, content)
            if content is None:
                return None
        reading = self._where.reading(self._meter, content, message.at_s, self._lines, self._nominal_v)
        if self._where.time_s is None:
            return reading
        return replace(reading, at_s=min(message.at_s, now_s - self._age_s(content)))

    def _age_s(self, content: object) -> float:
        """By the meter's own stamp; a clock that is fast makes nothing younger than new."""
        stamp = jmespath.search(self._where.time_s or "@", content)
        at_s = _seconds(stamp)
        if at_s is None:
            raise Garbled(f"At {self._where.time_s} stands no time.", remedy="Correct the place, or leave it out.")
        return max(0.0, self._wall_s() - at_s)


class HttpPoll:
    """A document asked for again and again."""

    def __init__(
        self,
        url: str,
        *,
        every_s: float,
        now_s: Callable[[], float],
        login: tuple[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        check_certificate: bool = True,
    ) -> None:
        """`login`: name and password, sent as the meter asks for them (digest)."""
        self._url = url
        self._every_s = every_s
        self._now_s = now_s
        self._login = login
        self._headers = dict(headers or {})
        self._check_certificate = check_certificate
        self.connected = False

    async def messages(self, tally: Tally) -> AsyncGenerator[Document, None]:
        auth = None if self._login is None else httpx2.DigestAuth(*self._login)
        client = httpx2.AsyncClient(
            timeout=ANSWER_S,
            trust_env=False,
            follow_redirects=False,
            auth=auth,
            headers=self._headers,
            verify=self._check_certificate,
        )
        tally.connections += 1
        failures = 0
        loop = asyncio.get_running_loop()
        due = loop.time()
        try:
            async with client:
                while True:
                    at_s, begun_s = self._now_s(), time.monotonic()
                    tally.gave_out(len(self._url), begun_s)
                    try:
                        text = await self._asked(client, tally)
                    except MeterSilent:
                        failures += 1
                        tally.timeouts += 1
                        if failures >= SILENT_AFTER:
                            raise
                    else:
                        failures, self.connected = 0, True
                        yield Document(text, at_s)
                    due = max(due + self._every_s, loop.time())
                    await asyncio.sleep(due - loop.time())
        finally:
            self.connected = False

    async def _asked(self, client: httpx2.AsyncClient, tally: Tally) -> bytes:
        try:
            async with client.stream("GET", self._url) as answer:
                body = b""
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > LARGEST_BYTES:
                        raise MeterSilent("It answers with something that has no end.", remedy="Check the address.")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            raise MeterSilent(f"{self._url} does not answer ({error or 'nothing came'}).", remedy=_HTTP_REMEDY) from (
                error
            )
        tally.took_in(len(body), time.monotonic())
        if answer.status_code in (401, 403):
            raise MeterSilent(
                f"{self._url} asks for a password, or refuses this one ({answer.status_code}).",
                remedy="Set user and password, as in the meter's own settings.",
            )
        if answer.status_code != 200:
            raise MeterSilent(f"{self._url} answers with {answer.status_code}.", remedy="Check address and device.")
        return body


class Pushes:
    """What a meter tells over a websocket, and answers there."""

    def __init__(self, url: str, *, hello: str, every_s: float, now_s: Callable[[], float]) -> None:
        """`hello` is sent first, and every `every_s`: what is told only when it changes is asked for."""
        self._url = url
        self._hello = hello
        self._every_s = every_s
        self._now_s = now_s
        self.connected = False

    async def messages(self, tally: Tally) -> AsyncGenerator[Document, None]:
        try:
            async with connect(
                self._url, max_size=LARGEST_BYTES, open_timeout=ANSWER_S, ping_interval=20, ping_timeout=20, proxy=None
            ) as connection:
                tally.connections += 1
                self.connected = True
                asking = asyncio.create_task(self._ask(connection, tally))
                try:
                    async for message in connection:
                        tally.took_in(len(message), time.monotonic())
                        yield Document(message, self._now_s())
                finally:
                    asking.cancel()
        except (OSError, WebSocketException, TimeoutError, ValueError) as error:
            raise MeterSilent(f"{self._url} can't be reached ({error or 'no answer'}).", remedy=_HTTP_REMEDY) from error
        finally:
            self.connected = False

    async def _ask(self, connection: ClientConnection, tally: Tally) -> None:
        with contextlib.suppress(WebSocketException):
            while self._hello:
                await connection.send(self._hello)
                tally.gave_out(len(self._hello), time.monotonic())
                await asyncio.sleep(self._every_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """An MQTT broker."""

    host: str
    port: int
    user: str | None
    password: str | None
    tls: bool


class MqttTopics:
    """What is told under some topics: with one topic its message; with several, what each told last, by topic."""

    def __init__(self, broker: Broker, topics: Sequence[str], *, now_s: Callable[[], float]) -> None:
        self._broker = broker
        self._topics = tuple(dict.fromkeys(topics))
        self._now_s = now_s
        self.connected = False

    async def messages(self, tally: Tally) -> AsyncGenerator[Document, None]:
        broker = self._broker
        newest: dict[str, tuple[object, float]] = {}
        told_s = float("-inf")
        try:
            async with aiomqtt.Client(
                broker.host,
                broker.port,
                username=broker.user,
                password=broker.password,
                timeout=ANSWER_S,
                keepalive=20,
                tls_context=ssl.create_default_context() if broker.tls else None,
            ) as client:
                tally.connections += 1
                self.connected = True
                for topic in self._topics:
                    await client.subscribe(topic)
                async for message in client.messages:
                    payload = message.payload if isinstance(message.payload, bytes) else b""
                    tally.took_in(len(payload), time.monotonic())
                    if message.retain or len(payload) > LARGEST_BYTES:
                        continue  # kept by the broker: nobody knows how old it is
                    now_s = self._now_s()
                    if len(self._topics) == 1:
                        yield Document(payload, now_s)
                        continue
                    with contextlib.suppress(Garbled):
                        newest[str(message.topic)] = (_content(payload), now_s)
                    if len(newest) < len(self._topics):
                        continue
                    oldest_s = min(at_s for _, at_s in newest.values())
                    if oldest_s > told_s:  # the oldest part is another one: this is new evidence
                        told_s = oldest_s
                        yield Document(None, oldest_s, {topic: content for topic, (content, _) in newest.items()})
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            raise MeterSilent(
                f"The broker at {broker.host}:{broker.port} can't be used ({error}).",
                remedy="Check its address, user and password, and that it runs.",
            ) from error
        finally:
            self.connected = False


def broker_of(url: str, user: str | None, password: str | None) -> Broker:
    """`mqtt://HOST[:PORT]`, or `mqtts://` for TLS.

    Raises:
        ValueError: it is something else.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.path.strip("/"):
        raise ValueError(f"{url} is no mqtt://HOST or mqtts://HOST")
    tls = parts.scheme == "mqtts"
    return Broker(
        host=parts.hostname,
        port=parts.port or (8883 if tls else 1883),
        user=user if user is not None else parts.username,
        password=password if password is not None else parts.password,
        tls=tls,
    )


def _content(text: bytes | str) -> object:
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Garbled("What it says is no JSON.") from error
    return found


def _seconds(stamp: object) -> float | None:
    """Since 1970."""
    if isinstance(stamp, bool) or stamp is None:
        return None
    if isinstance(stamp, int | float):
        return stamp / 1000 if stamp > MILLISECONDS else float(stamp)
    try:
        found = datetime.fromisoformat(str(stamp))
    except ValueError:
        return None
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
