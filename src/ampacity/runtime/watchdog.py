"""Tells systemd that the controller is ready and alive. Without systemd it does nothing.

The protocol is sd_notify(3): lines of text, sent as one datagram to the socket that NOTIFY_SOCKET names.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping, Sequence

from ampacity.core.decision import Decision
from ampacity.core.observations import Observation, Observed
from ampacity.core.site import Site

LARGEST_SHARE = 0.4
"""Of the time after which systemd gives the program up: it hears from a living one twice in it."""


class Watchdog:
    """A watcher of the loop: systemd hears of passes, and of nothing else. A loop that is stuck is silent."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """`environment`: as systemd started the program in."""
        self._address = environment.get("NOTIFY_SOCKET", "")
        usec = environment.get("WATCHDOG_USEC", "")
        self._every_s = LARGEST_SHARE * int(usec) / 1e6 if usec.isascii() and usec.isdigit() else None
        self._told_s: float | None = None
        self._status = ""
        self.is_ready = False
        """Whether chargers can connect. With the first pass after that, systemd is told so."""
        self._ready_told = False

    def __call__(self, site: Site, observed: Observed, seen: Sequence[Observation], decision: Decision) -> None:
        """A pass was made."""
        if not self._address:
            return
        if self.is_ready and not self._ready_told:
            self._ready_told = True
            self._tell("READY=1")
        every_s = self._every_s if self._every_s is not None else 10.0
        if self._told_s is None or decision.at_s - self._told_s >= every_s:
            self._told_s = decision.at_s
            self._tell("WATCHDOG=1", f"STATUS={_in_words(site, observed, decision)}")

    def stopping(self) -> None:
        """Chargers are being left at their safe currents."""
        self._tell("STOPPING=1")

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        # An abstract name begins with a null byte, written as @.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            out.sendto("\n".join(lines).encode(), address)


def _in_words(site: Site, observed: Observed, decision: Decision) -> str:
    online = sum(1 for charger in site.chargers if (one := observed.chargers.get(charger.id)) and one.online)
    charging = sum(1 for setpoint in decision.setpoints if setpoint.limit_a > 0)
    words = f"{online} of {len(site.chargers)} chargers connected, {charging} may charge"
    blind = [f"{view.circuit} ({view.blind.value})" for view in decision.circuits if view.blind is not None]
    return words + (f"; not believed: meter of {', '.join(blind)}" if blind else "")
