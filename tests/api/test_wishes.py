"""Who may pause, resume and put first what, and that it is written down."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from structlog.testing import capture_logs
from tests.api.conftest import BOTH, CSRF, HOST, As, FakeControl

from ampacity.api.access import Role
from ampacity.api.ports import Services
from ampacity.api.routes.options import DRIVERS_MAY_WISH
from ampacity.api.server import create
from ampacity.core.observations import ChargerLink, ChargerReport, ChargerState, SessionEnded, SessionStarted, Wish
from ampacity.core.site import ChargerId
from ampacity.kept import ON
from ampacity.storage.errors import StorageError
from ampacity.storage.records import changes, set_setting

pytestmark = BOTH

FIRST = ChargerId("charger-1")
DRIVER = list(Role).index(Role.DRIVER) + 1
"""The driver's account, as tests sign in."""
WISH = "/api/v1/chargers/charger-1/wish"


@pytest.fixture
def session(services: Services, control: FakeControl) -> Callable[[str | None], None]:
    """Begins a session by a tag."""
    control.told.append(lambda latest: services.sessions(latest.site, latest.observed, list(begun), latest.decision))
    begun: list[SessionStarted | SessionEnded] = []

    def begin(tag: str | None) -> None:
        begun[:] = [SessionStarted(charger=FIRST, at_s=control.clock_s, session="7", tag=tag, meter_wh=1000)]
        report = ChargerReport(charger=FIRST, at_s=control.clock_s, state=ChargerState.CHARGING, energy_wh=3500)
        control.step(ChargerLink(charger=FIRST, at_s=control.clock_s, online=True), report, *begun)

    return begin


@pytest.fixture
def allowed(engine: Engine) -> None:
    set_setting(engine, DRIVERS_MAY_WISH, ON, who="Ann", wall_s=1.0)


def test_a_driver_may_wish_for_the_own_session(
    client_as: As, services: Services, session: Callable[[str | None], None], control: FakeControl, allowed: None
) -> None:
    services.tags.add("CARD", name="Ben's", account=DRIVER, who="Ann")
    session("card")
    assert client_as(Role.DRIVER).post(WISH, json={"paused": True}).status_code == 202
    wish = control.seen[-1]
    assert isinstance(wish, Wish)
    assert (wish.charger, wish.paused, wish.by) == (FIRST, True, "driver")


def test_a_driver_may_not_where_the_owner_has_not_allowed_it(
    client_as: As, services: Services, session: Callable[[str | None], None], control: FakeControl
) -> None:
    services.tags.add("CARD", name="Ben's", account=DRIVER, who="Ann")
    session("CARD")
    assert client_as(Role.DRIVER).post(WISH, json={"paused": True}).json()["code"] == "drivers-may-not-wish"
    assert control.seen == []


@pytest.mark.parametrize("account", [None, DRIVER + 1])
def test_a_driver_may_not_for_the_session_of_another_or_of_nobody(
    client_as: As,
    services: Services,
    session: Callable[[str | None], None],
    control: FakeControl,
    allowed: None,
    account: int | None,
) -> None:
    services.tags.add("CARD", name="A card", account=account, who="Ann")
    driver = client_as(Role.DRIVER)
    for tag in ("CARD", "ANOTHER", None):
        session(tag)
        assert driver.post(WISH, json={"paused": True}).json()["code"] == "not-your-session"
    assert control.seen == []


def test_a_driver_may_not_once_the_session_is_over(
    client_as: As, services: Services, session: Callable[[str | None], None], control: FakeControl, allowed: None
) -> None:
    services.tags.add("CARD", name="Ben's", account=DRIVER, who="Ann")
    session("CARD")
    control.step(SessionEnded(charger=FIRST, at_s=control.clock_s, session="7"))
    assert client_as(Role.DRIVER).post(WISH, json={"first": True}).json()["code"] == "not-your-session"


def test_the_picture_says_whose_session_it_is_and_what_it_got(
    client_as: As, services: Services, session: Callable[[str | None], None]
) -> None:
    services.tags.add("CARD", name="Ben's", account=DRIVER, who="Ann")
    session("CARD")
    shown = client_as(Role.DRIVER).get("/api/v1/chargers/charger-1").json()["session"]
    assert (shown["id"], shown["account"], shown["energy_wh"]) == ("7", DRIVER, 2500)


def test_a_wish_stands_in_the_audit(client_as: As, engine: Engine) -> None:
    client_as(Role.OWNER).post(WISH, json={"paused": True, "first": False})
    line = changes(engine)[-1]
    assert (line.who, line.key, line.old) == ("owner", "chargers.charger-1.wish", None)
    assert json.loads(line.new or "") == {"paused": True, "first": False}


def test_a_wish_enters_control_though_the_record_can_not_be_written(services: Services, control: FakeControl) -> None:
    def locked() -> Engine:
        raise StorageError("The disk is full.")

    app = create(replace(services, engine=locked))
    client = TestClient(app, base_url=HOST, headers={"x-test-role": "owner", "x-csrf": CSRF})
    with capture_logs() as logs:
        assert client.post(WISH, json={"paused": True}).status_code == 202
    assert isinstance(control.seen[-1], Wish)
    assert [log["event"] for log in logs] == ["wish-not-recorded"]


def test_a_wish_of_nothing_is_refused(client_as: As, control: FakeControl) -> None:
    assert client_as(Role.OWNER).post(WISH, json={}).json()["code"] == "request-invalid"
    assert control.seen == []
