"""A charger's identity as a code to scan or to type: `AMP:1:CP-left:7K3QX`, or a link that ends in it.

The last part is a check: four characters over the identity, and one over its length. One character that is wrong,
missing or too much, and two neighbours that are exchanged, are found with certainty; anything else but for one in
thirty million.
"""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit

from ampacity.core.errors import AmpacityError

BEGIN = "AMP:1:"
LONGEST_ID = 48
CHECK = 5
PAGE = "/link"
"""Where the app takes a code, after `#`: what stands there is sent to nobody."""

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's: no letter that looks like a digit."""
_LOOKALIKES = str.maketrans("OIL", "011")
_PRIME = 1_048_573
"""The largest below 32**4. No character that can be shown has so large a number: each counts for itself."""
_BASE = 7919
_RESERVED = ":"


class NoCode(AmpacityError):
    """It does not have the form of a code."""

    code = "charger-code-form"
    remedy = "Type all that stands on the label: it begins with AMP:1: and ends with five letters and digits."


class CodeMistyped(AmpacityError):
    """It has the form of a code, and its check does not fit."""

    code = "charger-code-wrong"
    remedy = "Compare it with the label, character by character; capital and small letters of the identity differ."


class NoIdentity(AmpacityError):
    """An identity that can't be made into a code."""

    code = "charger-code-identity"
    remedy = f"Give the charger an identity of 1 to {LONGEST_ID} characters that can be shown."


def code_of(ocpp_id: str) -> str:
    """The code of a charger.

    Raises:
        NoIdentity
    """
    if not 0 < len(ocpp_id) <= LONGEST_ID or not ocpp_id.isprintable():
        raise NoIdentity(f"{ocpp_id[:LONGEST_ID]!r} is no identity for a code.")
    return f"{BEGIN}{ocpp_id}:{_check(ocpp_id)}"


def link_of(ocpp_id: str, base_url: str) -> str:
    """The same as an address that a phone's camera opens in the app. `base_url` as `https://ampacity.local:8443`.

    Raises:
        NoIdentity
    """
    return f"{base_url.rstrip('/')}{PAGE}#{quote(code_of(ocpp_id), safe=_RESERVED)}"


def parts_of(code: str) -> tuple[str, str, str]:
    """A code, where its lines may be broken without a doubt what belongs to it."""
    return code[: len(BEGIN)], code[len(BEGIN) : -CHECK - 1], code[-CHECK - 1 :]


def ocpp_id_of(text: str) -> str:
    """The identity in a code, or in a link that ends in one.

    Raises:
        NoCode, CodeMistyped
    """
    text = text.strip()
    if text[:8].lower().startswith(("http://", "https://")):
        text = _fragment(text)
    if text[: len(BEGIN)].upper() != BEGIN:
        raise NoCode(f"{text[:80]!r} is not a charger's code.")
    ocpp_id, colon, check = text[len(BEGIN) :].rpartition(":")
    check = check.upper().translate(_LOOKALIKES)
    if not colon or not 0 < len(ocpp_id) <= LONGEST_ID or not ocpp_id.isprintable() or len(check) != CHECK:
        raise NoCode(f"{text[:80]!r} is not a charger's code, or not all of one.")
    if check != _check(ocpp_id):
        raise CodeMistyped(f"{text[:80]!r} is mistyped.")
    return ocpp_id


def _fragment(link: str) -> str:
    try:
        return unquote(urlsplit(link).fragment, errors="strict")
    except ValueError as error:
        raise NoCode(f"{link[:80]!r} is no link to a charger.") from error


def _check(ocpp_id: str) -> str:
    total = 0
    for character in ocpp_id:
        total = (total * _BASE + ord(character) + 1) % _PRIME
    digits = [total >> 15 & 31, total >> 10 & 31, total >> 5 & 31, total & 31, len(ocpp_id) % 32]
    return "".join(_DIGITS[one] for one in digits)
