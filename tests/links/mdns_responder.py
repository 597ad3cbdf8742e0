"""A device that announces services by multicast DNS, hand-written after RFC 6762 and RFC 6763."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

LOOPBACK = "127.0.0.1"
PTR, TXT, SRV, A = 12, 16, 33, 1
FLUSH = 0x8000
"""RFC 6762, 10.2."""


def packed(name: str) -> bytes:
    """A name, without compression; a backslash keeps a dot in its label."""
    labels = [label.replace("\0", ".") for label in name.replace("\\.", "\0").rstrip(".").split(".")]
    return b"".join(bytes([len(label.encode())]) + label.encode() for label in labels) + b"\0"


def record(name: str, kind: int, data: bytes, *, flush: bool = False) -> bytes:
    return packed(name) + struct.pack("!HHIH", kind, 1 | (FLUSH if flush else 0), 120, len(data)) + data


def message(answers: Sequence[bytes], additional: Sequence[bytes] = (), *, flags: int = 0x8400) -> bytes:
    header = struct.pack("!HHHHHH", 0, flags, 0, len(answers), 0, len(additional))
    return header + b"".join(answers) + b"".join(additional)


@dataclass(slots=True, kw_only=True)
class Announced:
    """One service of a device."""

    kind: str = "_shelly._tcp"
    name: str = "shellypro3em-aabbcc"
    host: str = "shellypro3em-aabbcc.local"
    port: int = 80
    address: str = "10.0.0.9"
    text: Mapping[str, str] = field(default_factory=lambda: {"gen": "2", "app": "Pro3EM"})

    @property
    def instance(self) -> str:
        return f"{self.name}.{self.kind}.local"

    def records(self) -> dict[int, bytes]:
        pairs = b"".join(bytes([len(one)]) + one for one in (f"{k}={v}".encode() for k, v in self.text.items()))
        return {
            PTR: record(f"{self.kind}.local", PTR, packed(self.instance)),
            SRV: record(self.instance, SRV, struct.pack("!HHH", 0, 0, self.port) + packed(self.host), flush=True),
            TXT: record(self.instance, TXT, pairs or b"\0", flush=True),
            A: record(self.host, A, socket.inet_aton(self.address), flush=True),
        }


class Responder(asyncio.DatagramProtocol):
    """Answers each question that it knows, to whoever asks."""

    def __init__(self, services: Sequence[Announced], *, whole: bool, deaf_to: int) -> None:
        """`whole`: it tells all of a service at once; else what it was asked for alone. `deaf_to`: so many messages get
        lost first."""
        self._services = services
        self._whole = whole
        self._deaf_to = deaf_to
        self.asked: list[tuple[str, int, int]] = []
        """Name, type and class of each question."""
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # it is none in name on Python 3.11

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        questions = _questions(data)
        self.asked += questions
        if self._deaf_to:
            self._deaf_to -= 1
            return
        for name, kind, _ in questions:
            for service in self._services:
                records = service.records()
                if kind == PTR and name == f"{service.kind}.local".lower():
                    more = [records[SRV], records[TXT], records[A]] if self._whole else []
                    self._send(message([records[PTR]], more), addr)
                elif name in (service.instance.lower(), service.host.lower()):
                    self._send(message([records[kind]]), addr)

    def _send(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        self._transport.sendto(data, addr)


def _questions(data: bytes) -> list[tuple[str, int, int]]:
    (count,) = struct.unpack("!H", data[4:6])
    at, found = 12, []
    for _ in range(count):
        labels, at = _name(data, at)
        kind, class_ = struct.unpack("!HH", data[at : at + 4])
        at += 4
        found.append((".".join(labels).lower(), kind, class_))
    return found


def _name(data: bytes, at: int) -> tuple[list[str], int]:
    labels: list[str] = []
    while length := data[at]:
        if length & 0xC0:  # RFC 1035, 4.1.4
            rest, _ = _name(data, (length & 0x3F) << 8 | data[at + 1])
            return labels + rest, at + 2
        labels.append(data[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return labels, at + 1


@asynccontextmanager
async def announcing(
    *services: Announced, whole: bool = True, deaf_to: int = 0, group: str = LOOPBACK, port: int = 0
) -> AsyncIterator[tuple[Responder, tuple[str, int]]]:
    """A device on loopback, and where to ask; `group` is a multicast group on that interface, or its address."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.setblocking(False)
    sock.bind((group, port))
    if group != LOOPBACK:
        membership = struct.pack("=4s4si", socket.inet_aton(group), bytes(4), socket.if_nametoindex("lo"))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    responder = Responder(services, whole=whole, deaf_to=deaf_to)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: responder, sock=sock)
    try:
        yield responder, (group, sock.getsockname()[1])
    finally:
        transport.close()


def loopback_does_multicast(group: str) -> bool:
    """Whether a datagram to a group arrives on loopback here."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as heard,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as said,
    ):
        index = socket.if_nametoindex("lo")
        try:
            heard.bind((group, 0))
            member = struct.pack("=4s4si", socket.inet_aton(group), bytes(4), index)
            heard.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            said.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("=4s4si", bytes(4), bytes(4), index))
            said.sendto(b"x", heard.getsockname())
            heard.settimeout(2.0)
            return heard.recv(16) == b"x"
        except OSError:
            return False
