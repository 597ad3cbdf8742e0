"""Who is told of what, as the owner sets it; and what is never told to anybody."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from tests.api.conftest import BOTH, CSRF, HOST, As, FakeControl
from tests.links.postbox import Postbox, Receiver, closed_port, open_postbox, open_receiver

from ampacity import __version__
from ampacity.api.access import Role
from ampacity.api.ports import Services
from ampacity.api.server import create
from ampacity.kept import KeptCheck, notification_settings
from ampacity.runtime.notifications import Notifications, Sender
from ampacity.runtime.updates import Checked
from ampacity.storage.records import changes
from ampacity.web.texts import text

pytestmark = BOTH

OWNER = Role.OWNER
URL = "/api/v1/notifications"
PASSWORD = "hunter2 hunter2"
MAIL = {
    "host": "mail.example.org",
    "port": 587,
    "tls": "starttls",
    "user": "ampacity@example.org",
    "password": PASSWORD,
    "from": "ampacity@example.org",
    "to": ["ann@example.org"],
}
WEBHOOK = {"url": "https://home.example.org/hook?token=private", "secret": "a shared one"}
ALL = {"mail": MAIL, "webhook": WEBHOOK, "kinds": ["blind", "offline", "budget", "update"]}


@pytest.fixture
def owner(client_as: As) -> TestClient:
    return client_as(OWNER)


def without(given: dict[str, Any], *names: str, **more: Any) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name not in names} | more


def test_nothing_is_set_at_first(owner: TestClient) -> None:
    told = owner.get(URL).json()
    assert (told["mail"], told["webhook"], told["language"]) == (None, None, "en")


def test_what_is_set_is_shown_again_without_its_secrets(owner: TestClient, engine: Engine) -> None:
    answer = owner.put(URL, json=ALL)
    assert answer.status_code == 200, answer.text
    for told in (answer, owner.get(URL)):
        assert PASSWORD not in told.text
        assert "a shared one" not in told.text
        assert told.json()["mail"] == without(MAIL, "password", password_set=True)
        assert told.json()["webhook"] == {"url": WEBHOOK["url"], "secret_set": True}
        assert told.json()["kinds"] == ALL["kinds"]
    kept = notification_settings(engine)
    assert kept.mail is not None
    assert kept.webhook is not None
    assert (kept.mail.password, kept.webhook.secret) == (PASSWORD, "a shared one")


def test_the_audit_has_who_and_what_and_no_secret(owner: TestClient, engine: Engine) -> None:
    owner.put(URL, json=ALL)
    owner.put(URL, json={"kinds": []})
    lines = [one for one in changes(engine) if one.key == "notifications"]
    assert [one.who for one in lines] == ["owner", "owner"]
    said = " ".join(f"{one.old} {one.new}" for one in changes(engine))
    assert "mail.example.org" in said
    assert "home.example.org" in said
    for secret in (PASSWORD, "a shared one", "token=private"):
        assert secret not in said


def test_secrets_that_are_not_given_again_stay_and_empty_ones_go(owner: TestClient, engine: Engine) -> None:
    owner.put(URL, json=ALL)
    again = {"mail": without(MAIL, "password", to=["ben@example.org"]), "webhook": without(WEBHOOK, "secret")}
    told = owner.put(URL, json=again | {"kinds": ["blind"]}).json()
    assert (told["mail"]["password_set"], told["webhook"]["secret_set"]) == (True, True)
    kept = notification_settings(engine)
    assert kept.mail is not None
    assert (kept.mail.password, kept.mail.to) == (PASSWORD, ("ben@example.org",))
    told = owner.put(URL, json={"webhook": without(WEBHOOK, secret=""), "kinds": []}).json()
    assert (told["mail"], told["webhook"]["secret_set"]) == (None, False)


@pytest.mark.parametrize(
    "other", [{"host": "evil.example.net"}, {"port": 2525}, {"tls": "tls"}, {"user": "x@example.org"}], ids=str
)
def test_a_kept_password_is_never_shown_to_another_server(
    owner: TestClient, engine: Engine, other: dict[str, Any]
) -> None:
    owner.put(URL, json=ALL)
    answer = owner.put(URL, json={"mail": without(MAIL, "password") | other, "kinds": []})
    assert (answer.status_code, answer.json()["code"]) == (422, "mail-password-again")
    kept = notification_settings(engine)
    assert kept.mail is not None
    assert kept.mail.host == MAIL["host"]


def test_no_password_goes_in_the_clear(owner: TestClient) -> None:
    answer = owner.put(URL, json={"mail": MAIL | {"tls": "none"}, "kinds": []})
    assert answer.json()["code"] == "mail-password-in-the-clear"
    assert owner.put(URL, json={"mail": without(MAIL, "user", "password", tls="none"), "kinds": []}).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": "mail.example.org\r\nX: y"},
        {"host": "-"},
        {"port": 0},
        {"from": "a@b\nBcc: c@d"},
        {"from": "nobody"},
        {"to": []},
        {"to": ["a@x.org, b@x.org"]},
        {"to": [f"{n}@x.org" for n in range(21)]},
        {"tls": "maybe"},
        {"password": "a\x00b"},
        {"more": 1},
    ],
    ids=str,
)
def test_what_is_no_mail_server_is_refused(owner: TestClient, wrong: dict[str, Any]) -> None:
    answer = owner.put(URL, json={"mail": MAIL | wrong, "kinds": []})
    assert (answer.status_code, answer.json()["code"]) == (422, "request-invalid")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x.org/",
        "x.org",
        "https://",
        "https://a:b@x.org/",
        "https://x.org/\ny",
        "file:///etc/passwd",
        "https://x.org:0/",
        "http://x y/",
    ],
)
def test_what_can_not_be_posted_to_is_refused(owner: TestClient, url: str) -> None:
    answer = owner.put(URL, json={"webhook": {"url": url}, "kinds": []})
    assert (answer.status_code, answer.json()["code"]) == (422, "request-invalid")


def test_messages_speak_the_language_of_who_set_them_until_another_is_chosen(owner: TestClient, engine: Engine) -> None:
    assert owner.put(URL, json={"kinds": ["blind"], "language": "ca"}).json()["language"] == "ca"
    assert owner.put(URL, json={"kinds": ["blind"]}).json()["language"] == "ca"


# --- trying out ---


@pytest.fixture
def real(services: Services, control: FakeControl) -> TestClient:
    """With notifications that go over the wire."""
    sender = Sender(site="Test house", zone=ZoneInfo("UTC"))
    notifications = Notifications(lambda: notification_settings(services.engine()), lambda: sender, text)
    app = create(replace(services, notifications=notifications))
    return TestClient(app, base_url=HOST, headers={"x-test-role": "owner", "x-csrf": CSRF})


def test_a_test_goes_out_on_both_ways_and_says_what_came_of_it(real: TestClient) -> None:
    with open_postbox(Postbox()) as box, open_receiver(Receiver(status=500)) as receiver:
        mail = without(MAIL, "user", "password", host="127.0.0.1", port=box.port, tls="none")
        given = {"mail": mail, "webhook": {"url": receiver.url}, "kinds": [], "language": "es"}
        assert real.put(URL, json=given).status_code == 200
        told = real.post(f"{URL}/test").json()
    assert told["mail"] == {"sent": True, "code": None, "detail": None, "remedy": None}
    assert (told["webhook"]["sent"], told["webhook"]["code"]) == (False, "webhook-refused")
    assert "500" in told["webhook"]["detail"]
    assert box.letters[0].content["subject"] == "Test house: una prueba"
    assert json.loads(receiver.posts[0].body)["test"] is True


def test_a_server_that_is_not_there_is_told_with_what_to_do(real: TestClient) -> None:
    mail = without(MAIL, "user", "password", host="127.0.0.1", port=closed_port(), tls="none")
    real.put(URL, json={"mail": mail, "kinds": []})
    told = real.post(f"{URL}/test").json()
    assert (told["mail"]["code"], told["webhook"]) == ("mail-unreachable", None)
    assert told["mail"]["remedy"]


def test_where_nothing_is_set_there_is_nothing_to_test(owner: TestClient) -> None:
    answer = owner.post(f"{URL}/test")
    assert (answer.status_code, answer.json()["code"]) == (409, "notifications-not-set")


def test_tests_are_not_a_way_to_flood_others(real: TestClient) -> None:
    with open_receiver(Receiver()) as receiver:
        real.put(URL, json={"webhook": {"url": receiver.url}, "kinds": []})
        codes = [real.post(f"{URL}/test").status_code for _ in range(8)]
    assert codes.count(200) == 5
    assert codes[-1] == 429
    assert len(receiver.posts) == 5


# --- updates ---


def test_nobody_is_asked_for_updates_until_the_owner_wants_it(owner: TestClient, engine: Engine) -> None:
    told = {"version": __version__, "newest": None, "newer": False, "checked_s": None, "check": False}
    assert owner.get("/api/v1/updates").json() == told
    assert owner.put("/api/v1/updates", json={"check": True}).json() == told | {"check": True}
    kept = KeptCheck(lambda: engine)
    assert kept.is_on()
    owner.put("/api/v1/updates", json={"check": True})
    assert [(one.key, one.new) for one in changes(engine)] == [("updates.check", "on")]


def test_what_the_index_said_is_shown(owner: TestClient, engine: Engine) -> None:
    KeptCheck(lambda: engine).keep(Checked(checked_s=5.0, newest="99.0", told="99.0"))
    told = owner.get("/api/v1/updates").json()
    assert (told["newest"], told["newer"], told["checked_s"]) == ("99.0", True, 5.0)
    assert changes(engine) == []
