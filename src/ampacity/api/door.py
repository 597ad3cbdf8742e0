"""What every request and every answer passes: plain ASGI around the app, which buffers nothing."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Callable, Collection

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ampacity.api.access import SAFE_METHODS, Identify, Role
from ampacity.api.access import Scope as Grant
from ampacity.api.problems import NotAllowed, Problem, response
from ampacity.core.errors import AmpacityError

LARGEST_BYTES = 1_000_000
LARGEST_RESTORE_BYTES = 2_000_000_000
"""A copy of everything; taken only from an owner."""
BODY_S = 20.0
"""How long a request may take to arrive."""
RESTORE_S = 900.0

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # The camera reads the QR code of a charger.
    "permissions-policy": "camera=(self), fullscreen=(self), geolocation=(), microphone=(), payment=(), usb=()",
}
"""No Strict-Transport-Security: with a self-made certificate it would lock people out."""

LOCAL_SUFFIXES = (".local", ".lan", ".home", ".home.arpa", ".internal", ".localdomain")
"""Of the names that routers give to machines. None can be bought on the internet (RFC 6762, 8375; ICANN on .internal,
.home and the like)."""

_HOST = re.compile(r"(\[(?P<ip6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9_.-]+))(:[0-9]{1,5})?")


class HostUnknown(Problem):
    """The request names a host that this is not: a foreign page may have had its name changed to our address."""

    code = "host-unknown"
    status = 421
    remedy = "Open the app by its address, or add the name to host_names under [app] in site.toml."


class TooLarge(Problem):
    """More than is read."""

    code = "request-too-large"
    status = 413
    remedy = "Send less."


class TooSlow(Problem):
    """It did not arrive in time."""

    code = "request-too-slow"
    status = 408
    remedy = "Check the connection, and try again."


class Fault(Problem):
    """A fault of ours."""

    code = "fault"
    status = 500
    remedy = "Report this with the lines of the log around it."


class SafeAnswers:
    """Headers that tell browsers what not to do, on each answer; a route's own value of one of them stays. A fault is
    told as a problem, and goes on to the log."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def send_safe(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith(self._prefix):
                    headers.setdefault("cache-control", "no-store")
            await send(message)

        try:
            await self._app(scope, receive, send_safe)
        except Exception:  # whatever it is, who asks is told so; then it goes on to the log
            if not begun:
                await response(Fault("This is a fault of Ampacity."))(scope, receive, send_safe)
            raise


class KnownHosts:
    """Answers only to names that this machine has, so that no page of another site can reach it under its own name
    (DNS rebinding); and takes no change that such a page sends."""

    def __init__(self, app: ASGIApp, names: Callable[[], Collection[str]]) -> None:
        self._app = app
        self._names = names
        own = socket.gethostname().lower()
        self._own = {own, own.partition(".")[0]}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (refused := self._refused(scope)) is not None:
            await response(refused)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refused(self, scope: Scope) -> Problem | None:
        headers = Headers(scope=scope)
        given = headers.get("host", "")
        host = _host(given)
        if host is None or not self._is_known(host):
            return HostUnknown(f"This is not {given[:100]!r}.", host=given[:100])
        origin = headers.get("origin")
        if scope["method"] not in SAFE_METHODS and origin is not None and not _is_same(origin, given):
            return NotAllowed("The request comes from another site.", remedy="Use the app itself.")
        return None

    def _is_known(self, host: str) -> bool:
        if host == "localhost" or host in self._own or host in {name.lower() for name in self._names()}:
            return True
        if host.endswith(LOCAL_SUFFIXES):
            return True
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True


class Limits:
    """No more is read than is allowed, and for no longer. What is large is read only from an owner."""

    def __init__(
        self, app: ASGIApp, identify: Identify, large: str, body_s: float = BODY_S, restore_s: float = RESTORE_S
    ) -> None:
        """`large`: the one path whose requests may be large."""
        self._app = app
        self._identify = identify
        self._large = large
        self._body_s = body_s
        self._restore_s = restore_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most, within_s = LARGEST_BYTES, self._body_s
        if scope["path"] == self._large and await self._is_owner(scope):
            most, within_s = LARGEST_RESTORE_BYTES, self._restore_s
        passage = _Passage(receive, send, most, within_s)
        if _announced(scope) > most:
            passage.refused = TooLarge(f"The request is larger than {most} bytes.", most_bytes=most)
        else:
            try:
                await self._app(scope, passage.receive, passage.send)
            except Exception:  # of any kind: the app was cut off in the middle of its work
                if passage.refused is None:
                    raise
        if passage.refused is not None and not passage.begun:
            passage.refused.headers["Connection"] = "close"
            await response(passage.refused)(scope, receive, send)

    async def _is_owner(self, scope: Scope) -> bool:
        try:
            person = await run_in_threadpool(self._identify, Request(scope))
        except AmpacityError:
            return False
        if person is None or not person.is_(Role.OWNER):
            return False
        return person.scopes is None or Grant.ADMIN in person.scopes


class _Passage:
    """One request: counts what arrives and how long it takes. Once it is refused, the app hears that nobody is there,
    and what it says is not sent."""

    def __init__(self, receive: Receive, send: Send, most: int, within_s: float) -> None:
        self._receive = receive
        self._send = send
        self._left = most
        self._most = most
        self._within_s = within_s
        self._until_s = asyncio.get_running_loop().time() + within_s
        self._whole = False
        self.begun = False
        self.refused: Problem | None = None

    async def receive(self) -> Message:
        if self._whole or self.begun:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until_s):
                message = await self._receive()
        except TimeoutError:
            return self._gone(TooSlow(f"The request did not arrive within {self._within_s:g} s."))
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._left < 0:
                return self._gone(TooLarge(f"The request is larger than {self._most} bytes.", most_bytes=self._most))
        return message

    async def send(self, message: Message) -> None:
        if self.refused is None:
            self.begun = True
            await self._send(message)

    def _gone(self, refused: Problem) -> Message:
        self.refused = refused
        return {"type": "http.disconnect"}


def _announced(scope: Scope) -> int:
    text = Headers(scope=scope).get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _host(given: str) -> str | None:
    """Of a Host header, without its port, in small letters; None: it is none."""
    found = _HOST.fullmatch(given.lower())
    return None if found is None else (found["ip6"] or found["name"].rstrip("."))


def _is_same(origin: str, host: str) -> bool:
    scheme, _, place = origin.partition("://")
    return scheme in ("http", "https") and place.lower() == host.lower()
