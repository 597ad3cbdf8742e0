"""Property tests: seeded in the ordinary run, and long and random by `make campaign`. None is timed."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("seeded", deadline=None, suppress_health_check=_SLOW, derandomize=True)
settings.register_profile("campaign", deadline=None, suppress_health_check=_SLOW, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "seeded"))
