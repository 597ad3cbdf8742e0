"""Tells people who are not looking: by mail and by webhook, little and in time."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol
from zoneinfo import ZoneInfo

import msgspec
import structlog

from ampacity.core.errors import AmpacityError
from ampacity.links.mail import MailFailed, MailServer, send
from ampacity.links.webhook import Webhook, WebhookFailed, post
from ampacity.runtime.happenings import Event

QUIET_S = 30 * 60.0
"""Of one kind and thing, one message in so long."""
GATHER_S = 5.0
"""What happens together goes together: a switch that fails takes many chargers along."""
PAUSES_S = (5.0, 30.0, 120.0, 600.0, 1800.0)
"""Before each further try; the last one again and again."""
GIVEN_UP_S = 24 * 3600.0
MOST_QUEUED = 100
"""Messages on a way that does not work; then the oldest are given up."""
MOST_TAKEN = 2000
CLOSE_S = 2.0

_log = structlog.get_logger("ampacity.notifications")


class Kind(Enum):
    """What people may be told of."""

    BLIND = "blind"
    """A circuit's meter can't be trusted, or its standby one serves."""
    OFFLINE = "offline"
    BUDGET = "budget"
    """A breaker's trip budget is over half."""
    UPDATE = "update"


BEGINS: Mapping[str, Kind] = {
    "meter-silent": Kind.BLIND,
    "meter-never-seen": Kind.BLIND,
    "meter-frozen": Kind.BLIND,
    "meter-absurd": Kind.BLIND,
    "meter-turned": Kind.BLIND,
    "meter-exchanged": Kind.BLIND,
    "meter-standby": Kind.BLIND,
    "charger-offline": Kind.OFFLINE,
    "budget-half": Kind.BUDGET,
    "update-available": Kind.UPDATE,
}
"""Codes of events that are told, and as what."""
ENDS: Mapping[str, Kind] = {
    "meter-believed": Kind.BLIND,
    "meter-first-again": Kind.BLIND,
    "charger-online": Kind.OFFLINE,
    "budget-fine": Kind.BUDGET,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Who is told of what, and how."""

    mail: MailServer | None = None
    webhook: Webhook | None = None
    kinds: tuple[Kind, ...] = tuple(Kind)
    language: str = "en"
    """Of the texts."""


def settings_from(text: str | None) -> Settings:
    """As kept by `settings_text`; None: nobody is told of anything.

    Raises:
        ValueError: it is damaged.
    """
    return Settings() if text is None else msgspec.json.decode(text, type=Settings)


def settings_text(settings: Settings) -> str:
    """With its secrets."""
    return msgspec.json.encode(settings).decode()


# --- what is worth a message ---


@dataclass(slots=True)
class _Thing:
    open: Event | None = None
    """What began and has not ended."""
    unsent: bool = False
    sent_s: float | None = None
    told: bool = False
    """Somebody was told of it, and not yet of its end."""


class Grouping:
    """Decides which events become messages. No clock of its own: all times are one monotonic clock's."""

    def __init__(self, gather_s: float = GATHER_S) -> None:
        self._gather_s = gather_s
        self._things: dict[tuple[Kind, str], _Thing] = {}
        self._over: list[Event] = []
        self._gathering_s: float | None = None
        """Since when something waits for company."""

    def take(self, event: Event, now_s: float) -> None:
        if (kind := BEGINS.get(event.code)) is not None:
            thing = self._things.setdefault(_key(kind, event), _Thing())
            thing.open, thing.unsent = event, True
        elif (kind := ENDS.get(event.code)) is not None:
            ended = self._things.get(_key(kind, event))
            if ended is None:
                return
            if ended.told:
                self._over.append(event)
            ended.open, ended.unsent, ended.told = None, False, False
        else:
            return
        if self._gathering_s is None:
            self._gathering_s = now_s

    def wait_s(self, now_s: float) -> float | None:
        """Until something may be due; None: nothing waits."""
        times = [thing.sent_s + QUIET_S for thing in self._things.values() if thing.unsent and thing.sent_s is not None]
        if self._gathering_s is not None:
            times.append(self._gathering_s + self._gather_s)
        return max(0.0, min(times) - now_s) if times else None

    def due(self, now_s: float) -> list[Event]:
        """What is to be told now; it counts as told."""
        if self._gathering_s is not None:
            if now_s < self._gathering_s + self._gather_s:
                return []
            self._gathering_s = None
        told, self._over = self._over, []
        for thing in self._things.values():
            if thing.unsent and thing.open is not None and (thing.sent_s is None or now_s - thing.sent_s >= QUIET_S):
                told.append(thing.open)
                thing.unsent, thing.sent_s, thing.told = False, now_s, True
        for key in [
            key
            for key, thing in self._things.items()
            if thing.open is None and thing.sent_s is not None and now_s - thing.sent_s >= QUIET_S
        ]:
            del self._things[key]
        return sorted(told, key=lambda event: event.at_s)


def _key(kind: Kind, event: Event) -> tuple[Kind, str]:
    return kind, event.thing or str(event.params.get("version", ""))


def kind_of(event: Event) -> Kind | None:
    return BEGINS.get(event.code) or ENDS.get(event.code)


# --- what it says ---


class Words(Protocol):
    """A text in a language, with its gaps filled: `ampacity.web.texts.text`."""

    def __call__(self, language: str, key: str, **params: object) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who writes."""

    site: str
    zone: ZoneInfo
    url: str | None = None
    """Of the app; None: not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What goes out."""

    subject: str
    body: str
    json: bytes
    delivery: str = field(default_factory=lambda: uuid.uuid4().hex)


def message_of(events: Sequence[Event], settings: Settings, sender: Sender, words: Words, at_s: float) -> Message:
    """One message of all of them; at least one."""
    said = [words(settings.language, f"events.{event.code}", **event.params) for event in events]
    if len(events) == 1:
        subject = words(settings.language, "mail.subject", site=sender.site, text=said[0])
    else:
        subject = words(settings.language, "mail.subject-many", site=sender.site, count=len(events))
    lines = [
        f"{datetime.fromtimestamp(event.at_s, sender.zone):%Y-%m-%d %H:%M}  {text}"
        for event, text in zip(events, said, strict=True)
    ]
    messages = [_told(event, text) for event, text in zip(events, said, strict=True)]
    return Message(
        subject=subject,
        body=_letter(lines, settings, sender, words),
        json=_json({"site": sender.site, "sent_s": round(at_s, 3), "test": False, "messages": messages}),
    )


def trial_of(settings: Settings, sender: Sender, words: Words, at_s: float) -> Message:
    """A message that says that messages arrive."""
    subject = words(settings.language, "mail.test-subject", site=sender.site)
    line = words(settings.language, "mail.test-body")
    return Message(
        subject=subject,
        body=_letter([line], settings, sender, words),
        json=_json({"site": sender.site, "sent_s": round(at_s, 3), "test": True, "messages": []}),
    )


def _letter(lines: Sequence[str], settings: Settings, sender: Sender, words: Words) -> str:
    foot = [words(settings.language, "mail.footer", site=sender.site)]
    if sender.url is not None:
        foot.append(sender.url)
    return "\n".join([*lines, "", "-- ", *foot, ""])


def _told(event: Event, text: str) -> dict[str, object]:
    kind = kind_of(event)
    return {
        "kind": None if kind is None else kind.value,
        "over": event.code in ENDS,
        "code": event.code,
        "severity": event.severity.value,
        "at_s": round(event.at_s, 3),
        "params": dict(event.params),
        "text": text,
    }


def _json(body: Mapping[str, object]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


# --- how it gets there ---


class Way(Enum):
    """How people are told."""

    MAIL = "mail"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why the last message has not arrived."""

    at_s: float
    """UTC."""
    code: str
    what: str
    remedy: str


def deliver(way: Way, settings: Settings, message: Message, at_s: float) -> None:
    """Once. Nothing, where this way is not set. Blocks.

    Raises:
        MailFailed, WebhookFailed
    """
    if way is Way.MAIL and settings.mail is not None:
        refused = send(settings.mail, message.subject, message.body)
        if refused:
            _log.warning("mail-recipients", refused=refused, remedy="Check these addresses in the settings.")
    if way is Way.WEBHOOK and settings.webhook is not None:
        post(settings.webhook, message.json, delivery=message.delivery, at_s=at_s)


Deliver = Callable[[Way, Settings, Message, float], None]


class _Outbox:
    """Messages on one way, in a thread of their own: they wait for nothing but each other."""

    def __init__(
        self,
        way: Way,
        settings: Callable[[], Settings],
        deliver: Deliver,
        wall_s: Callable[[], float],
        failed: Callable[[Way], None],
        pauses_s: Sequence[float],
    ) -> None:
        self._way = way
        self._settings = settings
        self._deliver = deliver
        self._wall_s = wall_s
        self._failed = failed
        self._pauses_s = pauses_s
        self._queue: deque[Message] = deque(maxlen=MOST_QUEUED)
        self._changed = threading.Condition()
        self._closing = False
        self.failure: Failure | None = None
        self.thread = threading.Thread(target=self._work, name=f"notify-{way.value}", daemon=True)

    def put(self, message: Message) -> None:
        with self._changed:
            self._queue.append(message)
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._queue) or self._closing)
                if self._closing:
                    return
                message = self._queue.popleft()
            self._send(message)

    def _send(self, message: Message) -> None:
        begun_s, tries = time.monotonic(), 0
        while True:
            failed = self._try(message)
            if failed is None:
                self.failure = None
                return
            if self.failure is None:
                _log.error(failed.code, what=failed.what, remedy=failed.remedy)
                self._failed(self._way)
            self.failure = Failure(at_s=self._wall_s(), code=failed.code, what=failed.what, remedy=failed.remedy)
            if getattr(failed, "lasting", True) or time.monotonic() - begun_s > GIVEN_UP_S:
                return
            pause_s = self._pauses_s[min(tries, len(self._pauses_s) - 1)]
            tries += 1
            with self._changed:
                if self._changed.wait_for(lambda: self._closing, timeout=pause_s):
                    return

    def _try(self, message: Message) -> AmpacityError | None:
        try:
            self._deliver(self._way, self._settings(), message, self._wall_s())
        except (MailFailed, WebhookFailed) as error:
            return error
        except Exception:  # of whatever kind: it's this message, and the next ones are sent
            _log.critical("notification-lost", way=self._way.value, remedy="Report this.", exc_info=True)
        return None


class Notifications:
    """Takes events from any thread, and returns at once. Start it once, and close it."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        sender: Callable[[], Sender],
        words: Words,
        *,
        wall_s: Callable[[], float] = time.time,
        now_s: Callable[[], float] = time.monotonic,
        tell: Callable[[Collection[Event]], None] = lambda _: None,
        deliver: Deliver = deliver,
        gather_s: float = GATHER_S,
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:
        """`settings` may block and raise AmpacityError: then those that were read last hold. `tell`: where it says
        that a way does not work."""
        self._read = settings
        self._sender = sender
        self._words = words
        self._wall_s = wall_s
        self._now_s = now_s
        self._tell = tell
        self._deliver = deliver
        self._known = Settings()
        self._grouping = Grouping(gather_s)
        self._inbox: deque[Event] = deque(maxlen=MOST_TAKEN)
        self._changed = threading.Condition()
        self._closing = False
        self._trying = threading.Lock()
        self._outboxes = {
            way: _Outbox(way, lambda: self._known, deliver, wall_s, self._way_failed, pauses_s) for way in Way
        }
        self._thread = threading.Thread(target=self._work, name="notify", daemon=True)

    def start(self) -> None:
        self._thread.start()
        for outbox in self._outboxes.values():
            outbox.thread.start()

    def close(self) -> None:
        """What could not be sent yet is given up."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        for outbox in self._outboxes.values():
            outbox.close()
        for thread in (self._thread, *(outbox.thread for outbox in self._outboxes.values())):
            if thread.is_alive():
                thread.join(CLOSE_S)

    def __call__(self, event: Event) -> None:
        """Something happened."""
        if kind_of(event) is None:
            return
        with self._changed:
            self._inbox.append(event)
            self._changed.notify()

    def failure(self, way: Way) -> Failure | None:
        """Why the newest message on this way has not arrived; None: it has, or there was none."""
        return self._outboxes[way].failure

    def changed(self) -> None:
        """The settings are others now: what did not work before says nothing any more."""
        self._refresh()
        for outbox in self._outboxes.values():
            outbox.failure = None

    def try_out(self, settings: Settings) -> dict[Way, AmpacityError | None]:
        """Sends a test message on each way that is set, and waits for what comes of it; None: it was taken."""
        message = trial_of(settings, self._sender(), self._words, self._wall_s())
        told: dict[Way, AmpacityError | None] = {}
        with self._trying:
            for way, is_set in ((Way.MAIL, settings.mail), (Way.WEBHOOK, settings.webhook)):
                if is_set is None:
                    continue
                try:
                    self._deliver(way, settings, message, self._wall_s())
                    told[way] = None
                except (MailFailed, WebhookFailed) as error:
                    told[way] = error
        return told

    def _way_failed(self, way: Way) -> None:
        self._tell([Event(at_s=self._wall_s(), code="notification-failed", params={"way": way.value})])

    def _work(self) -> None:
        self._refresh()
        while True:
            with self._changed:
                wait_s = self._grouping.wait_s(self._now_s())
                self._changed.wait_for(lambda: bool(self._inbox) or self._closing, timeout=wait_s)
                if self._closing:
                    return
                events = list(self._inbox)
                self._inbox.clear()
            for event in events:
                self._grouping.take(event, self._now_s())
            try:
                self._send(self._grouping.due(self._now_s()))
            except Exception:  # of whatever kind: this thread goes on with what comes next
                _log.critical("notification-lost", remedy="Report this.", exc_info=True)

    def _send(self, due: Sequence[Event]) -> None:
        if not due:
            return
        self._refresh()
        settings = self._known
        told = [event for event in due if kind_of(event) in settings.kinds]
        if not told or (settings.mail is None and settings.webhook is None):
            return
        message = message_of(told, settings, self._sender(), self._words, self._wall_s())
        if settings.mail is not None:
            self._outboxes[Way.MAIL].put(message)
        if settings.webhook is not None:
            self._outboxes[Way.WEBHOOK].put(message)

    def _refresh(self) -> None:
        try:
            self._known = self._read()
        except (AmpacityError, ValueError) as error:
            _log.warning("notifications-unread", what=f"Settings of notifications can't be read ({error}).")
