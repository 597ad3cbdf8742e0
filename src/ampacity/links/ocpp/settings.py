"""What is read and set of a charger's own settings, whatever a version of OCPP calls them."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto

from ampacity.links.ocpp.fields import whole
from ampacity.links.ocpp.profiles import Form


class Setting(Enum):
    """A setting of a charger."""

    RATE_UNITS = auto()
    MOST_STACK_LEVEL = auto()
    MOST_PROFILES = auto()
    MOST_PERIODS = auto()
    OFFLINE_END = auto()
    """Whether a profile may say how long it holds without a connection."""
    SMART_CHARGING = auto()
    """Whether charging profiles are followed at all."""
    PHASES_3_TO_1 = auto()
    PHASE_CHOICE = auto()
    MEASURANDS = auto()
    """Of what it reports every so often in a transaction."""
    CLOCK_MEASURANDS = auto()
    """Of what it reports when it is asked to."""
    BEGIN_MEASURANDS = auto()
    END_MEASURANDS = auto()
    REPORT_INTERVAL = auto()
    PING_INTERVAL = auto()
    KNOWN_MEASURANDS = auto()
    """Those that it has, where it has a key of its own for that."""
    PHASE_ROTATION = auto()
    OWN_MAXIMUM = auto()
    """In amperes per phase, where it tells."""


Settings = dict[Setting, tuple[str, bool]]
"""Value, and whether it is known to be read-only."""


def form_within(form: Form, settings: Settings) -> Form:
    """The form, within what the charger says it takes."""
    values = {setting: value for setting, (value, _) in settings.items()}
    units = values.get(Setting.RATE_UNITS, "").lower()
    if units and "current" not in units and "a" not in [unit.strip() for unit in units.split(",")]:
        form = replace(form, watts=True)
    highest = whole(values.get(Setting.MOST_STACK_LEVEL))
    most = whole(values.get(Setting.MOST_PROFILES))
    if (highest is not None and highest < 1) or (most is not None and most < 2):
        form = replace(form, stack_level=0)
    if values.get(Setting.OFFLINE_END, "").lower() == "false" or form.stack_level == 0:
        form = replace(form, offline_end=False)
    if whole(values.get(Setting.MOST_PERIODS)) == 1 and form.lease_form == "two-period":
        form = replace(form, lease_form="duration" if form.stack_level > 0 else "none")
    return form
