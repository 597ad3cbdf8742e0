from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from tests.api.conftest import As

from ampacity.api.access import Role
from ampacity.config.site_toml import load
from ampacity.core.features import Feature, go_together

OWNER, INSTALLER = Role.OWNER, Role.INSTALLER
PAGE = "/api/v1/features"
SETTINGS: dict[str, dict[str, Any]] = {"static": {"limit_a": 20.0}, "solar": {"mode": "top-up"}}


def switch(client: Any, feature: str, *, on: bool, **settings: Any) -> Any:
    version = client.get(PAGE).json()["version"]
    return client.put(f"{PAGE}/{feature}", json={"version": version, "on": on, "settings": settings})


@pytest.fixture
def one_charger(site_file: Path) -> None:
    """All features off, one charger."""
    text = site_file.read_text().replace("dynamic = true", "dynamic = false")
    head, _, rest = text.partition("[chargers.charger-2]")
    site_file.write_text(head + rest[rest.index("[ocpp]") :])


@pytest.mark.parametrize(("first", "second"), list(permutations(Feature, 2)))
@pytest.mark.usefixtures("one_charger")
def test_what_does_not_go_together_is_refused_whichever_comes_second(
    first: Feature, second: Feature, client_as: As, site_file: Path
) -> None:
    client = client_as(INSTALLER)
    client.post("/api/v1/disclaimer", json={"version": 1})
    assert switch(client, first.value, on=True, **SETTINGS.get(first.value, {})).status_code == 200
    answer = switch(client, second.value, on=True, **SETTINGS.get(second.value, {}))
    if go_together(first, second):
        assert answer.status_code == 200, answer.text
        assert load(site_file).features.on == {first, second}
        return
    told = answer.json()
    assert (answer.status_code, told["code"]) == (409, "features-conflict")
    assert told["params"] == {"feature": second.value, "against": first.value}
    assert first.value in told["remedy"]
    assert load(site_file).features.on == {first}


def test_the_page_says_beforehand_what_would_be_refused(client_as: As) -> None:
    page = client_as(OWNER).get(PAGE).json()
    refused = {one["id"]: (one["refused"] or {}).get("params") for one in page["features"]}
    assert refused["solar"] == {"feature": "solar", "against": "dynamic"}
    assert refused["static"] is None
    assert page["table"]["static"]["solar"] is False


def test_single_charger_mode_is_for_one(client_as: As) -> None:
    client = client_as(OWNER)
    switch(client, "dynamic", on=False)
    answer = switch(client, "single", on=True)
    assert (answer.status_code, answer.json()["code"]) == (409, "single-is-for-one")


@pytest.mark.parametrize(("settings", "code"), [({}, "static-needs-limit"), ({"limit_a": 6.0}, "breaker-too-low")])
def test_static_needs_a_current_above_6_a(settings: dict[str, float], code: str, client_as: As) -> None:
    assert switch(client_as(OWNER), "static", on=True, **settings).json()["code"] == code


def test_only_an_installer_takes_the_meters_eye_off_the_breaker(client_as: As, site_file: Path) -> None:
    owner = client_as(OWNER)
    assert switch(owner, "static", on=True, limit_a=20.0).status_code == 200
    assert switch(owner, "dynamic", on=False).json()["code"] == "needs-installer"
    assert switch(client_as(INSTALLER), "dynamic", on=False).status_code == 200
    assert load(site_file).site.meters == ()
    assert switch(owner, "static", on=True, limit_a=30.0).json()["code"] == "needs-installer"
    assert switch(owner, "static", on=True, limit_a=15.0).status_code == 200


def test_schedules_are_kept_and_read_back(client_as: As, site_file: Path) -> None:
    client = client_as(OWNER)
    page = client.get("/api/v1/schedules").json()
    night = {
        "name": "Night rate",
        "chargers": ["charger-1"],
        "days": ["mon", "fri"],
        "begin": "22:00",
        "end": "06:00",
        "limit_a": None,
    }
    answer = client.put("/api/v1/schedules", json={"version": page["version"], "schedules": [night]})
    assert answer.json()["schedules"] == [{**night, "name": "Night-rate"}]
    assert load(site_file).schedules[0].to_min == 360
    emptied = client.put("/api/v1/schedules", json={"version": answer.json()["version"], "schedules": []})
    assert emptied.json()["schedules"] == []
    assert "\n[schedules." not in site_file.read_text()


def test_a_charger_is_renamed_by_its_owner_and_rewired_by_an_installer(client_as: As, site_file: Path) -> None:
    owner, page = client_as(OWNER), "/api/v1/chargers/charger-1"
    version = owner.get(PAGE).json()["version"]
    answer = owner.patch(page, json={"version": version, "name": "Left bay", "min_a": 8})
    version = answer.json()["version"]
    assert owner.patch(page, json={"version": version, "max_a": 32}).json()["code"] == "needs-installer"
    answer = client_as(INSTALLER).patch(page, json={"version": version, "max_a": 32, "lines": ["L3"]})
    assert answer.status_code == 200
    site = load(site_file)
    charger = site.site.chargers[0]
    assert (site.name_of(charger.id), charger.min_a, charger.max_a, charger.phases) == ("Left bay", 8, 32, 1)


def test_a_charger_can_be_taken_out(client_as: As, site_file: Path) -> None:
    client = client_as(OWNER)
    version = client.get(PAGE).json()["version"]
    assert client.delete(f"/api/v1/chargers/charger-2?version={version}").status_code == 200
    assert [charger.id for charger in load(site_file).site.chargers] == ["charger-1", "charger-3"]
    assert client.delete(f"/api/v1/chargers/charger-2?version={version}").status_code == 409
