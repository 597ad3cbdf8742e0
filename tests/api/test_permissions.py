"""Who may what, proven on every route of the app for everybody: made from the routes, so that none can be forgotten."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import pytest
from fastapi import FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from sqlalchemy import Engine
from starlette.types import Message
from tests.api.conftest import FakeControl, House

from ampacity.api.access import Access, Person, Public, Role, Scope
from ampacity.api.entrance import Entrance
from ampacity.api.passwords import Hashing
from ampacity.api.ports import Services
from ampacity.api.server import PREFIX, create

CSRF = "the page's own"
NOW_S = 1_800_000_000.0

PUBLIC = {
    ("GET", "/about"),
    ("POST", "/first-start"),
    ("POST", "/sign-in"),
    ("POST", "/password-reset"),
    ("GET", "/invitations/{key}"),
    ("POST", "/invitations/{key}"),
}
"""Open to anybody who reaches the port. A line more here is a door more: it needs a limit of attempts, and must tell
nothing about people."""

DRIVERS_CHANGE = {
    ("DELETE", "/sign-in"),
    ("DELETE", "/sign-ins/{id}"),
    ("PATCH", "/account"),
    ("PUT", "/account/password"),
    ("POST", "/chargers/{id}/wish"),
    ("PUT", "/chargers/{id}/phases"),
    ("PUT", "/sessions/{charger}/{session}/driver"),
}
"""All that a driver may change."""

LOCKED_KIOSKS_CHANGE = {("DELETE", "/sign-in"), ("POST", "/kiosk/unlock"), ("POST", "/kiosk/lock")}
"""All that anybody who walks by may change."""

WITHOUT_A_ROUTE_OF_OURS = {f"{PREFIX}/openapi.json"}
"""Served by the framework: the description of the API, which is the same for every site."""

SAFE = {"GET", "HEAD", "OPTIONS"}


@dataclass(frozen=True)
class Declared:
    """A route and who may use it, as it says itself."""

    method: str
    path: str
    """Without the prefix."""
    access: Access | None
    """None: anybody."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Nothing:
    """A controller, or a database, that is not asked."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


def whole_app(who: Callable[[], Person | None], control: Any = None, engine: Any = None) -> FastAPI:
    """The app as it is served, for one who sends all requests."""
    services = Services(
        control=control or cast(Any, Nothing()), engine=lambda: engine, identify=lambda _: who(), wall_s=lambda: NOW_S
    )
    return create(services, entrance=Entrance(hashing=Hashing(time_cost=1, memory_kib=8)))


def declared() -> list[Declared]:
    """Every route of the whole app, however it was added."""
    found = []
    for route in iter_route_contexts(whole_app(lambda: None).routes):
        if not isinstance(route.original_route, APIRoute) or not str(route.path).startswith("/api"):
            continue
        marks = [one.call for one in flat(route.dependant) if isinstance(one.call, Access | Public)]
        assert len(marks) == 1, f"{route.path} must say once who may use it, and says it {len(marks)} times"
        mark = marks[0]
        for method in sorted(route.methods or ()):
            path = str(route.path).removeprefix(PREFIX)
            found.append(Declared(method, path, mark if isinstance(mark, Access) else None))
    return found


def flat(dependant: Dependant) -> list[Dependant]:
    return [one for below in dependant.dependencies for one in (below, *flat(below))]


ROUTES = declared()


# --- the table ---


def test_what_is_open_to_anybody_is_exactly_what_is_written_here() -> None:
    assert {(one.method, one.path) for one in ROUTES if one.access is None} == PUBLIC


def test_drivers_change_nothing_but_what_is_written_here() -> None:
    changing = {(one.method, one.path) for one in ROUTES if one.access and Role.DRIVER in one.access.roles}
    assert {one for one in changing if one[0] not in SAFE} <= DRIVERS_CHANGE


def test_a_locked_kiosk_changes_nothing_but_what_is_written_here() -> None:
    changing = {(one.method, one.path) for one in ROUTES if one.access and Role.KIOSK in one.access.roles}
    assert {one for one in changing if one[0] not in SAFE} <= LOCKED_KIOSKS_CHANGE


def test_a_kiosk_that_is_unlocked_never_touches_people_secrets_or_copies() -> None:
    kept = re.compile(r"/(account|accounts|invitations|tokens|tags|backup|restore|notifications|audit|kiosk/enrol)\b")
    assert not [str(one) for one in ROUTES if one.access and one.access.kiosk and kept.match(one.path)]


def test_a_token_that_reads_changes_nothing() -> None:
    reading = [one for one in ROUTES if one.access and one.access.scope is Scope.READ]
    assert not [str(one) for one in reading if one.method not in SAFE]


def test_whatever_else_is_served_is_known_here_or_only_read() -> None:
    others = [
        route
        for route in iter_route_contexts(whole_app(lambda: None).routes)
        if not isinstance(route.original_route, APIRoute) or not str(route.path).startswith("/api")
    ]
    assert {str(one.path) for one in others if str(one.path).startswith("/api")} == WITHOUT_A_ROUTE_OF_OURS
    assert not [str(one.path) for one in others if (one.methods or set()) - SAFE]


# --- everybody at every route ---


def person(role: Role, **more: Any) -> Person:
    account = None if role is Role.KIOSK else 1
    return Person(account=account, name=role.value, role=role, sign_in=1, csrf=CSRF, **more)


def machine(*scopes: Scope) -> Person:
    return Person(account=None, name="token", role=Role.OWNER, scopes=frozenset(scopes), token=1)


PEOPLE: dict[str, Person | None] = {
    "nobody": None,
    "owner": person(Role.OWNER),
    "installer": person(Role.INSTALLER),
    "driver": person(Role.DRIVER),
    "kiosk": person(Role.KIOSK),
    "kiosk unlocked": person(Role.KIOSK, unlocked_until_s=NOW_S + 1),
    "kiosk unlocked before": person(Role.KIOSK, unlocked_until_s=NOW_S),
    **{f"token {scope.value}": machine(scope) for scope in Scope},
    "token of no scope": machine(),
}


def expected(route: Declared, who: Person | None, csrf: str | None) -> int:
    """200: let in; else the status of the refusal. Written down anew, so that a fault in `Access` shows."""
    access = route.access
    if access is None:
        return 200
    if who is None:
        return 401
    if who.scopes is not None:
        allowed = access.scope is not None and bool(who.scopes & {access.scope, Scope.ADMIN})
        return 200 if allowed else 403
    if route.method not in SAFE and csrf != CSRF:
        return 403
    unlocked = who.unlocked_until_s is not None and who.unlocked_until_s > NOW_S
    return 200 if who.role in access.roles or (access.kiosk and unlocked) else 403


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_a_route_lets_in_whom_it_says_and_nobody_else(route: Declared, control: FakeControl, engine: Engine) -> None:
    wrong = []
    who: Person | None = None
    app = whole_app(lambda: who, control, engine)
    for name, who in PEOPLE.items():
        for csrf in (CSRF, None, "another page's"):
            told, wanted = answer(route, app, csrf), expected(route, who, csrf)
            if told != wanted:
                wrong.append(f"{name}, X-Csrf {csrf!r}: {told} instead of {wanted}")
    assert not wrong


REFUSALS = (
    "Nobody is signed in.",
    "This takes ",
    "The request does not come from the app.",
    "This is not for the role ",
)
"""How `Access` begins its refusals: what a route refuses by itself, once it has let somebody in, is not meant here."""


def answer(route: Declared, app: FastAPI, csrf: str | None) -> int:
    """200 if the route was reached, whatever came of it."""
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    if csrf is not None:
        headers.append((b"x-csrf", csrf.encode()))
    status, body = asyncio.run(first_words(app, route.method, PREFIX + re.sub(r"\{[^}]*\}", "1", route.path), headers))
    if status in (401, 403) and json.loads(body)["detail"].startswith(REFUSALS):
        return status
    return 200


async def first_words(app: Any, method: str, path: str, headers: list[tuple[bytes, bytes]]) -> tuple[int, bytes]:
    """Status and beginning of an answer, which may be a stream without end."""
    asked, told = [b"{}"], asyncio.Event()
    status, body = 0, b""

    async def receive() -> Message:
        if asked:
            return {"type": "http.request", "body": asked.pop(), "more_body": False}
        await told.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        nonlocal status, body
        if message["type"] == "http.response.start":
            status = message["status"]
            if status < 400:
                told.set()
        else:
            body += message.get("body", b"")
            if not message.get("more_body", False):
                told.set()

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 50000),
    }
    asking = asyncio.create_task(app(scope, receive, send))
    waiting = asyncio.create_task(told.wait())
    async with asyncio.timeout(60):
        await asyncio.wait([asking, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not asking.done():
        asking.cancel()
    await asyncio.gather(asking, waiting, return_exceptions=True)
    if status == 0:  # it failed before it said anything: that is a fault of the route's, and it was reached
        status = 500
    return status, body


# --- real people ---


def test_real_people_kiosks_and_tokens_are_taken_for_what_they_are(house: House) -> None:
    owner = house.owner()
    clients = {
        "owner": owner,
        "installer": house.joined(owner, "installer", "Ina"),
        "driver": house.joined(owner, "driver", "Ben"),
        "kiosk": house.kiosk(owner),
    }
    seen = {}
    for name, client in clients.items():
        request = Request(
            {
                "type": "http",
                "headers": [(b"cookie", f"ampacity={client.cookies['ampacity']}".encode())],
                "client": ("10.0.0.9", 5),
            }
        )
        found = house.identity(request)
        assert found is not None
        assert found.csrf == client.headers["x-csrf"]
        assert found.scopes is None
        seen[name] = found.role
    assert seen == {role.value: role for role in Role}
