"""Who may connect as a charger: protocol, identity, door, certificate, password, and nobody twice."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from urllib.parse import unquote

import structlog
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from ampacity.core.site import ChargerId
from ampacity.links.ocpp.certificates import common_name
from ampacity.links.ocpp.doorway import GuardedConnection
from ampacity.links.ocpp.endpoint import Endpoint
from ampacity.links.ocpp.passwords import Passwords, Verdict
from ampacity.links.ocpp.versions import chosen, subprotocol_of

LONGEST_ID = 48
MOST_COMPLAINTS = 1000
MOST_ADOPTED = 50
"""Since the start: a stranger can make up identities without end."""
MOST_KNOCKING = 100
MOST_KNOCKING_OF_ONE = 40
"""Unknown chargers that are remembered: all, and of one address."""
MOST_REFUSED = 1000
ALIVE_S = 3.0
"""How long a charger has to answer for itself when another address claims its identity."""
ALIVE_AT_HOME_S = 1.0
"""The same, when the claim comes from its own address; only to tell a restart from two that take turns."""
TURNS = 3
TURNS_S = 300.0

_log = structlog.get_logger("ampacity.ocpp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Knock:
    """A charger that is not known here and wants in. Times are UTC seconds since 1970."""

    ocpp_id: str
    address: str
    first_s: float
    last_s: float
    why: str
    """Why it was refused the last time: the code that the log gives."""
    vendor: str = ""
    """As it introduced itself when it was known here, if it was; so for the others below."""
    model: str = ""
    firmware: str = ""


class Knocks:
    """Unknown chargers that come again and again. Who makes up identities pushes out its own."""

    def __init__(self, wall_s: Callable[[], float]) -> None:
        self._wall_s = wall_s
        self._knocks: dict[str, Knock] = {}
        """The last to knock is the last in it."""

    def note(self, ocpp_id: str, address: str, why: str) -> None:
        now_s = self._wall_s()
        before = self._knocks.pop(ocpp_id, None)
        if before is not None:
            self._knocks[ocpp_id] = replace(before, address=address, last_s=now_s, why=why)
            return
        self._make_room(address)
        self._knocks[ocpp_id] = Knock(ocpp_id=ocpp_id, address=address, first_s=now_s, last_s=now_s, why=why)

    def all(self) -> list[Knock]:
        """The newest first. For any thread."""
        return sorted(self._knocks.values(), key=lambda one: -one.last_s)

    def _make_room(self, address: str) -> None:
        counts: dict[str, int] = {}
        for one in self._knocks.values():
            counts[one.address] = counts.get(one.address, 0) + 1
        if counts.get(address, 0) < MOST_KNOCKING_OF_ONE:
            if len(self._knocks) < MOST_KNOCKING:
                return
            address = max(counts, key=counts.__getitem__)
        oldest = next(one.ocpp_id for one in self._knocks.values() if one.address == address)
        del self._knocks[oldest]


class Admission:
    """Decides on each connection before it is a websocket."""

    def __init__(
        self,
        endpoints: Iterable[Endpoint],
        *,
        adopt: Callable[[str], Endpoint | None] | None,
        adopt_profile: int,
        holder: Callable[[ChargerId], GuardedConnection | None],
        versions: Callable[[Endpoint], Sequence[str]],
        now_s: Callable[[], float],
        wall_s: Callable[[], float],
    ) -> None:
        """`adopt` is asked for an endpoint when an unknown charger comes that brings what `adopt_profile` asks for.
        `holder`: the connection a charger has. `versions`: of OCPP that may be spoken with it. `wall_s`: UTC seconds
        since 1970."""
        self._endpoints = {endpoint.ocpp_id: endpoint for endpoint in endpoints}
        self._adopt = adopt
        self._adopt_profile = adopt_profile
        self._knocks = Knocks(wall_s)
        self._refused: dict[str, None] = {}
        self._holder = holder
        self._versions = versions
        self._now_s = now_s
        self._passwords = Passwords(now_s)
        self._complaints: set[str] = set()
        self._adopted_count = 0
        self._turns: dict[ChargerId, deque[float]] = {}
        self.held_off: set[ChargerId] = set()
        """They are to do without us for a while."""

    def use(self, endpoints: Iterable[Endpoint]) -> None:
        """From now on these may connect; nobody refuses them any more."""
        self._endpoints = {endpoint.ocpp_id: endpoint for endpoint in endpoints}
        for ocpp_id in self._endpoints:
            self._refused.pop(ocpp_id, None)

    def knocking(self) -> list[Knock]:
        """Unknown chargers that were refused, but for those that a person refused; the newest first. For any thread."""
        known, refused = self._endpoints, self._refused
        return [one for one in self._knocks.all() if one.ocpp_id not in known and one.ocpp_id not in refused]

    def refuse(self, ocpp_id: str) -> None:
        """It is neither adopted nor shown as knocking, as long as this program runs or until it is in the site."""
        _remember(self._refused, ocpp_id)

    async def check(self, connection: ServerConnection, request: Request) -> Response | None:
        """None: it may go on, as `connection.endpoint`."""
        if not isinstance(connection, GuardedConnection):
            raise TypeError("only connections that passed the doorway are checked")
        ocpp_id = _ocpp_id(request)
        headers = ",".join(request.headers.get_all("Sec-WebSocket-Protocol"))
        offered = [one.strip() for one in headers.split(",")]
        if chosen(offered) is None:
            self._note_knock(connection, ocpp_id, "charger-protocol")
            self.complain(
                "charger-protocol",
                ocpp_id,
                f"It offers {headers[:60] or 'no protocol'}; set the charger to OCPP 1.6, 2.0.1 or 2.1 over JSON.",
            )
            return connection.respond(HTTPStatus.BAD_REQUEST, "Only ocpp1.6, ocpp2.0.1 and ocpp2.1 are spoken here.\n")
        endpoint = self._endpoints.get(ocpp_id) or self._adopted(connection, ocpp_id)
        if endpoint is None:
            self._note_knock(connection, ocpp_id, "charger-unknown")
            self.complain(
                "charger-unknown",
                ocpp_id,
                "Link it in the app, under Chargers, or add it to site.toml with "
                f'ocpp_id = "{ocpp_id[:LONGEST_ID]}", or set adopt_into in [ocpp]; '
                f"at the most {MOST_ADOPTED} are taken in before a restart.",
            )
            return connection.respond(HTTPStatus.NOT_FOUND, "This charger is not known here.\n")
        if endpoint.charger in self.held_off:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "A test is under way: come again.\n")
        refusal = (
            self._refused_by_version(connection, endpoint, offered)
            or self._refused_by_profile(connection, endpoint)
            or await self._refused_by_password(connection, endpoint, request)
            or await self._refused_as_second(connection, endpoint)
        )
        if refusal is None:
            connection.endpoint = endpoint
        return refusal

    def subprotocol(self, connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        """The one to speak with a charger that was let in."""
        if not isinstance(connection, GuardedConnection) or connection.version is None:
            return None
        return Subprotocol(subprotocol_of(connection.version))

    def complain(self, code: str, ocpp_id: str, remedy: str) -> None:
        """Logged once for each charger and reason: those that are refused come again and again."""
        key = f"{code} {ocpp_id[:64]}"
        if key not in self._complaints and len(self._complaints) < MOST_COMPLAINTS:
            self._complaints.add(key)
            _log.warning(code, ocpp_id=ocpp_id[:64], remedy=remedy)

    def tls_failed(self, address: str, error: Exception) -> None:
        """Before an identity is known, the address stands for it."""
        key = f"charger-tls {address}"
        if key not in self._complaints and len(self._complaints) < MOST_COMPLAINTS:
            self._complaints.add(key)
            _log.warning(
                "charger-tls",
                address=address,
                what=str(error)[:200] or "It hung up in the middle of the TLS handshake.",
                remedy="Give the charger the certificate of the authority that signed ours, a URL that begins with "
                "wss:// only on the port with TLS, and a certificate of its own signed by tls_client_ca if it shows "
                "one. A port scan looks the same.",
            )

    def close(self) -> None:
        self._passwords.close()

    def _adopted(self, connection: GuardedConnection, ocpp_id: str) -> Endpoint | None:
        if self._adopt is None or ocpp_id in self._refused or not _is_id(ocpp_id):
            return None
        if self._adopt_profile >= 3 and common_name(connection.tls) != ocpp_id:
            return None
        if self._adopted_count >= MOST_ADOPTED:
            return None
        endpoint = self._adopt(ocpp_id)
        if endpoint is not None:
            self._adopted_count += 1
            self._endpoints[ocpp_id] = endpoint
        return endpoint

    def _note_knock(self, connection: GuardedConnection, ocpp_id: str, why: str) -> None:
        if ocpp_id not in self._endpoints and _is_id(ocpp_id):
            self._knocks.note(ocpp_id, connection.host, why)

    def _refused_by_version(
        self, connection: GuardedConnection, endpoint: Endpoint, offered: Sequence[str]
    ) -> Response | None:
        allowed = self._versions(endpoint)
        connection.version = chosen(offered, allowed)
        if connection.version is not None:
            return None
        versions = " or ".join(allowed)
        self.complain(
            "charger-protocol",
            endpoint.ocpp_id,
            f"It offers {','.join(offered)[:60]}, and only OCPP {versions} is spoken with it, as its family or "
            "ocpp_versions says. Set the charger to that, or change ocpp_versions.",
        )
        return connection.respond(HTTPStatus.BAD_REQUEST, f"Only OCPP {versions} is spoken with this charger.\n")

    def _refused_by_profile(self, connection: GuardedConnection, endpoint: Endpoint) -> Response | None:
        if endpoint.security_profile < 2:
            return None
        if connection.tls is None:
            self.complain(
                "charger-needs-tls",
                endpoint.ocpp_id,
                f"Its security_profile is {endpoint.security_profile}: give it a URL that begins with wss://, on the "
                "port with TLS.",
            )
            return connection.respond(HTTPStatus.FORBIDDEN, "This charger has to come over TLS.\n")
        if endpoint.security_profile < 3:
            return None
        wanted, name = endpoint.certificate_cn or endpoint.ocpp_id, common_name(connection.tls)
        if name == wanted:
            return None
        found = "showed no certificate" if name is None else f"showed the certificate of {name[:64]!r}"
        self.complain(
            "charger-certificate",
            endpoint.ocpp_id,
            f"It {found}. Install one on it with CN={wanted}, signed by tls_client_ca, or set certificate_cn.",
        )
        return connection.respond(HTTPStatus.FORBIDDEN, "Missing certificate, or that of another charger.\n")

    async def _refused_by_password(
        self, connection: GuardedConnection, endpoint: Endpoint, request: Request
    ) -> Response | None:
        has_one = endpoint.password is not None or endpoint.password_hash is not None
        if endpoint.security_profile >= 3 or not has_one:
            return None
        given = (request.headers.get_all("Authorization") or [""])[0]
        match await self._passwords.verdict(endpoint, given, connection.address):
            case Verdict.RIGHT:
                return None
            case Verdict.BUSY:
                self.complain(
                    "charger-password-busy",
                    endpoint.ocpp_id,
                    "It has to wait: many wrong passwords came from its address, or many chargers came at once. If it "
                    "stays away, correct its password.",
                )
                return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "Come again in a while.\n")
            case Verdict.WRONG:
                self.complain(
                    "charger-password", endpoint.ocpp_id, "Set the same password at the charger and in site.toml."
                )
        response = connection.respond(HTTPStatus.UNAUTHORIZED, "Wrong or missing password.\n")
        response.headers["WWW-Authenticate"] = 'Basic realm="ampacity"'
        return response

    async def _refused_as_second(self, connection: GuardedConnection, endpoint: Endpoint) -> Response | None:
        """A live charger is not pushed out from elsewhere; from its own address it may come anew at once."""
        asked: GuardedConnection | None = None
        # Another may have come while the one before was asked.
        while (now := self._holder(endpoint.charger)) is not None and now is not asked:
            asked = now
            if now.host == connection.host:
                if await now.is_alive(ALIVE_AT_HOME_S):
                    self._note_turn(endpoint)
            elif await now.is_alive(ALIVE_S):
                self._say_twice(endpoint, f"{connection.host} and {now.host}")
                return connection.respond(HTTPStatus.CONFLICT, "This charger is connected already.\n")
        return None

    def _note_turn(self, endpoint: Endpoint) -> None:
        turns = self._turns.setdefault(endpoint.charger, deque(maxlen=TURNS))
        turns.append(self._now_s())
        if len(turns) == TURNS and turns[-1] - turns[0] <= TURNS_S:
            self._say_twice(endpoint, "two connections that take turns")

    def _say_twice(self, endpoint: Endpoint, who: str) -> None:
        self.complain(
            "charger-identity-twice",
            endpoint.ocpp_id,
            f"{who} claim this identity. Give each charger its own; if you know no second one, set a password.",
        )


def _is_id(ocpp_id: str) -> bool:
    return 0 < len(ocpp_id) <= LONGEST_ID and ocpp_id.isprintable()


def _remember(names: dict[str, None], name: str) -> None:
    names.pop(name, None)
    names[name] = None
    if len(names) > MOST_REFUSED:
        del names[next(iter(names))]


def _ocpp_id(request: Request) -> str:
    """The last part of the path."""
    return unquote(request.path.partition("?")[0].rstrip("/").rpartition("/")[2])
