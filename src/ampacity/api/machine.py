"""Under which names and addresses this machine is reached."""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_SIOCGIFADDR = 0x8915
"""Linux, netdevice(7): the address of an interface."""
_IPV6 = Path("/proc/net/if_inet6")
_ELSEWHERE = "192.0.2.1"
"""RFC 5737: nobody's. Nothing is sent to it."""


def host_names() -> list[str]:
    """The machine's own name, first as it is called on the local network."""
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    names = [f"{short}.local", short, name] if short and short != "localhost" else []
    return list(dict.fromkeys([*names, "localhost"]))


def addresses() -> list[str]:
    """All addresses of this machine that another one, or itself, may use; the one towards the network first."""
    found = [towards_network(), *_ipv4(), *_ipv6(), "127.0.0.1", "::1"]
    return list(dict.fromkeys(one for one in found if one is not None))


def towards_network() -> str | None:
    """The address that others on the network know it by; None: it has none now."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.connect((_ELSEWHERE, 9))
        return str(asked.getsockname()[0])
    return next((one for one in _ipv4() if not ipaddress.ip_address(one).is_loopback), None)


def app_url(*, tls: bool, listen: str, port: int, names: Sequence[str] = ()) -> str:
    """Where a phone on the network finds the app. `names`: those the installer gave, of which the first is used."""
    anywhere = listen in ("0.0.0.0", "::", "")
    host = names[0] if names else (towards_network() or "localhost") if anywhere else listen
    if ":" in host:
        host = f"[{host}]"
    usual = 443 if tls else 80
    return f"{'https' if tls else 'http'}://{host}" + ("" if port == usual else f":{port}")


def _ipv4() -> list[str]:
    found = []
    try:
        names = [name for _, name in socket.if_nameindex()]
    except OSError:  # a confined service may not ask (it takes AF_NETLINK)
        return []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for name in names:
            with suppress(OSError):  # an interface without an address
                told = fcntl.ioctl(asked.fileno(), _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                found.append(socket.inet_ntoa(told[20:24]))
    return found


def _ipv6() -> list[str]:
    try:
        lines = _IPV6.read_text().splitlines()
    except OSError:
        return []
    found = [ipaddress.IPv6Address(int(line.split()[0], 16)) for line in lines if line.strip()]
    return [str(one) for one in found if not one.is_link_local and not one.is_loopback]
