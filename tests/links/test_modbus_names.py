"""A meter behind a name: the name service is gone, or the name has moved to another address."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from tests.links.test_modbus_faults import EM3XX, Faulty, device, meter, run_until, silence

from ampacity.links.modbus import Bus, MeterSilent

Address = tuple[str, int]


class Names:
    """The name service, as the event loop asks it. `meter.test` is at `address`; None: nobody answers."""

    def __init__(self, address: Address | None) -> None:
        self.address = address

    async def getaddrinfo(self, host: str, port: int, **_: Any) -> list[Any]:
        if self.address is None:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        assert host == "meter.test"
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", self.address)]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    one = Names(None)
    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", lambda _, *a, **k: one.getaddrinfo(*a, **k))
    return one


def bus() -> Bus:
    return Bus.tcp("meter.test", 502, answer_s=0.2)


async def test_without_a_name_service_the_meter_is_silent_and_comes_back_with_it(names: Names) -> None:
    async with device(Faulty(silence, range(0))) as port:
        names.address = None
        one = bus()
        with pytest.raises(MeterSilent, match="No connection"):
            await run_until(meter(one), 1)
        names.address = ("127.0.0.1", port)
        got = await run_until(meter(one), 2)
        await one.close()
    assert {reading.currents.values for reading in got} == {EM3XX.samples[0].currents}


async def test_a_name_service_that_is_gone_does_not_matter_while_the_connection_holds(names: Names) -> None:
    async with device(Faulty(silence, range(0))) as port:
        names.address = ("127.0.0.1", port)
        one = bus()
        this = meter(one)
        await run_until(this, 1)
        names.address = None
        assert len(await run_until(this, 3)) == 3
        await one.close()


async def test_a_meter_that_has_moved_to_another_address_is_found_there(names: Names) -> None:
    one = bus()
    this = meter(one)
    async with device(Faulty(silence, range(0))) as before:
        names.address = ("127.0.0.1", before)
        await run_until(this, 1)
    async with device(Faulty(silence, range(0))) as after:
        names.address = ("127.0.0.1", after)
        assert len(await run_until(this, 2)) == 2
        await one.close()
