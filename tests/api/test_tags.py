"""Cards and tags, and the site's options, over the API."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from tests.api.conftest import BOTH, As, House

from ampacity.api.access import Role
from ampacity.api.identity import PIN_KEY
from ampacity.api.ports import Services
from ampacity.api.routes.options import DRIVERS_MAY_WISH, TAGS_REQUIRED
from ampacity.core.site import ChargerId
from ampacity.links.ocpp.tags import TagVerdict
from ampacity.storage.records import changes, setting

pytestmark = BOTH

PAGE, LEARN, OPTIONS = "/api/v1/tags", "/api/v1/tags/learn", "/api/v1/options"
CHARGER = ChargerId("charger-1")


@pytest.fixture
def owner(client_as: As) -> TestClient:
    return client_as(Role.OWNER)


def test_a_tag_is_added_changed_and_removed(owner: TestClient, services: Services) -> None:
    added = owner.post(PAGE, json={"tag": "04a1b2c3", "name": "Ann"})
    assert added.status_code == 201
    shown = {"tag": "04A1B2C3", "name": "Ann", "account": None, "seen_s": None, "blocked": False}
    assert added.json() == shown
    assert owner.get(PAGE).json() == [shown]
    assert owner.patch(f"{PAGE}/04a1b2c3", json={"name": "Anna"}).json()["name"] == "Anna"
    assert owner.delete(f"{PAGE}/04A1B2C3").status_code == 204
    assert owner.get(PAGE).json() == []
    assert services.tags.all() == []


def test_a_tag_of_odd_signs_can_be_removed_too(owner: TestClient) -> None:
    assert owner.post(PAGE, json={"tag": "a/b #1"}).status_code == 201
    assert owner.delete(f"{PAGE}/A%2FB%20%231").status_code == 204


@pytest.mark.parametrize("tag", ["", "X" * 21, "a\u0000b", "ampacity"])
def test_what_can_not_be_a_tag_is_refused(tag: str, owner: TestClient) -> None:
    answer = owner.post(PAGE, json={"tag": tag})
    assert (answer.status_code, answer.json()["code"], answer.json()["place"]) == (422, "tag-invalid", "tag")


def test_a_tag_belongs_to_one(owner: TestClient) -> None:
    owner.post(PAGE, json={"tag": "AB", "name": "Ann"})
    answer = owner.post(PAGE, json={"tag": "ab", "name": "Ben"})
    assert (answer.status_code, answer.json()["code"]) == (409, "tag-taken")


@pytest.mark.parametrize("method", ["patch", "delete"])
def test_a_tag_that_is_not_there_is_told_to_be(method: str, owner: TestClient) -> None:
    body = {"name": "x"} if method == "patch" else None
    assert owner.request(method.upper(), f"{PAGE}/FFFF", json=body).json()["code"] == "tag-unknown"


def test_a_tag_is_given_to_an_account_that_there_is(house: House) -> None:
    owner = house.owner()
    driver = house.joined(owner, "driver")
    account = driver.get("/api/v1/sign-in").json()["account"]["id"]
    assert owner.post(PAGE, json={"tag": "AB", "account": account}).json()["account"] == account
    assert owner.patch(f"{PAGE}/AB", json={"name": "Ben"}).json()["account"] == account
    assert owner.patch(f"{PAGE}/AB", json={"account": None}).json()["account"] is None
    assert owner.post(PAGE, json={"tag": "CD", "account": 99}).json()["code"] == "account-unknown"
    assert driver.get(PAGE).status_code == 403


def test_a_tag_is_learned_by_holding_it_to_a_charger(owner: TestClient, services: Services) -> None:
    services.tags.require(True)
    begun = owner.post(LEARN, json={"charger": CHARGER}).json()
    assert begun["until_s"] - services.wall_s() == pytest.approx(120.0, abs=60.0)
    assert owner.get(LEARN).json() == {**begun, "tag": None, "known": False}
    assert services.tags.verdict(CHARGER, "04a1") is TagVerdict.ACCEPTED
    assert owner.get(LEARN).json()["tag"] == "04A1"
    assert owner.post(PAGE, json={"tag": "04A1", "name": "Ann"}).status_code == 201
    assert owner.delete(LEARN).status_code == 204
    assert owner.get(LEARN).json() == {"until_s": None, "charger": None, "tag": None, "known": False}


def test_learning_needs_a_charger_that_there_is(owner: TestClient) -> None:
    assert owner.post(LEARN, json={"charger": "nobody"}).status_code == 404


def test_options_are_off_at_first_and_kept_with_who_set_them(
    owner: TestClient, services: Services, engine: Engine
) -> None:
    assert owner.get(OPTIONS).json() == {"tags_required": False, "drivers_may_wish": False, "kiosk_pin_set": False}
    answer = owner.put(OPTIONS, json={"tags_required": True})
    assert answer.json() == {"tags_required": True, "drivers_may_wish": False, "kiosk_pin_set": False}
    assert services.tags.required
    assert services.tags.verdict(CHARGER, "FFFF") is TagVerdict.INVALID
    owner.put(OPTIONS, json={"tags_required": True, "drivers_may_wish": True})
    assert [(one.who, one.key, one.old, one.new) for one in changes(engine)] == [
        ("owner", TAGS_REQUIRED, None, "on"),
        ("owner", DRIVERS_MAY_WISH, None, "on"),
    ]


def test_the_pin_of_the_kiosks_is_set_checked_and_removed_and_never_shown(house: House) -> None:
    owner = house.owner()
    assert owner.put(OPTIONS, json={"kiosk_pin": "1111"}).json()["code"] == "pin-invalid"
    answer = owner.put(OPTIONS, json={"kiosk_pin": "2580"})
    assert answer.json()["kiosk_pin_set"] is True
    assert "2580" not in answer.text
    assert str(setting(house.engine, PIN_KEY)).startswith("$argon2")
    tablet = house.kiosk(owner)
    assert tablet.post("/api/v1/kiosk/unlock", json={"pin": "2580"}).status_code == 200
    assert tablet.get(PAGE).status_code == 403
    assert owner.put(OPTIONS, json={"drivers_may_wish": True}).json()["kiosk_pin_set"] is True
    assert owner.put(OPTIONS, json={"kiosk_pin": None}).json()["kiosk_pin_set"] is False


def test_a_wrong_pin_changes_nothing_else(owner: TestClient) -> None:
    owner.put(OPTIONS, json={"kiosk_pin": "12", "tags_required": True})
    assert owner.get(OPTIONS).json()["tags_required"] is False


def test_drivers_read_the_options_and_owners_set_them(client_as: As) -> None:
    driver = client_as(Role.DRIVER)
    assert driver.get(OPTIONS).status_code == 200
    assert driver.put(OPTIONS, json={"drivers_may_wish": True}).status_code == 403
    assert client_as(Role.INSTALLER).put(OPTIONS, json={"tags_required": False}).status_code == 403
