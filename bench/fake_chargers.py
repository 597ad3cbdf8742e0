"""Many OCPP chargers in one process, for the benches: python bench/fake_chargers.py PORT COUNT MODE.

MODE "report": once all are connected, each sends MeterValues of 8 samples as fast as they are answered, for 10 s;
prints how many in all.
MODE "report2": the same in a TransactionEvent of OCPP 2.0.1.
MODE "obey": each accepts setpoints and prints `NUMBER LIMIT TIME` for each, TIME by the machine's monotonic clock.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import uvloop
import websockets

REPORT_S = 10.0
OPENING = 50
"""So many connect at the same time. The door lets no more than 100 of one address stand in it: it puts out the one that
stands there longest, and a charger that is put out has to dial anew."""
_SAMPLES: list[dict[str, str]] = [
    *({"value": "15.9", "measurand": "Current.Import", "phase": f"L{n}", "unit": "A"} for n in (1, 2, 3)),
    *({"value": "230.4", "measurand": "Voltage", "phase": f"L{n}", "unit": "V"} for n in (1, 2, 3)),
    {"value": "10989.2", "measurand": "Power.Active.Import", "unit": "W"},
    {"value": "123456", "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
]


_SAMPLES_2: list[dict[str, Any]] = [
    {**one, "value": float(one["value"]), "unitOfMeasure": {"unit": one["unit"]}} for one in _SAMPLES
]
for _one in _SAMPLES_2:
    del _one["unit"]
_NOW = "2026-01-01T00:00:00Z"
_REPORTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "report": (
        "ocpp1.6",
        "MeterValues",
        {"connectorId": 1, "transactionId": 1, "meterValue": [{"timestamp": _NOW, "sampledValue": _SAMPLES}]},
    ),
    "report2": (
        "ocpp2.0.1",
        "TransactionEvent",
        {
            "eventType": "Updated",
            "timestamp": _NOW,
            "triggerReason": "MeterValuePeriodic",
            "seqNo": 1,
            "transactionInfo": {"transactionId": "4f1c8a52-2f0e-4d7b-9f3e-0b5f7f1a1c11", "chargingState": "Charging"},
            "evse": {"id": 1, "connectorId": 1},
            "meterValue": [{"timestamp": _NOW, "sampledValue": _SAMPLES_2}],
        },
    ),
}


async def report(socket: Any, action: str, text: str) -> int:
    done, end_s = 0, time.monotonic() + REPORT_S
    while time.monotonic() < end_s:
        await socket.send(f'[2,"{done}","{action}",{text}]')
        while not (await socket.recv()).startswith(f'[3,"{done}"'):
            pass
        done += 1
    return done


async def all_report(port: int, count: int, mode: str) -> int:
    protocol, action, payload = _REPORTS[mode]
    opening = asyncio.Semaphore(OPENING)

    async def connected(number: int) -> Any:
        async with opening:
            return await _connection(port, number, protocol)

    sockets = await asyncio.gather(*(connected(number) for number in range(count)))
    done = await asyncio.gather(*(report(socket, action, json.dumps(payload)) for socket in sockets))
    await asyncio.gather(*(socket.close() for socket in sockets))
    return sum(done)


async def obey(port: int, number: int) -> None:
    async with _connection(port, number) as socket:
        await socket.send('[2,"boot","BootNotification",{"chargePointVendor":"Acme","chargePointModel":"One"}]')
        await socket.send(
            '[2,"status","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Charging"}]'
        )
        async for text in socket:
            at_s = time.monotonic()
            frame: list[Any] = json.loads(text)
            if frame[0] != 2:
                continue
            answer: dict[str, Any] = {"status": "Accepted"}
            if frame[2] == "GetConfiguration":
                answer = {"configurationKey": []}
            await socket.send(json.dumps([3, frame[1], answer]))
            if frame[2] == "SetChargingProfile" and frame[3]["csChargingProfiles"]["stackLevel"] == 1:
                period = frame[3]["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"][0]
                print(number, period["limit"], at_s, flush=True)


def _connection(port: int, number: int, protocol: str = "ocpp1.6") -> Any:
    return websockets.connect(
        f"ws://127.0.0.1:{port}/c{number}", subprotocols=[websockets.Subprotocol(protocol)], compression=None
    )


async def main(port: int, count: int, mode: str) -> None:
    if mode in _REPORTS:
        print(await all_report(port, count, mode))
    else:
        await asyncio.gather(*(obey(port, number) for number in range(count)))


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
