"""Signing in and out, the devices that are signed in, and one's own account."""

from __future__ import annotations

from typing import Annotated

import structlog
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from ampacity.api.access import ANYONE, PEOPLE, Person, Role, Scope, access, public
from ampacity.api.attempts import for_link, for_sign_in
from ampacity.api.entrance import (
    COOKIE_LONGEST_S,
    AccountShown,
    Email,
    Enter,
    Entrance,
    Given,
    Id,
    Language,
    Name,
    OldPasswordWrong,
    Password,
    Secret,
    SignInShown,
    WrongPassword,
    admit,
    give_cookie,
    sign_in_shown,
    take_cookie,
)
from ampacity.api.identity import address_of, cookie_of, csrf_of, forget
from ampacity.api.passwords import check_new
from ampacity.api.ports import Reach, Services
from ampacity.api.problems import NotAllowed, NotFound, NotSignedIn
from ampacity.storage import sign_ins
from ampacity.storage.accounts import (
    Account,
    AccountUnknown,
    EmailInvalid,
    account_by_email,
    account_by_id,
    change_account,
    digest,
    keep_rehashed,
    normal_email,
    set_password,
)
from ampacity.storage.invitations import LinkKind, link_of, reset

router = APIRouter(tags=["coming in"])

_log = structlog.get_logger("ampacity.api")


class Credentials(Given):
    """Who wants to come in."""

    email: Email
    password: Password


class NewPassword(Given):
    """A password by a link."""

    key: Secret
    """From the link that `ampacity account reset` shows."""
    password: Password


class PasswordChange(Given):
    """A password for another."""

    old: Password
    new: Password


class AccountChange(Given):
    """What is not given stays."""

    name: Name | None = None
    language: Language | None = None


class DeviceShown(BaseModel):
    """A device that is signed in. Times are UTC seconds since 1970."""

    id: int
    current: bool
    """This very one."""
    device: str
    address: str
    """Where it was seen last."""
    begun_s: float
    seen_s: float
    kiosk: bool
    account: int | None
    """None: a kiosk."""
    account_name: str | None


@router.post("/sign-in", dependencies=[public()])
def sign_in(given: Credentials, request: Request, answer: Response, services: Reach, entrance: Enter) -> SignInShown:
    """Signs this device in: the answer sets a cookie. An account that is not there costs as much time as a wrong
    password."""
    return admit(services, request, answer, _checked(services, entrance, request, given))


@router.post("/password-reset", dependencies=[public()])
def reset_password(
    given: NewPassword, request: Request, answer: Response, services: Reach, entrance: Enter
) -> SignInShown:
    """Sets the password that a link allows to set, ends all sign-ins of the account, and signs in."""
    engine, now_s = services.engine(), services.wall_s()
    tries = for_link(address_of(request))
    entrance.attempts.take(tries)
    link = link_of(engine, LinkKind.RESET, given.key, now_s)
    entrance.attempts.give_back(tries)
    found = account_by_id(engine, link.account or 0)
    check_new(given.password, own=(found[0].name, found[0].email) if found is not None else ())
    account = reset(engine, given.key, entrance.hashing.hashed(given.password), now_s)
    forget(services)
    return admit(services, request, answer, account)


@router.get("/sign-in")
def signed_in(
    request: Request, answer: Response, person: Annotated[Person, access(ANYONE, None)], services: Reach
) -> SignInShown:
    """Who is signed in here."""
    secret = cookie_of(request) or ""
    found = sign_ins.signed_in(services.engine(), digest(secret), services.wall_s())
    if found is None or person.sign_in is None:
        raise NotSignedIn("This sign-in has ended.")
    if found.account is None:  # a kiosk lasts: the browser must not forget it
        give_cookie(request, answer, secret, COOKIE_LONGEST_S)
    return sign_in_shown(found, csrf_of(secret))


@router.delete("/sign-in", status_code=204)
def sign_out(
    request: Request, answer: Response, person: Annotated[Person, access(ANYONE, None)], services: Reach
) -> None:
    """Signs this device out."""
    if person.sign_in is not None:
        sign_ins.end(services.engine(), person.sign_in, who=person.name, now_s=services.wall_s())
    forget(services)
    take_cookie(request, answer)


@router.get("/sign-ins")
def devices(
    person: Annotated[Person, access(PEOPLE, Scope.ADMIN)],
    services: Reach,
    everybody: Annotated[bool, Query(alias="all", description="Of all accounts, and kiosks; for owners.")] = False,
) -> list[DeviceShown]:
    """Where one is signed in; the device seen last first."""
    if everybody and not person.is_(Role.OWNER):
        raise NotAllowed("Only an owner sees the sign-ins of others.")
    mine = None if everybody or person.account is None else person.account
    found = sign_ins.all_sign_ins(services.engine(), services.wall_s(), mine)
    return [_device(one, person) for one in found]


@router.delete("/sign-ins/{id}", status_code=204)
def end_sign_in(id: Id, person: Annotated[Person, access(PEOPLE, Scope.ADMIN)], services: Reach) -> None:  # noqa: A002
    """Signs a device out: one's own, and for owners any."""
    mine = None if person.is_(Role.OWNER) else person.account
    if not sign_ins.end(services.engine(), id, who=person.name, now_s=services.wall_s(), account=mine):
        raise NotFound("There is no such sign-in.")
    forget(services)


@router.patch("/account")
def change_own(given: AccountChange, person: Annotated[Person, access(PEOPLE, None)], services: Reach) -> AccountShown:
    """Changes one's name or language."""
    changed = change_account(
        services.engine(),
        person.account or 0,
        name=given.name,
        language=given.language,
        who=person.name,
        now_s=services.wall_s(),
    )
    forget(services)
    return AccountShown(
        id=changed.id, name=changed.name, email=changed.email, role=changed.role, language=changed.language
    )


@router.put("/account/password", status_code=204)
def change_password(
    given: PasswordChange,
    request: Request,
    person: Annotated[Person, access(PEOPLE, None)],
    services: Reach,
    entrance: Enter,
) -> None:
    """Changes one's password, and signs out all other devices."""
    engine = services.engine()
    found = account_by_id(engine, person.account or 0)
    if found is None:
        raise AccountUnknown("There is no such account.")
    account, kept = found
    tries = for_sign_in(account.email, address_of(request))
    entrance.attempts.take(tries)
    if not entrance.hashing.fits(given.old, kept):
        raise OldPasswordWrong("This is not the password.", place="old")
    entrance.attempts.give_back(tries)
    check_new(given.new, own=(account.name, account.email), place="new")
    set_password(
        engine,
        account.id,
        entrance.hashing.hashed(given.new),
        who=person.name,
        now_s=services.wall_s(),
        keep_sign_in=person.sign_in,
    )
    forget(services)


def _checked(services: Services, entrance: Entrance, request: Request, given: Credentials) -> Account:
    """
    Raises:
        WrongPassword, TooManyAttempts
    """
    engine = services.engine()
    try:
        email = normal_email(given.email)
    except EmailInvalid:
        email = ""  # nobody's, and it is found out as slowly as for the others
    tries = for_sign_in(email, address_of(request))
    entrance.attempts.take(tries)
    account, kept = account_by_email(engine, email) or (None, None)
    fits = entrance.hashing.fits(given.password, kept)
    if account is None or kept is None or account.disabled or not fits:
        _log.info("sign-in-refused", address=address_of(request))
        raise WrongPassword
    entrance.attempts.give_back(tries)
    if entrance.hashing.is_old(kept):
        keep_rehashed(engine, account.id, kept, entrance.hashing.hashed(given.password))
    return account


def _device(one: sign_ins.SignedIn, person: Person) -> DeviceShown:
    return DeviceShown(
        id=one.id,
        current=one.id == person.sign_in,
        device=one.device,
        address=one.address,
        begun_s=one.begun_s,
        seen_s=one.seen_s,
        kiosk=one.account is None,
        account=one.account.id if one.account is not None else None,
        account_name=one.account.name if one.account is not None else None,
    )
