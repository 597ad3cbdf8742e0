"""Accounts, invitations and tokens, as the owner handles them."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from tests.api.conftest import BOTH, OWNER_EMAIL, PASSWORD, House

pytestmark = BOTH

API = "/api/v1"
WEEK_S = 7 * 86400.0


def joining(**changed: str) -> dict[str, str]:
    return {"name": "Ben", "email": "ben@x.org", "password": PASSWORD, "language": "de", **changed}


def bearer(house: House, secret: str) -> TestClient:
    client = house.client()
    client.headers["authorization"] = f"Bearer {secret}"
    return client


def token(owner: TestClient, *scopes: str, **more: object) -> str:
    made = owner.post(f"{API}/tokens", json={"name": "HA", "scopes": scopes, **more})
    assert made.status_code == 201, made.text
    return str(made.json()["token"])


# --- invitations ---


def test_an_invitation_says_what_it_is_for_and_makes_an_account_once(house: House, real_client: TestClient) -> None:
    made = real_client.post(f"{API}/invitations", json={"role": "installer", "name": "Ina"}).json()
    assert made["link"] == f"http://localhost/join#{made['key']}"
    where = f"{API}/invitations/{made['key']}"
    assert house.client().get(where).json() == {"role": "installer", "name": "Ina", "site": "Test house"}
    answer = house.client().post(where, json=joining())
    assert (answer.status_code, answer.json()["account"]["role"]) == (200, "installer")
    for again in (house.client().get(where), house.client().post(where, json=joining(email="c@x.org"))):
        assert (again.status_code, again.json()["code"]) == (410, "link-invalid")


def test_the_link_of_an_invitation_is_as_secure_as_how_it_was_made(house: House) -> None:
    house.owner()
    client = house.client(base_url="https://ampacity.local:8443")
    signed_in = client.post(f"{API}/sign-in", json={"email": OWNER_EMAIL, "password": PASSWORD})
    client.headers["x-csrf"] = signed_in.json()["csrf"]
    made = client.post(f"{API}/invitations", json={"role": "driver", "name": "Ben"}).json()
    assert made["link"].startswith("https://ampacity.local:8443/join#")


def test_an_invitation_ends_after_a_week(house: House, real_client: TestClient) -> None:
    made = real_client.post(f"{API}/invitations", json={"role": "driver", "name": "Ben"}).json()
    house.wall.at_s += WEEK_S
    assert house.client().get(f"{API}/invitations/{made['key']}").status_code == 410


def test_open_invitations_are_listed_without_their_keys_and_taken_back(house: House, real_client: TestClient) -> None:
    made = real_client.post(f"{API}/invitations", json={"role": "driver", "name": "Ben"}).json()
    listed = real_client.get(f"{API}/invitations")
    assert [one["name"] for one in listed.json()] == ["Ben"]
    assert made["key"] not in listed.text
    assert real_client.delete(f"{API}/invitations/{made['id']}").status_code == 204
    assert real_client.delete(f"{API}/invitations/{made['id']}").status_code == 404
    assert house.client().get(f"{API}/invitations/{made['key']}").status_code == 410


def test_an_address_that_is_taken_is_told_to_who_has_a_link_and_the_link_stays(
    house: House, real_client: TestClient
) -> None:
    made = real_client.post(f"{API}/invitations", json={"role": "driver", "name": "Ben"}).json()
    where = f"{API}/invitations/{made['key']}"
    taken = house.client().post(where, json=joining(email="ANN@x.org"))
    assert (taken.status_code, taken.json()["code"], taken.json()["place"]) == (409, "email-taken", "email")
    assert house.client().post(where, json=joining()).status_code == 200


def test_a_link_does_not_serve_to_ask_for_many_addresses(house: House, real_client: TestClient) -> None:
    made = real_client.post(f"{API}/invitations", json={"role": "driver", "name": "Ben"}).json()
    where = f"{API}/invitations/{made['key']}"
    codes = [house.client().post(where, json=joining(email=OWNER_EMAIL)).status_code for _ in range(21)]
    assert codes == [409] * 20 + [429]


def test_nobody_is_invited_as_a_kiosk(real_client: TestClient) -> None:
    assert real_client.post(f"{API}/invitations", json={"role": "kiosk", "name": "K"}).status_code == 422


# --- accounts ---


def test_the_last_owner_stays(real_client: TestClient) -> None:
    answers = [
        real_client.patch(f"{API}/accounts/1", json={"role": "driver"}),
        real_client.patch(f"{API}/accounts/1", json={"disabled": True}),
        real_client.delete(f"{API}/accounts/1"),
    ]
    assert [(one.status_code, one.json()["code"]) for one in answers] == [(409, "last-owner")] * 3
    assert real_client.get(f"{API}/accounts").json()[0]["role"] == "owner"


def test_a_removed_account_is_out_at_once(house: House, real_client: TestClient) -> None:
    ben = house.joined(real_client, "driver")
    assert real_client.delete(f"{API}/accounts/2").status_code == 204
    assert ben.get(f"{API}/sign-in").status_code == 401
    assert [one["name"] for one in real_client.get(f"{API}/accounts").json()] == ["Ann"]


def test_no_hash_of_a_password_is_told(real_client: TestClient) -> None:
    assert "argon" not in real_client.get(f"{API}/accounts").text


@pytest.mark.parametrize("number", ["77", "0", "-1", "9999999999999999999999", "x"])
def test_an_account_that_is_not_there_is_not_found_or_not_understood(real_client: TestClient, number: str) -> None:
    assert real_client.delete(f"{API}/accounts/{number}").status_code in (404, 422)


# --- tokens ---


def test_a_token_may_what_its_scopes_say_without_csrf(house: House, real_client: TestClient) -> None:
    reader, admin = bearer(house, token(real_client, "read")), bearer(house, token(real_client, "admin"))
    assert reader.get(f"{API}/accounts").status_code == 403
    assert admin.get(f"{API}/accounts").status_code == 200
    assert admin.patch(f"{API}/accounts/1", json={}).status_code == 200


def test_a_token_is_shown_once(real_client: TestClient) -> None:
    secret = token(real_client, "read", "wish")
    listed = real_client.get(f"{API}/tokens")
    assert secret not in listed.text
    assert listed.json()[0]["scopes"] == ["read", "wish"]


def test_a_token_ends_when_it_is_said_to(house: House, real_client: TestClient) -> None:
    machine = bearer(house, token(real_client, "admin", until_s=house.wall() + 60))
    assert machine.get(f"{API}/tokens").status_code == 200
    house.wall.at_s += 60
    assert machine.get(f"{API}/tokens").status_code == 401


def test_a_token_that_would_have_ended_is_refused(house: House, real_client: TestClient) -> None:
    body = {"name": "x", "scopes": ["read"], "until_s": house.wall()}
    assert real_client.post(f"{API}/tokens", json=body).json()["place"] == "until_s"


def test_a_removed_token_is_out_at_once(house: House, real_client: TestClient) -> None:
    machine = bearer(house, token(real_client, "admin"))
    assert machine.get(f"{API}/tokens").status_code == 200
    number = real_client.get(f"{API}/tokens").json()[0]["id"]
    assert real_client.delete(f"{API}/tokens/{number}").status_code == 204
    assert machine.get(f"{API}/tokens").status_code == 401


def test_a_token_ends_with_the_owner_who_made_it(house: House, real_client: TestClient) -> None:
    olga = house.joined(real_client, "owner", "Olga")
    first = token(olga, "admin")
    second = bearer(house, first).post(f"{API}/tokens", json={"name": "child", "scopes": ["read"]}).json()["token"]
    machines = [bearer(house, one) for one in (first, second)]
    assert [one.get(f"{API}/about").json()["signed_in"] for one in machines] == [True, True]
    real_client.patch(f"{API}/accounts/2", json={"role": "driver"})
    assert [one.get(f"{API}/about").json()["signed_in"] for one in machines] == [False, False]


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer", "Basic YTpi", "Bearer amp_" + "x" * 300, ""])
def test_a_wrong_token_is_not_helped_out_by_a_cookie(real_client: TestClient, header: str) -> None:
    assert real_client.get(f"{API}/sign-in", headers={"authorization": header}).status_code == 401


def test_a_cookie_is_no_token_and_a_token_no_cookie(house: House, real_client: TestClient) -> None:
    assert bearer(house, real_client.cookies["ampacity"]).get(f"{API}/accounts").status_code == 401
    client = house.client()
    client.cookies.set("ampacity", token(real_client, "admin"))
    assert client.get(f"{API}/accounts").status_code == 401


def test_a_token_has_at_least_one_scope(real_client: TestClient) -> None:
    assert real_client.post(f"{API}/tokens", json={"name": "x", "scopes": []}).status_code == 422
    assert real_client.post(f"{API}/tokens", json={"name": "x", "scopes": ["root"]}).status_code == 422
