"""Cards and tags: whether who holds one to a charger may charge."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from ampacity.core.site import ChargerId

LONGEST_TAG = 20
"""OCPP 1.6, IdToken: a CiString20Type."""

OWN_TAG = "ampacity"
"""With which a charger is started that follows limits only after a RemoteStartTransaction."""


class TagVerdict(Enum):
    """On a tag, in the words of OCPP 1.6 (AuthorizationStatus)."""

    ACCEPTED = "Accepted"
    BLOCKED = "Blocked"
    """It is known, and may not charge now."""
    INVALID = "Invalid"
    """It is not known."""


Authorise = Callable[[ChargerId, str], TagVerdict]
"""The verdict on a tag that is held to a charger. Called on the event loop: it answers from memory, at once."""


def everybody(_: ChargerId, __: str) -> TagVerdict:
    """Every tag may charge."""
    return TagVerdict.ACCEPTED


def normal_tag(tag: str) -> str:
    """One form for all that are the same tag: OCPP compares them without regard to case."""
    return tag.strip().upper()
