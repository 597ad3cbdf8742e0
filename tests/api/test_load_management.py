from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from tests.api.conftest import BOTH, As, FakeControl

from ampacity.api.access import Role
from ampacity.config.site_toml import load
from ampacity.core.features import Feature
from ampacity.core.observations import ChargerLink
from ampacity.core.site import ChargerId
from ampacity.storage.records import set_setting

pytestmark = BOTH

PAGE = "/api/v1/load-management"
OWNER, INSTALLER = Role.OWNER, Role.INSTALLER


@pytest.fixture
def site_file(tmp_path: Path, site_file: Path) -> Path:
    """As before its activation."""
    site_file.write_text(site_file.read_text().replace("dynamic = true", "dynamic = false"))
    return site_file


def form(client: Any, **changes: Any) -> dict[str, Any]:
    page = client.get(PAGE).json()
    return {"version": page["version"], "form": {**page["form"], **changes}}


def accept(client_as: As) -> None:
    assert client_as(OWNER).post("/api/v1/disclaimer", json={"version": 1}).status_code == 200


def test_the_whole_activation_as_the_guide_tells_it(client_as: As, control: FakeControl, site_file: Path) -> None:
    client = client_as(OWNER)
    assert client.get(PAGE).json()["status"]["code"] == "off"
    accept(client_as)
    wanted = form(client, breaker_a=[35.0] * 3, min_a={"charger-1": 8.0}, primary="charger-2", dynamic=True)
    shown = client.put(PAGE, json=wanted).json()
    assert shown["status"]["code"] == "missing"
    assert shown["status"]["missing"] == ["charger-1", "charger-2", "charger-3"]
    assert shown["status"]["since_s"] is not None
    site = load(site_file)
    assert Feature.DYNAMIC in site.features.on
    assert list(site.site.circuits[0].rating_a) == [35.0] * 3
    assert site.site.chargers[0].min_a == 8.0
    assert (site.primary, site.charger_count) == ("charger-2", 3)
    assert control.used[-1].text == site.text
    control.step(*[ChargerLink(charger=ChargerId(f"charger-{n}"), at_s=1000.0, online=True) for n in (1, 2, 3)])
    assert client.get(PAGE).json()["status"]["code"] == "paired"


def test_comments_of_the_file_stay(client_as: As, site_file: Path) -> None:
    accept(client_as)
    client = client_as(OWNER)
    assert client.put(PAGE, json=form(client, dynamic=True)).status_code == 200
    assert "# Electricity is dangerous" in site_file.read_text()


@pytest.mark.parametrize("amps", [6.0, 5.9, 0.0, -3.0])
def test_only_values_greater_than_6_a_are_accepted(amps: float, client_as: As, site_file: Path) -> None:
    client, before = client_as(OWNER), site_file.read_text()
    answer = client.put(PAGE, json=form(client, breaker_a=[amps] * 3))
    assert (answer.status_code, answer.json()["code"], answer.json()["place"]) == (422, "breaker-too-low", "breaker_a")
    assert site_file.read_text() == before


@pytest.mark.parametrize("amps", [5.9, 16.1])
def test_a_minimum_is_from_6_a_to_the_chargers_maximum(amps: float, client_as: As) -> None:
    client = client_as(OWNER)
    answer = client.put(PAGE, json=form(client, min_a={"charger-1": amps}))
    assert (answer.status_code, answer.json()["code"]) == (422, "minimum-out-of-range")
    assert answer.json()["params"] == {"given_a": amps, "least_a": 6.0, "most_a": 16.0}


@pytest.mark.parametrize(
    "changes", [{"breaker_a": [63.0] * 3}, {"breaker_a": [40.0, 40.0, 41.0]}, {"supply": "split-phase"}]
)
def test_raising_the_limit_and_the_supply_need_an_installer(
    changes: dict[str, Any], client_as: As, site_file: Path
) -> None:
    client, before = client_as(OWNER), site_file.read_text()
    answer = client.put(PAGE, json=form(client, **changes))
    assert (answer.status_code, answer.json()["code"]) == (403, "needs-installer")
    assert site_file.read_text() == before


def test_an_installer_may_raise_the_limit(client_as: As, site_file: Path) -> None:
    client = client_as(INSTALLER)
    assert client.put(PAGE, json=form(client, breaker_a=[63.0] * 3)).status_code == 200
    assert list(load(site_file).site.circuits[0].rating_a) == [63.0] * 3


def test_the_disclaimer_comes_before_the_first_activation(client_as: As) -> None:
    client = client_as(OWNER)
    answer = client.put(PAGE, json=form(client, dynamic=True))
    assert (answer.status_code, answer.json()["code"]) == (409, "disclaimer-needed")


def test_of_two_who_save_at_once_the_second_is_told(client_as: As, site_file: Path) -> None:
    first, second = client_as(OWNER), client_as(INSTALLER)
    one, other = form(first, breaker_a=[32.0] * 3), form(second, breaker_a=[50.0] * 3)
    assert first.put(PAGE, json=one).status_code == 200
    answer = second.put(PAGE, json=other)
    assert (answer.status_code, answer.json()["code"]) == (409, "changed-meanwhile")
    assert answer.json()["params"]["by"] == "owner"
    assert list(load(site_file).site.circuits[0].rating_a) == [32.0] * 3


def test_a_file_changed_with_an_editor_is_not_overwritten(client_as: As, site_file: Path) -> None:
    client = client_as(OWNER)
    wanted = form(client, breaker_a=[32.0] * 3)
    site_file.write_text(site_file.read_text() + "\n# by hand\n")
    assert client.put(PAGE, json=wanted).json()["code"] == "changed-meanwhile"
    assert "# by hand" in site_file.read_text()


def test_the_preview_tells_what_would_change_and_changes_nothing(
    client_as: As, control: FakeControl, site_file: Path
) -> None:
    client, before = client_as(OWNER), site_file.read_text()
    told = client.post(f"{PAGE}/preview", json=form(client, breaker_a=[32.0] * 3, dynamic=True)).json()
    assert {"place": "circuits.main.limit_a", "before": 40, "after": 32.0} in told["changes"]
    assert [one["code"] for one in told["refused"]] == ["disclaimer-needed"]
    assert site_file.read_text() == before
    assert not control.used


def test_every_change_is_in_the_audit_with_who_and_from_what_to_what(client_as: As) -> None:
    client = client_as(OWNER)
    client.put(PAGE, json=form(client, breaker_a=[32.0] * 3))
    lines = client.get("/api/v1/audit").json()
    line = next(line for line in lines if line["key"] == "circuits.main.limit_a")
    assert (line["who"], line["old"], line["new"]) == ("owner", "40", "32.0")


def test_what_contradicts_itself_is_refused_as_a_whole(client_as: As, site_file: Path) -> None:
    client = client_as(OWNER)
    answer = client.put(PAGE, json=form(client, charger_count=2))
    assert (answer.status_code, answer.json()["code"]) == (422, "count-too-small")


def test_a_full_disk_changes_nothing(client_as: As, control: FakeControl, site_file: Path) -> None:
    client = client_as(OWNER)
    wanted, before = form(client, breaker_a=[32.0] * 3), site_file.read_text()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        answer = client.put(PAGE, json=wanted)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (answer.status_code, answer.json()["code"]) == (503, "site-not-written")
    assert site_file.read_text() == before
    assert [path.name for path in site_file.parent.iterdir() if path.name.startswith(".site")] == []
    assert not control.used


def test_who_saved_meanwhile_is_who_changed_the_site(client_as: As, engine: Engine) -> None:
    first, second = client_as(OWNER), client_as(INSTALLER)
    one, other = form(first, breaker_a=[32.0] * 3), form(second, breaker_a=[50.0] * 3)
    first.put(PAGE, json=one)
    set_setting(engine, "mail.host", "x", who="somebody else", wall_s=2e9)
    assert second.put(PAGE, json=other).json()["params"]["by"] == "owner"
