"""A tablet on the wall: locked, unlocked by a PIN for some minutes, never signed in as the owner."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from tests.api.conftest import BOTH, OWNER_EMAIL, House

from ampacity.api.identity import PinInvalid, has_pin, set_pin
from ampacity.api.passwords import Hashing
from ampacity.storage.records import changes, setting

pytestmark = BOTH

API = "/api/v1"
QUICK = Hashing(time_cost=1, memory_kib=8)


@pytest.fixture
def kiosk(house: House, real_client: TestClient) -> TestClient:
    set_pin(house.engine, "2580", hashing=QUICK)
    return house.kiosk(real_client)


def unlock(kiosk: TestClient, pin: str) -> int:
    return kiosk.post(f"{API}/kiosk/unlock", json={"pin": pin}).status_code


def test_a_device_becomes_a_kiosk_and_its_owner_is_signed_out_of_it(house: House, real_client: TestClient) -> None:
    before = house.client()
    kiosk = house.kiosk(real_client)
    told = kiosk.get(f"{API}/sign-in").json()
    assert (told["kiosk"], told["account"]["role"], told["account"]["id"]) == (True, "kiosk", None)
    assert (told["account"]["name"], told["until_s"], told["unlocked_until_s"]) == ("Garage", None, None)
    assert kiosk.get(f"{API}/accounts").status_code == 403
    assert before.get(f"{API}/sign-in").status_code == 401


def test_what_the_owner_s_device_held_before_does_not_open_the_kiosk(house: House, real_client: TestClient) -> None:
    old = house.client()
    old.cookies.set("ampacity", real_client.cookies["ampacity"])
    real_client.post(f"{API}/kiosk/enrol", json={})
    assert old.get(f"{API}/sign-in").status_code == 401


def test_a_kiosk_lasts_and_its_cookie_is_given_anew(house: House, kiosk: TestClient) -> None:
    house.wall.at_s += 3 * 365 * 86400
    answer = kiosk.get(f"{API}/sign-in")
    assert answer.status_code == 200
    assert f"max-age={400 * 86400}" in answer.headers["set-cookie"].lower()


def test_only_an_owner_makes_a_kiosk(house: House, real_client: TestClient) -> None:
    for role, name in (("driver", "Ben"), ("installer", "Ina")):
        assert house.joined(real_client, role, name).post(f"{API}/kiosk/enrol", json={}).status_code == 403


def test_the_pin_unlocks_for_five_minutes(house: House, kiosk: TestClient) -> None:
    told = kiosk.post(f"{API}/kiosk/unlock", json={"pin": "2580"}).json()
    assert told["unlocked_until_s"] == house.wall() + 300
    locked = kiosk.post(f"{API}/kiosk/lock").json()
    assert locked["unlocked_until_s"] is None


def test_a_wrong_pin_does_not_unlock_and_the_tries_are_few(house: House, kiosk: TestClient) -> None:
    assert [unlock(kiosk, f"{n:04}") for n in range(6)] == [403] * 5 + [429]
    answer = kiosk.post(f"{API}/kiosk/unlock", json={"pin": "2580"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "300")
    assert kiosk.get(f"{API}/sign-in").json()["unlocked_until_s"] is None
    house.wall.at_s += 300
    assert unlock(kiosk, "2580") == 200


def test_kiosks_share_a_limit_of_tries(house: House, real_client: TestClient) -> None:
    set_pin(house.engine, "2580", hashing=QUICK)
    codes = [unlock(house.kiosk(real_client), "0000") for _ in range(4) for _ in range(4)]
    assert codes.count(429) == 1


def test_without_a_pin_nothing_unlocks(house: House, real_client: TestClient) -> None:
    answer = house.kiosk(real_client).post(f"{API}/kiosk/unlock", json={"pin": ""})
    assert (answer.status_code, answer.json()["code"]) == (409, "pin-not-set")


def test_a_new_pin_locks_the_kiosks(house: House, kiosk: TestClient) -> None:
    unlock(kiosk, "2580")
    set_pin(house.engine, "8520", hashing=QUICK)
    assert kiosk.get(f"{API}/sign-in").json()["unlocked_until_s"] is None
    assert [unlock(kiosk, "2580"), unlock(kiosk, "8520")] == [403, 200]


def test_the_owner_ends_a_kiosk_from_elsewhere(real_client: TestClient, kiosk: TestClient) -> None:
    listed = real_client.get(f"{API}/sign-ins?all=true").json()
    number = next(one["id"] for one in listed if one["kiosk"])
    assert real_client.delete(f"{API}/sign-ins/{number}").status_code == 204
    assert kiosk.get(f"{API}/sign-in").status_code == 401


def test_a_kiosk_outlives_the_owner_s_new_password(house: House, real_client: TestClient, kiosk: TestClient) -> None:
    body = {"old": "horse battery staple", "new": "correct horse battery"}
    assert real_client.put(f"{API}/account/password", json=body).status_code == 204
    assert kiosk.get(f"{API}/sign-in").json()["kiosk"] is True
    assert OWNER_EMAIL not in kiosk.get(f"{API}/sign-in").text


@pytest.mark.parametrize("pin", ["123", "1234567890123", "12a4", "", "٣٤٥٦", "0000", "1234", "456789", "12 34"])
def test_a_pin_has_four_to_twelve_digits_that_nobody_tries_first(engine: Engine, pin: str) -> None:
    with pytest.raises(PinInvalid):
        set_pin(engine, pin, hashing=QUICK)


def test_the_pin_is_kept_as_a_hash_and_told_nowhere(engine: Engine) -> None:
    assert not has_pin(engine)
    set_pin(engine, "2580", who="Ann", now_s=5.0)
    assert has_pin(engine)
    assert str(setting(engine, "kiosk.pin")).startswith("$argon2id$")
    set_pin(engine, None, who="Ann", now_s=6.0)
    assert not has_pin(engine)
    assert [(one.who, one.old, one.new) for one in changes(engine, "kiosk.pin")] == [
        ("Ann", None, "***"), ("Ann", "***", None),
    ]  # fmt: skip
