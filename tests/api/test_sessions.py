"""Whose a session is, and who is shown it."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, insert
from tests.api.conftest import BOTH, As, House

from ampacity.api.access import Role
from ampacity.api.ports import Services
from ampacity.core.observations import SessionEnded, SessionStarted
from ampacity.core.site import ChargerId
from ampacity.runtime.sessions import Running
from ampacity.storage.database import writing
from ampacity.storage.records import changes, finish_session, write_begin
from ampacity.storage.schema import tags

pytestmark = BOTH

DRIVER = list(Role).index(Role.DRIVER) + 1
"""The driver's account, as tests sign in."""
LEFT = ChargerId("charger-1")


def begin(engine: Engine, session: str, tag: str | None = None, wall_s: float = 100.0) -> None:
    with writing(engine) as connection:
        write_begin(connection, SessionStarted(charger=LEFT, at_s=1.0, session=session, tag=tag, meter_wh=1000), wall_s)


def end(engine: Engine, session: str, energy_wh: int = 5000) -> None:
    finish_session(engine, SessionEnded(charger=LEFT, at_s=9.0, session=session, energy_wh=energy_wh), 3700.0)


def shown(client: TestClient) -> list[str]:
    return [line["session"] for line in client.get("/api/v1/sessions").json()]


def test_a_driver_is_shown_the_sessions_of_the_own_tag_and_no_others(client_as: As, engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(insert(tags).values(tag="CARD", name="Ben's", account=DRIVER))
    begin(engine, "mine", "card")
    end(engine, "mine")
    begin(engine, "anothers", "other", 200.0)
    assert shown(client_as(Role.DRIVER)) == ["mine"]
    assert shown(client_as(Role.OWNER)) == ["anothers", "mine"]
    exported = client_as(Role.DRIVER).get("/api/v1/sessions/export").text
    assert "mine" in exported
    assert "anothers" not in exported


def test_a_driver_takes_a_session_that_is_nobodys_and_gives_it_back(
    client_as: As, engine: Engine, services: Services
) -> None:
    begin(engine, "s")
    driver = client_as(Role.DRIVER)
    assert driver.put(f"/api/v1/sessions/{LEFT}/s/driver", json={"account": DRIVER}).json()["account"] == DRIVER
    assert shown(driver) == ["s"]
    assert driver.put(f"/api/v1/sessions/{LEFT}/s/driver", json={"account": None}).json()["account"] is None
    assert shown(driver) == []
    assert [line.key for line in changes(engine)] == [f"sessions.{LEFT}.s.account"] * 2


@pytest.mark.parametrize("by_tag", [True, False])
def test_nobody_takes_what_is_anothers(client_as: As, engine: Engine, services: Services, by_tag: bool) -> None:
    if by_tag:
        services.tags.add("CARD", name="", account=DRIVER + 50, who="Ann")
    begin(engine, "s", "card" if by_tag else None)
    if not by_tag:
        put = client_as(Role.INSTALLER).put
        account = list(Role).index(Role.INSTALLER) + 1
        assert put(f"/api/v1/sessions/{LEFT}/s/driver", json={"account": account}).status_code == 200
    refused = client_as(Role.DRIVER).put(f"/api/v1/sessions/{LEFT}/s/driver", json={"account": DRIVER})
    assert (refused.status_code, refused.json()["code"]) == (409, "session-taken")


def test_a_driver_gives_nothing_to_others(client_as: As, engine: Engine) -> None:
    begin(engine, "s")
    refused = client_as(Role.DRIVER).put(f"/api/v1/sessions/{LEFT}/s/driver", json={"account": DRIVER + 1})
    assert refused.status_code == 403


def test_what_is_not_there_is_told(client_as: As, engine: Engine) -> None:
    owner = client_as(Role.OWNER)
    assert owner.put(f"/api/v1/sessions/{LEFT}/s/driver", json={"account": None}).status_code == 404
    begin(engine, "s")
    refused = owner.put(f"/api/v1/sessions/{LEFT}/s/driver", json={"account": 99})
    assert (refused.status_code, refused.json()["place"]) == (422, "account")


def test_a_session_that_has_just_begun_can_be_taken_before_it_is_in_the_record(
    client_as: As, engine: Engine, services: Services
) -> None:
    services.sessions.resume(LEFT, Running("new", None, 1000))
    driver = client_as(Role.DRIVER)
    assert driver.put(f"/api/v1/sessions/{LEFT}/new/driver", json={"account": DRIVER}).status_code == 200
    begin(engine, "new")
    line = driver.get("/api/v1/sessions").json()[0]
    assert (line["session"], line["begun_s"], line["account"]) == ("new", 100.0, DRIVER)


def test_an_owner_gives_a_session_to_a_driver_who_then_sees_it(house: House) -> None:
    owner = house.owner()
    driver = house.joined(owner, "driver")
    begin(house.engine, "s")
    ben = driver.get("/api/v1/sign-in").json()["account"]["id"]
    line = owner.put(f"/api/v1/sessions/{LEFT}/s/driver", json={"account": ben}).json()
    assert line["driver"] == "Ben"
    assert shown(driver) == ["s"]
