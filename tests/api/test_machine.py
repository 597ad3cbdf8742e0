from __future__ import annotations

import socket

import pytest

from ampacity.api.machine import addresses


def test_a_service_that_may_not_list_its_interfaces_still_has_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> list[tuple[int, str]]:
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "if_nameindex", refused)
    assert "127.0.0.1" in addresses()
