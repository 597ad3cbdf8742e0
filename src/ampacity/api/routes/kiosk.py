"""A tablet on the wall: it shows what anybody may see, and lets in who knows the PIN for some minutes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import StringConstraints

from ampacity.api.access import OWNER, Person, Role, access
from ampacity.api.attempts import for_pin
from ampacity.api.entrance import (
    COOKIE_LONGEST_S,
    Enter,
    Given,
    Name,
    SignInShown,
    give_cookie,
    sign_in_shown,
)
from ampacity.api.identity import PIN_KEY, cookie_of, csrf_of, forget, set_pin
from ampacity.api.ports import Reach, Services
from ampacity.api.problems import NotSignedIn, Problem
from ampacity.storage import sign_ins
from ampacity.storage.accounts import digest
from ampacity.storage.records import setting

router = APIRouter(tags=["kiosk"])

KIOSK = frozenset({Role.KIOSK})


class Enrol(Given):
    """What the kiosk is called."""

    name: Name = "Kiosk"


class Pin(Given):
    """What was typed."""

    pin: Annotated[str, StringConstraints(max_length=40)]


class PinChange(Given):
    """What is to be typed from now on; None: kiosks can't be unlocked."""

    pin: Annotated[str, StringConstraints(max_length=40)] | None


class PinNotSet(Problem):
    """There is none to compare with."""

    code = "pin-not-set"
    status = 409
    remedy = "The owner sets a PIN for the kiosks in the settings."


class WrongPin(Problem):
    """It is another."""

    code = "wrong-pin"
    status = 403
    remedy = "Try again, or ask the owner for the PIN."


@router.post("/kiosk/enrol")
def enrol(
    given: Enrol,
    request: Request,
    answer: Response,
    person: Annotated[Person, access(OWNER, None)],
    services: Reach,
) -> SignInShown:
    """Turns this device into a kiosk, until it is signed out or ended by an owner. The owner is signed out of it."""
    enrolled = sign_ins.enrol_kiosk(
        services.engine(),
        person.sign_in or 0,
        name=given.name,
        language=person.language,
        who=person.name,
        now_s=services.wall_s(),
    )
    forget(services)
    if enrolled is None:
        raise NotSignedIn("This sign-in has ended.")
    found, secret = enrolled
    give_cookie(request, answer, secret, COOKIE_LONGEST_S)
    return sign_in_shown(found, csrf_of(secret))


@router.put("/kiosk/pin", status_code=204)
def change_pin(
    given: PinChange, person: Annotated[Person, access(OWNER, None)], services: Reach, entrance: Enter
) -> None:
    """Sets the PIN of all kiosks, or removes it; those that are unlocked are locked."""
    set_pin(services.engine(), given.pin, who=person.name, now_s=services.wall_s(), hashing=entrance.hashing)


@router.post("/kiosk/unlock")
def unlock(
    given: Pin,
    request: Request,
    person: Annotated[Person, access(KIOSK, None)],
    services: Reach,
    entrance: Enter,
) -> SignInShown:
    """Lets who knows the PIN change what an owner may, for five minutes."""
    engine = services.engine()
    kept = setting(engine, PIN_KEY)
    if kept is None:
        raise PinNotSet("No PIN is set.")
    tries = for_pin(person.sign_in or 0)
    entrance.attempts.take(tries)
    if not entrance.hashing.fits(given.pin, kept):
        raise WrongPin("This is not the PIN.", place="pin")
    entrance.attempts.give_back(tries)
    sign_ins.unlock(engine, person.sign_in or 0, who=person.name, now_s=services.wall_s())
    forget(services)
    return _shown(request, services)


@router.post("/kiosk/lock")
def lock(request: Request, person: Annotated[Person, access(KIOSK, None)], services: Reach) -> SignInShown:
    """Ends what the PIN began."""
    sign_ins.lock(services.engine(), person.sign_in or 0, who=person.name, now_s=services.wall_s())
    forget(services)
    return _shown(request, services)


def _shown(request: Request, services: Services) -> SignInShown:
    secret = cookie_of(request) or ""
    found = sign_ins.signed_in(services.engine(), digest(secret), services.wall_s())
    if found is None:
        raise NotSignedIn("This sign-in has ended.")
    return sign_in_shown(found, csrf_of(secret))
