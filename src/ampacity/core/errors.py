"""Every failure a user may meet: what is wrong, and what to do, under a stable code."""

from __future__ import annotations


class AmpacityError(Exception):
    """Base of all errors shown to people.

    `code` is stable: log, API and docs share it. `remedy` says what to do, in the user's words.
    """

    code = "ampacity"
    remedy = "Report this with the log around it: it should carry a code of its own."

    def __init__(self, what: str, *, remedy: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        if remedy is not None:
            self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what} {self.remedy}"


class SiteError(AmpacityError):
    """What is installed, as described, can't be: a rule of the plant is broken."""

    code = "site-invalid"
    remedy = "Correct the site description."

    def __init__(self, place: str, what: str, *, remedy: str) -> None:
        super().__init__(f"{place}: {what}", remedy=remedy)
        self.place = place
        """Table and key, as in site.toml: `circuits.garage.limit_a`."""
        self.problem = what


class DeviceError(AmpacityError):
    """A meter or charger does not do what it should."""

    code = "device"
    remedy = "Check the device's power and wiring."
