"""People who are not looking are told: once, together, and of the end."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from zoneinfo import ZoneInfo

import pytest
from tests.links.postbox import Postbox, Receiver, closed_port, open_postbox, open_receiver

from ampacity.core.errors import AmpacityError
from ampacity.links.mail import Encryption, MailFailed, MailServer, MailUnreachable
from ampacity.links.webhook import Webhook
from ampacity.runtime.happenings import CODES, Event
from ampacity.runtime.notifications import (
    BEGINS,
    ENDS,
    GATHER_S,
    QUIET_S,
    Grouping,
    Kind,
    Message,
    Notifications,
    Sender,
    Settings,
    Way,
    message_of,
    settings_from,
    settings_text,
)
from ampacity.web.texts import text

SENDER = Sender(site="Elm Street", zone=ZoneInfo("Europe/Madrid"), url="https://house.local:8443")


def event(code: str, thing: str = "left", at_s: float = 1_800_000_000.0) -> Event:
    kind = "circuit" if code.startswith(("meter", "budget")) else "charger"
    if code == "update-available":
        return Event(at_s=at_s, code=code, params={"version": thing})
    if code in ("meter-standby", "meter-first-again"):
        return Event(at_s=at_s, code=code, params={"meter": thing, "standby": "spare"})
    return Event(at_s=at_s, code=code, params={kind: f"The {thing} one", f"{kind}_id": thing, "used_pct": 60})


OFFLINE, ONLINE = event("charger-offline"), event("charger-online")


class Clocked:
    """A grouping, and its clock."""

    def __init__(self) -> None:
        self.grouping = Grouping()
        self.now_s = 0.0

    def take(self, *events: Event) -> None:
        for one in events:
            self.grouping.take(one, self.now_s)

    def after(self, seconds: float) -> list[str]:
        """What became due meanwhile, asked as a thread does that sleeps as long as it is told."""
        told: list[str] = []
        end_s = self.now_s + seconds
        for _ in range(100):
            wait_s = self.grouping.wait_s(self.now_s)
            if wait_s is None or self.now_s + wait_s > end_s:
                self.now_s = end_s
                return told
            self.now_s += wait_s
            told += [one.code for one in self.grouping.due(self.now_s)]
        raise AssertionError("it never sleeps")


# --- what is worth a message ---


def test_each_kind_has_its_events_and_all_are_events() -> None:
    assert set(BEGINS.values()) == set(Kind)
    assert (BEGINS.keys() | ENDS.keys()) <= CODES.keys()


def test_a_beginning_and_its_end_are_told_once_each() -> None:
    one = Clocked()
    one.take(OFFLINE)
    assert one.after(3600) == ["charger-offline"]
    one.take(ONLINE)
    assert one.after(3600) == ["charger-online"]


def test_what_happens_together_is_told_together() -> None:
    one = Clocked()
    one.take(OFFLINE)
    assert one.after(GATHER_S - 1) == []
    one.take(event("charger-offline", "right"), event("meter-silent", "main"))
    one.now_s += 1
    assert [due.code for due in one.grouping.due(one.now_s)] == ["charger-offline", "charger-offline", "meter-silent"]


def test_of_one_thing_there_is_one_message_in_half_an_hour_and_one_of_its_end() -> None:
    one = Clocked()
    told = []
    for _ in range(10):
        one.take(OFFLINE)
        told += one.after(60)
        one.take(ONLINE)
        told += one.after(60)
    assert told == ["charger-offline", "charger-online"]


def test_what_began_again_and_lasts_is_told_when_the_half_hour_is_over() -> None:
    one = Clocked()
    one.take(OFFLINE)
    one.after(60)
    one.take(ONLINE)
    one.after(60)
    one.take(OFFLINE)
    assert one.after(QUIET_S - 200) == []
    assert one.after(200) == ["charger-offline"]


def test_what_was_over_before_anybody_was_told_is_not_told() -> None:
    one = Clocked()
    one.take(OFFLINE)
    one.now_s += 1
    one.take(ONLINE)
    assert one.after(3600) == []


def test_a_meter_that_fails_in_another_way_is_told_of_later() -> None:
    one = Clocked()
    one.take(event("meter-silent", "main"))
    assert one.after(60) == ["meter-silent"]
    one.take(event("meter-exchanged", "main"))
    assert one.after(QUIET_S - 200) == []
    assert one.after(200) == ["meter-exchanged"]


def test_each_thing_and_each_kind_counts_for_itself() -> None:
    one = Clocked()
    one.take(OFFLINE)
    one.after(60)
    one.take(event("charger-offline", "right"), event("budget-half", "left"))
    assert one.after(60) == ["charger-offline", "budget-half"]


def test_an_update_is_told_once_a_version() -> None:
    one = Clocked()
    one.take(event("update-available", "1.1"))
    assert one.after(60) == ["update-available"]
    one.take(event("update-available", "1.2"))
    assert one.after(60) == ["update-available"]


def test_what_is_told_and_over_is_forgotten() -> None:
    one = Clocked()
    for number in range(50):
        one.take(event("charger-offline", str(number)))
        one.after(60)
        one.take(event("charger-online", str(number)))
        one.after(60)
    one.after(QUIET_S)
    one.take(OFFLINE)
    one.after(60)
    assert len(one.grouping._things) == 1


# --- what it says ---


def test_one_event_is_the_subject_and_stands_in_the_sites_time() -> None:
    message = message_of([OFFLINE], Settings(), SENDER, text, 1_800_000_010.0)
    assert message.subject == "Elm Street: The left one can’t be reached. Check its power and network."
    lines = message.body.splitlines()
    assert lines[0] == "2027-01-15 09:00  The left one can’t be reached. Check its power and network."
    assert "https://house.local:8443" in lines
    assert json.loads(message.json) == {
        "site": "Elm Street",
        "sent_s": 1_800_000_010.0,
        "test": False,
        "messages": [
            {
                "kind": "offline",
                "over": False,
                "code": "charger-offline",
                "severity": "warning",
                "at_s": 1_800_000_000.0,
                "params": {"charger": "The left one", "charger_id": "left", "used_pct": 60},
                "text": "The left one can’t be reached. Check its power and network.",
            }
        ],
    }


def test_several_events_are_counted_in_the_subject_in_the_readers_language() -> None:
    message = message_of([OFFLINE, ONLINE], Settings(language="de"), SENDER, text, 0.0)
    assert message.subject == "Elm Street: 2 Nachrichten"
    assert "wieder erreichbar" in message.body


@pytest.mark.parametrize("language", ["en", "es", "de", "fr", "ca", "nl"])
def test_every_event_that_is_told_can_be_told_in_every_language(language: str) -> None:
    for code in BEGINS.keys() | ENDS.keys():
        message = message_of([event(code)], Settings(language=language), SENDER, text, 0.0)
        assert "{" not in message.subject + message.body


def test_settings_are_kept_as_they_are() -> None:
    mail = MailServer(
        host="h", port=465, tls=Encryption.TLS, user="u", password="p", sender="a@x.org", to=("b@x.org", "c@x.org")
    )
    settings = Settings(mail=mail, webhook=Webhook(url="https://x/", secret="s"), kinds=(Kind.BLIND,), language="ca")
    assert settings_from(settings_text(settings)) == settings
    assert settings_from(None) == Settings()
    with pytest.raises(ValueError, match=r"."):
        settings_from('{"mail": 3}')


# --- how it gets there ---


@contextmanager
def running(settings: Callable[[], Settings], **more: object) -> Iterator[Notifications]:
    one = Notifications(settings, lambda: SENDER, text, gather_s=0.05, pauses_s=(0.01,), **more)  # type: ignore[arg-type]
    one.start()
    try:
        yield one
    finally:
        one.close()


def until(so: Callable[[], object]) -> None:
    end_s = time.monotonic() + 30
    while not so():
        assert time.monotonic() < end_s
        time.sleep(0.005)


def mail(port: int) -> MailServer:
    return MailServer(host="127.0.0.1", port=port, tls=Encryption.NONE, sender="a@x.org", to=("b@x.org",))


def test_an_event_reaches_mailbox_and_webhook_over_the_wire() -> None:
    with open_postbox(Postbox()) as box, open_receiver(Receiver()) as receiver:
        settings = Settings(mail=mail(box.port), webhook=Webhook(url=receiver.url, secret="s"))
        with running(lambda: settings) as one:
            one(OFFLINE)
            one(event("session-started"))
            until(lambda: box.letters and receiver.posts)
    assert len(box.letters) == 1
    assert box.letters[0].content["subject"].startswith("Elm Street: The left one")
    told = json.loads(receiver.posts[0].body)["messages"]
    assert [message["code"] for message in told] == ["charger-offline"]
    assert "x-ampacity-signature" in receiver.posts[0].headers


def test_kinds_that_nobody_wants_are_not_told() -> None:
    with open_receiver(Receiver()) as receiver:
        settings = Settings(webhook=Webhook(url=receiver.url), kinds=(Kind.BLIND,))
        with running(lambda: settings) as one:
            one(OFFLINE)
            one(event("meter-silent", "main"))
            until(lambda: receiver.posts)
    codes = [[message["code"] for message in json.loads(post.body)["messages"]] for post in receiver.posts]
    assert codes == [["meter-silent"]]


def test_a_receiver_that_fails_gets_the_same_message_again_and_it_is_told_once() -> None:
    told: list[Event] = []
    with open_receiver(Receiver(status=503)) as receiver:
        settings = Settings(webhook=Webhook(url=receiver.url))
        with running(lambda: settings, tell=told.extend) as one:
            one(OFFLINE)
            until(lambda: len(receiver.posts) >= 3)
            failure = one.failure(Way.WEBHOOK)
            assert failure is not None
            assert failure.code == "webhook-refused"
            receiver.status = 200
            until(lambda: one.failure(Way.WEBHOOK) is None)
    assert len({post.headers["x-ampacity-delivery"] for post in receiver.posts}) == 1
    assert [(one.code, one.params) for one in told] == [("notification-failed", {"way": "webhook"})]


def test_a_refusal_that_lasts_is_not_tried_again_and_stays_to_be_seen() -> None:
    with open_receiver(Receiver(status=410)) as receiver:
        settings = Settings(webhook=Webhook(url=receiver.url))
        with running(lambda: settings) as one:
            one(OFFLINE)
            until(lambda: one.failure(Way.WEBHOOK))
            one(event("charger-offline", "right"))
            until(lambda: len(receiver.posts) == 2)
            assert one.failure(Way.WEBHOOK) is not None
            one.changed()
            assert one.failure(Way.WEBHOOK) is None


def test_a_mail_server_that_does_not_answer_keeps_no_webhook_waiting() -> None:
    with open_postbox(Postbox(silent=True)) as box, open_receiver(Receiver()) as receiver:
        settings = Settings(mail=mail(box.port), webhook=Webhook(url=receiver.url))
        with running(lambda: settings) as one:
            one(OFFLINE)
            until(lambda: receiver.posts)
            assert box.letters == []
            box.ended.set()


def test_settings_that_can_not_be_read_are_those_that_were_read_last() -> None:
    broken = threading.Event()
    with open_receiver(Receiver()) as receiver:

        def settings() -> Settings:
            if broken.is_set():
                raise AmpacityError("The disk is gone.")
            return Settings(webhook=Webhook(url=receiver.url))

        with running(settings) as one:
            one(OFFLINE)
            until(lambda: receiver.posts)
            broken.set()
            one(event("meter-silent", "main"))
            until(lambda: len(receiver.posts) == 2)


def test_it_ends_at_once_though_something_waits_to_be_tried_again() -> None:
    tries: list[Way] = []

    def deliver(way: Way, settings: Settings, message: Message, at_s: float) -> None:
        tries.append(way)
        raise MailUnreachable("Nobody there.")

    one = Notifications(
        lambda: Settings(mail=mail(1)), lambda: SENDER, text, deliver=deliver, gather_s=0.0, pauses_s=(3600.0,)
    )
    one.start()
    one(OFFLINE)
    until(lambda: one.failure(Way.MAIL))
    one.close()
    assert tries == [Way.MAIL]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("notify")]


def test_trying_out_says_for_each_way_what_came_of_it() -> None:
    with open_receiver(Receiver()) as receiver:
        one = Notifications(Settings, lambda: SENDER, text)
        told = one.try_out(Settings(mail=mail(closed_port()), webhook=Webhook(url=receiver.url), language="fr"))
    assert isinstance(told[Way.MAIL], MailFailed)
    assert told[Way.WEBHOOK] is None
    assert json.loads(receiver.posts[0].body)["test"] is True
    assert one.try_out(Settings()) == {}


def test_nobody_is_told_where_nothing_is_set() -> None:
    asked: list[Way] = []
    with running(Settings, deliver=lambda *_: asked.append(Way.MAIL)) as one:
        one(OFFLINE)
    assert asked == []


def test_two_meters_whose_standby_ones_serve_are_two_things() -> None:
    assert event("meter-standby", "a").thing != event("meter-standby", "b").thing
