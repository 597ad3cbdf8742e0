"""Everybody's accounts, for the owner; and the invitations that make new ones."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel

from ampacity.api.access import OWNER, Person, Scope, access, public
from ampacity.api.attempts import for_link
from ampacity.api.entrance import Email, Enter, Given, Id, Language, Name, Password, Secret, SignInShown, admit
from ampacity.api.identity import address_of, forget
from ampacity.api.passwords import check_new
from ampacity.api.ports import Reach
from ampacity.api.problems import NotFound
from ampacity.storage.accounts import Account, all_accounts, change_account, normal_email, remove_account
from ampacity.storage.invitations import Link, LinkKind, accept, invite, link_of, open_invitations, take_back

router = APIRouter(tags=["people"])

RoleName = Literal["owner", "installer", "driver"]
Key = Annotated[Secret, Path(description="What the link to /join holds.")]


class PersonShown(BaseModel):
    """An account, as the owner sees it."""

    id: int
    name: str
    email: str
    role: str
    language: str
    disabled: bool
    made_s: float
    """UTC seconds since 1970."""


class PersonChange(Given):
    """What is not given stays."""

    role: RoleName | None = None
    disabled: bool | None = None


class Invite(Given):
    """Whom to let in."""

    role: RoleName
    name: Name
    """Whom it is for; whoever accepts it may write another."""


class InvitationShown(BaseModel):
    """One that nobody has accepted yet. Times are UTC seconds since 1970."""

    id: int
    role: str
    name: str
    made_by: str
    made_s: float
    until_s: float


class InvitationMade(InvitationShown):
    """With its link, which can't be shown again."""

    key: str
    link: str


class InvitationRead(BaseModel):
    """What whoever has the link may know."""

    role: str
    name: str
    site: str


class Joining(Given):
    """Who accepts."""

    name: Name
    email: Email
    password: Password
    language: Language


@router.get("/accounts")
def accounts(person: Annotated[Person, access(OWNER, Scope.ADMIN)], services: Reach) -> list[PersonShown]:
    """Everybody, by name."""
    return [_person(one) for one in all_accounts(services.engine())]


@router.patch("/accounts/{id}")
def change(
    id: Id,  # noqa: A002
    given: PersonChange,
    person: Annotated[Person, access(OWNER, Scope.ADMIN)],
    services: Reach,
) -> PersonShown:
    """Changes what an account may do, from its next request on. The last owner stays one."""
    changed = change_account(
        services.engine(),
        id,
        role=given.role,
        disabled=given.disabled,
        who=person.name,
        now_s=services.wall_s(),
    )
    forget(services)
    return _person(changed)


@router.delete("/accounts/{id}", status_code=204)
def remove(id: Id, person: Annotated[Person, access(OWNER, Scope.ADMIN)], services: Reach) -> None:  # noqa: A002
    """Removes an account, its sign-ins and its tokens. The last owner stays."""
    remove_account(services.engine(), id, who=person.name, now_s=services.wall_s())
    forget(services)


@router.get("/invitations")
def invitations(person: Annotated[Person, access(OWNER, Scope.ADMIN)], services: Reach) -> list[InvitationShown]:
    """Those that wait, newest first."""
    return [_invitation(one) for one in open_invitations(services.engine(), services.wall_s())]


@router.post("/invitations", status_code=201)
def make_invitation(
    given: Invite, request: Request, person: Annotated[Person, access(OWNER, Scope.ADMIN)], services: Reach
) -> InvitationMade:
    """Makes a link that works once, for a week."""
    made, key = invite(services.engine(), role=given.role, name=given.name, who=person.name, now_s=services.wall_s())
    link = f"{request.url.scheme}://{request.headers['host']}/join#{key}"
    return InvitationMade(**_invitation(made).model_dump(), key=key, link=link)


@router.delete("/invitations/{key}", status_code=204)
def take_invitation_back(
    key: Annotated[int, Path(ge=1, le=2**31 - 1, description="Its id; the key itself is told to nobody twice.")],
    person: Annotated[Person, access(OWNER, Scope.ADMIN)],
    services: Reach,
) -> None:
    """Its link does not work any more."""
    if not take_back(services.engine(), key, who=person.name, now_s=services.wall_s()):
        raise NotFound("There is no such invitation; it may have been accepted.")


@router.get("/invitations/{key}", dependencies=[public()])
def invitation(key: Key, request: Request, services: Reach, entrance: Enter) -> InvitationRead:
    """What the invitation is for. It stays usable."""
    link = _looked_up(key, request, services, entrance)
    return InvitationRead(role=link.role, name=link.name, site=services.control.installation.site.name)


@router.post("/invitations/{key}", dependencies=[public()])
def join(key: Key, given: Joining, request: Request, answer: Response, services: Reach, entrance: Enter) -> SignInShown:
    """Makes the account and signs in. Works once."""
    _looked_up(key, request, services, entrance)
    email = normal_email(given.email)
    check_new(given.password, own=(given.name, email))
    # Counted also where the link is good: that an address is taken can't be asked for many addresses.
    entrance.attempts.take(for_link(address_of(request)))
    account = accept(
        services.engine(),
        key,
        name=given.name,
        email=email,
        password_hash=entrance.hashing.hashed(given.password),
        language=given.language,
        now_s=services.wall_s(),
    )
    return admit(services, request, answer, account)


def _looked_up(key: str, request: Request, services: Reach, entrance: Enter) -> Link:
    tries = for_link(address_of(request))
    entrance.attempts.take(tries)
    link = link_of(services.engine(), LinkKind.INVITATION, key, services.wall_s())
    entrance.attempts.give_back(tries)
    return link


def _person(one: Account) -> PersonShown:
    return PersonShown(
        id=one.id,
        name=one.name,
        email=one.email,
        role=one.role,
        language=one.language,
        disabled=one.disabled,
        made_s=one.made_s,
    )


def _invitation(one: Link) -> InvitationShown:
    return InvitationShown(
        id=one.id, role=one.role, name=one.name, made_by=one.made_by, made_s=one.made_s, until_s=one.until_s
    )
