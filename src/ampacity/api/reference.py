"""Writes the page of routes: `python -m ampacity.api.reference`. It is made from the routes themselves."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi.routing import APIRoute

from ampacity.api.access import ANYONE, OWNER, PEOPLE, STAFF, Access
from ampacity.api.server import PREFIX, ROUTERS

HEAD = f"""\
# API

Made from the routes: `make docs`. Everything that the app can do is here, under `{PREFIX}`;
`{PREFIX}/openapi.json` describes every field.

- **A person** signs in with `POST /sign-in`; the cookie does the rest. Requests that change something carry the
  `csrf` of `GET /sign-in` in the header `X-Csrf`.
- **A machine** sends `Authorization: Bearer amp_...`; an owner makes such a token with `POST /tokens`, with the scopes
  it needs: `read`, `wish` (pause, priority), `settings`, or `admin`, which has them all.
- **Refusals** are `application/problem+json`: `code` is stable, `detail` says what is wrong, `remedy` what to do,
  `place` names the field. The app says the same in the reader's language.
- **Settings** come with a `version`. Send it back with a change: where somebody else has saved meanwhile, nothing is
  changed, and the answer is 409 `changed-meanwhile`.
- **Live**: `GET /live/stream` sends server-sent events; each `live` carries the picture that `GET /live` has, after
  each decision but at most once a second, each `news` an event of `GET /events`.
- Times are UTC seconds since 1970, currents amperes, lists by the site's lines.

| | | for | scope of a token | |
|---|---|---|---|---|
"""


def page() -> str:
    """The whole page, as Markdown."""
    return HEAD + "".join(f"{row}\n" for row in sorted(_rows(), key=lambda row: row.split("|")[2]))


def _rows() -> Iterator[str]:
    for router in ROUTERS:
        for route in router.routes:
            if isinstance(route, APIRoute):
                who, scope = _access(route)
                first = (route.description or "").split("\n")[0]
                for method in sorted(route.methods or ()):
                    yield f"| {method} | `{route.path}` | {who} | {scope} | {first} |"


def _access(route: APIRoute) -> tuple[str, str]:
    for dependency in route.dependant.dependencies:
        if isinstance(dependency.call, Access):
            access = dependency.call
            known = {ANYONE: "anyone signed in", PEOPLE: "owner, installer, driver", STAFF: "owner, installer"}
            known |= {OWNER: "owner"}
            who = known.get(access.roles) or ", ".join(sorted(role.value for role in access.roles))
            return who + (", unlocked kiosk" if access.kiosk else ""), access.scope.value if access.scope else "–"
    return "everybody", "–"


if __name__ == "__main__":
    print(page(), end="")
