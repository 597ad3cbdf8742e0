"""Property tests: seeded in the ordinary run, and long and random by `make campaign`. None is timed.

A PostgreSQL server, for the tests that want one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from tests.postgres import Server, server

from ampacity.storage.database import open_database

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("seeded", deadline=None, suppress_health_check=_SLOW, derandomize=True)
settings.register_profile("campaign", deadline=None, suppress_health_check=_SLOW, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "seeded"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """With a database that has our schema, to be copied."""
    with server() as one:
        one.run("CREATE DATABASE ours")
        open_database(one.url("ours")).dispose()
        yield one
