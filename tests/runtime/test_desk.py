from __future__ import annotations

import asyncio
import threading

import pytest
from tests.core.test_decide import charger, site_of

from ampacity.core.decide import decide
from ampacity.core.observations import ChargerLink, Observation, Observed
from ampacity.core.site import ChargerId
from ampacity.runtime.desk import Desk, Latest

SITE = site_of(charger("a"))


def passed(desk: Desk) -> None:
    desk(SITE, Observed(), [], decide(SITE, Observed(), 1.0))


async def test_what_another_thread_puts_in_arrives_on_the_loops_own() -> None:
    seen: list[tuple[Observation, int]] = []
    came = asyncio.Event()

    def put(one: Observation) -> None:
        seen.append((one, threading.get_ident()))
        came.set()

    desk = Desk(put)
    desk.open()
    link = ChargerLink(charger=ChargerId("a"), at_s=1.0, online=True)
    await asyncio.to_thread(desk.put, link)
    async with asyncio.timeout(10):
        await came.wait()
    assert seen == [(link, threading.get_ident())]


async def test_what_is_done_on_the_loop_raises_where_it_was_asked_for() -> None:
    desk = Desk(lambda _: None)
    desk.open()

    def fail() -> None:
        raise ValueError(str(threading.get_ident()))

    with pytest.raises(ValueError, match=str(threading.get_ident())):
        await asyncio.to_thread(desk.do, fail)


def test_before_it_is_open_nothing_is_waited_for_long() -> None:
    with pytest.raises(TimeoutError):
        Desk(lambda _: None).do(lambda: None, within_s=0.01)


def test_who_watches_is_told_every_decision_until_they_stop() -> None:
    desk, told = Desk(lambda _: None), list[Latest]()
    stop = desk.watch(told.append)
    passed(desk)
    stop()
    passed(desk)
    assert len(told) == 1
    assert desk.latest is not None
    assert desk.latest is not told[0]
