"""Devices that announce themselves by multicast DNS: one question, and what is answered within some seconds.

One-shot questions from a port of our own (RFC 6762, 5.1, 5.4 and 6.7), so that a daemon that has port 5353 is no
hindrance; services as in RFC 6763. IPv4. dnspython builds and reads the messages.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.SRV import SRV

from ampacity.core.errors import AmpacityError

GROUP = ("224.0.0.251", 5353)
WAIT_S = 3.0
ROUNDS = 3
"""Questions are asked anew so often in this time: a datagram may be lost, and some answers call for more questions."""
MOST_MESSAGES = 2000
"""Of one search. A whole building's devices send some hundred."""
_UNIQUE = 0x8000
"""Top bit of the class: in a question, that the answer may come to us alone; in a record, that it replaces others (RFC
6762, 5.4 and 10.2)."""
_QUESTIONS_A_MESSAGE = 12
_HEADER = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
"""After its name: type, class, time to live, and how long the rest is."""
_LOCAL = dns.name.from_text("local.")


class NoNetwork(AmpacityError):
    """The question could not be sent over any network."""

    code = "mdns-no-network"
    remedy = "Check that this machine has a network with an IPv4 address."


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What a device announces. All text is as it came, but for what can't be printed."""

    kind: str
    """`_shelly._tcp`."""
    name: str
    """The device's own name for it."""
    host: str
    """`shellypro3em-aabbcc.local`; empty: it was not told."""
    port: int
    """0: it was not told."""
    addresses: tuple[str, ...]
    """IPv4, in order; where it told none, the one that it answered from."""
    text: dict[str, str]
    """Keys in small letters."""


@dataclass(slots=True)
class Heard:
    """All records of the answers so far."""

    pointers: dict[dns.name.Name, set[dns.name.Name]] = field(default_factory=dict)
    places: dict[dns.name.Name, tuple[dns.name.Name, int]] = field(default_factory=dict)
    texts: dict[dns.name.Name, dict[str, str]] = field(default_factory=dict)
    addresses: dict[dns.name.Name, set[str]] = field(default_factory=dict)
    senders: dict[dns.name.Name, str] = field(default_factory=dict)
    """Who told of a service first."""

    def take(self, message: bytes, sender: str) -> None:
        """An answer; what is none, or can't be read, is passed over."""
        try:
            answer = dns.message.from_wire(_plain(message), ignore_trailing=True)
        except (dns.exception.DNSException, ValueError, IndexError, struct.error):
            return
        if not answer.flags & dns.flags.QR:
            return
        for records in (*answer.answer, *answer.additional):
            for record in records:
                self._keep(records.name, record, sender)

    def services(self, kinds: Iterable[str]) -> list[Service]:
        """Of these kinds, in the order of kinds and names."""
        found = []
        for kind in kinds:
            for instance in sorted(self.pointers.get(_kind(kind), ()), key=str):
                host, port = self.places.get(instance, (None, 0))
                told = sorted(self.addresses.get(host, ())) if host is not None else []
                sender = self.senders.get(instance)
                found.append(
                    Service(
                        kind=kind,
                        name=printable(instance.labels[0]),
                        host="" if host is None else printable(host.to_text(omit_final_dot=True).encode()),
                        port=port,
                        addresses=tuple(told or ([] if sender is None else [sender])),
                        text=self.texts.get(instance, {}),
                    )
                )
        return found

    def open_questions(self, kinds: Iterable[str]) -> list[tuple[dns.name.Name, str]]:
        """What is still to be asked, by name and type."""
        asked: list[tuple[dns.name.Name, str]] = [(_kind(kind), "PTR") for kind in kinds]
        for instances in self.pointers.values():
            for instance in sorted(instances, key=str):
                if instance not in self.places:
                    asked.append((instance, "SRV"))
                elif (host := self.places[instance][0]) not in self.addresses:
                    asked.append((host, "A"))
                if instance not in self.texts:
                    asked.append((instance, "TXT"))
        return asked

    def _keep(self, name: dns.name.Name, record: dns.rdata.Rdata, sender: str) -> None:
        if not name.is_subdomain(_LOCAL):
            return
        match record:
            case PTR():
                if record.target.is_subdomain(name) and len(record.target) > len(name):
                    self.pointers.setdefault(name, set()).add(record.target)
                    self.senders.setdefault(record.target, sender)
            case SRV():
                self.places[name] = (record.target, record.port)
            case TXT():
                self.texts[name] = _pairs(record.strings)
            case A():
                self.addresses.setdefault(name, set()).add(record.address)


def question(asked: Sequence[tuple[dns.name.Name, str]]) -> bytes:
    """One message; its answers may come to us alone."""
    message = dns.message.Message(id=0)
    message.flags = dns.flags.Flag(0)
    unique = dns.rdataclass.RdataClass.make(dns.rdataclass.IN | _UNIQUE)
    message.question = [dns.rrset.RRset(name, unique, dns.rdatatype.from_text(kind)) for name, kind in asked]
    return message.to_wire()


def printable(text: bytes) -> str:
    """Of a device's own text: what a terminal may be given."""
    return "".join(one if one.isprintable() else "?" for one in text.decode("utf-8", "replace"))


async def search(
    kinds: Sequence[str],
    *,
    interfaces: Sequence[str] | None = None,
    wait_s: float = WAIT_S,
    group: tuple[str, int] = GROUP,
    step: Callable[[], None] = lambda: None,
) -> list[Service]:
    """What devices on the networks of these interfaces (None: all but loopback) announce of these kinds. `step` is
    called at each round.

    Raises:
        NoNetwork: nothing could be sent.
    """
    names = interfaces if interfaces is not None else [name for _, name in socket.if_nameindex() if name != "lo"]
    heard, loop = Heard(), asyncio.get_running_loop()
    with ExitStack() as opened:
        asking = []
        for name in names:
            with suppress(OSError):
                sock = opened.enter_context(_socket(name))
                transport, _ = await loop.create_datagram_endpoint(lambda: _Listener(heard, group[1]), sock=sock)
                opened.callback(transport.close)
                asking.append(sock)
        sent = False
        for _ in range(ROUNDS):
            step()
            for message in _messages(heard.open_questions(kinds)):
                for sock in asking:
                    sent |= _send(sock, message, group)
            if not sent:
                raise NoNetwork("No question could be sent over any network.")
            await asyncio.sleep(wait_s / ROUNDS)
    return heard.services(kinds)


class _Listener(asyncio.DatagramProtocol):
    def __init__(self, heard: Heard, port: int) -> None:
        self._heard = heard
        self._port = port
        self._count = 0

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        # RFC 6762, 6: what does not come from that port is to be passed over.
        if addr[1] == self._port and self._count < MOST_MESSAGES:
            self._count += 1
            self._heard.take(data, addr[0])

    def error_received(self, exc: Exception) -> None:
        """Nobody is on that network; others may be on others."""


def _socket(interface: str) -> socket.socket:
    """
    Raises:
        OSError: there is no such interface, or it does not do multicast.
    """
    index = socket.if_nametoindex(interface)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        # struct ip_mreqn: the group is of no interest here, nor the address.
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("=4s4si", bytes(4), bytes(4), index))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        sock.bind(("127.0.0.1" if interface == "lo" else "", 0))
    except OSError:
        sock.close()
        raise
    return sock


def _send(sock: socket.socket, message: bytes, group: tuple[str, int]) -> bool:
    # Not through the transport, which swallows errors.
    try:
        sock.sendto(message, group)
    except OSError:
        return False
    return True


def _messages(asked: Sequence[tuple[dns.name.Name, str]]) -> list[bytes]:
    return [question(asked[n : n + _QUESTIONS_A_MESSAGE]) for n in range(0, len(asked), _QUESTIONS_A_MESSAGE)]


def _kind(kind: str) -> dns.name.Name:
    return dns.name.from_text(kind, origin=_LOCAL)


def _pairs(strings: Iterable[bytes]) -> dict[str, str]:
    """RFC 6763, 6.4: the first of a key counts; a key alone has no value."""
    found: dict[str, str] = {}
    for one in strings:
        key, _, value = one.partition(b"=")
        if key:
            found.setdefault(printable(key).lower(), printable(value))
    return found


def _plain(message: bytes) -> bytes:
    """The same with the top bit of each record's class taken out: dnspython knows no such class.

    Raises:
        dns.exception.DNSException, struct.error or IndexError: it is no message.
    """
    out = bytearray(message)
    at = _HEADER.size
    _, _, questions, *records = _HEADER.unpack_from(message)
    for _ in range(questions):
        at += dns.name.from_wire(message, at)[1]
        out[at + 2] &= 0x7F
        at += 4
    for _ in range(sum(records)):
        at += dns.name.from_wire(message, at)[1]
        kind, _, _, length = _RECORD.unpack_from(message, at)
        if kind != dns.rdatatype.OPT:  # its class is a size
            out[at + 2] &= 0x7F
        at += _RECORD.size + length
    return bytes(out)
