"""The other end of an OCPP 2 connection, by script. Whatever the server sends is held against the official schemas."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import jsonschema_rs
import ocpp
import websockets
from tests.links.test_ocpp_steering import Bench

FOLDERS = {"1.6": "v16", "2.0.1": "v201", "2.1": "v21"}
BOOT = {"reason": "PowerUp", "chargingStation": {"vendorName": "Acme", "model": "Two"}}
NOW = "2026-01-01T00:00:00Z"
Answer = Callable[[dict[str, Any]], Any]


@cache
def schema(version: str, name: str) -> Any:
    """Of `BootNotificationRequest`, say."""
    path = Path(ocpp.__file__).parent / FOLDERS[version] / "schemas" / f"{name}.json"
    return jsonschema_rs.validator_for(json.loads(path.read_text(encoding="utf-8-sig")))


def accepts(payload: dict[str, Any]) -> dict[str, Any]:
    """The answer to SetVariables that takes all, or to what has a status."""
    changes = payload.get("setVariableData")
    if changes is None:
        return {"status": "Accepted"}
    kept = ("component", "variable")
    return {
        "setVariableResult": [{**{key: one[key] for key in kept}, "attributeStatus": "Accepted"} for one in changes]
    }


def tells(**values: str) -> Answer:
    """The answer to GetVariables of a charger that has these variables, by name."""

    def answer(payload: dict[str, Any]) -> dict[str, Any]:
        results = []
        for one in payload["getVariableData"]:
            name = one["variable"]["name"]
            told = {"attributeStatus": "UnknownVariable"}
            if name in values:
                told = {"attributeStatus": "Accepted", "attributeValue": values[name]}
            results.append({**one, **told})
        return {"getVariableResult": results}

    return answer


class Peer:
    """A charger that answers each action as its script says: with a payload, a code for a CALLERROR, or not (None)."""

    def __init__(self, socket: websockets.ClientConnection, version: str, script: dict[str, Answer]) -> None:
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.breaches: list[str] = []
        self._socket = socket
        self._version = version
        self._script: dict[str, Answer] = {"GetVariables": tells(), **script}
        self._numbers = count(1)
        self._asked: dict[str, tuple[str, asyncio.Future[Any]]] = {}
        self._came = asyncio.Event()

    async def say(self, action: str, payload: dict[str, Any]) -> Any:
        """Its answer; a CALLERROR as its code."""
        number = f"n{next(self._numbers)}"
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked[number] = (action, answer)
        await self._socket.send(json.dumps([2, number, action, payload]))
        async with asyncio.timeout(10):
            return await answer

    async def event(self, kind: str, number: int = 0, **fields: Any) -> Any:
        """A TransactionEvent of transaction T1, unless `fields` say otherwise."""
        info = {"transactionId": "T1", **fields.pop("info", {})}
        payload = {"eventType": kind, "timestamp": NOW, "triggerReason": "Trigger", "seqNo": number}
        return await self.say("TransactionEvent", {**payload, "transactionInfo": info, "evse": {"id": 1}, **fields})

    async def wait_closed(self) -> None:
        await self._socket.wait_closed()

    async def raw(self, text: str) -> None:
        await self._socket.send(text)

    async def until(self, test: Callable[[], bool]) -> None:
        async with asyncio.timeout(15):
            while not test():
                self._came.clear()
                await self._came.wait()

    async def until_asked(self, action: str, times: int = 1) -> None:
        await self.until(lambda: len(self.asked(action)) >= times)

    def asked(self, action: str) -> list[dict[str, Any]]:
        return [payload for name, payload in self.got if name == action]

    def profiles(self, profile_id: int) -> list[dict[str, Any]]:
        given = [payload["chargingProfile"] for payload in self.asked("SetChargingProfile")]
        return [one for one in given if one["id"] == profile_id]

    def set_to(self, variable: str) -> list[str]:
        """The values that a variable was set to."""
        changes = [one for payload in self.asked("SetVariables") for one in payload["setVariableData"]]
        return [one["attributeValue"] for one in changes if one["variable"]["name"] == variable]

    def triggered(self) -> list[str]:
        return [payload["requestedMessage"] for payload in self.asked("TriggerMessage")]

    async def listen(self) -> None:
        """Until the connection ends, in whichever way."""
        with suppress(websockets.ConnectionClosed):
            await self._listen()

    async def _listen(self) -> None:
        async for text in self._socket:
            frame = json.loads(text)
            if frame[0] == 2:
                await self._called(*frame[1:])
            else:
                action, future = self._asked.pop(frame[1])
                if frame[0] == 3:
                    self._judge(f"{action}Response", frame[2])
                if not future.done():
                    future.set_result(frame[2])
            self._came.set()

    async def _called(self, number: str, action: str, payload: dict[str, Any]) -> None:
        self._judge(f"{action}Request", payload)
        self.got.append((action, payload))
        script: Answer = self._script.get(action, accepts)
        answer = script(payload)
        if isinstance(answer, str):
            await self._socket.send(json.dumps([4, number, answer, "", {}]))
        elif answer is not None:
            await self._socket.send(json.dumps([3, number, answer]))

    def _judge(self, name: str, payload: Any) -> None:
        self.breaches += [f"{name}: {one.message}" for one in schema(self._version, name).iter_errors(payload)]


@asynccontextmanager
async def peer(bench: Bench, version: str = "2.0.1", **script: Answer) -> AsyncIterator[Peer]:
    """At its end nothing that it was sent breaks a schema."""
    async with websockets.connect(
        f"ws://127.0.0.1:{bench.server.port}/CP", subprotocols=[websockets.Subprotocol(f"ocpp{version}")]
    ) as socket:
        one = Peer(socket, version, script)
        task = asyncio.create_task(one.listen())
        try:
            yield one
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, websockets.ConnectionClosed):
                await task
    assert one.breaches == []
