"""Who may change a charger's phases, and that it is written down."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine
from tests.api.conftest import BOTH, As, FakeControl

from ampacity.api.access import Role
from ampacity.storage.records import changes

pytestmark = BOTH
PHASES = "/api/v1/chargers/charger-1/phases"


@pytest.fixture
def able(control: FakeControl) -> None:
    control.switchable.add("charger-1")


@pytest.mark.parametrize("role", [Role.OWNER, Role.INSTALLER])
def test_an_owner_and_an_installer_change_the_phases(
    client_as: As, control: FakeControl, able: None, role: Role
) -> None:
    assert client_as(role).put(PHASES, json={"phases": 1}).status_code == 202
    assert control.switched == [("charger-1", 1)]


def test_a_driver_may_only_where_the_owner_allows_it(client_as: As, control: FakeControl, able: None) -> None:
    answer = client_as(Role.DRIVER).put(PHASES, json={"phases": 1})
    assert (answer.status_code, answer.json()["code"]) == (403, "drivers-may-not-wish")
    assert control.switched == []


def test_who_changed_the_phases_is_in_the_audit(client_as: As, engine: Engine, able: None) -> None:
    client_as(Role.OWNER).put(PHASES, json={"phases": 3})
    assert [(one.key, one.new) for one in changes(engine)][-1] == ("chargers.charger-1.phases", "3")


def test_a_charger_that_can_not_says_so(client_as: As) -> None:
    answer = client_as(Role.OWNER).put(PHASES, json={"phases": 1})
    assert (answer.status_code, answer.json()["code"]) == (409, "charger-phases-fixed")


@pytest.mark.parametrize("phases", [0, 2, "1", None])
def test_there_are_one_phase_and_three(client_as: As, able: None, phases: object) -> None:
    assert client_as(Role.OWNER).put(PHASES, json={"phases": phases}).status_code == 422


def test_a_charger_that_is_not_there_is_not_found(client_as: As) -> None:
    assert client_as(Role.OWNER).put("/api/v1/chargers/nobody/phases", json={"phases": 1}).status_code == 404
