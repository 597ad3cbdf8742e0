"""How a charger is asked and told: over Modbus or HTTP. Thin: what values mean is the family's affair."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import httpx2

from ampacity.core.errors import DeviceError
from ampacity.devices.direct_charger import Value, of_json
from ampacity.devices.direct_family import DirectFamily, Point, Write
from ampacity.links.modbus import Bus, MeterRefuses, MeterSilent, Order
from ampacity.links.tally import Tally

ANSWER_S = 3.0
"""Of an HTTP request, for all of it."""
LARGEST_ANSWER = 256 * 1024
_LASTING = (1, 2, 3)
"""Exceptions of Modbus that come again: the function, the address, the value."""


class ChargerSilent(DeviceError):
    """A charger does not answer."""

    code = "charger-silent"
    remedy = "Check that it has power, its address and cable, and that no other system holds its only connection."


class ChargerRefuses(DeviceError):
    """A charger answers that it has no such register or key, or does not take the value."""

    code = "charger-refuses-register"
    remedy = "Check that the device that is set is the one installed, and whether its firmware is new enough."


class Wire(Protocol):
    """To one charger."""

    @property
    def tally(self) -> Tally: ...

    async def read(self, points: Sequence[Point], stop: Callable[[], bool] = ...) -> dict[Point, Value]:
        """Of what can be read. What is missing when `stop` says so between two requests, is missing.

        Raises:
            ChargerSilent, ChargerRefuses
        """
        ...

    async def write(self, write: Write) -> None:
        """
        Raises:
            ChargerSilent, ChargerRefuses
        """
        ...

    async def drop(self) -> None:
        """Ends the connection; the next request opens it anew."""
        ...


def never() -> bool:
    """Nothing stops it."""
    return False


class ModbusWire:
    """Over a bus that others may share."""

    def __init__(self, bus: Bus, family: DirectFamily, *, unit: int, socket: int = 1) -> None:
        """`socket`: which of the charger's, from 1."""
        self._bus = bus
        self._family = family
        self._unit = unit
        self._offset = (socket - 1) * family.socket_stride

    @property
    def tally(self) -> Tally:
        return self._bus.tally(self._unit)

    async def read(self, points: Sequence[Point], stop: Callable[[], bool] = never) -> dict[Point, Value]:
        wanted = [one for one in points if one.read]
        words: dict[tuple[int, int], int] = {}
        for function, address, count in self._family.reads_of(wanted):
            if words and stop():
                break
            found = await self._ask(Order(self._unit, function, address + self._offset, count))
            words.update({(function, address + n): word for n, word in enumerate(found)})
        return {
            one: self._family.value_of(one, [words[one.read, int(one.at) + n] for n in range(one.registers)])
            for one in wanted
            if (one.read, int(one.at) + one.registers - 1) in words
        }

    async def write(self, write: Write) -> None:
        point = write.point
        words = self._family.words_of(point, write.value)
        await self._ask(Order(self._unit, point.write, int(point.at) + self._offset, count=len(words), words=words))
        await asyncio.sleep(self._family.write_pause_s)

    async def drop(self) -> None:
        """Others may be on the bus: it stays, and is closed by who made it."""

    async def _ask(self, order: Order) -> list[int]:
        try:
            return await self._bus.ask(order)
        except MeterRefuses as error:
            what = "take" if order.words else "give"
            last = order.address + order.count - 1
            where = f"register {last}" if order.count == 1 else f"registers {order.address} to {last}"
            said = f"It refuses to {what} {where} (exception {error.exception})."
            if error.exception in _LASTING:
                raise ChargerRefuses(said) from error
            raise ChargerSilent(said, remedy="It is asked again. If it goes on, start the charger anew.") from error
        except MeterSilent as error:
            raise ChargerSilent(error.what, remedy=error.remedy.replace("meter", "charger")) from error


class HttpWire:
    """A JSON document that tells everything, and a request that sets one key."""

    def __init__(self, family: DirectFamily, *, host: str, port: int, answer_s: float = ANSWER_S) -> None:
        self._family = family
        name = f"[{host.strip('[]')}]" if ":" in host else host
        self._base = f"http://{name}:{port}"
        self._answer_s = answer_s
        self._client: httpx2.AsyncClient | None = None
        self._tally = Tally()

    @property
    def tally(self) -> Tally:
        return self._tally

    async def read(self, points: Sequence[Point], stop: Callable[[], bool] = never) -> dict[Point, Value]:
        body = await self._asked("GET", self._family.read_path)
        try:
            document = json.loads(body)
        except (ValueError, RecursionError) as error:
            self._tally.garbled += 1
            raise ChargerSilent(
                "It answers something else than JSON.",
                remedy="Check that the device that is set is the one at this address, and that its API is on.",
            ) from error
        found: dict[Point, Value] = {}
        for one in points:
            if one.read:
                value = of_json(str(one.at), document)
                found[one] = value * one.scale if isinstance(value, float) else value
        if all(value is None for value in found.values()):
            raise ChargerRefuses("Its answer has none of the keys that were asked for.")
        return found

    async def write(self, write: Write) -> None:
        raw = round(write.value / write.point.scale, 3)
        fields = {str(write.point.at): f"{raw:g}"}
        await self._asked(self._family.write_method, self._family.write_path, fields)
        await asyncio.sleep(self._family.write_pause_s)

    async def drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _asked(self, method: str, path: str, fields: dict[str, str] | None = None) -> bytes:
        tally, begun_s = self._tally, time.monotonic()
        tally.requests += 1
        try:
            async with asyncio.timeout(self._answer_s):
                status, body = await self._answer(method, path, fields)
        except TimeoutError as error:
            tally.timeouts += 1
            await self.drop()
            raise ChargerSilent(f"It does not answer within {self._answer_s:g} s.") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            tally.timeouts += 1
            await self.drop()
            raise ChargerSilent(f"It can't be reached ({error or type(error).__name__}).") from error
        now_s = time.monotonic()
        tally.took_in(len(body), now_s)
        if status == 200:
            tally.answered(now_s - begun_s, now_s)
            return body
        tally.exceptions += 1
        raise _refused(status, path)

    async def _answer(self, method: str, path: str, fields: dict[str, str] | None) -> tuple[int, bytes]:
        if self._client is None:
            self._client = httpx2.AsyncClient(timeout=self._answer_s, follow_redirects=False, trust_env=False)
            self._tally.connections += 1
        url = self._base + path
        self._tally.gave_out(len(url), time.monotonic())
        query = fields if method == "GET" else None
        form = fields if method != "GET" else None
        async with self._client.stream(method, url, params=query, data=form) as answer:
            body = b""
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > LARGEST_ANSWER:
                    raise ValueError(f"its answer is longer than {LARGEST_ANSWER // 1024} kB")
            return answer.status_code, body


def _refused(status: int, path: str) -> DeviceError:
    if status in (401, 403):
        return ChargerRefuses(
            f"It asks for a password (HTTP {status}).",
            remedy="Switch its local API on, without a password, in the charger's own settings or app.",
        )
    if status == 404 or 300 <= status < 400:
        return ChargerRefuses(
            f"It has nothing at {path.partition('?')[0]} (HTTP {status}).",
            remedy="Check that the device that is set is the one at this address, and that its API is on.",
        )
    return ChargerSilent(f"It answers with an error (HTTP {status}).", remedy="It is asked again.")
