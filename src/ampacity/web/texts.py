"""The app's texts, for what the server itself writes: labels and mails."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

LANGUAGES = ("en", "es", "de", "fr", "ca", "nl")


def text(language: str, key: str, **params: object) -> str:
    """The text `group.name`, with `{param}` filled in; in English where the language is not known.

    Raises:
        KeyError: there is no such text.
    """
    group, _, name = key.partition(".")
    found = str(_texts(language if language in LANGUAGES else "en")[group][name])
    for param, value in params.items():
        found = found.replace(f"{{{param}}}", str(value))
    return found


@cache
def _texts(language: str) -> dict[str, Any]:
    file = resources.files("ampacity.web").joinpath("texts", f"{language}.json")
    texts: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return texts
