"""`ampacity probe` as its user meets it: simulated meters and chargers on real sockets."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import websockets
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from tests.links.mdns_responder import Announced, announcing, loopback_does_multicast
from tests.links.postbox import closed_port
from tests.links.rs485 import words_of_meter
from tests.links.test_modbus import blocks_of, served
from typer.testing import CliRunner, Result

from ampacity.api.routes.diagnosis import shown
from ampacity.cli.main import app
from ampacity.commission.selfcheck import Facts
from ampacity.devices.catalogue import meter_families
from ampacity.kept import keep_diagnosis, keep_knocking
from ampacity.links.mdns import GROUP
from ampacity.links.ocpp.admission import Knock
from ampacity.storage.store import Store

FAMILIES = meter_families()
EM3XX = FAMILIES["carlo-gavazzi-em3xx"]
EM340, EM330 = 341, 331
MODE, SYSTEM = 0x1103, 0x1002


def run(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, ["probe", *arguments], input=typed)


@asynccontextmanager
async def meter(words: dict[int, int]) -> AsyncIterator[tuple[str, Callable[[int], Awaitable[int]]]]:
    """An address, and what a register holds now."""
    data = [SimData(a, values=w, datatype=DataType.REGISTERS) for a, w in sorted(words.items())]
    server = ModbusTcpServer(SimDevice(id=1, simdata=data), address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    listening = server.transport
    assert isinstance(listening, asyncio.Server)

    async def holds(address: int) -> int:
        held = await server.context.async_getValues(1, 3, address, 1)
        assert isinstance(held, list)
        return int(held[0])

    try:
        yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}", holds
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves it without types


async def beside(*arguments: str, typed: str | None = None) -> Result:
    """The command, while meters are served here."""
    return await asyncio.to_thread(lambda: run(*arguments, typed=typed))


LYING = words_of_meter(EM3XX, EM340, "A0000000000001") | {MODE: 0, SYSTEM: 2}


async def test_it_tells_what_to_write_into_site_toml() -> None:
    async with served(blocks_of(EM3XX, EM340)) as port:
        done = await beside("--host", f"127.0.0.1:{port}", "--units", "1")
    assert done.exit_code == 0
    for line in ("EM340", 'device = "carlo-gavazzi-em3xx"', 'host = "127.0.0.1"', f"port = {port}", "unit = 1"):
        assert line in done.stdout


async def test_it_tells_what_is_set_wrong_and_what_the_meter_measures() -> None:
    async with meter(LYING) as (address, _):
        done = await beside("--host", address, "--units", "1")
    assert "The measurement mode is 0 (A: currents and powers are never negative)" in done.stdout
    assert "L1 230 V 5.2 A 1200 W" in done.stdout


async def test_without_fix_nothing_is_written() -> None:
    async with meter(LYING) as (address, holds):
        await beside("--host", address, "--units", "1")
        assert await holds(MODE) == 0


async def test_each_setting_is_asked_for_and_set_only_on_yes() -> None:
    async with meter(LYING) as (address, holds):
        done = await beside("--host", address, "--units", "1", "--fix", typed="y\nn\n")
        left = [await holds(MODE), await holds(SYSTEM)]
    assert left == [1, 2]
    assert "is 1 (B: bidirectional) now, as read back" in done.stdout
    assert done.exit_code == 0


async def test_to_say_nothing_is_to_say_no() -> None:
    async with meter(LYING) as (address, holds):
        await beside("--host", address, "--units", "1", "--fix", typed="\n\n")
        assert [await holds(MODE), await holds(SYSTEM)] == [0, 2]


async def test_at_the_end_of_the_input_nothing_is_written() -> None:
    async with meter(LYING) as (address, holds):
        done = await beside("--host", address, "--units", "1", "--fix", typed="")
        assert await holds(MODE) == 0
    assert done.exit_code != 0


async def test_yes_sets_what_does_not_depend_on_the_wiring_and_says_what_does() -> None:
    async with meter(LYING) as (address, holds):
        done = await beside("--host", address, "--units", "1", "--fix", "--yes")
        assert [await holds(MODE), await holds(SYSTEM)] == [1, 2]
    assert "measuring system depends on the wiring" in done.stderr


async def test_for_programs_one_document_tells_all() -> None:
    async with meter(LYING) as (address, _):
        done = await beside("--host", address, "--units", "1", "--fix", "--yes", "--json")
    told = json.loads(done.stdout)
    (found,) = told["found"]
    assert [(one["what"], one["wrong"]) for one in found["settings"]] == [
        ("measurement mode", True),
        ("measuring system", True),
    ]
    assert [(one["what"], one["outcome"]) for one in told["set"]] == [("measurement mode", "done")]


async def test_a_ratio_is_held_against_what_the_label_says() -> None:
    words = words_of_meter(EM3XX, EM330) | {0x1003: 400, 0x1004: 0}
    async with meter(words) as (address, _):
        done = await beside("--host", address, "--units", "1", "--ct-ratio", "250/5")
    assert "The ratio of the current transformers is 40; it should be 50." in done.stdout
    assert "ct_ratio = 50" in done.stdout


def test_it_says_where_nobody_is() -> None:
    place = f"127.0.0.1:{closed_port()}"
    done = run("--host", place, "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {"found": [], "silent": [place], "announced": []}


@pytest.mark.parametrize(
    "given",
    [
        ["--host", "x:y"],
        ["--host", ":502"],
        ["--units", "0"],
        ["--units", "9-1"],
        ["--units", "a"],
        ["--ct-ratio", "0"],
        ["--ct-ratio", "250/0"],
        ["--ct-ratio", "nan"],
        ["--ct-ratio", "5/250"],
        ["--yes"],
        ["--fix"],
    ],
)
def test_what_can_not_be_understood_is_told(given: list[str]) -> None:
    done = run("--json", "--host", "127.0.0.1", *given)
    assert done.exit_code == 1
    assert json.loads(done.stdout)["error"] == "probe-not-understood"


# --- those that announce themselves ---


@pytest.mark.skipif(not loopback_does_multicast(GROUP[0]), reason="no multicast on loopback here")
async def test_what_announces_itself_is_told_and_asked_where_it_speaks_modbus() -> None:
    async with meter(LYING) as (address, _):
        port = int(address.rpartition(":")[2])
        modbus = Announced(kind="_modbus._tcp", name="gateway", host="g.local", port=port, address="127.0.0.1", text={})
        async with announcing(modbus, Announced(), group=GROUP[0], port=GROUP[1]):
            done = await beside("--announced", "--interface", "lo", "--host", f"127.0.0.1:{closed_port()}")
    assert done.exit_code == 0
    for words in (
        f"{address}, unit 1: EM340",
        "10.0.0.9, port 80: Shelly Pro 3EM announces itself",
        "Switch Modbus on",
    ):
        assert words in done.stdout


def test_without_a_network_to_listen_on_it_says_so_and_goes_on() -> None:
    place = f"127.0.0.1:{closed_port()}"
    done = run("--announced", "--interface", "no-such-interface", "--host", place, "--json")
    assert json.loads(done.stdout)["silent"] == [place]
    assert "No question could be sent" in done.stderr


# --- with site.toml ---


def site(folder: Path, address: str, extra: str = "") -> Path:
    host, _, port = address.rpartition(":")
    text = f"""
[site]
name = "House"
supply = "three-phase"
voltage_v = 230

[circuits.main]
limit_a = 40
meter = "main"

[meters.main]
host = "{host}"
port = {port}
{extra}

[storage]
file = "{folder / "house.db"}"
"""
    path = folder / "site.toml"
    path.write_text(text, encoding="utf-8")
    return path


async def test_of_a_site_its_meters_are_asked_and_held_against_what_it_states(tmp_path: Path) -> None:
    words = words_of_meter(EM3XX, EM330) | {0x1003: 400, 0x1004: 0}
    async with meter(words) as (address, _):
        done = await beside(str(site(tmp_path, address, "ct_ratio = 50")))
    assert "it should be 50." in done.stdout
    assert done.exit_code == 0


def running(path: Path, folder: Path, *knocks: Knock, at_s: float) -> None:
    """As a controller leaves it in its record."""
    store = Store(folder / "house.db")
    facts = Facts(meters=[], chargers=[], version="1", newer=None, reads_meter=False)
    keep_diagnosis(store.engine(), shown(facts, at_s).model_dump_json())
    keep_knocking(store.engine(), at_s, knocks)
    store.close()


def knock(at_s: float) -> Knock:
    return Knock(ocpp_id="CP-new", address="10.0.0.9", first_s=at_s, last_s=at_s, why="charger-unknown")


def test_of_a_controller_that_runs_it_shows_who_knocks(tmp_path: Path) -> None:
    path = site(tmp_path, "127.0.0.1:1")
    running(path, tmp_path, knock(time.time()), at_s=time.time())
    done = run(str(path))
    assert done.exit_code == 0
    assert "CP-new from 10.0.0.9" in done.stdout
    assert 'ocpp_id = "CP-new"' in done.stdout


def test_for_programs_who_knocks_is_in_the_document(tmp_path: Path) -> None:
    path = site(tmp_path, "127.0.0.1:1")
    running(path, tmp_path, knock(time.time()), at_s=time.time())
    told = json.loads(run(str(path), "--json").stdout)
    assert told["controller_runs"] is True
    assert [one["ocpp_id"] for one in told["knocking"]["chargers"]] == ["CP-new"]


def test_nothing_is_set_while_the_controller_runs(tmp_path: Path) -> None:
    path = site(tmp_path, "127.0.0.1:1")
    running(path, tmp_path, at_s=time.time())
    done = run(str(path), "--fix", "--yes", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["error"] == "probe-controller-runs"


# --- chargers ---


async def come(port: int, ocpp_id: str, protocol: str, boot: dict[str, Any], **how: Any) -> dict[str, Any]:
    """What it is answered."""
    url = f"ws://127.0.0.1:{port}/ocpp/{ocpp_id}"
    for _ in range(200):
        try:
            async with websockets.connect(url, subprotocols=[websockets.Subprotocol(protocol)], **how) as socket:
                await socket.send(json.dumps([2, "1", "BootNotification", boot]))
                answer: dict[str, Any] = json.loads(await socket.recv())[2]
                return answer
        except OSError:
            await asyncio.sleep(0.05)
    raise TimeoutError


async def test_chargers_that_come_are_listed_with_what_to_write_into_site_toml() -> None:
    port = closed_port()
    where = ["--chargers", "--listen", "127.0.0.1", "--port", str(port), "--seconds", "3"]
    asking = asyncio.create_task(beside(*where))
    boot = {"chargePointVendor": "Acme", "chargePointModel": "Wall 1", "firmwareVersion": "7.1"}
    answer = await come(port, "CP%201", "ocpp1.6", boot)
    done = await asking
    assert answer["status"] == "Rejected"
    assert done.exit_code == 0
    for words in ("CP 1 from 127.0.0.1: Acme Wall 1 7.1; offers ocpp1.6", "[chargers.CP-1]", 'ocpp_id = "CP 1"'):
        assert words in done.stdout


def test_where_no_charger_comes_it_says_what_to_try() -> None:
    done = run("--chargers", "--listen", "127.0.0.1", "--port", str(closed_port()), "--seconds", "1")
    assert done.exit_code == 1
    assert "No charger came" in done.stdout


async def test_a_port_that_is_taken_is_told() -> None:
    async with served(blocks_of(EM3XX, EM340)) as port:
        done = await beside("--chargers", "--listen", "127.0.0.1", "--port", str(port), "--seconds", "1", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["error"] == "ocpp-cannot-listen"
