"""Closed sets: every error has a code of its own and a remedy."""

from __future__ import annotations

import importlib
import pkgutil

import ampacity
from ampacity.core.errors import AmpacityError


def _all_errors() -> list[type[AmpacityError]]:
    for module in pkgutil.walk_packages(ampacity.__path__, "ampacity."):
        if not module.name.startswith(("ampacity.storage.migrations", "ampacity.sim.picture")):
            importlib.import_module(module.name)
    found, new = [], [AmpacityError]
    while new:
        found.extend(new)
        new = [child for parent in new for child in parent.__subclasses__()]
    return [kind for kind in found if kind.__module__.startswith("ampacity.")]


def test_every_error_has_a_code_of_its_own() -> None:
    errors = _all_errors()
    own = [kind for kind in errors if "code" in vars(kind)]
    assert own == errors
    assert len({kind.code for kind in errors}) == len(errors)


def test_every_error_says_what_to_do() -> None:
    assert [kind.code for kind in _all_errors() if not kind.remedy] == []
