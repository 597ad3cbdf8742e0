"""OCPP-J frames, without any socket: text in, frames out, and back."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from ampacity.links.ocpp.fields import Out

CALL, CALL_RESULT, CALL_ERROR = 2, 3, 4
CALL_RESULT_ERROR, SEND = 5, 6
"""Of OCPP 2.1; no charger of an earlier version sends them."""
LONGEST_ID = 64
"""The standard says 36; some send more."""

_frame = msgspec.json.Decoder(list[msgspec.Raw])
_number = msgspec.json.Decoder(int)
_string = msgspec.json.Decoder(str)
_encoder = msgspec.json.Encoder()
_EMPTY = msgspec.Raw(b"{}")


@dataclass(frozen=True, slots=True)
class Call:
    """A charger's request."""

    id: str
    action: str
    payload: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Result:
    """A charger's answer to a request of ours."""

    id: str
    payload: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Refusal:
    """A charger's CALLERROR to a request of ours."""

    id: str
    code: str
    description: str


@dataclass(frozen=True, slots=True)
class AnswerRefused:
    """A charger's CALLRESULTERROR: it can't use an answer of ours."""

    id: str
    code: str
    description: str


@dataclass(frozen=True, slots=True)
class Sent:
    """What a charger says that wants no answer."""

    id: str
    action: str
    payload: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Malformed:
    """A frame that is none, and why. `id` where it is a request whose identity could be read: it can be answered."""

    id: str | None
    what: str


Frame = Call | Result | Refusal | AnswerRefused | Sent | Malformed


def frame_of(message: str | bytes) -> Frame:
    """What a message is. Never raises."""
    try:
        parts = _frame.decode(message)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return Malformed(None, f"not a JSON array ({error})")
    kind, known = None, None
    try:
        kind = _number.decode(parts[0])
        known = _string.decode(parts[1])
        if not 0 < len(known) <= LONGEST_ID:
            return Malformed(None, f"a message id of {len(known)} characters")
        if kind == CALL:
            return Call(known, _string.decode(parts[2]), parts[3] if len(parts) > 3 else _EMPTY)
        if kind == CALL_RESULT:
            return Result(known, parts[2] if len(parts) > 2 else _EMPTY)
        if kind == CALL_ERROR:
            return Refusal(known, _lenient(parts, 2) or "GenericError", _lenient(parts, 3))
        if kind == CALL_RESULT_ERROR:
            return AnswerRefused(known, _lenient(parts, 2) or "GenericError", _lenient(parts, 3))
        if kind == SEND:
            return Sent(known, _string.decode(parts[2]), parts[3] if len(parts) > 3 else _EMPTY)
    except (msgspec.DecodeError, UnicodeError, IndexError) as error:
        return Malformed(known if kind == CALL else None, f"not an OCPP-J frame ({error})")
    # OCPP-J 1.6, 4.1.3, and 2.0.1, 4.1.3: a message of another type is to be passed over.
    return Malformed(None, f"message type {kind} is not known")


def _lenient(parts: list[msgspec.Raw], place: int) -> str:
    """The text at a place; "" where there is none."""
    try:
        return _string.decode(parts[place])
    except (msgspec.DecodeError, UnicodeError, IndexError):
        return ""


def call_text(message_id: str, payload: Out) -> str:
    return _encoder.encode([CALL, message_id, type(payload).__name__, payload]).decode()


def result_text(message_id: str, payload: dict[str, object]) -> str:
    if not payload:
        return f"[3,{_encoder.encode(message_id).decode()},{{}}]"
    return _encoder.encode([CALL_RESULT, message_id, payload]).decode()


def error_text(message_id: str, code: str, description: str) -> str:
    return _encoder.encode([CALL_ERROR, message_id, code, description[:255], {}]).decode()
