"""A site to commission: the real API behind TLS on loopback, real accounts, and tests of chargers that end at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from fastapi.testclient import TestClient
from sqlalchemy import Engine
from tests.api.conftest import FakeControl, House

from ampacity.api.attempts import Attempts
from ampacity.api.entrance import Entrance
from ampacity.api.identity import Identity
from ampacity.api.passwords import Hashing
from ampacity.api.ports import Services
from ampacity.api.server import create
from ampacity.api.serving import AppServer, own_tls
from ampacity.commission.dossier import Dossier, KeptDossier, Lapse, Step
from ampacity.commission.selfcheck import Finding, Verdict
from ampacity.commission.steptest.ground import Ground
from ampacity.commission.tester import Progress
from ampacity.config.site_toml import load
from ampacity.core.errors import AmpacityError
from ampacity.core.observations import MeterReading
from ampacity.core.phases import PhaseAmps
from ampacity.core.site import ChargerId, MeterId
from ampacity.storage.database import open_database

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
    refusal: AmpacityError | None = None
    begun: list[tuple[str, str, bool]] = field(default_factory=list)
    stopped: int = 0
    endless: bool = False
    left: list[str] = field(default_factory=list)
    """Stages to come."""

    def begin_test(self, kind: str, charger: ChargerId, *, checked: bool, by: str) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.begun.append((kind, charger, checked))
        self.left = list(STAGES)

    def stop_test(self) -> None:
        self.stopped += 1
        self.left = []

    def test_progress(self) -> Progress | None:
        if not self.left:
            return None
        kind, charger, _ = self.begun[-1]
        stage = self.left[0] if self.endless else self.left.pop(0)
        if not self.left and self.kept is not None:
            self.kept.change(self.outcome)
        return Progress(kind, ChargerId(charger), stage, 0.4, Ground.WORST_LOAD)


@dataclass
class Place:
    """Where it runs."""

    file: Path
    control: TestBench
    engine: Engine
    house: House
    server: AppServer
    owner: TestClient
    """A browser of Ann."""

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.server.port}"

    @property
    def dossier(self) -> Dossier:
        return KeptDossier(lambda: self.engine).read()

    def see_meter(self, *amps: float) -> None:
        self.control.step(MeterReading(meter=MeterId("main"), at_s=self.control.clock_s + 1.0, currents=PhaseAmps(amps)))


def opened(folder: Path) -> Place:
    """It listens, and Ann and Ina have accounts. Close it."""
    file = folder / "site.toml"
    file.write_text(SITE)
    engine = open_database(folder / "ampacity.db")
    control = TestBench(load(file), kept=KeptDossier(lambda: engine))
    identity = Identity(lambda: engine)
    services = Services(control=control, engine=lambda: engine, identify=identity, wall_s=time.time)
    app = create(services, entrance=Entrance(Attempts(), Hashing(time_cost=1, memory_kib=8)))
    server = AppServer(app, "127.0.0.1", 0, tls=own_tls(folder))
    server.start()
    house = House(app, engine, time.time, identity)  # type: ignore[arg-type]  # the clock of this machine
    owner = house.owner()
    house.joined(owner, "installer", "Ina").close()
    return Place(file=file, control=control, engine=engine, house=house, server=server, owner=owner)


def close(place: Place) -> None:
    place.server.close()
    with closing(place.owner):
        place.engine.dispose()


def stepped(
    charger: str, verdict: Verdict = Verdict.FINE, *, lines: tuple[int, ...] | None = None
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
        )
        return Dossier(done=dossier.done, steps={**dossier.steps, charger: step}, expiries=dossier.expiries)

    return after


def lapsed(charger: str, *, honoured: bool) -> Callable[[Dossier], Dossier]:
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
        )
        return Dossier(done=dossier.done, steps=dossier.steps, expiries={**dossier.expiries, charger: lapse})

    return after
