"""First start, signing in and out, devices, passwords: with real accounts."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import event
from tests.api.conftest import BOTH, OWNER_EMAIL, PASSWORD, House, with_csrf

from ampacity.api.identity import COOKIE
from ampacity.api.passwords import Hashing
from ampacity.storage.accounts import account_by_email, change_account
from ampacity.storage.invitations import make_first_start, make_reset
from ampacity.storage.records import changes

pytestmark = BOTH

API = "/api/v1"
DAY_S = 86400.0


def sign_in(client: TestClient, password: str = PASSWORD, email: str = OWNER_EMAIL) -> Response:
    return client.post(f"{API}/sign-in", json={"email": email, "password": password})


def who(client: TestClient) -> str:
    answer = client.get(f"{API}/sign-in")
    return str(answer.json()["account"]["name"] if answer.status_code == 200 else answer.json()["code"])


def starting(key: str | None, **changed: str) -> dict[str, object]:
    given = {"key": key, "name": "Ann", "email": OWNER_EMAIL, "password": PASSWORD, "language": "en"}
    return {**given, **changed}


# --- the first start ---


def test_a_new_site_says_that_it_waits_for_its_first_start(house: House) -> None:
    told = house.client().get(f"{API}/about").json()
    assert (told["product"], told["site"], told["first_start"], told["signed_in"]) == (
        "Ampacity", "Test house", True, False,
    )  # fmt: skip
    assert told["languages"] == ["en", "es", "de", "fr", "ca", "nl"]


def test_the_first_start_makes_the_owner_and_signs_in(house: House) -> None:
    client = house.owner()
    assert client.get(f"{API}/sign-in").json()["account"] == {
        "id": 1, "name": "Ann", "email": OWNER_EMAIL, "role": "owner", "language": "en",
    }  # fmt: skip
    told = client.get(f"{API}/about").json()
    assert (told["first_start"], told["signed_in"]) == (False, True)


def test_the_first_start_can_not_be_repeated(house: House) -> None:
    key = make_first_start(house.engine, house.wall())
    assert house.client().post(f"{API}/first-start", json=starting(key)).status_code == 200
    again = house.client().post(f"{API}/first-start", json=starting(key, email="eve@x.org"))
    assert (again.status_code, again.json()["code"]) == (410, "link-invalid")


def test_without_the_key_there_is_no_first_start(house: House) -> None:
    make_first_start(house.engine, house.wall())
    answer = house.client().post(f"{API}/first-start", json=starting("a guess"))
    assert (answer.status_code, answer.json()["code"]) == (410, "link-invalid")


@pytest.mark.parametrize(
    ("password", "code"),
    [
        *(("short", "password-weak"), ("aaaaaaaaaaaaaa", "password-weak"), ("Password1234", "password-weak")),
        *(
            ("ANN@x.org" + "", "password-weak"),
            ("x" * 2000, "request-invalid"),
            ("tab\there is not ok", "password-weak"),
        ),
        ("1234567890", "password-weak"),
    ],
)
def test_a_weak_password_is_refused_and_the_link_stays_usable(house: House, password: str, code: str) -> None:
    key = make_first_start(house.engine, house.wall())
    answer = house.client().post(f"{API}/first-start", json=starting(key, password=password))
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert house.client().post(f"{API}/first-start", json=starting(key)).status_code == 200


def test_what_is_no_email_address_is_told_with_its_field(house: House) -> None:
    key = make_first_start(house.engine, house.wall())
    answer = house.client().post(f"{API}/first-start", json=starting(key, email="nobody"))
    assert (answer.status_code, answer.json()["code"], answer.json()["place"]) == (422, "email-invalid", "email")


# --- signing in ---


def test_right_credentials_sign_in_under_any_way_to_write_the_address(house: House) -> None:
    house.owner()
    assert sign_in(house.client(), email=" ANN@X.org ").status_code == 200


def test_the_cookie_is_kept_from_scripts_other_sites_and_plain_http(house: House) -> None:
    house.owner()
    flags = sign_in(house.client(base_url="https://localhost")).headers["set-cookie"].lower()
    assert all(flag in flags for flag in ("httponly", "samesite=strict", "path=/", "secure", "max-age=15552000"))
    assert "secure" not in sign_in(house.client()).headers["set-cookie"].lower()


def test_a_header_does_not_make_plain_http_secure(house: House) -> None:
    house.owner()
    client = house.client()
    client.headers.update({"x-forwarded-proto": "https", "forwarded": "proto=https", "x-forwarded-for": "10.9.9.9"})
    with_csrf(client, sign_in(client))
    devices = client.get(f"{API}/sign-ins").json()
    assert devices[0]["address"] == "10.0.0.9"
    assert "secure" not in sign_in(client).headers["set-cookie"].lower()


def test_an_unknown_account_a_wrong_password_and_a_disabled_account_are_told_alike(house: House) -> None:
    owner = house.owner()
    house.joined(owner, "driver")
    owner.patch(f"{API}/accounts/2", json={"disabled": True})
    answers = [
        sign_in(house.client(), password="wrong wrong wrong"),
        sign_in(house.client(), email="nobody@x.org"),
        sign_in(house.client(), email="no address"),
        sign_in(house.client(), email="ben@x.org"),
    ]
    assert {one.status_code for one in answers} == {401}
    assert len({one.text for one in answers}) == 1
    assert answers[0].json()["code"] == "wrong-password"


class Counting(Hashing):
    """Tells how often it was asked, and of what."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_kib=8)
        self.asked: list[str | None] = []

    def fits(self, secret: str, kept: str | None) -> bool:
        self.asked.append(kept)
        return super().fits(secret, kept)


def test_an_account_that_is_not_there_costs_one_hash_as_well(house: House) -> None:
    house.owner()
    hashing = Counting()
    house.app.state.entrance = type(house.app.state.entrance)(house.app.state.entrance.attempts, hashing)
    for email in ("nobody@x.org", "no address", OWNER_EMAIL):
        sign_in(house.client(), password="wrong wrong wrong", email=email)
    assert [kept is None for kept in hashing.asked] == [True, True, False]


def test_a_password_under_older_parameters_is_hashed_again(house: House) -> None:
    house.owner()
    old = account_by_email(house.engine, OWNER_EMAIL)
    newer = Hashing(time_cost=2, memory_kib=16)
    house.app.state.entrance = type(house.app.state.entrance)(house.app.state.entrance.attempts, newer)
    assert sign_in(house.client()).status_code == 200
    new = account_by_email(house.engine, OWNER_EMAIL)
    assert old is not None
    assert new is not None
    assert (new[1] != old[1], "m=16,t=2" in new[1]) == (True, True)
    assert sign_in(house.client()).status_code == 200


def test_each_sign_in_has_a_secret_of_its_own_and_ends_the_one_before_on_this_device(house: House) -> None:
    client = house.owner()
    before = client.cookies[COOKIE]
    with_csrf(client, sign_in(client))
    assert client.cookies[COOKIE] != before
    stale = house.client()
    stale.cookies.set(COOKIE, before)
    assert who(stale) == "not-signed-in"


def test_guessing_from_one_place_is_slowed_down_and_says_when_to_come_again(house: House) -> None:
    house.owner()
    guesses = [sign_in(house.client(), password="wrong wrong wrong") for _ in range(6)]
    assert [one.status_code for one in guesses] == [401] * 5 + [429]
    assert guesses[-1].json()["code"] == "too-many-attempts"
    assert guesses[-1].headers["retry-after"] == "15"
    assert sign_in(house.client()).status_code == 429
    house.wall.at_s += 15
    assert sign_in(house.client()).status_code == 200


def test_who_guesses_elsewhere_does_not_shut_out_the_owner(house: House) -> None:
    house.owner()
    for _ in range(6):
        sign_in(house.client(address="10.0.0.66"), password="wrong wrong wrong")
    assert sign_in(house.client()).status_code == 200


def test_one_address_may_not_try_many_accounts(house: House) -> None:
    house.owner()
    codes = [sign_in(house.client(), email=f"{n}@x.org").status_code for n in range(31)]
    assert codes == [401] * 30 + [429]


def test_right_sign_ins_do_not_count_as_attempts(house: House) -> None:
    house.owner()
    assert {sign_in(house.client()).status_code for _ in range(8)} == {200}


def test_a_body_that_is_no_json_is_refused(house: House) -> None:
    form = house.client().post(f"{API}/sign-in", data={"email": OWNER_EMAIL, "password": PASSWORD})
    plain = house.client().post(
        f"{API}/sign-in", content=f'{{"email":"{OWNER_EMAIL}","password":"{PASSWORD}"}}',
        headers={"content-type": "text/plain"},
    )  # fmt: skip
    assert [form.status_code, plain.status_code] == [422, 422]


# --- being signed in ---


def test_nobody_is_signed_in_without_a_cookie_or_with_another_one(house: House) -> None:
    stranger = house.client()
    assert who(stranger) == "not-signed-in"
    stranger.cookies.set(COOKIE, "made up")
    assert who(stranger) == "not-signed-in"


def test_a_change_needs_what_only_the_app_knows(house: House) -> None:
    client = house.owner()
    right = client.headers.pop("x-csrf")
    for wrong in (None, "", "wrong", right[:-1]):
        answer = client.patch(f"{API}/account", json={"name": "Eve"}, headers={"x-csrf": wrong} if wrong else {})
        assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed")
    assert client.patch(f"{API}/account", json={"name": "Anna"}, headers={"x-csrf": right}).status_code == 200


def test_what_a_change_needs_is_each_device_s_own(house: House) -> None:
    first, second = house.owner(), house.client()
    with_csrf(second, sign_in(second))
    second.headers["x-csrf"] = first.headers["x-csrf"]
    assert second.patch(f"{API}/account", json={"name": "Eve"}).status_code == 403


def test_a_sign_in_that_is_not_used_ends_after_thirty_days(house: House) -> None:
    client = house.owner()
    for _ in range(3):
        house.wall.at_s += 20 * DAY_S
        assert who(client) == "Ann"
    house.wall.at_s += 30 * DAY_S + 1
    assert who(client) == "not-signed-in"


def test_a_sign_in_that_is_used_ends_after_half_a_year(house: House) -> None:
    client = house.owner()
    for _ in range(17):
        house.wall.at_s += 10 * DAY_S
        assert who(client) == "Ann"
    house.wall.at_s += 10 * DAY_S
    assert who(client) == "not-signed-in"


def test_the_end_that_is_told_moves_with_use(house: House) -> None:
    client = house.owner()
    first = client.get(f"{API}/sign-in").json()["until_s"]
    assert first == house.wall.at_s + 30 * DAY_S
    house.wall.at_s += DAY_S
    assert client.get(f"{API}/sign-in").json()["until_s"] == first + DAY_S


def test_many_requests_cost_one_look_into_the_database(house: House) -> None:
    client = house.owner()
    house.identity.forget()
    asked: list[object] = []
    event.listen(house.engine, "before_cursor_execute", lambda *about: asked.append(about[2]))
    for _ in range(50):
        client.patch(f"{API}/account", json={"name": ""})
    assert len([one for one in asked if "FROM sign_in" in str(one)]) == 1


def test_whoever_signs_out_is_out_at_once(house: House) -> None:
    client = house.owner()
    cookie = client.cookies[COOKIE]
    answer = client.delete(f"{API}/sign-in")
    assert answer.status_code == 204
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    client.cookies.set(COOKIE, cookie)
    assert who(client) == "not-signed-in"


def test_whoever_is_disabled_is_out_at_once(house: House) -> None:
    owner = house.owner()
    ben = house.joined(owner, "driver")
    assert who(ben) == "Ben"
    assert owner.patch(f"{API}/accounts/2", json={"disabled": True}).json()["disabled"] is True
    assert who(ben) == "not-signed-in"


def test_what_another_program_changes_shows_within_seconds(house: House) -> None:
    owner = house.owner()
    ben = house.joined(owner, "driver")
    assert who(ben) == "Ben"
    change_account(house.engine, 2, disabled=True, who="the terminal", now_s=house.wall())
    house.wall.at_s += 3
    assert who(ben) == "not-signed-in"


def test_a_new_role_holds_at_once(house: House) -> None:
    owner = house.owner()
    ben = house.joined(owner, "owner")
    assert ben.get(f"{API}/accounts").status_code == 200
    owner.patch(f"{API}/accounts/2", json={"role": "driver"})
    assert ben.get(f"{API}/accounts").status_code == 403


# --- devices ---


def test_devices_are_listed_with_what_people_know_them_by(house: House) -> None:
    client = house.owner()
    sign_in(house.client(address="10.0.0.10"))
    listed = client.get(f"{API}/sign-ins").json()
    assert {(one["device"], one["address"], one["current"]) for one in listed} == {
        ("Firefox on Linux", "10.0.0.9", True),
        ("Firefox on Linux", "10.0.0.10", False),
    }


def test_a_device_is_signed_out_from_another(house: House) -> None:
    client, phone = house.owner(), house.client()
    sign_in(phone)
    other = next(one["id"] for one in client.get(f"{API}/sign-ins").json() if not one["current"])
    assert who(phone) == "Ann"
    assert client.delete(f"{API}/sign-ins/{other}").status_code == 204
    assert who(phone) == "not-signed-in"
    assert client.delete(f"{API}/sign-ins/{other}").status_code == 404


def test_a_driver_sees_and_ends_only_own_sign_ins(house: House) -> None:
    owner = house.owner()
    ben = house.joined(owner, "driver")
    assert [one["account_name"] for one in ben.get(f"{API}/sign-ins").json()] == ["Ben"]
    assert ben.get(f"{API}/sign-ins?all=true").status_code == 403
    owners = owner.get(f"{API}/sign-ins").json()[0]["id"]
    assert ben.delete(f"{API}/sign-ins/{owners}").status_code == 404
    assert who(owner) == "Ann"


def test_an_owner_sees_and_ends_all_sign_ins(house: House) -> None:
    owner = house.owner()
    ben = house.joined(owner, "driver")
    listed = owner.get(f"{API}/sign-ins?all=true").json()
    assert {one["account_name"] for one in listed} == {"Ann", "Ben"}
    bens = next(one["id"] for one in listed if one["account_name"] == "Ben")
    assert owner.delete(f"{API}/sign-ins/{bens}").status_code == 204
    assert who(ben) == "not-signed-in"


# --- one's own account ---


def test_name_and_language_are_one_s_own_to_change(house: House) -> None:
    client = house.owner()
    assert client.patch(f"{API}/account", json={"name": " Anna ", "language": "fr"}).json()["language"] == "fr"
    assert who(client) == "Anna"


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "a\nb", "\ud800", "null\0"])
def test_a_name_that_can_not_be_shown_is_refused(house: House, name: str) -> None:
    body = {"name": name.encode("utf-16", "surrogatepass").decode("utf-16", "replace")} if name == "\ud800" else None
    if body is None:
        answer = house.owner().patch(f"{API}/account", json={"name": name})
    else:
        answer = house.owner().patch(
            f"{API}/account", content=b'{"name": "\\ud800"}', headers={"content-type": "application/json"}
        )
    assert (answer.status_code, answer.json()["code"]) == (422, "request-invalid")


def test_a_role_can_not_be_slipped_into_one_s_own_account(house: House) -> None:
    ben = house.joined(house.owner(), "driver")
    answer = ben.patch(f"{API}/account", json={"name": "Ben", "role": "owner"})
    assert (answer.status_code, answer.json()["fields"][0]["place"]) == (422, "role")


def test_a_new_password_needs_the_old_one_and_signs_out_the_other_devices(house: House) -> None:
    client, phone = house.owner(), house.client()
    sign_in(phone)
    new = "correct horse battery"
    wrong = client.put(f"{API}/account/password", json={"old": "wrong wrong wrong", "new": new})
    assert (wrong.status_code, wrong.json()["code"]) == (403, "old-password-wrong")
    assert client.put(f"{API}/account/password", json={"old": PASSWORD, "new": new}).status_code == 204
    assert (who(client), who(phone)) == ("Ann", "not-signed-in")
    assert [sign_in(house.client(), password=one).status_code for one in (PASSWORD, new)] == [401, 200]


def test_the_old_password_can_not_be_guessed_by_who_is_signed_in(house: House) -> None:
    client = house.owner()
    body = {"old": "wrong wrong wrong", "new": "correct horse battery"}
    codes = [client.put(f"{API}/account/password", json=body).status_code for _ in range(6)]
    assert codes == [403] * 5 + [429]


def test_a_weak_new_password_is_told_at_its_field(house: House) -> None:
    answer = house.owner().put(f"{API}/account/password", json={"old": PASSWORD, "new": "short"})
    assert (answer.status_code, answer.json()["code"], answer.json()["place"]) == (422, "password-weak", "new")


# --- a password by a link ---


def test_a_reset_link_sets_the_password_once_and_ends_all_sign_ins(house: House) -> None:
    client = house.owner()
    _, key = make_reset(house.engine, OWNER_EMAIL, who="the terminal", now_s=house.wall())
    fresh = house.client()
    body = {"key": key, "password": "correct horse battery"}
    assert fresh.post(f"{API}/password-reset", json=body).status_code == 200
    assert (who(fresh), who(client)) == ("Ann", "not-signed-in")
    again = house.client().post(f"{API}/password-reset", json=body)
    assert (again.status_code, again.json()["code"]) == (410, "link-invalid")


def test_a_reset_link_ends_after_an_hour(house: House) -> None:
    house.owner()
    _, key = make_reset(house.engine, OWNER_EMAIL, who="the terminal", now_s=house.wall())
    house.wall.at_s += 3600
    body = {"key": key, "password": "correct horse battery"}
    assert house.client().post(f"{API}/password-reset", json=body).status_code == 410


def test_links_can_not_be_tried_without_end(house: House) -> None:
    codes = [
        house.client().post(f"{API}/password-reset", json={"key": str(n), "password": PASSWORD}).status_code
        for n in range(21)
    ]
    assert codes == [410] * 20 + [429]


# --- the audit ---


def test_coming_and_going_is_in_the_audit_without_a_secret(house: House) -> None:
    client = house.owner()
    cookie, csrf = client.cookies[COOKIE], client.headers["x-csrf"]
    client.put(f"{API}/account/password", json={"old": PASSWORD, "new": "correct horse battery"})
    client.delete(f"{API}/sign-in")
    lines = changes(house.engine)
    assert [(one.who, one.key) for one in lines] == [
        ("Ann", "accounts.1"), ("Ann", "sign-in"), ("Ann", "accounts.1.password"), ("Ann", "sign-in"),
    ]  # fmt: skip
    secrets = (cookie, csrf, PASSWORD, "correct horse battery", "argon2")
    assert not [secret for secret in secrets for line in lines if secret in str(line)]
