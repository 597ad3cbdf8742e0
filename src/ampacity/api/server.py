"""The FastAPI app: all routes, under /api/v1."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from ampacity import __version__
from ampacity.api.ports import Services
from ampacity.api.problems import on_error
from ampacity.core.errors import AmpacityError

PREFIX = "/api/v1"

ROUTERS: tuple[APIRouter, ...] = ()
"""One a file of `api/routes`."""


def create(services: Services) -> FastAPI:
    """The app, ready to be served."""
    app = FastAPI(
        title="Ampacity",
        version=__version__,
        summary="Dynamic load management for buildings with several EV chargers.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    for kind in (AmpacityError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, on_error)
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)
    return app
