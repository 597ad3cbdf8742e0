"""OCPP-J frames, without any socket: text in, frames out, and back."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from ampacity.links.ocpp.messages import Outgoing

CALL, CALL_RESULT, CALL_ERROR = 2, 3, 4
LONGEST_ID = 64
"""The standard says 36; some send more."""

_frame = msgspec.json.Decoder(list[msgspec.Raw])
_number = msgspec.json.Decoder(int)
_string = msgspec.json.Decoder(str)
_encoder = msgspec.json.Encoder()


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
class Malformed:
    """A frame that is none, and why. `id` where it could be read, so that it can be answered."""

    id: str | None
    what: str


Frame = Call | Result | Refusal | Malformed


def frame_of(message: str | bytes) -> Frame:
    """What a message is. Never raises."""
    try:
        parts = _frame.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Malformed(None, f"not a JSON array ({error})")
    known = None
    try:
        kind = _number.decode(parts[0])
        known = _string.decode(parts[1])
        if not known or len(known) > LONGEST_ID:
            return Malformed(None, f"a message id of {len(known)} characters")
        if kind == CALL:
            return Call(known, _string.decode(parts[2]), parts[3] if len(parts) > 3 else msgspec.Raw(b"{}"))
        if kind == CALL_RESULT:
            return Result(known, parts[2] if len(parts) > 2 else msgspec.Raw(b"{}"))
        if kind == CALL_ERROR:
            texts = [_string.decode(part) for part in parts[2:4]]
            return Refusal(known, texts[0], texts[1] if len(texts) > 1 else "")
    except (msgspec.DecodeError, UnicodeDecodeError, IndexError) as error:
        return Malformed(known, f"not an OCPP-J frame ({error})")
    return Malformed(known, f"message type {kind} is not known")


def call_text(message_id: str, payload: Outgoing) -> str:
    return _encoder.encode([CALL, message_id, type(payload).__name__, payload]).decode()


def result_text(message_id: str, payload: dict[str, object]) -> str:
    if not payload:
        return f"[3,{_encoder.encode(message_id).decode()},{{}}]"
    return _encoder.encode([CALL_RESULT, message_id, payload]).decode()


def error_text(message_id: str, code: str, description: str) -> str:
    return _encoder.encode([CALL_ERROR, message_id, code, description[:255], {}]).decode()
