"""Property tests: seeded in the ordinary run, and long and random by `make campaign`. None is timed.

A PostgreSQL server, for the tests that want one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain, zip_longest
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests.postgres import Server, server

from ampacity.storage.database import open_database

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("seeded", deadline=None, suppress_health_check=_SLOW, derandomize=True)
settings.register_profile("campaign", deadline=None, suppress_health_check=_SLOW, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "seeded"))


_WAITING = ("integration", "browser", "faults")
"""Their files take long, and mostly wait for clocks and sockets."""
_RECKONING = ("properties", "fuzz", "sim", "config")
"""Their files take long, and reckon all the time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, one that waits and one that reckons in turn: so several at once neither starve each other nor
    leave one for the end."""
    folders = {path: path.relative_to(Path(__file__).parent).parts[0] for path in dict.fromkeys(i.path for i in items)}
    waiting = [path for path, folder in folders.items() if folder in _WAITING]
    reckoning = [path for path, folder in folders.items() if folder in _RECKONING]
    first = [path for path in chain.from_iterable(zip_longest(waiting, reckoning)) if path is not None]
    place = {path: number for number, path in enumerate(first)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """With a database that has our schema, to be copied."""
    with server() as one:
        one.run("CREATE DATABASE ours")
        open_database(one.url("ours")).dispose()
        yield one
