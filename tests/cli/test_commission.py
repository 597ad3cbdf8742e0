"""`ampacity commission`: against a controller's real API on loopback, as people and programs use it."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.api.conftest import PASSWORD
from tests.cli.commissioned import INSTALLER, OWNER, SITE, Place, close, kept, lapsed, opened, stepped, tried
from tests.links.postbox import closed_port
from typer.testing import CliRunner

from ampacity.api.certificate import CERTIFICATE, KEY
from ampacity.api.routes.diagnosis import shown
from ampacity.api.serving import own_tls
from ampacity.cli.controller import ControllerGone, reached
from ampacity.cli.guided import amps, ohm
from ampacity.cli.main import app
from ampacity.commission.dossier import KeptDossier
from ampacity.commission.report import verified
from ampacity.commission.selfcheck import Facts, Verdict
from ampacity.commission.steptest.ground import NoGround
from ampacity.config.rewrite import set_value
from ampacity.config.site_toml import load
from ampacity.core.phases import PhaseAmps
from ampacity.core.site import ChargerId
from ampacity.kept import keep_diagnosis
from ampacity.storage.sign_ins import all_sign_ins

WAIT_S = 60.0


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Where no controller has ever run."""
    file = tmp_path / "site.toml"
    file.write_text(SITE)
    return file


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kept(tmp_path_factory.mktemp("record"))


@pytest.fixture
def place(tmp_path: Path, record: Path) -> Iterator[Place]:
    one = opened(tmp_path, record)
    yield one
    close(one)


def told(place: Place, *options: object, typed: str = "", email: str = INSTALLER, password: str = PASSWORD) -> Any:
    """What came of it; `typed`: the answers, one a line."""
    words = ["commission", str(place.file), "--address", place.address, "--language", "en", *map(str, options)]
    return CliRunner().invoke(app, words, input=f"{email}\n{password}\n{typed}")


def answers(*lines: str) -> str:
    return "".join(f"{one}\n" for one in lines)


def document(place: Place, *options: object, **who: str) -> Any:
    return json.loads(told(place, *options, "--json", **who).stdout)


def done_values(place: Place, code: str) -> dict[str, float | str]:
    return dict(place.dossier.done[code].values)


# --- how far it is ---


def test_the_status_is_that_of_the_api(place: Place) -> None:
    found = document(place, "--status")
    assert [one["code"] for one in found["tasks"]] == [
        "wiring", "bus", "switches", "clamps", "order", "reading", "worst",
        "step", "step", "expiry", "expiry", "proof", "disclaimer",
    ]  # fmt: skip
    assert found == place.browser(OWNER).get("/api/v1/commissioning").json() | {"may": True}


def test_the_status_names_every_task_and_counts(place: Place) -> None:
    result = told(place, "--status")
    assert result.exit_code == 1
    rows = [line for line in result.stdout.splitlines() if re.match(r" *\d+ [✓•✗?] ", line)]
    assert len(rows) == 13
    assert "2 of 13 done, wrong: 1" in result.stdout


def test_an_owner_may_look_and_not_do(place: Place) -> None:
    assert document(place, "--status", email=OWNER)["may"] is False
    result = told(place, email=OWNER)
    assert result.exit_code == 1
    assert "Ann is signed in as owner." in result.stderr
    assert "(commission-not-installer)" in result.stderr


def test_it_speaks_the_language_of_the_account(place: Place) -> None:
    words = ["commission", str(place.file), "--address", place.address]
    assert "Angemeldet: Ina" in CliRunner().invoke(app, words, input=f"{INSTALLER}\n{PASSWORD}\nq\n").stdout


def test_nobody_is_left_signed_in(place: Place) -> None:
    before = len(all_sign_ins(place.engine, time.time()))
    for typed in ("", "q\n"):
        told(place, typed=typed)
    told(place, "--status")
    assert len(all_sign_ins(place.engine, time.time())) == before


def test_a_file_that_the_controller_has_not_read_is_told(place: Place) -> None:
    place.file.write_text(place.file.read_text() + "\n")
    assert "was changed since the controller has read it" in told(place, "--status").stderr


# --- one task after the other ---


@pytest.mark.parametrize(
    ("typed", "measured"),
    [
        ("60", 60.0), ("59,8 Ω", 59.8), ("60.2ohm", 60.2), ("0.12 kohm", 120.0), ("1,2k", 1200.0), ("2 MΩ", 2e6),
        ("500 mOhm", 0.5), ("0", 0.0), ("OL", 1e9), ("o.l.", 1e9),
    ],
)  # fmt: skip
def test_a_resistance_is_typed_in_as_instruments_show_it(typed: str, measured: float) -> None:
    assert ohm(typed) == pytest.approx(measured)


def test_a_resistance_is_judged_and_named_with_its_cause(place: Place) -> None:
    result = told(place, typed=answers(*(one for typed in ("OL", "40", "2", "60") for one in ("2", "", typed)), "q"))
    told_of = ("a wire is broken", "one terminator too many", "touch each other", "60 ohm is right")
    assert [words in result.stdout for words in told_of] == [True] * 4
    assert done_values(place, "bus") == {"ohm": 60.0}


def test_nonsense_is_asked_again(place: Place) -> None:
    nonsense = ["", "sixty", "-60", "60 A", "1e3", "60 60", "nan", "60 m", "6 0"]
    result = told(place, typed=answers("2", "", *nonsense, "60", "q"))
    assert result.stdout.count("give a resistance such as 60.5") == len(nonsense)
    assert done_values(place, "bus") == {"ohm": 60.0}


@pytest.mark.parametrize(("typed", "measured"), [("12,3", 12.3), ("-5 A", 5.0), ("300mA", 0.3), ("0", 0.0)])
def test_a_current_is_typed_in_as_clamps_show_it(typed: str, measured: float) -> None:
    assert amps(typed) == pytest.approx(measured)


def test_what_is_wrong_stays_open_and_is_asked_again(place: Place) -> None:
    told(place, typed=answers("2", "", "120", "", "12 m of NYM", "0,8 mm²", "", "60", "q"))
    assert done_values(place, "wiring") == {"cable": "12 m of NYM", "section_mm2": 0.8}
    assert done_values(place, "bus") == {"ohm": 60.0}


def test_switches_are_held_against_what_the_charger_is(place: Place) -> None:
    result = told(place, typed=answers("3", "", "t", "3", "16 A", "16", "9", "twenty", "20", "q"))
    values = {"position": "t", "rotary.left": 3.0, "means_a.left": 16.0, "rotary.right": 9.0, "means_a.right": 20.0}
    assert "give a whole number from 0 to 15" in result.stdout
    assert "give a current such as 12.3" in result.stdout
    assert done_values(place, "switches") == values
    found = {one["code"] for one in document(place, "--status")["tasks"][2]["findings"]}
    assert {"switch-right", "rotary-agrees", "rotary-differs", "rotary-out"} <= found


def test_where_there_are_no_switches_nothing_more_is_asked(place: Place) -> None:
    told(place, typed=answers("3", "", "", "", "", "q"))
    assert done_values(place, "switches") == {"position": ""}


def test_meters_are_held_against_a_clamp(place: Place) -> None:
    place.see_meter(10.0, -6.0, 12.0)
    result = told(place, typed=answers("6", "", "10,2 A", "-6.1", "12", "q"))
    assert "L1 [A] (the meter shows 10 A now)" in result.stdout
    values = done_values(place, "reading")
    assert {name: values[name] for name in ("main.L1", "main.L2", "main.L3")} == {
        "main.L1": 10.2, "main.L2": 6.1, "main.L3": 12.0,
    }  # fmt: skip
    assert [one["code"] for one in document(place, "--status")["tasks"][5]["findings"]] == ["clampmeter-agrees"]


def test_a_meter_that_does_not_answer_is_shown_so(place: Place) -> None:
    assert "L1 [A] (the meter does not answer)" in told(place, typed=answers("6", "", "q")).stdout


def test_what_hands_have_done_is_only_confirmed_by_y(place: Place) -> None:
    told(place, typed=answers("4", "", "q"))
    assert "clamps" not in place.dossier.done
    told(place, typed=answers("4", "y", "q"))
    assert place.dossier.done["clamps"].by == "Ina"
    told(place, typed=answers("4", "u", "q"))
    assert "clamps" not in place.dossier.done


def test_it_can_be_left_in_the_middle_and_taken_up_again(place: Place) -> None:
    result = told(place, typed=answers("", "NYM", "", "q"))
    assert result.exit_code == 0
    assert "What was done is kept." in result.stdout
    again = told(place, typed=answers("q")).stdout
    assert "2/13" in again
    assert "1/13" not in again


def test_a_task_is_skipped_for_this_sitting(place: Place) -> None:
    result = told(place, typed=answers("s", "s", "q")).stdout
    assert [place for place in ("1/13", "2/13", "3/13") if place in result] == ["1/13", "2/13", "3/13"]
    assert not place.dossier.done


def test_an_answer_that_is_none_changes_nothing(place: Place) -> None:
    nonsense = ["99", "0", "x", "-1", "²"]
    result = told(place, typed=answers(*nonsense, "q"))
    assert result.stdout.count("That was not understood.") == len(nonsense)
    assert result.stdout.count("1/13") == len(nonsense) + 1
    assert not place.dossier.done


def test_the_end_of_input_leaves(place: Place) -> None:
    result = told(place, typed=answers("", "NYM", ""))
    assert result.exit_code == 130
    assert "What was done is kept." in result.stderr
    assert "wiring" in place.dossier.done


def test_the_disclaimer_is_accepted_by_name(place: Place) -> None:
    result = told(place, typed=answers("13", "", "n", "", "y", "q"))
    assert "Ina: I have read this and accept it" in result.stdout
    assert place.browser(OWNER).get("/api/v1/disclaimer").json()["accepted"]["by"] == "Ina"


def test_the_disclaimer_is_not_accepted_by_haste(place: Place) -> None:
    told(place, typed=answers("13", "", "", "q"))
    assert place.browser(OWNER).get("/api/v1/disclaimer").json()["accepted"] is None


# --- the tests ---


def test_a_step_test_finds_lines_and_they_are_set_on_request(place: Place) -> None:
    place.control.outcome = stepped(place, "right", lines=(1, 2, 0))
    result = told(place, typed=answers("9", "", "y", "q"))
    assert place.begun == [("step", "right")]
    assert "Set right to L2-L3-L1? (y/N)" in result.stdout
    assert "Set, and in use." in result.stdout
    assert [line.name for line in load(place.file).site.chargers[1].wiring or ()] == ["L2", "L3", "L1"]


def test_lines_are_not_set_without_a_yes(place: Place) -> None:
    before = place.file.read_text()
    place.control.outcome = stepped(place, "right", lines=(1, 2, 0))
    told(place, typed=answers("9", "", "", "q"))
    assert place.file.read_text() == before


def test_a_test_that_can_not_be_made_is_told_and_the_next_can(place: Place) -> None:
    place.control.refusal = NoGround("By its worst load the building leaves 2.0 A.")
    result = told(place, typed=answers("8", "", "s", "2", "", "60", "q"))
    assert "the building leaves 2.0 A. Lower what the building draws" in result.stderr
    assert done_values(place, "bus") == {"ohm": 60.0}


def test_a_test_that_leaves_nothing_is_no_success(place: Place) -> None:
    assert document(place, "--step", "left")["error"] == "test-no-result"
    place.control.outcome = stepped(place, "left")
    assert told(place, "--step", "left").exit_code == 0
    place.control.outcome = tried("left", "step-no-car")
    result = told(place, "--step", "left")
    assert result.exit_code == 1
    assert "The test came to nothing. The test ended: no car drew current." in result.stderr


def test_what_the_building_draws_at_worst_is_stated(place: Place) -> None:
    told(place, typed=answers("7", "", "22,5 A", "lots", "20", "18", "q"))
    assert load(place.file).site.circuits[0].worst_load_a == PhaseAmps((22.5, 20.0, 18.0))


@pytest.mark.parametrize("honoured", [True, False])
def test_whether_a_charger_falls_by_itself_is_set_on_request(place: Place, honoured: bool) -> None:
    set_value(place.file, "chargers.left.guarded", not honoured)
    place.control.use(load(place.file))
    place.control.outcome = lapsed(place, "left", honoured=honoured)
    result = told(place, typed=answers("10", "", "y", "q"))
    assert "Set, and in use." in result.stdout
    assert load(place.file).site.chargers[0].guarded is honoured


def test_a_note_of_the_app_stays(place: Place) -> None:
    note = {"values": {"note": "by the door", "ohm": 40}}
    assert place.browser(INSTALLER).put("/api/v1/commissioning/tasks/bus", json=note).status_code == 200
    told(place, typed=answers("2", "", "60", "q"))
    assert done_values(place, "bus") == {"note": "by the door", "ohm": 60.0}


def test_a_test_that_is_under_way_is_watched_to_its_end(place: Place) -> None:
    place.control.begin_test("step", ChargerId("left"), checked=False, by="Ann")
    result = told(place, typed=answers("q"))
    assert "A test is under way." in result.stdout
    assert place.control.stopped == 0


@pytest.mark.parametrize(("verdict", "code"), [(Verdict.NOTE, 0), (Verdict.WRONG, 1)])
def test_one_step_test_is_made_by_a_program(place: Place, verdict: Verdict, code: int) -> None:
    place.control.outcome = stepped(place, "left", verdict)
    result = told(place, "--step", "left", "--json")
    assert result.exit_code == code
    assert json.loads(result.stdout)["verdict"] == verdict.value
    assert "left: Its current goes up and down." in result.stderr


@pytest.mark.parametrize("honoured", [True, False])
def test_one_expiry_test_is_made_by_a_program(place: Place, honoured: bool) -> None:
    place.control.outcome = lapsed(place, "left", honoured=honoured)
    result = told(place, "--expiry", "left")
    assert result.exit_code == (0 if honoured else 1)
    assert "Firmware: 1.2" in result.stdout
    assert place.begun == [("expiry", "left")]


def test_a_charger_that_is_not_there_is_told_with_those_that_are(place: Place) -> None:
    told_ = document(place, "--step", "middle")
    assert told_["error"] == "commission-charger"
    assert "left, right" in told_["remedy"]
    assert place.begun == []


# --- the report ---


def finished(place: Place) -> None:
    """All but the disclaimer."""
    place.see_meter(10.0, 5.0, 3.0)
    told(place, typed=answers("1", "", "", "", "", "60", "", "T", "", "", "y", "y", "", "10", "5", "3", "q"))
    for charger in ("left", "right"):
        for outcome in (stepped(place, charger), lapsed(place, charger, honoured=True)):
            KeptDossier(lambda: place.engine).change(outcome)


def test_it_ends_in_a_signed_report_once_all_is_done(place: Place, tmp_path: Path) -> None:
    finished(place)
    result = told(place, "--report", tmp_path / "new" / "folder", typed=answers("", "y"))
    assert result.exit_code == 0
    assert "Everything is done, and nothing is wrong." in result.stdout
    html, pdf = sorted((tmp_path / "new" / "folder").iterdir())
    assert (html.suffix, pdf.suffix) == (".html", ".pdf")
    key = document(place, "--status")["key"]
    assert [verified(one.read_bytes()) for one in (html, pdf)] == [key, key]
    assert f"Signed with the key {key}" in result.stdout
    assert CliRunner().invoke(app, ["report", "verify", str(html), str(pdf), "--key", key]).exit_code == 0


def test_a_report_is_offered_also_when_something_is_left_open(place: Place, tmp_path: Path) -> None:
    finished(place)
    result = told(place, typed=answers("s", str(tmp_path / "here")))
    assert result.exit_code == 1
    assert "Still open:" in result.stdout
    assert len(list((tmp_path / "here").iterdir())) == 2


def test_a_report_can_be_had_at_any_time(place: Place, tmp_path: Path) -> None:
    told(place, typed=answers("r", str(tmp_path / "here"), "r", "n", "q"))
    assert len(list((tmp_path / "here").iterdir())) == 2
    assert told(place, "--status", "--report", tmp_path / "there", "--json").stdout.startswith("{")
    assert len(list((tmp_path / "there").iterdir())) == 2


def test_a_folder_that_can_not_be_written_ends_nothing(place: Place) -> None:
    result = told(place, typed=answers("r", str(place.file), "n", "2", "", "60", "q"))
    assert "(report-not-written)" in result.stderr
    assert done_values(place, "bus") == {"ohm": 60.0}
    assert document(place, "--status", "--report", place.file)["error"] == "report-not-written"


# --- signing in ---


def test_a_wrong_password_is_told(place: Place) -> None:
    result = told(place, "--status", password="horse battery")
    assert result.exit_code == 1
    assert "do not belong together. Try again." in result.stderr


def test_without_an_account_on_standard_input_it_says_how(place: Place) -> None:
    result = CliRunner().invoke(app, ["commission", str(place.file), "--address", place.address, "--json", "--status"])
    assert json.loads(result.stdout)["error"] == "commission-no-account"


# --- the way to the controller ---


def error_of(file: Path, *options: object) -> Any:
    result = CliRunner().invoke(
        app, ["commission", str(file), "--status", "--json", *map(str, options)], input=f"{INSTALLER}\n{PASSWORD}\n"
    )
    assert result.exit_code == 1
    return json.loads(result.stdout)


def test_it_is_found_where_site_toml_says(place: Place) -> None:
    set_value(place.file, "app.port", place.server.port)
    place.control.use(load(place.file))
    words = ["commission", str(place.file), "--status", "--json"]
    result = CliRunner().invoke(app, words, input=f"{INSTALLER}\n{PASSWORD}\n")
    assert len(json.loads(result.stdout)["tasks"]) == 13


def test_where_no_controller_runs_it_says_to_start_one(site: Path) -> None:
    own_tls(site.parent)
    error = error_of(site, "--address", f"https://127.0.0.1:{closed_port()}")
    assert error["error"] == "controller-not-there"
    assert "ampacity run site.toml" in error["remedy"]


def test_where_none_has_ever_run_it_says_so(site: Path) -> None:
    error = error_of(site)
    assert error["error"] == "controller-not-there"
    assert "ampacity run site.toml" in error["remedy"]


def test_a_controller_that_runs_without_its_app_is_told_so(place: Place) -> None:
    facts = Facts(meters=[], chargers=[], version="1", newer=None, reads_meter=True)
    keep_diagnosis(place.engine, shown(facts, time.time()).model_dump_json())
    error = error_of(place.file, "--address", f"https://127.0.0.1:{closed_port()}")
    assert error["error"] == "controller-app-off"
    assert "--no-app" in error["remedy"]


def test_an_app_that_site_toml_switches_off_is_told_so(site: Path) -> None:
    set_value(site, "app.enabled", False)
    error = error_of(site)
    assert error["error"] == "controller-app-off"
    assert "[app]" in error["remedy"]


def test_a_port_that_nobody_knows_is_asked_for(site: Path) -> None:
    set_value(site, "app.port", 0)
    assert error_of(site)["error"] == "controller-address"


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "ftp://x", "https://", "https://x/path", "https://u@x", "https://x:0", "https://[x"]
)
def test_what_is_no_address_is_refused(site: Path, address: str) -> None:
    assert error_of(site, "--address", address)["error"] == "controller-address"


def test_no_password_goes_over_the_network_without_tls(site: Path) -> None:
    error = error_of(site, "--address", "http://192.0.2.7:8080")
    assert error["error"] == "controller-address"
    assert "everybody on the way would read the password" in error["what"]


def test_another_certificate_is_not_trusted(place: Place, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    own_tls(tmp_path / "other")
    for name in (CERTIFICATE, KEY):
        shutil.copy(tmp_path / "other" / name, place.file.parent / name)
    error = error_of(place.file, "--address", place.address)
    assert error["error"] == "controller-unknown"


def test_a_certificate_that_can_not_be_read_is_told(site: Path) -> None:
    (site.parent / CERTIFICATE).write_text("no certificate")
    assert error_of(site, "--address", "https://127.0.0.1:1")["error"] == "controller-unknown"


def test_a_given_certificate_is_trusted_under_any_name(place: Place) -> None:
    own = place.file.parent / CERTIFICATE
    own.rename(own.with_name("given.pem"))
    place.file.write_text(f'{place.file.read_text()}tls_certificate = "given.pem"\ntls_key = "{KEY}"\n')
    assert error_or_tasks(place) == 13


def error_or_tasks(place: Place) -> Any:
    found = document(place, "--status")
    return found.get("error") or len(found["tasks"])


def test_a_site_that_waits_for_its_first_start_says_so(place: Place) -> None:
    with place.engine.begin() as connection:
        for table in ("sign_in", "account"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    assert error_of(place.file, "--address", place.address)["error"] == "controller-no-account"


class OtherProgram(BaseHTTPRequestHandler):
    """A web server that knows nothing of us."""

    def do_GET(self) -> None:
        body = b"<html>Hello"
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Says nothing."""


def test_another_program_is_not_taken_for_a_controller(site: Path) -> None:
    own_tls(site.parent)
    with ThreadingHTTPServer(("127.0.0.1", 0), OtherProgram) as other:
        serving = threading.Thread(target=other.serve_forever)
        serving.start()
        try:
            for scheme in ("http", "https"):
                address = f"{scheme}://127.0.0.1:{other.server_port}"
                assert error_of(site, "--address", address)["error"] == "controller-other"
        finally:
            other.shutdown()
            serving.join()


def test_tls_where_http_is_asked_for_is_told(place: Place) -> None:
    address = place.address.replace("https", "http")
    assert error_of(place.file, "--address", address)["error"] == "controller-other"


def test_a_controller_that_goes_away_is_told_with_what_becomes_of_it(place: Place) -> None:
    with reached(load(place.file), place.address) as controller:
        controller.sign_in(INSTALLER, PASSWORD)
        place.server.close()
        with pytest.raises(ControllerGone, match="What was done is kept"):
            controller.commissioning()


def test_no_proxy_of_the_environment_sees_the_password(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port()}")
    assert error_or_tasks(place) == 13


# --- the command line ---


@pytest.mark.parametrize(
    "options",
    [("--status", "--step", "left"), ("--step", "left", "--expiry", "left"), ("--json",), ("--language", "tlh")],
)
def test_what_does_not_go_together_is_a_wrong_command_line(site: Path, options: tuple[str, ...]) -> None:
    words = ["commission", str(site), *options]
    assert CliRunner().invoke(app, words).exit_code == 2


# --- a real terminal ---


class Terminal:
    """The command in a terminal of its own, as a person sees it."""

    def __init__(self, *words: str) -> None:
        self.seen = ""
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "dumb"
            os.execv(sys.executable, [sys.executable, "-m", "ampacity.cli.main", *words])

    def wait_for(self, words: str) -> None:
        until_s = time.monotonic() + WAIT_S
        while words not in self.seen:
            assert time.monotonic() < until_s, self.seen
            self._read()

    def type(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def end(self) -> int:
        """Its exit code."""
        until_s = time.monotonic() + WAIT_S
        with suppress(OSError):
            while True:
                assert time.monotonic() < until_s, self.seen
                self._read()
        _, status = os.waitpid(self.pid, 0)
        os.close(self._fd)
        return os.waitstatus_to_exitcode(status)

    def _read(self) -> None:
        if select.select([self._fd], [], [], 1.0)[0]:
            self.seen += os.read(self._fd, 65536).decode(errors="replace")


def test_in_a_terminal_a_password_is_not_shown_and_ctrl_c_stops_the_test(place: Place) -> None:
    place.control.endless = True
    terminal = Terminal("commission", str(place.file), "--address", place.address, "--language", "en")
    for question, typed in (
        ("E-mail", INSTALLER),
        ("Password: ", "wrong"),  # with the space that is shown once nothing typed is
        ("Try again.", None),
        ("E-mail", INSTALLER),
        ("Password: ", PASSWORD),
        ("1/13", "8"),
        ("8/13", ""),
    ):
        terminal.wait_for(question)
        if typed is not None:
            terminal.seen = ""
            terminal.type(typed + "\n")
    until_s = time.monotonic() + WAIT_S
    while not place.begun:
        assert time.monotonic() < until_s
        time.sleep(0.02)
    terminal.type("\x03")
    assert terminal.end() == 130
    assert "The test is stopped" in terminal.seen
    assert place.control.stopped == 1
    assert PASSWORD not in terminal.seen
