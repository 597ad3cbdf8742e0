"""Frames of OCPP-J: what is one, what is answered, and what is passed over."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampacity.links.ocpp import fields, framing
from ampacity.links.ocpp import messages16 as messages


def test_a_request_without_a_payload_has_an_empty_one() -> None:
    frame = framing.frame_of(b'[2,"a","Heartbeat"]')
    assert isinstance(frame, framing.Call)
    assert bytes(frame.payload) == b"{}"


@pytest.mark.parametrize("text", ['[2,"a"]', '[2,"a",5,{}]', '[2,"a",null,{}]'])
def test_a_broken_request_can_be_answered(text: str) -> None:
    frame = framing.frame_of(text)
    assert isinstance(frame, framing.Malformed)
    assert frame.id == "a"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "{}",
        "[]",
        "[2]",
        '[2,""]',
        '[2,5,"A",{}]',
        '[9,"a",{}]',
        '["2","a","B",{}]',
        "[" * 5000,
        "\ud800",
    ],
)
def test_what_cannot_be_answered_is_passed_over_with_a_reason(text: str) -> None:
    frame = framing.frame_of(text)
    assert isinstance(frame, framing.Malformed)
    assert frame.id is None
    assert frame.what


def test_an_identity_that_is_too_long_is_not_repeated() -> None:
    frame = framing.frame_of(json.dumps([2, "x" * 65, "Heartbeat", {}]))
    assert frame == framing.Malformed(None, "a message id of 65 characters")


@pytest.mark.parametrize(
    ("text", "code"),
    [('[4,"a"]', "GenericError"), ('[4,"a","NotSupported"]', "NotSupported"), ('[4,"a",{},5]', "GenericError")],
)
def test_a_refusal_needs_no_words(text: str, code: str) -> None:
    assert framing.frame_of(text) == framing.Refusal("a", code, "")


def test_text_that_is_no_utf8_does_not_spoil_the_message() -> None:
    frame = framing.frame_of(b'[2,"a","StatusNotification",{"status":"Charging","info":"40 \xb0C"}]')
    assert isinstance(frame, framing.Call)
    message = messages.decoded(frame.action, frame.payload)
    assert isinstance(message, messages.StatusNotification)
    assert message.status == "Charging"


@given(st.text(max_size=64, min_size=1), st.text(max_size=400))
def test_an_error_is_a_frame_again(message_id: str, description: str) -> None:
    frame = framing.frame_of(framing.error_text(message_id, "GenericError", description))
    assert frame == framing.Refusal(message_id, "GenericError", description[:255])


@given(st.sampled_from(sorted(messages.ACTIONS)), st.binary(max_size=100))
def test_any_bytes_as_payload_are_a_message_or_an_error(action: str, payload: bytes) -> None:
    try:
        message = messages.decoded(action, msgspec.Raw(payload))
    except msgspec.DecodeError:
        return
    assert isinstance(message, fields.In)


@pytest.mark.parametrize(
    ("value", "number"), [("7", 7), (7.0, 7), (2**53, 2**53), (1e300, None), (10**400, None), ("x", None), (True, None)]
)
def test_a_whole_number_is_one_that_can_be_counted(value: fields.Scalar, number: int | None) -> None:
    assert fields.whole(value) == number


def test_what_2_1_adds_is_read() -> None:
    sent = framing.frame_of(b'[6,"s","NotifyPeriodicEventStream",{"id":1}]')
    assert sent == framing.Sent("s", "NotifyPeriodicEventStream", msgspec.Raw(b'{"id":1}'))
    refused = framing.frame_of(b'[5,"a","FormatViolation","no such status",{}]')
    assert refused == framing.AnswerRefused("a", "FormatViolation", "no such status")
    assert isinstance(framing.frame_of(b'[6,"s"]'), framing.Malformed)
