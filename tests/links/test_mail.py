"""Mail over real connections, to a server on this machine."""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import Any

import pytest
import trustme
from tests.links.postbox import Postbox, closed_port, open_postbox

from ampacity.links.mail import (
    Encryption,
    MailFailed,
    MailInsecure,
    MailLoginRefused,
    MailServer,
    MailUnreachable,
    send,
)


def server(box: Postbox, **more: Any) -> MailServer:
    one = MailServer(
        host="localhost", port=box.port, tls=Encryption.NONE, sender="ampacity@x.org", to=("ann@x.org", "ben@x.org")
    )
    return replace(one, **more)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def theirs(authority: trustme.CA) -> ssl.SSLContext:
    """The server's side."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def ours(authority: trustme.CA) -> ssl.SSLContext:
    """Who trusts the server's certificate."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_a_mail_reaches_all_recipients_in_any_script() -> None:
    with open_postbox(Postbox()) as box:
        assert send(server(box), "Zähler: Garage\nÀ bientôt", "Der Zähler schweigt.\n.\nñ") == []
    letter = box.letters[0]
    assert (letter.sender, letter.to, letter.user, letter.secret) == (
        "ampacity@x.org",
        ["ann@x.org", "ben@x.org"],
        None,
        False,
    )
    assert letter.content["subject"] == "Zähler: Garage À bientôt"
    assert letter.content["auto-submitted"] == "auto-generated"
    assert letter.content["message-id"].endswith("@x.org>")
    assert letter.content.get_content().splitlines() == ["Der Zähler schweigt.", ".", "ñ"]


@pytest.mark.parametrize("tls", [Encryption.TLS, Encryption.STARTTLS])
def test_signing_in_goes_over_tls(theirs: ssl.SSLContext, ours: ssl.SSLContext, tls: Encryption) -> None:
    box = Postbox(context=theirs, from_first=tls is Encryption.TLS, accounts={"ann": "Tür zu"})
    with open_postbox(box):
        send(server(box, tls=tls, user="ann", password="Tür zu"), "x", "y", context=ours)
    assert (box.letters[0].user, box.letters[0].secret) == ("ann", True)


@pytest.mark.parametrize("tls", [Encryption.TLS, Encryption.STARTTLS])
def test_a_certificate_that_is_not_trusted_gets_nothing(theirs: ssl.SSLContext, tls: Encryption) -> None:
    box = Postbox(context=theirs, from_first=tls is Encryption.TLS, accounts={"ann": "x"})
    with open_postbox(box), pytest.raises(MailInsecure, match="not trusted") as told:
        send(server(box, tls=tls, user="ann", password="x"), "x", "y")
    assert told.value.lasting
    assert box.letters == []


def test_a_server_without_starttls_gets_nothing(theirs: ssl.SSLContext) -> None:
    box = Postbox(context=theirs, offers_starttls=False)
    with open_postbox(box), pytest.raises(MailInsecure, match="STARTTLS"):
        send(server(box, tls=Encryption.STARTTLS), "x", "y")
    assert box.letters == []


def test_tls_where_there_is_none_is_told_as_such(ours: ssl.SSLContext) -> None:
    with open_postbox(Postbox()) as box, pytest.raises(MailInsecure):
        send(server(box, tls=Encryption.TLS), "x", "y", context=ours)


def test_a_wrong_password_is_told_and_not_shown(theirs: ssl.SSLContext, ours: ssl.SSLContext) -> None:
    box = Postbox(context=theirs, accounts={"ann": "right"})
    one = server(box, tls=Encryption.STARTTLS, user="ann", password="hunter2")
    with open_postbox(box), pytest.raises(MailLoginRefused, match="535") as told:
        send(replace(one, port=box.port), "x", "y", context=ours)
    assert told.value.lasting
    assert "hunter2" not in f"{told.value} {one!r}"


def test_one_recipient_who_is_refused_does_not_keep_it_from_the_others() -> None:
    with open_postbox(Postbox(refused={"ben@x.org"})) as box:
        assert send(server(box), "x", "y") == ["ben@x.org"]
    assert box.letters[0].to == ["ann@x.org"]


def test_it_is_told_when_every_recipient_is_refused() -> None:
    with open_postbox(Postbox(refused={"ann@x.org", "ben@x.org"})) as box:
        with pytest.raises(MailFailed, match="nobody of that name") as told:
            send(server(box), "x", "y")
    assert (told.value.code, told.value.lasting) == ("mail-refused", True)


@pytest.mark.parametrize(("said", "lasting"), [(b"451 later", False), (b"554 never", True)])
def test_a_server_that_refuses_says_whether_another_try_is_worth_it(said: bytes, lasting: bool) -> None:
    with open_postbox(Postbox(data_answer=said)) as box, pytest.raises(MailFailed) as told:
        send(server(box), "x", "y")
    assert told.value.lasting is lasting


def test_what_a_server_says_once_it_has_the_mail_changes_nothing() -> None:
    with open_postbox(Postbox(quit_answer=b"500 what?")) as box:
        send(server(box), "x", "y")
    assert len(box.letters) == 1


def test_a_server_that_is_not_there_or_says_nothing_is_told_and_tried_again() -> None:
    with open_postbox(Postbox(silent=True)) as box:
        with pytest.raises(MailUnreachable, match="does not answer") as told:
            send(server(box), "x", "y", answer_s=0.2)
        assert not told.value.lasting
    with pytest.raises(MailUnreachable, match="can't be reached") as told:
        send(server(Postbox(port=closed_port())), "x", "y")
    assert not told.value.lasting
