"""Cards and tags: the list, and learning one by holding it to a charger."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from ampacity.api.access import OWNER, Person, Scope, access
from ampacity.api.entrance import Given
from ampacity.api.ports import Reach, Services
from ampacity.api.problems import NotFound
from ampacity.core.site import ChargerId
from ampacity.runtime.tags import KnownTag, Learning, TagUnknown
from ampacity.storage.accounts import AccountUnknown, account_by_id

router = APIRouter(tags=["tags"])


def _shown_text(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it has characters that can't be shown")
    return text


TagPath = Annotated[str, Path(max_length=200)]
TagName = Annotated[str, StringConstraints(strip_whitespace=True, max_length=80), AfterValidator(_shown_text)]
AccountId = Annotated[int, Field(ge=1, le=2**31 - 1)]


class TagShown(BaseModel):
    """A tag that may charge."""

    tag: str
    name: str
    account: int | None
    """Whose sessions are those that it begins; None: nobody's in particular."""
    seen_s: float | None
    """When it was last held to a charger, UTC; None: never."""
    blocked: bool
    """It may not charge now: its account is disabled."""


class NewTag(Given):
    """A tag, typed or learned."""

    tag: Annotated[str, StringConstraints(max_length=200)]
    name: TagName = ""
    account: AccountId | None = None


class TagChange(Given):
    """What is to be set; what is left out stays."""

    name: TagName | None = None
    account: AccountId | None = None
    """None, if it is given: nobody's."""


class LearnGiven(Given):
    """Where."""

    charger: Annotated[str, StringConstraints(max_length=60)] | None = None
    """None: at any charger."""


class LearningShown(BaseModel):
    """Whether a tag is being learned."""

    until_s: float | None
    """UTC; None: none is."""
    charger: str | None
    tag: str | None
    """What was held; None: nothing yet."""
    known: bool
    """It had been known before."""


@router.get("/tags")
def tags(person: Annotated[Person, access(OWNER, Scope.ADMIN)], services: Reach) -> list[TagShown]:
    """All known tags; those with a name first, by name."""
    return [_shown(one) for one in services.tags.all()]


@router.post("/tags", status_code=201)
def add(given: NewTag, person: Annotated[Person, access(OWNER, Scope.ADMIN)], services: Reach) -> TagShown:
    """Adds a tag; or gives a name to one that was learned."""
    _check_account(given.account, services)
    return _shown(services.tags.add(given.tag, name=given.name, account=given.account, who=person.name))


@router.get("/tags/learn")
def learning(person: Annotated[Person, access(OWNER, Scope.ADMIN)], services: Reach) -> LearningShown:
    """How far learning is."""
    return _learning(services.tags.learning())


@router.post("/tags/learn")
def learn(given: LearnGiven, person: Annotated[Person, access(OWNER, Scope.ADMIN)], services: Reach) -> LearningShown:
    """The next tag that is held to this charger, or to any, within two minutes is known from then on."""
    if given.charger is not None and given.charger not in services.control.installation.site.index_of_charger:
        raise NotFound(f"There is no charger {given.charger!r}.")
    return _learning(services.tags.learn(None if given.charger is None else ChargerId(given.charger)))


@router.delete("/tags/learn", status_code=204)
def forget_learning(person: Annotated[Person, access(OWNER, Scope.ADMIN)], services: Reach) -> None:
    """Learns no more. A tag that was learned stays."""
    services.tags.forget_learning()


@router.patch("/tags/{tag:path}")
def change(
    tag: TagPath, given: TagChange, person: Annotated[Person, access(OWNER, Scope.ADMIN)], services: Reach
) -> TagShown:
    """Its name, and whose it is."""
    before = services.tags.get(tag)
    if before is None:
        raise TagUnknown(f"There is no tag {tag[:40]!r}.")
    account = given.account if "account" in given.model_fields_set else before.account
    if account != before.account:
        _check_account(account, services)
    name = before.name if given.name is None else given.name
    return _shown(services.tags.change(before.tag, name=name, account=account, who=person.name))


@router.delete("/tags/{tag:path}", status_code=204)
def remove(tag: TagPath, person: Annotated[Person, access(OWNER, Scope.ADMIN)], services: Reach) -> None:
    """It is not known any more. A session that it began goes on."""
    services.tags.remove(tag, who=person.name)


def _check_account(account: int | None, services: Services) -> None:
    if account is not None and account_by_id(services.engine(), account) is None:
        raise AccountUnknown("There is no such account.")


def _shown(one: KnownTag) -> TagShown:
    return TagShown(tag=one.tag, name=one.name, account=one.account, seen_s=one.seen_s, blocked=one.blocked)


def _learning(one: Learning | None) -> LearningShown:
    if one is None:
        return LearningShown(until_s=None, charger=None, tag=None, known=False)
    return LearningShown(until_s=one.until_s, charger=one.charger, tag=one.tag, known=one.known)
