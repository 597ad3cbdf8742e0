"""A site to commission: the real API behind TLS on loopback, real accounts, and tests of chargers that end at once."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from fastapi.testclient import TestClient
from sqlalchemy import Engine
from tests.api.conftest import PASSWORD, FakeControl, House, with_csrf

from ampacity.api.attempts import Attempts
from ampacity.api.entrance import Entrance
from ampacity.api.identity import Identity
from ampacity.api.passwords import Hashing
from ampacity.api.ports import Services
from ampacity.api.server import create
from ampacity.api.serving import AppServer, own_tls
from ampacity.commission.basis import Basis, basis_of
from ampacity.commission.dossier import Dossier, KeptDossier, Lapse, Step
from ampacity.commission.selfcheck import Finding, Verdict
from ampacity.commission.tester import Progress
from ampacity.config.site_toml import load
from ampacity.core.observations import MeterReading
from ampacity.core.phases import PhaseAmps
from ampacity.core.site import ChargerId, MeterId
from ampacity.storage.database import BUSY_S, open_database
from ampacity.storage.sqlite import engine_of

SITE = """\
[site]
name = "Test [bold]house"
supply = "three-phase"
[circuits.main]
limit_a = 63
meter = "main"
worst_load_a = [20, 20, 20]
[meters.main]
serial = "/dev/ttyUSB0"
[chargers.left]
lines = ["L1", "L2", "L3"]
max_a = 16
[chargers.right]
lines = "unknown"
max_a = 16
[app]
listen = "127.0.0.1"
"""
INSTALLER, OWNER = "ina@x.org", "ann@x.org"
STAGES = ("clearing", "stepping", "judging")


@dataclass
class TestBench(FakeControl):
    """A controller whose tests of chargers last as long as somebody asks how far they are, three times."""

    __test__ = False
    kept: KeptDossier | None = None
    outcome: Callable[[Dossier], Dossier] = lambda dossier: dossier
    """What a test leaves."""
    endless: bool = False
    stopped: int = 0
    left: list[str] = field(default_factory=list)
    """Stages to come."""

    def begin_test(self, kind: str, charger: ChargerId, *, checked: bool, by: str) -> None:
        super().begin_test(kind, charger, checked=checked, by=by)
        self.left = list(STAGES)

    def stop_test(self) -> None:
        super().stop_test()
        self.stopped += 1

    def test_progress(self) -> Progress | None:
        if self.progress is None:
            return None
        if not self.left:
            self.progress = None
            if self.kept is not None:
                self.kept.change(self.outcome)
            return None
        stage = self.left[0] if self.endless else self.left.pop(0)
        self.progress = replace(self.progress, stage=stage)
        return self.progress


@dataclass
class Place:
    """Where it runs."""

    file: Path
    control: TestBench
    engine: Engine
    house: House
    server: AppServer

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.server.port}"

    def browser(self, email: str) -> TestClient:
        """Of Ann or of Ina, signed in."""
        client = self.house.client()
        return with_csrf(client, client.post("/api/v1/sign-in", json={"email": email, "password": PASSWORD}))

    @property
    def begun(self) -> list[tuple[str, str]]:
        """Kind and charger of every test that was begun."""
        return [(kind, charger) for kind, charger, _, _ in self.control.begun]

    @property
    def dossier(self) -> Dossier:
        return KeptDossier(lambda: self.engine).read()

    def basis(self, charger: str) -> Basis:
        """What a test of the charger is of."""
        return basis_of(self.control.installation, self.control.meters).of(chargers=[charger], meters=["main"])

    def see_meter(self, *amps: float) -> None:
        main = MeterId("main")
        self.control.meters = {main: MeterReading(meter=main, at_s=self.control.clock_s, currents=PhaseAmps(amps))}


def kept(folder: Path) -> Path:
    """A record in which Ann is the owner and Ina an installer, to be copied: it takes longer to make than to use."""
    record = folder / "ampacity.db"
    engine = open_database(record)
    (folder / "site.toml").write_text(SITE)
    house = _house(TestBench(load(folder / "site.toml")), engine)
    with closing(house.owner()) as ann:
        house.joined(ann, "installer", "Ina").close()
    engine.dispose()
    return record


def opened(folder: Path, record: Path) -> Place:
    """It listens. Close it."""
    file = folder / "site.toml"
    file.write_text(SITE)
    shutil.copy(record, folder / "ampacity.db")
    engine = engine_of(folder / "ampacity.db", BUSY_S)
    control = TestBench(load(file), kept=KeptDossier(lambda: engine))
    house = _house(control, engine)
    server = AppServer(house.app, "127.0.0.1", 0, tls=own_tls(folder))
    server.start()
    return Place(file=file, control=control, engine=engine, house=house, server=server)


def close(place: Place) -> None:
    place.server.close()
    place.engine.dispose()


def _house(control: TestBench, engine: Engine) -> House:
    identity = Identity(lambda: engine)
    services = Services(control=control, engine=lambda: engine, identify=identity, wall_s=time.time)
    app = create(services, entrance=Entrance(Attempts(), Hashing(time_cost=1, memory_kib=8)))
    return House(app, engine, time.time, identity)  # type: ignore[arg-type]  # the clock of this machine


def stepped(
    place: Place, charger: str, verdict: Verdict = Verdict.FINE, *, lines: tuple[int, ...] | None = None
) -> Callable[[Dossier], Dossier]:
    """What a step test leaves."""

    def after(dossier: Dossier) -> Dossier:
        step = Step(
            at_s=time.time(),
            by="Ina",
            findings=(Finding(code="meter-sees-car", verdict=verdict, params={"meter": "main"}),),
            wirings=() if lines is None else (lines,),
            mountings={},
            quantities={},
            basis=place.basis(charger),
        )
        return replace(dossier, steps={**dossier.steps, charger: step})

    return after


def lapsed(place: Place, charger: str, *, honoured: bool) -> Callable[[Dossier], Dossier]:
    """What an expiry test leaves."""

    def after(dossier: Dossier) -> Dossier:
        code, verdict = ("expiry-cut", Verdict.FINE) if honoured else ("expiry-cut-not", Verdict.WRONG)
        values: dict[str, str | float | None] = {"safe": 6.0, "after_s": 4.5, "before": 16.0, "last": None}
        lapse = Lapse(
            at_s=time.time(),
            by="Ina",
            vendor="Maker",
            model="One",
            firmware="1.2",
            safe_a=6.0,
            honoured=honoured,
            findings=(Finding(code=code, verdict=verdict, params=values),),
            basis=place.basis(charger),
        )
        return replace(dossier, expiries={**dossier.expiries, charger: lapse})

    return after


def tried(charger: str, code: str) -> Callable[[Dossier], Dossier]:
    """What a step test leaves that came to nothing, after one that did not."""

    def after(dossier: Dossier) -> Dossier:
        step = replace(dossier.steps[charger], tried=Finding(code=code, verdict=Verdict.NOTE))
        return replace(dossier, steps={**dossier.steps, charger: step})

    return after
