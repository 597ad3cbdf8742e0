"""Buildings, meters, chargers and cars on real sockets."""

from __future__ import annotations

LOOPBACK = "127.0.0.1"
"""Where all of it listens."""
