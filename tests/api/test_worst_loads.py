from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.api.conftest import As

from ampacity.api.access import Role
from ampacity.config.site_toml import load

PAGE = "/api/v1/worst-loads"


def state(client: Any, amps: list[float], circuit: str = "main") -> Any:
    version = client.get(PAGE).json()["version"]
    return client.put(PAGE, json={"version": version, "circuit": circuit, "worst_load_a": amps})


def test_a_worst_load_that_is_stated_stands_in_the_file_and_is_told(client_as: As, site_file: Path) -> None:
    client = client_as(Role.INSTALLER)
    assert client.get(PAGE).json()["circuits"][0]["worst_load_a"] is None
    assert state(client, [16.0, 12.5, 8.0]).json()["circuits"][0]["worst_load_a"] == [16.0, 12.5, 8.0]
    stated = load(site_file).site.circuits[0].worst_load_a
    assert stated is not None
    assert list(stated) == [16.0, 12.5, 8.0]


def test_zero_is_a_worst_load_too(client_as: As) -> None:
    assert state(client_as(Role.INSTALLER), [0, 0, 0]).json()["circuits"][0]["worst_load_a"] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("amps", [[16.0], [16.0, 16.0, -1.0], [16.0, 16.0, 1e5]])
def test_what_can_not_be_is_refused_and_the_file_is_as_it_was(
    amps: list[float], client_as: As, site_file: Path
) -> None:
    before = site_file.read_text()
    assert state(client_as(Role.INSTALLER), amps).status_code == 422
    assert site_file.read_text() == before


def test_a_circuit_that_is_not_there_is_refused(client_as: As) -> None:
    assert state(client_as(Role.INSTALLER), [1.0, 1.0, 1.0], circuit="attic").json()["code"] == "not-found"


def test_an_owner_reads_it_and_may_not_state_it(client_as: As) -> None:
    client = client_as(Role.OWNER)
    assert client.get(PAGE).status_code == 200
    assert state(client, [16.0, 16.0, 16.0]).json()["code"] == "not-allowed"
