"""The API keeps to its own description: requests are made from it, and no answer may be a fault or of another form."""

from __future__ import annotations

import atexit
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import schemathesis
from fastapi import Request
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from tests.api.conftest import FakeControl

from ampacity.api.access import Person, Role
from ampacity.api.ports import Services
from ampacity.api.server import create
from ampacity.config.site_toml import load
from ampacity.config.template import new_site_text
from ampacity.core.phases import Supply
from ampacity.storage.database import open_database

KEPT = TemporaryDirectory(prefix="ampacity-description-")
FOLDER = Path(KEPT.name)
atexit.register(KEPT.cleanup)


def whoever(_: Request) -> Person:
    return Person(account=1, name="Ann", role=Role.OWNER, sign_in=1, csrf="page")


def _app() -> Any:
    path = FOLDER / "site.toml"
    path.write_text(
        new_site_text(
            name="House",
            supply=Supply.THREE_PHASE,
            region="europe",
            limit_a=40,
            chargers=2,
            meter_host="127.0.0.1",
            meter_serial=None,
        )
    )
    engine = open_database(FOLDER / "ampacity.db")
    atexit.register(engine.dispose)
    control = FakeControl(load(path))
    control.step()
    return create(Services(control=control, engine=lambda: engine, identify=whoever, wall_s=time.time))


schema = schemathesis.openapi.from_asgi(
    "/api/v1/openapi.json", _app(), config=SchemathesisConfig(), headers={"host": "localhost"}
)


@schemathesis.serializer("application/zip")
def as_it_is(_: Any, value: Any) -> bytes:
    """A file."""
    return value if isinstance(value, bytes) else str(value).encode()


@schema.exclude(
    path_regex="stream|/notifications/test|first-start|password-reset|sign-in|/account/password|/invitations/"
).parametrize()
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_no_request_makes_a_fault(case: Any) -> None:
    answer = case.call(headers={"x-csrf": "page", "host": "localhost"})
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"][0] == "application/problem+json"
