from __future__ import annotations

import asyncio
import csv
import io
import json
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine
from starlette.types import Message
from tests.api.conftest import BOTH, As, FakeControl

from ampacity.api.access import Role
from ampacity.api.ports import Services
from ampacity.api.stream import MOST_STREAMS, Stream, StreamAnswer, TooManyStreams
from ampacity.core.observations import (
    ChargerLink,
    ChargerReport,
    ChargerState,
    MeterReading,
    Observation,
    SessionEnded,
    SetpointAnswer,
    Wish,
)
from ampacity.core.phases import PhaseAmps, Supply
from ampacity.core.site import ChargerId, MeterId
from ampacity.storage.errors import StorageError
from ampacity.storage.records import finish_session

pytestmark = BOTH

OWNER, DRIVER, KIOSK = Role.OWNER, Role.DRIVER, Role.KIOSK
FIRST = ChargerId("charger-1")


def charging(control: FakeControl, building_a: float = 10.0, seconds: int = 200) -> None:
    """One car charges beside the building."""
    drawn = 0.0
    for second in range(seconds):
        at_s = control.clock_s + 1
        seen: list[Observation] = []
        if second == 0:
            seen.append(ChargerLink(charger=FIRST, at_s=at_s, online=True))
        amps = PhaseAmps((drawn,) * 3)
        seen.append(ChargerReport(charger=FIRST, at_s=at_s, state=ChargerState.CHARGING, currents=amps))
        seen.append(MeterReading(meter=MeterId("main"), at_s=at_s, currents=PhaseAmps((building_a + drawn,) * 3)))
        latest = control.step(*seen)
        for command in latest.decision.commands:
            if command.charger == FIRST:
                drawn = command.limit_a
                end_s = None if command.lease_s is None else at_s + command.lease_s
                control.put(
                    SetpointAnswer(charger=FIRST, at_s=at_s, limit_a=command.limit_a, accepted=True, lease_end_s=end_s)
                )


def test_before_the_first_decision_there_is_an_empty_picture(client_as: As) -> None:
    told = client_as(OWNER).get("/api/v1/live").json()
    assert (told["at_s"], told["circuits"], told["site"]["name"]) == (None, [], "Test house")


def test_the_picture_says_what_everybody_has(client_as: As, control: FakeControl) -> None:
    charging(control)
    told = client_as(DRIVER).get("/api/v1/live").json()
    circuit, charger = told["circuits"][0], told["chargers"][0]
    assert circuit["building_a"] == pytest.approx([10.0] * 3, abs=0.1)
    assert circuit["limit_a"] == [40.0] * 3
    assert (charger["online"], charger["state"], charger["setpoint_a"]) == (True, "charging", 16.0)
    assert (charger["cause"], charger["primary"], charger["lines"]) == (None, True, ["L1", "L2", "L3"])
    assert told["status"]["missing"] == ["charger-2", "charger-3"]


def test_a_full_line_is_named_with_its_numbers(client_as: As, control: FakeControl) -> None:
    charging(control, building_a=30.0)
    cause = client_as(OWNER).get("/api/v1/chargers/charger-1").json()["cause"]
    assert (cause["rule"], cause["circuit"], cause["line"]) == ("circuit-full", "main", "L1")
    assert (cause["building_a"], cause["limit_a"]) == (30.0, 40.0)
    assert cause["building_a"] + cause["offered_a"] <= 40.0


def test_a_wish_enters_control_with_its_end_and_who(client_as: As, control: FakeControl, services: Services) -> None:
    client = client_as(OWNER)
    until_s = services.wall_s() + 600
    assert client.post("/api/v1/chargers/charger-1/wish", json={"paused": True, "until_s": until_s}).status_code == 202
    wish = control.seen[-1]
    assert isinstance(wish, Wish)
    assert (wish.charger, wish.paused, wish.first, wish.by) == (FIRST, True, None, "owner")
    assert wish.until_s is not None
    assert 590 <= wish.until_s - control.now_s() <= 600


def test_a_pause_shows_in_the_picture_until_it_ends(client_as: As, control: FakeControl) -> None:
    charging(control)
    client = client_as(OWNER)
    client.post("/api/v1/chargers/charger-1/wish", json={"paused": True})
    control.step()
    charger = client.get("/api/v1/chargers/charger-1").json()
    assert (charger["wish"]["paused"], charger["cause"]["rule"], charger["setpoint_a"]) == (True, "paused-by-user", 0)
    client.post("/api/v1/chargers/charger-1/wish", json={"paused": False})
    control.step()
    assert client.get("/api/v1/chargers/charger-1").json()["wish"]["paused"] is False


def test_a_charger_that_is_not_there_is_not_found(client_as: As) -> None:
    client = client_as(OWNER)
    assert client.get("/api/v1/chargers/nobody").json()["code"] == "not-found"
    assert client.post("/api/v1/chargers/nobody/wish", json={"paused": True}).json()["code"] == "not-found"


async def test_the_stream_sends_each_picture_once_and_ends_with_the_sign_in(
    services: Services, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ampacity.api.stream.EVERY_S", 0.01)
    monkeypatch.setattr("ampacity.api.stream.SIGN_OF_LIFE_S", 0.5)
    signed_in = [True]
    stream = Stream(services, lambda: None)
    stream.enter()
    control.step()
    got = []
    async with asyncio.timeout(20):
        async for part in stream.events(lambda: signed_in[0]):
            got.append(part)
            if part == b": here\n\n":
                signed_in[0] = False
    pictures = [part for part in got if part.startswith(b"event: live")]
    assert len(pictures) == 1
    assert json.loads(pictures[0].partition(b"data: ")[2])["chargers"][0]["id"] == "charger-1"
    assert stream.open == 0


def test_there_is_an_end_to_how_many_pages_may_watch(services: Services) -> None:
    stream = Stream(services, lambda: None)
    stream.enter()
    stream.open = MOST_STREAMS
    with pytest.raises(TooManyStreams):
        stream.enter()


def test_the_picture_is_there_without_the_record(services: Services, control: FakeControl) -> None:
    def broken() -> float | None:
        raise StorageError("The disk is full.")

    control.step()
    assert json.loads(Stream(services, broken).body())["status"]["since_s"] is None


async def test_a_page_that_leaves_before_it_asks_takes_nobodys_place(services: Services) -> None:
    stream = Stream(services, lambda: None)
    stream.enter()
    await stream.events(lambda: True).aclose()
    assert stream.open == 0


async def test_a_page_that_takes_nothing_is_hung_up_on(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ampacity.api.stream.TAKEN_S", 0.05)
    stream = Stream(services, lambda: None)
    answer = StreamAnswer(stream.events(lambda: True))

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async with asyncio.timeout(20):
        with pytest.raises(TimeoutError):
            await answer.stream_response(send)
    assert stream.open == 0


def test_all_who_watch_get_the_same_bytes(services: Services, control: FakeControl) -> None:
    stream = Stream(services, lambda: None)
    control.step()
    assert stream.body() is stream.body()
    before = stream.body()
    control.step()
    assert stream.body() is not before


def ended(engine: Engine, name: str = "charger-1") -> None:
    finish_session(
        engine, SessionEnded(charger=ChargerId(name), at_s=1.0, session="=1+1", energy_wh=5500, reason="Local"), 1.7e9
    )


def test_sessions_come_as_a_list_as_csv_and_as_parquet(client_as: As, engine: Engine) -> None:
    ended(engine)
    client = client_as(OWNER)
    assert client.get("/api/v1/sessions").json()[0]["energy_wh"] == 5500
    rows = list(csv.DictReader(io.StringIO(client.get("/api/v1/sessions/export").text)))
    assert (rows[0]["energy_kwh"], rows[0]["session"]) == ("5.500", "'=1+1")
    table = pq.read_table(io.BytesIO(client.get("/api/v1/sessions/export?format=parquet").content))
    assert table.column("energy_wh").to_pylist() == [5500]
    assert str(table.schema.field("ended").type) == "timestamp[ms, tz=UTC]"


def test_history_is_limited_and_empty_where_there_is_none(client_as: As) -> None:
    client = client_as(OWNER)
    assert client.get("/api/v1/history?from_s=0&to_s=3600").json() == {"span_s": 60, "start_s": [], "series": {}}
    assert client.get("/api/v1/history?from_s=0&to_s=1e9&span_s=1").json()["code"] == "too-much-history"


@pytest.mark.parametrize(("supply", "volts"), [(Supply.THREE_PHASE, 230.0), (Supply.LINE_TO_LINE, 120.1)])
def test_an_ampere_of_a_line_is_so_many_watts(
    supply: Supply, volts: float, client_as: As, control: FakeControl
) -> None:
    nominal_v = 230.0 if supply is Supply.THREE_PHASE else 208.0
    site = replace(control.installation.site, supply=supply, nominal_v=nominal_v, chargers=())
    control.installation = replace(control.installation, site=site)
    assert client_as(OWNER).get("/api/v1/live").json()["site"]["line_v"] == volts
