"""Tokens for machines."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from ampacity.api.access import OWNER, Person, Scope, access
from ampacity.api.entrance import Given, Id, Name
from ampacity.api.identity import forget
from ampacity.api.ports import Reach
from ampacity.api.problems import NotFound, RequestInvalid
from ampacity.storage.accounts import AccountUnknown
from ampacity.storage.tokens import Token, all_tokens, make_token, remove_token

router = APIRouter(tags=["tokens"])


class NewToken(Given):
    """What a machine may do, and for how long."""

    name: Name
    scopes: Annotated[set[Scope], Field(min_length=1)]
    until_s: Annotated[float | None, Field(allow_inf_nan=False)] = None
    """UTC seconds since 1970; None: until it is removed."""


class TokenShown(BaseModel):
    """A token, without what a machine shows. Times are UTC seconds since 1970."""

    id: int
    name: str
    scopes: list[str]
    account: int
    """The owner who made it: it is good as long as this is an owner."""
    made_s: float
    seen_s: float | None
    """None: never used."""
    until_s: float | None


class TokenMade(TokenShown):
    """With what the machine shows, which can't be shown again."""

    token: str


@router.get("/tokens")
def tokens(person: Annotated[Person, access(OWNER, Scope.ADMIN)], services: Reach) -> list[TokenShown]:
    """All, newest first; those that have ended as well."""
    return [_shown(one) for one in all_tokens(services.engine())]


@router.post("/tokens", status_code=201)
def make(given: NewToken, person: Annotated[Person, access(OWNER, Scope.ADMIN)], services: Reach) -> TokenMade:
    """Makes a token. It is told this once."""
    if given.until_s is not None and given.until_s <= services.wall_s():
        raise RequestInvalid("The token would have ended already.", place="until_s")
    made, secret = make_token(
        services.engine(),
        account=_maker(person, services),
        name=given.name,
        scopes=[one.value for one in given.scopes],
        until_s=given.until_s,
        who=person.name,
        now_s=services.wall_s(),
    )
    return TokenMade(**_shown(made).model_dump(), token=secret)


@router.delete("/tokens/{id}", status_code=204)
def remove(id: Id, person: Annotated[Person, access(OWNER, Scope.ADMIN)], services: Reach) -> None:  # noqa: A002
    """It is not known any more, from the next request on."""
    if not remove_token(services.engine(), id, who=person.name, now_s=services.wall_s()):
        raise NotFound("There is no such token.")
    forget(services)


def _maker(person: Person, services: Reach) -> int:
    """The owner behind it, also where a token makes a token: so that both end with the owner."""
    if person.account is not None:
        return person.account
    for one in all_tokens(services.engine()):
        if one.id == person.token:
            return one.account
    raise AccountUnknown("Who made this token is not known any more.")


def _shown(one: Token) -> TokenShown:
    return TokenShown(
        id=one.id,
        name=one.name,
        scopes=sorted(one.scopes),
        account=one.account,
        made_s=one.made_s,
        seen_s=one.seen_s,
        until_s=one.until_s,
    )
