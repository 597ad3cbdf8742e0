"""systemd hears of a loop that passes, and of nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ampacity.core.decide import decide
from ampacity.core.observations import Observed
from ampacity.core.phases import PhaseAmps, Supply
from ampacity.core.site import Circuit, CircuitId, Meter, MeterId, Site
from ampacity.runtime.watchdog import Watchdog

MAIN = CircuitId("main")
SITE = Site(
    name="one",
    supply=Supply.SINGLE_PHASE,
    nominal_v=230.0,
    circuits=(Circuit(id=MAIN, rating_a=PhaseAmps((32.0,)), meter=MeterId("main")),),
    meters=(Meter(id=MeterId("main")),),
    chargers=(),
)


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@ampacity-test-{os.getpid()}"
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as one:
        one.bind("\0" + name[1:] if name.startswith("@") else name)
        one.setblocking(False)
        yield name, one


def heard(one: socket.socket) -> list[str]:
    out: list[str] = []
    with contextlib.suppress(BlockingIOError):
        while True:
            out += one.recv(4096).decode().split("\n")
    return out


def passes(watchdog: Watchdog, *at_s: float) -> None:
    for now_s in at_s:
        watchdog(SITE, Observed(), [], decide(SITE, Observed(), now_s))


def test_it_is_ready_with_the_first_pass_after_chargers_can_connect(systemd: tuple[str, socket.socket]) -> None:
    name, ear = systemd
    watchdog = Watchdog({"NOTIFY_SOCKET": name})
    passes(watchdog, 1.0)
    assert "READY=1" not in heard(ear)
    watchdog.is_ready = True
    assert heard(ear) == []
    passes(watchdog, 2.0, 3.0)
    assert heard(ear).count("READY=1") == 1


def test_passes_feed_the_watchdog_twice_in_its_time(systemd: tuple[str, socket.socket]) -> None:
    name, ear = systemd
    watchdog = Watchdog({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "10000000"})
    passes(watchdog, *(float(second) for second in range(21)))
    assert heard(ear).count("WATCHDOG=1") == 6


async def test_a_loop_that_does_not_pass_feeds_nothing(systemd: tuple[str, socket.socket]) -> None:
    name, ear = systemd
    watchdog = Watchdog({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "100000"})
    passes(watchdog, 1.0)
    assert "WATCHDOG=1" in heard(ear)
    await asyncio.sleep(0.3)  # the event loop runs, the control loop does not
    assert heard(ear) == []


def test_the_status_says_what_is_not_believed(systemd: tuple[str, socket.socket]) -> None:
    name, ear = systemd
    watchdog = Watchdog({"NOTIFY_SOCKET": name})
    observed = Observed()
    for now_s in (0.0, 60.0):
        decision = decide(SITE, observed, now_s)
        observed = observed.remembering(decision.memory)
        watchdog(SITE, observed, [], decision)
    assert "STATUS=0 of 0 chargers connected, 0 may charge; not believed: meter of main (never-seen)" in heard(ear)


def test_without_systemd_or_with_one_that_is_gone_nothing_happens(tmp_path: Path) -> None:
    for environment in ({}, {"NOTIFY_SOCKET": str(tmp_path / "nobody"), "WATCHDOG_USEC": "x"}):
        watchdog = Watchdog(environment)
        passes(watchdog, 1.0, 2.0)
        watchdog.stopping()
