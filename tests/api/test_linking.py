"""New chargers: shown, linked by code or from the list, refused; and what is printed for them."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from tests.api.conftest import As, FakeControl

from ampacity.api.access import Role
from ampacity.api.ports import Knock
from ampacity.config.charger_code import code_of, link_of
from ampacity.config.rewrite import set_value
from ampacity.config.site_toml import load
from ampacity.storage.records import changes

PAGE = "/api/v1/chargers"


@pytest.fixture
def owner(client_as: As) -> TestClient:
    return client_as(Role.OWNER)


@pytest.fixture
def knock(control: FakeControl) -> Knock:
    one = Knock(ocpp_id="CP/new", address="10.0.0.9", first_s=5.0, last_s=8.0, why="charger-unknown", vendor="Acme")
    control.knocks.append(one)
    return one


def link(client: TestClient, code: str, **more: str) -> tuple[int, dict[str, str]]:
    answer = client.post(f"{PAGE}/link", json={"code": code, **more})
    return answer.status_code, answer.json()


def test_a_charger_that_knocks_is_shown(owner: TestClient, knock: Knock) -> None:
    assert owner.get(f"{PAGE}/knocking").json() == [
        {
            "ocpp_id": "CP/new",
            "address": "10.0.0.9",
            "first_s": 5.0,
            "last_s": 8.0,
            "vendor": "Acme",
            "model": None,
            "firmware": None,
            "why": "charger-unknown",
        }
    ]


def test_a_charger_that_knocks_is_linked_by_its_identity_its_wiring_unknown(
    owner: TestClient, knock: Knock, site_file: Path, control: FakeControl, engine: Engine
) -> None:
    status, told = link(owner, knock.ocpp_id, name="Left bay")
    assert (status, told["charger"]) == (200, "CP-new")
    site = load(site_file)
    charger = site.site.chargers[-1]
    assert (site.name_of(charger.id), site.chargers[-1].ocpp_id, charger.wiring) == ("Left bay", "CP/new", None)
    assert control.used[-1].text == site_file.read_text()
    assert [(one.who, one.key) for one in changes(engine)] == [("owner", "chargers.CP-new")]


@pytest.mark.parametrize("code", [code_of("CP 9"), link_of("CP 9", "https://ampacity.local:8443")])
def test_a_charger_is_linked_by_what_stands_on_its_label(owner: TestClient, code: str, site_file: Path) -> None:
    assert link(owner, code)[0] == 200
    assert load(site_file).chargers[-1].ocpp_id == "CP 9"


def test_a_typing_error_is_found(owner: TestClient, site_file: Path) -> None:
    before = site_file.read_text()
    status, told = link(owner, code_of("CP-9").replace("CP", "CB"))
    assert (status, told["code"], told["place"]) == (422, "charger-code-wrong", "code")
    assert site_file.read_text() == before


def test_an_identity_that_is_typed_has_to_be_knocking(owner: TestClient, knock: Knock) -> None:
    status, told = link(owner, "CP/newe")
    assert (status, told["code"]) == (422, "charger-not-knocking")


def test_a_charger_is_linked_once(owner: TestClient, control: FakeControl) -> None:
    one = control.installation.chargers[0]
    answer = owner.post(f"{PAGE}/link", json={"code": code_of(one.ocpp_id)})
    assert (answer.status_code, answer.json()["code"]) == (409, "charger-linked-already")
    assert answer.json()["params"]["charger"] == one.charger


def test_two_chargers_of_like_identities_get_names_of_their_own(owner: TestClient, site_file: Path) -> None:
    names = [link(owner, code_of(ocpp_id))[1]["charger"] for ocpp_id in ("A/1", "A#1")]
    assert names == ["A-1", "A-1-2"]
    assert len(load(site_file).chargers) == 5


def test_a_refused_charger_is_not_shown_any_more(owner: TestClient, knock: Knock, control: FakeControl) -> None:
    assert owner.post(f"{PAGE}/refuse", json={"ocpp_id": knock.ocpp_id}).status_code == 204
    assert owner.get(f"{PAGE}/knocking").json() == []
    assert control.refused == ["CP/new"]


def test_drivers_neither_see_nor_link_new_chargers(client_as: As, knock: Knock) -> None:
    driver = client_as(Role.DRIVER)
    assert driver.get(f"{PAGE}/knocking").status_code == 403
    assert link(driver, knock.ocpp_id)[0] == 403


def test_a_charger_has_a_qr_code(owner: TestClient) -> None:
    answer = owner.get(f"{PAGE}/charger-1/qr.svg")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
    assert answer.text.count("<svg") == 1
    assert owner.get(f"{PAGE}/nobody/qr.svg").status_code == 404


def test_with_a_name_for_the_app_the_qr_code_is_a_link(
    owner: TestClient, site_file: Path, control: FakeControl
) -> None:
    plain = owner.get(f"{PAGE}/charger-1/qr.svg").text
    control.use(set_value(site_file, "app.host_names", ["charging.example.org"]))
    assert len(owner.get(f"{PAGE}/charger-1/qr.svg").text) > len(plain)


def test_labels_are_a_page_that_allows_its_own_style_and_nothing_else(owner: TestClient) -> None:
    answer = owner.get(f"{PAGE}/labels")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    assert style is not None
    allowed = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{allowed}';")
    assert "style=" not in answer.text
    assert answer.text.count("<article>") == 3


def test_labels_of_some_chargers_are_in_the_order_asked_for(owner: TestClient) -> None:
    page = owner.get(f"{PAGE}/labels?ids=charger-3,charger-1&paper=letter").text
    assert re.findall(r"<h2>(.*?)</h2>", page) == ["charger-3", "charger-1"]
    assert '<section class="letter">' in page
    assert owner.get(f"{PAGE}/labels?ids=nobody").status_code == 404
