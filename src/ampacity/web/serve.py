"""The app's page: its built files, and itself at every address that is not the API's."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

STATIC = Path(__file__).parent / "static"
FOR_EVER = "public, max-age=31536000, immutable"
"""For files whose name has a hash of what is in them."""
ASK_AGAIN = "no-cache"
TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    packed: bytes | None
    kind: str
    tag: str
    cache: str


def mount(app: FastAPI, folder: Path = STATIC) -> None:
    """Serves the page from the folder. What was there at this moment is kept in memory: some hundred kilobytes."""
    files = {str(path.relative_to(folder)): _read(folder, path) for path in folder.rglob("*") if path.suffix in TYPES}

    async def page(request: Request) -> Response:
        path = request.path_params["path"]
        if path == "api" or path.startswith("api/"):
            raise HTTPException(404)
        found = files.get(path)
        if found is None and path.startswith("assets/"):
            raise HTTPException(404)
        found = found or files.get("index.html")
        if found is None:
            return PlainTextResponse(
                "The app's page is not built. In a checkout run: make frontend. The API works.\n",
                503,
                headers={"cache-control": ASK_AGAIN},
            )
        return _answer(request, found)

    app.router.routes.append(Route("/{path:path}", page, methods=["GET"], name="page"))


def _read(folder: Path, path: Path) -> _File:
    body, packed = path.read_bytes(), path.with_name(f"{path.name}.gz")
    return _File(
        body=body,
        packed=packed.read_bytes() if packed.is_file() else None,
        kind=TYPES[path.suffix],
        tag=f'"{hashlib.sha256(body).hexdigest()[:20]}"',
        cache=FOR_EVER if path.parent == folder / "assets" else ASK_AGAIN,
    )


def _answer(request: Request, file: _File) -> Response:
    headers = {"etag": file.tag, "cache-control": file.cache, "vary": "accept-encoding"}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    encodings = [one.split(";")[0].strip() for one in request.headers.get("accept-encoding", "").split(",")]
    if file.packed is not None and "gzip" in encodings:
        return Response(file.packed, media_type=file.kind, headers={**headers, "content-encoding": "gzip"})
    return Response(file.body, media_type=file.kind, headers=headers)
