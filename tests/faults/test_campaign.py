"""A few stories of each campaign of faults; `make faults` tells thousands."""

from __future__ import annotations

import asyncio

import pytest

from faults import virtual
from faults.kill import kill_again_and_again
from faults.stories import tell
from faults.town import LATE_S

TRIPPED_ONCE = (315, 404, 505)
"""Many cars under a meter whose sign is turned, that were never known for sure at one moment."""
STUCK_ONCE = (10, 77, 81, 154)
"""A circuit of chargers alone whose meter showed nothing, and was not believed any more when that was true."""


@pytest.mark.parametrize("seed", [*TRIPPED_ONCE, *STUCK_ONCE, *range(5000, 5020)])
def test_a_story_in_virtual_time_ends_well(seed: int) -> None:
    told = virtual.tell(seed)
    assert not told.is_broken, told


async def test_stories_on_the_wire_end_well() -> None:
    for told in await asyncio.gather(*(tell(seed, most_chargers=4) for seed in (3, 108))):
        if told.late_s < LATE_S:
            assert not told.is_broken, told


async def test_a_controller_that_is_killed_leaves_nobody_above_what_is_allowed_and_comes_back() -> None:
    done = await kill_again_and_again(seed=2, times=2)
    assert done.kills == 2
    assert not done.trips
    assert not done.beyond
    assert not done.sessions_missing
    assert not done.unopened
    assert done.late or not done.stopped
