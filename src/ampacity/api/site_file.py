"""Saves what is set in the app into site.toml: read, compared, checked and written as one, and in use at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ampacity.api.access import Person
from ampacity.api.ports import Services
from ampacity.api.problems import ChangedMeanwhile, Problem
from ampacity.config.installation import Installation
from ampacity.config.mistakes import SiteFileError
from ampacity.config.rewrite import Setting, text_with, write
from ampacity.config.site_toml import parse, read_text
from ampacity.storage.accounts import note
from ampacity.storage.records import newest_changes
from ampacity.storage.transactions import keeping

Changes = Mapping[str, Setting | None]
"""By place, as `chargers.left.min_a`; None removes it."""

_PLACES = ("site.", "features.", "schedules.", "circuits.", "meters.", "chargers.")
"""How what stands in site.toml begins in the audit."""


class SiteRefused(Problem):
    """As it would be, the site contradicts itself."""

    code = "site-refused"
    status = 422
    remedy = "Correct what is named."


class SiteNotWritten(Problem):
    """The file can't be changed."""

    code = "site-not-written"
    status = 503
    remedy = "Nothing was changed. Check the permissions of site.toml and its folder, and the disk."


class NotTaken(Problem):
    """It is written, and the controller did not come to it."""

    code = "site-not-taken"
    status = 503
    remedy = "It is saved. Start the controller anew, and look into its log."


def version_of(installation: Installation) -> str:
    """Of a text of site.toml: another one for every change."""
    return hashlib.sha256(installation.text.encode()).hexdigest()[:16]


@contextmanager
def saving(services: Services, version: str) -> Iterator[Installation]:
    """Nobody else saves meanwhile. Yields what is set now, which is what `version` names.

    Raises:
        ChangedMeanwhile: somebody has saved since, in the app or with an editor.
    """
    with services.saving:
        installation = services.control.installation
        if version != version_of(installation):
            raise _changed(services, installation)
        if read_text(installation.path) != installation.text:
            raise ChangedMeanwhile(
                "site.toml was changed outside of the app.",
                remedy="Start the controller anew to use what stands there, and look at what is set then.",
                by="",
                at_s=None,
            )
        yield installation


def checked(installation: Installation, changes: Changes) -> Installation:
    """How it would be. Nothing is written.

    Raises:
        SiteRefused
    """
    try:
        return parse(text_with(installation.path, installation.text, changes), installation.path)
    except SiteFileError as error:
        first = error.mistakes[0]
        raise SiteRefused(first.what, remedy=first.remedy, place=first.place, line=first.line) from error


def save(services: Services, person: Person, installation: Installation, changes: Changes) -> Installation:
    """Writes, uses, and notes each change in the audit. Call it within `saving`.

    Raises:
        SiteRefused, SiteNotWritten, NotTaken
    """
    wanted = checked(installation, changes)
    try:
        saved = write(installation.path, wanted.text)
    except OSError as error:
        raise SiteNotWritten(f"site.toml can't be written ({error.strerror or error}).") from error
    try:
        services.control.use(saved)
    except TimeoutError as error:
        raise NotTaken("The controller does not answer.") from error
    now_s = services.wall_s()
    with keeping(services.engine()) as connection:
        for place, value in changes.items():
            old = value_at(installation, place)
            note(connection, now_s, person.name, place, _shown(old), _shown(value))
    return saved


def value_at(installation: Installation, place: str) -> object:
    """What stands in the file; None: nothing."""
    found: object = installation.document
    for name in place.split("."):
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    return found


def _shown(value: object) -> str | None:
    return None if value is None else str(value)


def _changed(services: Services, installation: Installation) -> ChangedMeanwhile:
    last = next(iter(newest_changes(services.engine(), 1, under=_PLACES)), None)
    who = last.who if last is not None else "Somebody"
    return ChangedMeanwhile(f"{who} has saved since you began.", by=who, at_s=None if last is None else last.at_s)
