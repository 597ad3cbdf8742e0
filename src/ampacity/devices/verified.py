"""How sure a family's facts are, in words."""

from __future__ import annotations


def facts_from(verified: str) -> str:
    """Of `verified`, what the facts are from: without the samples, and without what is not confirmed."""
    return verified.split("; ")[0].rstrip(".")


def unconfirmed(family: str, verified: str) -> str:
    """Said when a family is used that nobody has seen on hardware."""
    known = facts_from(verified)
    return f"Nobody has confirmed {family} on hardware yet{known and f' ({known})'}."
