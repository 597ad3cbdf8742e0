"""Who is told of what without looking: by mail, and by webhook."""

from __future__ import annotations

import json
import re
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from ampacity.api.access import OWNER, Person, Scope, access
from ampacity.api.attempts import Limit
from ampacity.api.entrance import Enter, Given, Language
from ampacity.api.ports import Reach, Services
from ampacity.api.problems import Problem, RequestInvalid
from ampacity.core.errors import AmpacityError
from ampacity.kept import NOTIFICATIONS, notification_settings
from ampacity.links.mail import Encryption, MailServer
from ampacity.links.webhook import Webhook, host_of
from ampacity.runtime.notifications import Kind, Settings, Way, settings_text
from ampacity.storage.accounts import note
from ampacity.storage.records import put_setting
from ampacity.storage.transactions import keeping

router = APIRouter(tags=["notifications"])

TRIALS = Limit(5, 30.0)
"""Each asks another machine for something."""
HIDDEN = "***"
_ADDRESS = re.compile(r"[^\s@<>(),;:\"\\\[\]]{1,64}@[^\s@<>(),;:\"\\\[\]]{1,190}")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?|[0-9A-Fa-f:]{2,45}")


class PasswordAgain(Problem):
    """What was kept secret for one server is never shown to another."""

    code = "mail-password-again"
    status = 422
    remedy = "Enter the password again."


class PasswordInTheClear(Problem):
    """Everybody on the way could read it."""

    code = "mail-password-in-the-clear"
    status = 422
    remedy = "Choose TLS or STARTTLS, or leave user and password empty."


class NothingToTest(Problem):
    """Neither mail nor webhook."""

    code = "notifications-not-set"
    status = 409
    remedy = "Enter a mail server or a webhook, and save."


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text) or not text.isprintable():
        raise ValueError("it is no e-mail address")
    return text


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError("it is neither a name of a machine nor an address")
    return text


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it has characters that can't be typed")
    return text


def _url(text: str) -> str:
    if (
        not text.isprintable()
        or " " in text
        or "@" in text.partition("?")[0].partition("#")[0]
        or host_of(text) is None
    ):
        raise ValueError("it is no address that begins with https:// or http://")
    return text


Address = Annotated[str, StringConstraints(strip_whitespace=True, max_length=254), AfterValidator(_address)]
Typed = Annotated[str, StringConstraints(max_length=500), AfterValidator(_printable)]
Tls = Literal["tls", "starttls", "none"]
KindName = Literal["blind", "offline", "budget", "update"]


class MailGiven(Given):
    """A mail server."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    host: Annotated[str, StringConstraints(strip_whitespace=True, max_length=253), AfterValidator(_host)]
    port: Annotated[int, Field(ge=1, le=65535)]
    tls: Tls
    user: Typed | None = None
    """None or empty: without signing in."""
    password: Typed | None = None
    """None: as before, for the same server and user."""
    sender: Annotated[Address, Field(alias="from")]
    to: Annotated[list[Address], Field(min_length=1, max_length=20)]


class WebhookGiven(Given):
    """Where JSON is posted to."""

    url: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000), AfterValidator(_url)]
    secret: Typed | None = None
    """None: as before; empty: nothing is signed."""


class NotificationsGiven(Given):
    """All of it."""

    mail: MailGiven | None = None
    webhook: WebhookGiven | None = None
    kinds: Annotated[list[KindName], Field(max_length=len(Kind))]
    language: Language | None = None
    """Of the texts; None: as before, or else the language of who saves."""


class MailShown(BaseModel):
    """A mail server, without its password."""

    model_config = ConfigDict(populate_by_name=True)

    host: str
    port: int
    tls: Tls
    user: str | None
    password_set: bool
    sender: Annotated[str, Field(alias="from")]
    to: list[str]


class WebhookShown(BaseModel):
    """A webhook, without its secret."""

    url: str
    secret_set: bool


class FailureShown(BaseModel):
    """Why the newest message has not arrived."""

    at_s: float
    code: str
    detail: str
    remedy: str


class Notifications(BaseModel):
    """What is set, and whether it works."""

    mail: MailShown | None
    webhook: WebhookShown | None
    kinds: list[KindName]
    language: str
    mail_failure: FailureShown | None
    webhook_failure: FailureShown | None


class Tried(BaseModel):
    """What came of a test message."""

    sent: bool
    """The other side took it."""
    code: str | None
    detail: str | None
    remedy: str | None


class Trial(BaseModel):
    """Of each way that is set; None: it is not."""

    mail: Tried | None
    webhook: Tried | None


@router.get("/notifications")
def notifications(person: Annotated[Person, access(OWNER, Scope.SETTINGS)], services: Reach) -> Notifications:
    """What is set. Passwords and secrets are not told."""
    return _shown(services, notification_settings(services.engine()))


@router.put("/notifications")
def set_notifications(
    given: NotificationsGiven, person: Annotated[Person, access(OWNER, Scope.SETTINGS)], services: Reach
) -> Notifications:
    """Sets all of it. What is left out is removed, but for passwords and secrets, which stay."""
    engine = services.engine()
    with services.saving:
        before = notification_settings(engine)
        after = Settings(
            mail=None if given.mail is None else _mail(given.mail, before.mail),
            webhook=None if given.webhook is None else _webhook(given.webhook, before.webhook),
            kinds=tuple(kind for kind in Kind if kind.value in given.kinds),
            language=given.language or (before.language if before != Settings() else person.language),
        )
        with keeping(engine) as connection:
            put_setting(connection, NOTIFICATIONS, settings_text(after))
            note(connection, services.wall_s(), person.name, NOTIFICATIONS, _for_audit(before), _for_audit(after))
    services.notifications.changed()
    return _shown(services, after)


@router.post("/notifications/test")
def try_out(person: Annotated[Person, access(OWNER, Scope.SETTINGS)], services: Reach, entrance: Enter) -> Trial:
    """Sends a test message by what is saved, and waits for what comes of it."""
    settings = notification_settings(services.engine())
    if settings.mail is None and settings.webhook is None:
        raise NothingToTest("There is nothing to test.")
    entrance.attempts.take({TRIALS: ("notifications",)})
    told = services.notifications.try_out(settings)
    return Trial(
        mail=_tried(told[Way.MAIL]) if Way.MAIL in told else None,
        webhook=_tried(told[Way.WEBHOOK]) if Way.WEBHOOK in told else None,
    )


def _mail(given: MailGiven, before: MailServer | None) -> MailServer:
    user, password = given.user or None, given.password or None
    tls = Encryption(given.tls)
    if user is not None and given.password is None and before is not None and before.password is not None:
        if (before.host, before.port, before.tls, before.user) != (given.host, given.port, tls, user):
            raise PasswordAgain("The server or the user is another one.", place="mail.password")
        password = before.password
    if user is None and password is not None:
        raise RequestInvalid("A password needs a user.", place="mail.user")
    if user is not None and tls is Encryption.NONE:
        raise PasswordInTheClear("The password would go over the network as it is.", place="mail.tls")
    return MailServer(
        host=given.host, port=given.port, tls=tls, user=user, password=password, sender=given.sender, to=tuple(given.to)
    )


def _webhook(given: WebhookGiven, before: Webhook | None) -> Webhook:
    secret = given.secret or None
    if given.secret is None and before is not None:
        secret = before.secret
    return Webhook(url=given.url, secret=secret)


def _for_audit(settings: Settings) -> str | None:
    """Without secrets; an address may hold one in its path."""
    if settings == Settings():
        return None
    mail, webhook = settings.mail, settings.webhook
    told: dict[str, object] = {"kinds": [kind.value for kind in settings.kinds], "language": settings.language}
    if mail is not None:
        told["mail"] = {
            "host": mail.host,
            "port": mail.port,
            "tls": mail.tls.value,
            "user": mail.user,
            "password": None if mail.password is None else HIDDEN,
            "from": mail.sender,
            "to": mail.to,
        }
    if webhook is not None:
        secret = None if webhook.secret is None else HIDDEN
        told["webhook"] = {"host": host_of(webhook.url), "url": HIDDEN, "secret": secret}
    return json.dumps(told)


def _shown(services: Services, settings: Settings) -> Notifications:
    mail, webhook = settings.mail, settings.webhook
    return Notifications(
        mail=None
        if mail is None
        else MailShown(
            host=mail.host,
            port=mail.port,
            tls=mail.tls.value,
            user=mail.user,
            password_set=mail.password is not None,
            sender=mail.sender,
            to=list(mail.to),
        ),
        webhook=None if webhook is None else WebhookShown(url=webhook.url, secret_set=webhook.secret is not None),
        kinds=[kind.value for kind in settings.kinds],
        language=settings.language,
        mail_failure=_failure(services, Way.MAIL),
        webhook_failure=_failure(services, Way.WEBHOOK),
    )


def _failure(services: Services, way: Way) -> FailureShown | None:
    one = services.notifications.failure(way)
    return None if one is None else FailureShown(at_s=one.at_s, code=one.code, detail=one.what, remedy=one.remedy)


def _tried(error: AmpacityError | None) -> Tried:
    if error is None:
        return Tried(sent=True, code=None, detail=None, remedy=None)
    return Tried(sent=False, code=error.code, detail=error.what, remedy=error.remedy)
