"""What a decision hands to the next one. A value, so that a journal can keep it and a replay can start from it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Memory:
    """Empty at the start."""
