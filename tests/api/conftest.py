"""A controller's shape around the API: its routes are called without a socket."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import Engine
from tests.postgres import Server

from ampacity.api.access import Person, Role, Scope
from ampacity.api.attempts import Attempts
from ampacity.api.entrance import Entrance
from ampacity.api.identity import Identity
from ampacity.api.passwords import Hashing
from ampacity.api.ports import Knock, Latest, Services, StationFacts
from ampacity.api.server import create
from ampacity.commission.selfcheck import Facts
from ampacity.commission.steptest.ground import Ground
from ampacity.commission.tester import Progress
from ampacity.config.installation import Installation
from ampacity.config.site_toml import load
from ampacity.config.template import new_site_text
from ampacity.core.decide import decide
from ampacity.core.errors import AmpacityError
from ampacity.core.observations import MeterReading, Observation, Observed
from ampacity.core.phases import Supply
from ampacity.core.site import ChargerId, MeterId
from ampacity.links.direct.charger import PhasesFixed
from ampacity.storage.database import Place, open_database
from ampacity.storage.invitations import make_first_start

CSRF = "the page's own"
HOST = "http://localhost"
"""A host that the app answers to."""
OWNER_EMAIL = "ann@x.org"
PASSWORD = "horse battery staple"


NOTHING_KNOWN = Facts(meters=(), chargers=(), version="1", newer=None, reads_meter=True)


@dataclass
class FakeControl:
    """A controller whose passes are made by the test."""

    installation: Installation
    clock_s: float = 1000.0
    latest: Latest | None = None
    seen: list[Observation] = field(default_factory=list)
    introduced: dict[ChargerId, StationFacts] = field(default_factory=dict)
    observed: Observed = field(default_factory=Observed)
    told: list[Callable[[Latest], None]] = field(default_factory=list)
    used: list[Installation] = field(default_factory=list)
    knocks: list[Knock] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    restarts: int = 0
    switchable: set[str] = field(default_factory=set)
    """Chargers that can change their phases."""
    switched: list[tuple[ChargerId, int]] = field(default_factory=list)
    meters: dict[MeterId, MeterReading] = field(default_factory=dict)
    begun: list[tuple[str, ChargerId, bool, str]] = field(default_factory=list)
    refusal: AmpacityError | None = None
    """Why no test can begin."""
    progress: Progress | None = None
    known: Facts = NOTHING_KNOWN

    def put(self, one: Observation) -> None:
        self.seen.append(one)

    def now_s(self) -> float:
        return self.clock_s

    def stations(self) -> Mapping[ChargerId, StationFacts]:
        return self.introduced

    def knocking(self) -> Sequence[Knock]:
        return [one for one in self.knocks if one.ocpp_id not in self.refused]

    def refuse(self, ocpp_id: str) -> None:
        self.refused.append(ocpp_id)

    def watch(self, told: Callable[[Latest], None]) -> Callable[[], None]:
        self.told.append(told)
        return lambda: self.told.remove(told)

    def facts(self) -> Facts:
        return self.known

    def readings(self) -> Mapping[MeterId, MeterReading]:
        return self.meters

    def begin_test(self, kind: str, charger: ChargerId, *, checked: bool, by: str) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.begun.append((kind, charger, checked, by))
        self.progress = Progress(kind, charger, "clearing", 0.0, Ground.WORST_LOAD)

    def stop_test(self) -> None:
        self.progress = None

    def test_progress(self) -> Progress | None:
        return self.progress

    def switch_phases(self, charger: ChargerId, phases: int) -> None:
        if charger not in self.switchable:
            raise PhasesFixed(f"{charger} can't.")
        self.switched.append((charger, phases))

    def restart(self) -> None:
        self.restarts += 1

    def use(self, installation: Installation) -> None:
        self.used.append(installation)
        self.installation = installation

    def step(self, *seen: Observation, after_s: float = 1.0) -> Latest:
        """One real decision on what was seen."""
        self.clock_s += after_s
        site = self.installation.site
        taken, self.seen = self.seen, []
        self.observed = self.observed.with_(site, [*taken, *seen])
        decision = decide(site, self.observed, self.clock_s)
        self.observed = self.observed.remembering(decision.memory)
        self.latest = Latest(at_s=time.time(), site=site, observed=self.observed, decision=decision)
        for told in self.told:
            told(self.latest)
        return self.latest


class As(Protocol):
    """Makes a client that acts as a role, or as a token with scopes."""

    def __call__(self, role: Role | None = None, *, scopes: frozenset[Scope] | None = None) -> TestClient: ...


def identify(request: Request) -> Person | None:
    """Who the test says it is."""
    scopes = request.headers.get("x-test-scopes")
    if scopes is not None:
        named = frozenset(Scope(one) for one in scopes.split(",") if one)
        return Person(account=None, name="a token", role=Role.OWNER, scopes=named)
    role = request.headers.get("x-test-role")
    if role is None:
        return None
    return Person(account=list(Role).index(Role(role)) + 1, name=role, role=Role(role), sign_in=1, csrf=CSRF)


@pytest.fixture
def site_file(tmp_path: Path) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(
        new_site_text(
            name="Test house",
            supply=Supply.THREE_PHASE,
            region="europe",
            limit_a=40,
            chargers=3,
            meter_host="127.0.0.1",
            meter_serial=None,
        )
    )
    return path


@pytest.fixture
def control(site_file: Path) -> FakeControl:
    return FakeControl(load(site_file))


BOTH = pytest.mark.parametrize("place", ["sqlite", "postgresql"], indirect=True)
"""With either kind of database."""


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where the record is: a file, or a real server where a test is marked so."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield tmp_path / "ampacity.db"
        return
    postgres: Server = request.getfixturevalue("postgres")
    with postgres.database("ours") as url:
        yield url


@pytest.fixture
def engine(place: Place) -> Iterator[Engine]:
    engine = open_database(place)
    yield engine
    engine.dispose()


@pytest.fixture
def services(control: FakeControl, engine: Engine) -> Services:
    return Services(control=control, engine=lambda: engine, identify=identify, wall_s=time.time)


@pytest.fixture
def client_as(services: Services) -> As:
    app = create(services)

    def client(role: Role | None = None, *, scopes: frozenset[Scope] | None = None) -> TestClient:
        headers = {}
        if role is not None:
            headers = {"x-test-role": role.value, "x-csrf": CSRF}
        if scopes is not None:
            headers = {"x-test-scopes": ",".join(scope.value for scope in scopes)}
        return TestClient(app, base_url=HOST, headers=headers, raise_server_exceptions=True)

    return client


@dataclass
class Wall:
    """A clock that the test sets; UTC seconds since 1970, and the monotonic one as well."""

    at_s: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.at_s


@dataclass
class House:
    """A site with real accounts: nobody is faked but the clock, and hashing is cheap."""

    app: FastAPI
    engine: Engine
    wall: Wall
    identity: Identity

    def client(self, *, base_url: str = HOST, address: str = "10.0.0.9") -> TestClient:
        """A browser that is not signed in."""
        headers = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
        return TestClient(self.app, base_url=base_url, headers=headers, client=(address, 50000))

    def owner(self) -> TestClient:
        """A browser of Ann, the owner, who has just made the first start."""
        key = make_first_start(self.engine, self.wall())
        client = self.client()
        body = {"key": key, "name": "Ann", "email": OWNER_EMAIL, "password": PASSWORD, "language": "en"}
        return with_csrf(client, client.post("/api/v1/first-start", json=body))

    def joined(self, owner: TestClient, role: str, name: str = "Ben") -> TestClient:
        """A browser of somebody who has just accepted an invitation."""
        link = owner.post("/api/v1/invitations", json={"role": role, "name": name}).json()
        client = self.client()
        body = {"name": name, "email": f"{name.lower()}@x.org", "password": PASSWORD, "language": "de"}
        return with_csrf(client, client.post(f"/api/v1/invitations/{link['key']}", json=body))

    def kiosk(self, owner: TestClient) -> TestClient:
        """A tablet on the wall; the owner is still signed in elsewhere."""
        tablet = self.client()
        signed_in = tablet.post("/api/v1/sign-in", json={"email": OWNER_EMAIL, "password": PASSWORD})
        with_csrf(tablet, signed_in)
        return with_csrf(tablet, tablet.post("/api/v1/kiosk/enrol", json={"name": "Garage"}))


def with_csrf(client: TestClient, answer: Response) -> TestClient:
    """As the app does: what signing in tells goes with each request."""
    assert answer.status_code == 200, answer.text
    client.headers["x-csrf"] = answer.json()["csrf"]
    return client


@pytest.fixture
def house(control: FakeControl, engine: Engine) -> House:
    wall = Wall()
    identity = Identity(lambda: engine, wall, wall)
    services = Services(control=control, engine=lambda: engine, identify=identity, wall_s=wall)
    entrance = Entrance(attempts=Attempts(wall), hashing=Hashing(time_cost=1, memory_kib=8))
    return House(create(services, entrance=entrance), engine, wall, identity)


@pytest.fixture
def real_client(house: House) -> TestClient:
    """A browser of the owner, with a real account."""
    return house.owner()
