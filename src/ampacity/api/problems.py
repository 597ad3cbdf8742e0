"""Every refusal of the API, as problem+json (RFC 9457) under a stable code that log, app and docs share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ampacity.core.errors import AmpacityError

Param = str | int | float | bool | None | list[str] | list[float]
"""What a text may have filled in."""

MEDIA_TYPE = "application/problem+json"


class Problem(AmpacityError):
    """A request that is refused. Subclasses give `code`, `status` and `remedy`; `params` fill the app's texts."""

    code = "refused"
    status = 400
    remedy = "Correct the request."

    def __init__(
        self,
        what: str,
        *,
        remedy: str | None = None,
        place: str | None = None,
        headers: Mapping[str, str] | None = None,
        **params: Param,
    ) -> None:
        super().__init__(what, remedy=remedy)
        self.place = place
        """The field, as `breaker_a` or `circuits.main.limit_a`; None: the request as a whole."""
        self.headers = dict(headers or {})
        self.params = params

    def body(self) -> dict[str, Any]:
        return {
            "type": f"/problems/{self.code}",
            "title": self.code.replace("-", " "),
            "status": self.status,
            "code": self.code,
            "detail": self.what,
            "remedy": self.remedy,
            "place": self.place,
            "params": self.params,
        }


class NotSignedIn(Problem):
    """Nobody is signed in."""

    code = "not-signed-in"
    status = 401
    remedy = "Sign in."


class NotAllowed(Problem):
    """Somebody is, who may not do this."""

    code = "not-allowed"
    status = 403
    remedy = "Ask the owner of this site."


class NotFound(Problem):
    """There is no such thing."""

    code = "not-found"
    status = 404
    remedy = "Check the address; it may have been removed meanwhile."


class ChangedMeanwhile(Problem):
    """Somebody else has saved since this was read."""

    code = "changed-meanwhile"
    status = 409
    remedy = "Look at what is set now, and save again."


class RequestInvalid(Problem):
    """The request does not have the form that the API describes."""

    code = "request-invalid"
    status = 422
    remedy = "Correct the fields that are named."


def response(problem: Problem) -> JSONResponse:
    return JSONResponse(problem.body(), problem.status, media_type=MEDIA_TYPE, headers=problem.headers)


async def on_error(_: Request, error: Exception) -> JSONResponse:
    """The answer to any error that a route raises."""
    match error:
        case Problem():
            return response(error)
        case AmpacityError():
            return JSONResponse(_plain(error), 503, media_type=MEDIA_TYPE)
        case RequestValidationError():
            fields = [{"place": ".".join(str(p) for p in one["loc"][1:]), "what": one["msg"]} for one in error.errors()]
            refused = RequestInvalid(f"{len(fields)} field(s) are not right.", place=str(fields[0]["place"]))
            return JSONResponse(refused.body() | {"fields": fields}, refused.status, media_type=MEDIA_TYPE)
        case HTTPException(status_code=404):
            return response(NotFound("There is nothing at this address."))
        case HTTPException():
            body = Problem(str(error.detail), remedy="Check the request.").body()
            body |= {"code": "request-invalid", "status": error.status_code}
            return JSONResponse(body, error.status_code, media_type=MEDIA_TYPE, headers=error.headers)
    raise error


def _plain(error: AmpacityError) -> dict[str, Any]:
    """One of the core's or of the storage's: the request was right, and can't be done now."""
    body = Problem(error.what, remedy=error.remedy).body()
    return body | {"code": error.code, "type": f"/problems/{error.code}", "status": 503}
