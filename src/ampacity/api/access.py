"""Who may do what: every route names its roles and its scope by `access`, and nothing else decides it."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from fastapi import Depends, Request

from ampacity.api.problems import NotAllowed, NotSignedIn


class Role(Enum):
    """What an account is here for."""

    OWNER = "owner"
    INSTALLER = "installer"
    DRIVER = "driver"
    KIOSK = "kiosk"
    """A tablet on the wall."""


class Scope(Enum):
    """What a token for a machine may do."""

    READ = "read"
    WISH = "wish"
    SETTINGS = "settings"
    ADMIN = "admin"
    """Accounts, tokens, backups."""


ANYONE = frozenset(Role)
PEOPLE = frozenset({Role.OWNER, Role.INSTALLER, Role.DRIVER})
STAFF = frozenset({Role.OWNER, Role.INSTALLER})
OWNER = frozenset({Role.OWNER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who sends a request."""

    account: int | None
    """None: a kiosk, or a token."""
    name: str
    """For the audit."""
    role: Role
    scopes: frozenset[Scope] | None = None
    """Of a token; None: signed in to the app, where the role alone counts."""
    sign_in: int | None = None
    """None: a token."""
    token: int | None = None
    """None: signed in to the app."""
    csrf: str | None = None
    """What `X-Csrf` must carry in an unsafe request; None: a token, which no other site can send."""
    unlocked_until_s: float | None = None
    """A kiosk whose PIN was given acts as the owner in settings until then (UTC); None: it is locked."""
    language: str = "en"

    def is_(self, *roles: Role) -> bool:
        return self.role in roles


Identify = Callable[[Request], Person | None]
"""Who a request is from, by its cookie or its token; None: nobody we know. Called in a worker thread; may block."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Access:
    """A dependency: lets in who has one of the roles, or the scope. Tests read its fields off every route."""

    roles: frozenset[Role]
    scope: Scope | None
    """None: no token may."""
    kiosk: bool = False
    """An unlocked kiosk may as well."""

    def __call__(self, request: Request) -> Person:
        """
        Raises:
            NotSignedIn, NotAllowed: as their names say.
        """
        services = request.app.state.services
        person: Person | None = services.identify(request)
        if person is None:
            raise NotSignedIn("Nobody is signed in.")
        if person.scopes is not None:
            if self.scope is None or (self.scope not in person.scopes and Scope.ADMIN not in person.scopes):
                needed = "a person" if self.scope is None else f"the scope {self.scope.value}"
                raise NotAllowed(f"This takes {needed}.", remedy="Make a token with this scope.")
            return person
        if request.method not in SAFE_METHODS and not _is_from_app(request, person):
            raise NotAllowed("The request does not come from the app.", remedy="Load the page again.")
        unlocked = person.unlocked_until_s is not None and person.unlocked_until_s > services.wall_s()
        if person.role not in self.roles and not (self.kiosk and unlocked):
            raise NotAllowed(f"This is not for the role {person.role.value}.")
        return person


def _is_from_app(request: Request, person: Person) -> bool:
    shown = request.headers.get("x-csrf", "").encode()
    return person.csrf is not None and hmac.compare_digest(shown, person.csrf.encode())


def access(roles: frozenset[Role], scope: Scope | None, *, kiosk: bool = False) -> Any:
    """The dependency of a route: `person: Annotated[Person, access(STAFF, Scope.SETTINGS)]`."""
    return Depends(Access(roles, scope, kiosk))


@dataclass(frozen=True, slots=True)
class Public:
    """A dependency that says aloud that a route is for anybody: `dependencies=[public()]`."""

    def __call__(self) -> None:
        """Lets everybody in."""


def public() -> Any:
    return Depends(Public())
