"""Where a charger is that is asked over Modbus or HTTP."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectConnection:
    """Either `host` or `serial` is set."""

    device: str
    """Catalogue id of its family."""
    protocol: str
    unit: int
    socket: int
    """Which of the charger's, from 1."""
    host: str | None
    port: int
    serial: str | None
    baud: int
    parity: str
    stop_bits: int

    @property
    def address(self) -> str:
        """For people: `10.0.0.7:502, unit 1`."""
        words = f"{self.host}:{self.port}" if self.host is not None else str(self.serial)
        if self.protocol != "http":
            words += f", unit {self.unit}"
        return words if self.socket == 1 else f"{words}, socket {self.socket}"

    @property
    def frames(self) -> tuple[int, str, int]:
        """How they look on a serial line."""
        return self.baud, self.parity, self.stop_bits
