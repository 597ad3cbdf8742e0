"""The guided commissioning through the API: who may what, what is kept, what is set by one confirmation."""

from __future__ import annotations

import base64
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from tests.api.conftest import As, FakeControl

from ampacity.api.access import Role, Scope
from ampacity.backup import RECORD, make
from ampacity.commission.basis import basis_of
from ampacity.commission.dossier import KeptDossier, Made
from ampacity.commission.expiry import Expiry, Fall, NoSureRoom
from ampacity.commission.report import SIGNING_KEY, fingerprint_of, signing_key, verified
from ampacity.commission.steptest.ground import TEST_CIRCUIT, NoGround, room_for
from ampacity.commission.steptest.judgement import Answer, Verdict
from ampacity.commission.steptest.procedure import Ending
from ampacity.commission.tester import ChargerNotThere, TestUnderWay
from ampacity.config.site_toml import load
from ampacity.core.observations import MeterReading
from ampacity.core.phases import Line, PhaseAmps
from ampacity.core.site import ChargerId, MeterId
from ampacity.storage.database import open_database
from ampacity.storage.records import newest_changes, setting

PAGE = "/api/v1/commissioning"
ONE, TWO = ChargerId("charger-1"), ChargerId("charger-2")
MAIN = MeterId("main")


@pytest.fixture
def installer(client_as: As) -> Any:
    return client_as(Role.INSTALLER)


def task(shown: dict[str, Any], code: str, charger: str | None = None) -> dict[str, Any]:
    return next(one for one in shown["tasks"] if (one["code"], one["charger"]) == (code, charger))


def audit(engine: Engine) -> list[tuple[str, str, str | None, str | None]]:
    return [(one.who, one.key, one.old, one.new) for one in newest_changes(engine, 10, under=["commissioning."])]


def made(control: FakeControl) -> Made:
    basis = basis_of(control.installation, control.meters).of(chargers=[ONE], meters=[MAIN])
    return Made(by="Ina", at_s=1000.0, basis=basis)


# --- who may what ---


def test_staff_reads_it_and_only_an_installer_does_any_of_it(client_as: As) -> None:
    owner = client_as(Role.OWNER)
    assert owner.get(PAGE).json()["may"] is False
    for answer in (
        owner.put(f"{PAGE}/tasks/clamps", json={}),
        owner.delete(f"{PAGE}/tasks/clamps"),
        owner.post(f"{PAGE}/tests", json={"kind": "step", "charger": ONE}),
        owner.delete(f"{PAGE}/tests"),
        owner.put(f"{PAGE}/wiring", json={"version": "", "charger": ONE}),
        owner.put(f"{PAGE}/guarded", json={"version": "", "charger": ONE}),
        client_as(Role.DRIVER).get(PAGE),
        client_as(Role.DRIVER).get(f"{PAGE}/report"),
        client_as(scopes=frozenset({Scope.ADMIN})).get(f"{PAGE}/report"),
    ):
        assert answer.json()["code"] == "not-allowed"
    assert client_as(scopes=frozenset({Scope.READ})).get(PAGE).status_code == 200


# --- what hands have done ---


def test_what_was_done_is_kept_with_who_and_what_and_noted(installer: Any, client_as: As, engine: Engine) -> None:
    installer.put(f"{PAGE}/tasks/switches", json={"values": {"position": "T", f"rotary.{ONE}": 7}})
    done = task(client_as(Role.OWNER).get(PAGE).json(), "switches")["done"]
    assert done["by"] == "installer"
    assert done["values"] == {"position": "T", f"rotary.{ONE}": 7}
    installer.delete(f"{PAGE}/tasks/switches")
    assert task(installer.get(PAGE).json(), "switches")["done"] is None
    noted = f"position T, rotary.{ONE} 7"
    assert audit(engine) == [
        ("installer", "commissioning.switches", noted, None),
        ("installer", "commissioning.switches", None, noted),
    ]


def test_what_the_meter_shows_is_noted_beside_what_a_clamp_showed(installer: Any, control: FakeControl) -> None:
    amps = PhaseAmps((9.0, -6.0, 5.5))
    control.meters[MAIN] = MeterReading(meter=MAIN, at_s=control.clock_s, currents=amps)
    values = {"main.L1": 9.2, "main.L2": 6.1, "main.L3": 5.4}
    one = task(installer.put(f"{PAGE}/tasks/reading", json={"values": values}).json(), "reading")
    assert one["verdict"] == "fine"
    assert one["done"]["values"]["main.L2.shown"] == -6.0
    installer.post(f"{PAGE}/tests", json={"kind": "step", "charger": ONE})
    assert control.begun == [("step", ONE, True, "installer")]


def test_what_the_meter_said_long_ago_is_nothing_that_it_shows(installer: Any, control: FakeControl) -> None:
    old_s = control.clock_s - 61.0
    control.meters[MAIN] = MeterReading(meter=MAIN, at_s=old_s, currents=PhaseAmps((9.0, 6.0, 5.5)))
    assert installer.get(PAGE).json()["meters"][0]["amps"] is None


@pytest.mark.parametrize(
    ("code", "values"),
    [
        ("bus", {"ohm": -1}),
        ("bus", {"ohm": "sixty"}),
        ("bus", {"volt": 60}),
        ("switches", {"rotary.nobody": 3}),
        ("switches", {"position": 3}),
        ("reading", {"main.L4": 3}),
        ("reading", {"main.L1.shown": 3}),
        ("reading", {"attic.L1": 3}),
        ("clamps", {"ohm": 60}),
        ("wiring", {"note": "x" * 201}),
        ("disclaimer", {}),
    ],
)
def test_what_can_not_be_noted_there_is_refused(code: str, values: dict[str, Any], installer: Any) -> None:
    answer = installer.put(f"{PAGE}/tasks/{code}", json={"values": values})
    assert answer.json()["code"] == "request-invalid"
    assert all(one["done"] is None for one in installer.get(PAGE).json()["tasks"])


# --- tests ---


def test_a_test_begins_and_is_stopped_and_both_are_noted(installer: Any, control: FakeControl, engine: Engine) -> None:
    begun = installer.post(f"{PAGE}/tests", json={"kind": "expiry", "charger": ONE}).json()
    assert begun["test"]["kind"] == "expiry"
    assert control.begun == [("expiry", ONE, False, "installer")]
    assert installer.delete(f"{PAGE}/tests").json()["test"] is None
    assert installer.delete(f"{PAGE}/tests").status_code == 200
    assert audit(engine) == [
        ("installer", f"commissioning.expiry.{ONE}", "begun", "stopped"),
        ("installer", f"commissioning.expiry.{ONE}", None, "begun"),
    ]


@pytest.mark.parametrize("kind", [NoGround, NoSureRoom, TestUnderWay, ChargerNotThere])
def test_why_a_test_can_not_begin_is_told(kind: Any, installer: Any, control: FakeControl, engine: Engine) -> None:
    control.refusal = kind("So it is.")
    answer = installer.post(f"{PAGE}/tests", json={"kind": "step", "charger": ONE})
    assert answer.status_code == 409
    assert answer.json()["code"] == kind.code
    assert (answer.json()["detail"], answer.json()["remedy"]) == ("So it is.", kind.remedy)
    assert audit(engine) == []


def test_there_is_no_test_of_a_charger_that_is_not_there(installer: Any) -> None:
    answer = installer.post(f"{PAGE}/tests", json={"kind": "step", "charger": "nobody"})
    assert answer.json()["code"] == "not-found"


def test_the_circuit_of_a_test_is_shown_to_nobody(client_as: As, control: FakeControl, site_file: Path) -> None:
    site_file.write_text(site_file.read_text().replace('meter = "main"', 'meter = "main"\nworst_load_a = 10', 1))
    installed = load(site_file)
    tested = room_for(installed.site, ONE, checked=False).site
    assert TEST_CIRCUIT in tested.index_of_circuit
    control.installation = replace(installed, site=tested)
    control.step()
    control.installation = installed
    assert [one["id"] for one in client_as(Role.OWNER).get("/api/v1/live").json()["circuits"]] == ["main"]


# --- one confirmation ---


def test_the_lines_that_a_test_has_found_are_set_by_one_confirmation(
    installer: Any, control: FakeControl, engine: Engine, site_file: Path
) -> None:
    order = (Line.L2, Line.L3, Line.L1)
    verdict = Verdict(ONE, Ending.DONE, Answer.YES, True, 3, (order,), 1.0, None, ())
    KeptDossier(lambda: engine).change(lambda one: one.with_step(verdict, 24.0, made(control)))
    shown = installer.get(PAGE).json()
    assert task(shown, "step", ONE)["learned"] == "L2-L3-L1"
    body = {"version": shown["version"], "charger": ONE}
    after = installer.put(f"{PAGE}/wiring", json=body).json()
    assert load(site_file).site.chargers[0].wiring == order
    assert task(after, "step", ONE)["learned"] is None
    assert newest_changes(engine, 1)[0].key == f"chargers.{ONE}.lines"
    assert installer.put(f"{PAGE}/wiring", json=body).json()["code"] == "not-found"


def test_a_charger_that_was_seen_to_fall_is_counted_on_again_by_one_confirmation(
    installer: Any, control: FakeControl, engine: Engine, site_file: Path
) -> None:
    site_file.write_text(site_file.read_text().replace(f"[chargers.{ONE}]", f"[chargers.{ONE}]\nguarded = false"))
    control.installation = load(site_file)
    fell = Fall(True, 2.0, 16.0, 0.0)
    expiry = Expiry(ONE, Ending.DONE, 0.0, fell, fell)
    KeptDossier(lambda: engine).change(
        lambda one: one.with_expiry(expiry, made(control), vendor="", model="", firmware="")
    )
    shown = installer.get(PAGE).json()
    assert task(shown, "expiry", ONE)["guarded"] is True
    after = installer.put(f"{PAGE}/guarded", json={"version": shown["version"], "charger": ONE}).json()
    assert load(site_file).site.chargers[0].guarded
    assert task(after, "expiry", ONE)["guarded"] is None
    assert newest_changes(engine, 1)[0].new == "True"


def test_what_no_test_has_found_is_not_set(installer: Any) -> None:
    body = {"version": installer.get(PAGE).json()["version"], "charger": TWO}
    for what in ("wiring", "guarded"):
        assert installer.put(f"{PAGE}/{what}", json=body).json()["code"] == "not-found"


# --- the report ---


@pytest.mark.parametrize("form", ["html", "pdf"])
def test_a_report_is_signed_with_the_key_that_is_shown_and_noted(form: str, client_as: As, engine: Engine) -> None:
    owner = client_as(Role.OWNER)
    answer = owner.get(f"{PAGE}/report?form={form}")
    assert verified(answer.content) == owner.get(PAGE).json()["key"]
    assert f'filename="ampacity-commissioning.{form}"' in answer.headers["content-disposition"]
    who, key, _, new = audit(engine)[0]
    assert (who, key) == ("owner", "commissioning.report")
    assert new is not None
    assert new.startswith(f"{form}, SHA-256 ")


def test_the_key_itself_is_told_by_no_route(client_as: As, engine: Engine) -> None:
    owner = client_as(Role.OWNER)
    owner.get(f"{PAGE}/report")
    raw = signing_key(engine).private_bytes_raw()
    secrets = [setting(engine, SIGNING_KEY) or "-", base64.b64encode(raw).decode(), raw.hex()]
    paths = [path for path, how in owner.get("/api/v1/openapi.json").json()["paths"].items() if "get" in how]
    for path in paths:
        if "{" in path or path.endswith(("/backup", "/stream")):
            continue
        said = owner.get(path).text
        assert not any(secret in said for secret in secrets), path


def test_a_backup_has_the_key_so_that_reports_stay_the_sites_own(
    control: FakeControl, engine: Engine, tmp_path: Path
) -> None:
    fingerprint = fingerprint_of(signing_key(engine).public_key())
    out = tmp_path / "backup.zip"
    make(control.installation, engine, out, version="1", now_s=1.0, journal=False)
    with zipfile.ZipFile(out) as archive:
        archive.extract(RECORD, tmp_path)
    kept = open_database(tmp_path / RECORD)
    assert fingerprint_of(signing_key(kept).public_key()) == fingerprint
    kept.dispose()
