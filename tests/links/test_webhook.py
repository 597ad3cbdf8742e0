"""Webhooks over real connections, to a receiver on this machine."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from tests.links.postbox import Receiver, closed_port, open_receiver

from ampacity.links.webhook import Webhook, WebhookFailed, WebhookUnreachable, host_of, post


def test_what_is_posted_can_be_checked_with_the_secret() -> None:
    with open_receiver(Receiver()) as receiver:
        post(Webhook(url=receiver.url, secret="Geheim ü"), b'{"a": 1}', delivery="d1", at_s=1_800_000_000.7)
    got = receiver.posts[0]
    right = hmac.new("Geheim ü".encode(), b'1800000000.{"a": 1}', hashlib.sha256).hexdigest()
    assert got.headers["x-ampacity-signature"] == f"sha256={right}"
    assert (got.headers["x-ampacity-timestamp"], got.headers["x-ampacity-delivery"]) == ("1800000000", "d1")
    assert (got.path, got.body, got.headers["content-type"]) == ("/hook?key=k", b'{"a": 1}', "application/json")


def test_without_a_secret_nothing_is_signed() -> None:
    with open_receiver(Receiver()) as receiver:
        post(Webhook(url=receiver.url), b"{}", delivery="d1", at_s=1.0)
    assert "x-ampacity-signature" not in receiver.posts[0].headers


def test_nobody_is_followed_elsewhere() -> None:
    with open_receiver(Receiver()) as other, open_receiver(Receiver(status=307, location=other.url)) as receiver:
        with pytest.raises(WebhookFailed, match="elsewhere") as told:
            post(Webhook(url=receiver.url), b"{}", delivery="d1", at_s=1.0)
    assert told.value.lasting
    assert other.posts == []


@pytest.mark.parametrize(("status", "lasting"), [(400, True), (410, True), (429, False), (500, False), (503, False)])
def test_a_receiver_that_refuses_says_whether_another_try_is_worth_it(status: int, lasting: bool) -> None:
    with open_receiver(Receiver(status=status)) as receiver, pytest.raises(WebhookFailed, match=str(status)) as told:
        post(Webhook(url=receiver.url), b"{}", delivery="d1", at_s=1.0)
    assert told.value.lasting is lasting


def test_a_receiver_that_is_not_there_or_says_nothing_is_told_and_tried_again() -> None:
    with open_receiver(Receiver(silent=True)) as receiver:
        with pytest.raises(WebhookUnreachable, match="does not answer") as told:
            post(Webhook(url=receiver.url), b"{}", delivery="d1", at_s=1.0, answer_s=0.3)
        assert not told.value.lasting
    with pytest.raises(WebhookUnreachable):
        post(Webhook(url=f"http://127.0.0.1:{closed_port()}/"), b"{}", delivery="d1", at_s=1.0)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://home.example/x?y=z", "home.example"),
        ("http://[::1]:8123/", "::1"),
        ("ftp://home.example/", None),
        ("https://", None),
        ("home.example", None),
        ("file:///etc/passwd", None),
        ("https://home.example:99999/", None),
    ],
)
def test_an_address_that_can_be_posted_to_is_told_from_others(url: str, host: str | None) -> None:
    assert host_of(url) == host
