"""Posts JSON to an address of the owner's, signed. Blocks: for a thread of its own."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from dataclasses import dataclass, field

import httpx2

from ampacity.core.errors import AmpacityError

ANSWER_S = 5.0
"""For all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where to."""

    url: str
    secret: str | None = field(default=None, repr=False)
    """None: what is posted is not signed."""


class WebhookFailed(AmpacityError):
    """It did not arrive."""

    code = "webhook-refused"
    remedy = "Check the address, and what the receiver says of it."

    def __init__(self, what: str, *, remedy: str | None = None, lasting: bool = False) -> None:
        super().__init__(what, remedy=remedy)
        self.lasting = lasting
        """Another try would fail as well."""


class WebhookUnreachable(WebhookFailed):
    """Nobody answers there."""

    code = "webhook-unreachable"
    remedy = "Check the address, and that this controller may reach it."


def signature(secret: str, at_s: int, body: bytes) -> str:
    """`sha256=` and the HMAC-SHA256, under the secret, of the time, a full stop, and the body."""
    return "sha256=" + hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()


def host_of(url: str) -> str | None:
    """The host of an address that can be posted to; None: it can't."""
    try:
        found = httpx2.URL(url)
        port_is_right = found.port is None or 0 < found.port < 65536
    except (httpx2.InvalidURL, ValueError, TypeError):
        return None
    return found.host if found.scheme in ("http", "https") and found.host and port_is_right else None


def post(webhook: Webhook, body: bytes, *, delivery: str, at_s: float, answer_s: float = ANSWER_S) -> None:
    """Posts it, without following anybody elsewhere. `delivery`: the same for each try; `at_s`: UTC, of this one.

    Raises:
        WebhookFailed
    """
    asyncio.run(_post(webhook, body, _headers(webhook, body, delivery, int(at_s)), answer_s))


def _headers(webhook: Webhook, body: bytes, delivery: str, at_s: int) -> dict[str, str]:
    headers = {
        "content-type": "application/json",
        "user-agent": "Ampacity",
        "x-ampacity-delivery": delivery,
        "x-ampacity-timestamp": str(at_s),
    }
    if webhook.secret is not None:
        headers["x-ampacity-signature"] = signature(webhook.secret, at_s, body)
    return headers


async def _post(webhook: Webhook, body: bytes, headers: dict[str, str], answer_s: float) -> None:
    host = host_of(webhook.url) or "?"
    try:
        async with asyncio.timeout(answer_s):
            async with (
                httpx2.AsyncClient(timeout=answer_s, follow_redirects=False, trust_env=False) as client,
                client.stream("POST", webhook.url, content=body, headers=headers) as answer,
            ):
                status = answer.status_code  # what it says beside that is not read
    except TimeoutError as error:
        raise WebhookUnreachable(f"The webhook at {host} does not answer within {answer_s:g} s.") from error
    except (httpx2.TransportError, OSError) as error:
        raise WebhookUnreachable(
            f"The webhook at {host} can't be reached ({error or type(error).__name__})."
        ) from error
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        raise WebhookFailed(f"The webhook at {host} can't be posted to ({error}).", lasting=True) from error
    if 300 <= status < 400:
        raise WebhookFailed(
            f"The webhook at {host} sends elsewhere ({status}).",
            remedy="Enter the address that it sends to; it is not followed.",
            lasting=True,
        )
    if status >= 400:
        later = status in (408, 425, 429) or status >= 500
        raise WebhookFailed(f"The webhook at {host} refused it ({status}).", lasting=not later)
