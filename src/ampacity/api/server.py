"""The FastAPI app: all routes, under /api/v1, behind the door that every request passes."""

from __future__ import annotations

from collections.abc import Collection

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from ampacity import __version__
from ampacity.api.door import KnownHosts, Limits, SafeAnswers
from ampacity.api.entrance import REFUSALS, Entrance, on_refusal
from ampacity.api.ports import Services
from ampacity.api.problems import on_error
from ampacity.api.routes import (
    accounts,
    backup,
    commissioning,
    diagnosis,
    events,
    features,
    first_start,
    kiosk,
    linking,
    live,
    load_management,
    notifications,
    options,
    sessions,
    sign_in,
    tags,
    tokens,
    updates,
    worst_loads,
)
from ampacity.api.stream import Stream
from ampacity.core.errors import AmpacityError
from ampacity.web.serve import mount

PREFIX = "/api/v1"

ROUTERS: tuple[APIRouter, ...] = (
    first_start.router,
    sign_in.router,
    accounts.router,
    tokens.router,
    kiosk.router,
    linking.router,
    live.router,
    sessions.router,
    events.router,
    load_management.router,
    features.router,
    tags.router,
    options.router,
    notifications.router,
    updates.router,
    backup.router,
    commissioning.router,
    worst_loads.router,
    diagnosis.router,
)
"""One a file of `api/routes`."""


def create(services: Services, *, entrance: Entrance | None = None) -> FastAPI:
    """The app, ready to be served. `entrance`: how attempts are counted and passwords hashed; None: as they should."""
    app = FastAPI(
        title="Ampacity",
        version=__version__,
        summary="Dynamic load management for buildings with several EV chargers.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    app.state.stream = Stream(services, lambda: load_management.since_s(services))
    app.state.entrance = entrance if entrance is not None else Entrance()
    for kind in (AmpacityError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, on_error)
    for refusal in REFUSALS:
        app.add_exception_handler(refusal, on_refusal)
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)

    mount(app)

    def host_names() -> Collection[str]:
        return services.control.installation.app.host_names

    # The last that is added is the first that a request meets.
    app.add_middleware(Limits, identify=services.identify, large=f"{PREFIX}/restore")
    app.add_middleware(KnownHosts, names=host_names)
    app.add_middleware(SafeAnswers, prefix="/api/")
    return app
