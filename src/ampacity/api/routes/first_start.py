"""What is here, for anybody; and the first start, which makes the owner."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from ampacity import __version__
from ampacity.api.access import public
from ampacity.api.attempts import for_link
from ampacity.api.entrance import LANGUAGES, Email, Enter, Given, Language, Name, Password, Secret, SignInShown, admit
from ampacity.api.identity import address_of
from ampacity.api.passwords import check_new
from ampacity.api.ports import Reach
from ampacity.storage.accounts import has_owner, normal_email
from ampacity.storage.invitations import LinkKind, first_start, link_of

router = APIRouter(tags=["coming in"])


class About(BaseModel):
    """What anybody may know."""

    product: str
    version: str
    site: str
    first_start: bool
    """Nobody is the owner yet."""
    languages: list[str]
    signed_in: bool


class FirstStart(Given):
    """The owner to be."""

    key: Secret
    """From the link that the terminal shows."""
    name: Name
    email: Email
    password: Password
    language: Language


@router.get("/about", dependencies=[public()])
def about(request: Request, services: Reach) -> About:
    """What this is, and whether it waits for its first start."""
    return About(
        product="Ampacity",
        version=__version__,
        site=services.control.installation.site.name,
        first_start=not has_owner(services.engine()),
        languages=list(LANGUAGES),
        signed_in=services.identify(request) is not None,
    )


@router.post("/first-start", dependencies=[public()])
def start(given: FirstStart, request: Request, answer: Response, services: Reach, entrance: Enter) -> SignInShown:
    """Makes the owner's account and signs in. Works once."""
    engine, now_s = services.engine(), services.wall_s()
    tries = for_link(address_of(request))
    entrance.attempts.take(tries)
    link_of(engine, LinkKind.FIRST_START, given.key, now_s)
    entrance.attempts.give_back(tries)
    email = normal_email(given.email)
    check_new(given.password, own=(given.name, email))
    owner = first_start(
        engine,
        given.key,
        name=given.name,
        email=email,
        password_hash=entrance.hashing.hashed(given.password),
        language=given.language,
        now_s=now_s,
    )
    return admit(services, request, answer, owner)
