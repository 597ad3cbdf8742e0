"""What the routes to come in share: the count of attempts, the hashing, and the answer that signs a device in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, get_args

from fastapi import Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from ampacity.api.attempts import Attempts
from ampacity.api.identity import COOKIE, address_of, cookie_of, csrf_of, device_of, forget, person_of
from ampacity.api.passwords import Hashing
from ampacity.api.ports import Services
from ampacity.api.problems import Problem, response
from ampacity.config.charger_code import CodeMistyped, NoIdentity
from ampacity.core.errors import AmpacityError
from ampacity.links.direct.charger import PhasesFixed
from ampacity.runtime.tags import TagInvalid, TagTaken, TagUnknown
from ampacity.storage import sign_ins
from ampacity.storage.accounts import Account, AccountUnknown, EmailInvalid, EmailTaken, LastOwner, digest
from ampacity.storage.invitations import LinkInvalid, TooManyLinks
from ampacity.storage.sign_ins import LONGEST_S, SignedIn
from ampacity.storage.tokens import TooManyTokens

COOKIE_LONGEST_S = 400 * 86400
"""Browsers keep none for longer (RFC 6265bis, 5.5)."""

Language = Literal["en", "es", "de", "fr", "ca", "nl"]
LANGUAGES: tuple[Language, ...] = get_args(Language)


@dataclass(frozen=True, slots=True)
class Entrance:
    """One for each app."""

    attempts: Attempts = field(default_factory=Attempts)
    hashing: Hashing = field(default_factory=Hashing)


def _entrance(request: Request) -> Entrance:
    entrance: Entrance = request.app.state.entrance
    return entrance


Enter = Annotated[Entrance, Depends(_entrance)]
"""A route's argument: `entrance: Enter`."""


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it has characters that can't be shown")
    return text


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80), AfterValidator(_printable)]
Email = Annotated[str, StringConstraints(max_length=300)]
Password = Annotated[str, StringConstraints(max_length=1000)]
Secret = Annotated[str, StringConstraints(max_length=200)]
Moment = Annotated[float, Query(ge=0, le=1e11, allow_inf_nan=False)]
"""UTC seconds since 1970."""
Id = Annotated[int, Path(ge=1, le=2**31 - 1)]


class Given(BaseModel):
    """The body of a request: nothing in it is passed over."""

    model_config = ConfigDict(extra="forbid")


class AccountShown(BaseModel):
    """Who is signed in."""

    id: int | None
    """None: a kiosk."""
    name: str
    email: str | None
    role: str
    language: str


class SignInShown(BaseModel):
    """A device that is signed in, told to itself."""

    account: AccountShown
    csrf: str
    """For the header `X-Csrf` of each request that changes something."""
    until_s: float | None
    """When it ends if it is not used; None: a kiosk."""
    kiosk: bool
    unlocked_until_s: float | None


def sign_in_shown(found: SignedIn, csrf: str) -> SignInShown:
    person = person_of(found, "")
    account = found.account
    return SignInShown(
        account=AccountShown(
            id=account.id if account is not None else None,
            name=account.name if account is not None else found.device,
            email=account.email if account is not None else None,
            role=person.role.value,
            language=found.language,
        ),
        csrf=csrf,
        until_s=found.until_s,
        kiosk=account is None,
        unlocked_until_s=found.unlocked_until_s,
    )


def admit(services: Services, request: Request, answer: Response, account: Account) -> SignInShown:
    """Signs the device in under a new secret; what it was signed in as before ends."""
    engine, now_s = services.engine(), services.wall_s()
    before = cookie_of(request)
    if before is not None and (old := sign_ins.signed_in(engine, digest(before), now_s)) is not None:
        sign_ins.end(engine, old.id, who=account.name, now_s=now_s)
    found, secret = sign_ins.begin(engine, account, device=device_of(request), address=address_of(request), now_s=now_s)
    forget(services)
    give_cookie(request, answer, secret, LONGEST_S)
    return sign_in_shown(found, csrf_of(secret))


def give_cookie(request: Request, answer: Response, secret: str, lasts_s: float) -> None:
    answer.set_cookie(
        COOKIE,
        secret,
        max_age=int(lasts_s),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def take_cookie(request: Request, answer: Response) -> None:
    answer.delete_cookie(COOKIE, path="/", secure=request.url.scheme == "https", httponly=True, samesite="strict")


class WrongPassword(Problem):
    """Address or password; it is not told which, nor whether there is such an account."""

    code = "wrong-password"
    status = 401
    remedy = "Try again. The owner makes a new link with `ampacity account reset` on the controller."

    def __init__(self) -> None:
        super().__init__("E-mail address and password do not belong together.")


class OldPasswordWrong(Problem):
    """Somebody who is signed in does not know the password."""

    code = "old-password-wrong"
    status = 403
    remedy = "Try again. `ampacity account reset` on the controller makes a link to a new one."


@dataclass(frozen=True, slots=True)
class _Told:
    status: int
    place: str | None = None


REFUSALS: Mapping[type[AmpacityError], _Told] = {
    LastOwner: _Told(409),
    EmailTaken: _Told(409, "email"),
    EmailInvalid: _Told(422, "email"),
    AccountUnknown: _Told(404),
    LinkInvalid: _Told(410),
    TooManyLinks: _Told(409),
    TooManyTokens: _Told(409),
    TagInvalid: _Told(422, "tag"),
    TagTaken: _Told(409, "tag"),
    TagUnknown: _Told(404),
    CodeMistyped: _Told(422, "code"),
    PhasesFixed: _Told(409, "phases"),
    NoIdentity: _Told(409),
}
"""What the rooms below refuse, and how it is told."""


async def on_refusal(_: Request, error: Exception) -> JSONResponse:
    """The answer to one of REFUSALS."""
    if not isinstance(error, AmpacityError):
        raise error
    told = REFUSALS[type(error)]
    problem = Problem(error.what, remedy=error.remedy, place=told.place)
    problem.code, problem.status = error.code, told.status
    return response(problem)
