"""`ampacity report verify`: genuine to the last byte, or what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from ampacity.cli.main import app
from ampacity.commission.report import Report, Row, Section, as_html, as_pdf, fingerprint_of, signed
from ampacity.commission.selfcheck import Verdict

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
FINGERPRINT = fingerprint_of(KEY.public_key())
REPORT = Report(
    title="Commissioning of [bold]Test house",
    facts=[("made", "2026-08-01 12:03 CEST"), ("by", "Ina")],
    summary=Row(verdict=Verdict.FINE, text="All is done."),
    sections=[Section(title="Cable", verdict=Verdict.FINE, rows=[Row(verdict=Verdict.FINE, text="NYM 5x6, 12 m")])],
    disclaimer=["Electricity is dangerous."],
    page="Page {page} of {pages}",
    language="en",
)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "report [1].html"
    path.write_bytes(signed(as_html(REPORT), KEY))
    return path


@pytest.fixture
def printed(tmp_path: Path) -> Path:
    path = tmp_path / "report.pdf"
    path.write_bytes(signed(as_pdf(REPORT), KEY))
    return path


def verify(*arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    result = CliRunner().invoke(app, ["report", "verify", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def documents(*arguments: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(verify(*arguments, "--json")[1])["reports"]
    return found


def test_a_report_as_it_was_signed_is_told_with_its_key_and_date(page: Path) -> None:
    code, out, err = verify(page)
    assert (code, err) == (0, "")
    assert f"{page} is as it was signed. It was made 2026-08-01 12:03 CEST." in out
    assert FINGERPRINT in out


def test_without_a_key_it_says_to_compare_with_the_one_that_the_app_shows(page: Path) -> None:
    assert "compare it with the one that the app shows" in verify(page)[1]
    assert "compare" not in verify(page, "--key", FINGERPRINT)[1]


@pytest.mark.parametrize("made", [str, str.upper, lambda key: key.replace(" ", ""), lambda key: key.replace(" ", ":")])
def test_a_key_may_be_written_as_people_do(page: Path, made: Any) -> None:
    assert verify(page, "--key", made(FINGERPRINT))[0] == 0


def test_a_report_for_print_is_told_with_its_date(printed: Path) -> None:
    (told,) = documents(printed, "--key", FINGERPRINT)
    assert told["genuine"] is True
    assert told["made"][:2] == "20"
    assert len(told["made"]) == len("2026-08-01 12:03")


def test_a_report_of_another_key_is_refused(page: Path) -> None:
    code, _, err = verify(page, "--key", fingerprint_of(OTHER.public_key()))
    assert code == 1
    assert FINGERPRINT in err
    assert "(report-other-key)" in err


@pytest.mark.parametrize("kind", ["page", "printed"])
def test_any_changed_byte_is_found(kind: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(kind)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    code, out, err = verify(path)
    assert (code, out) == (1, "")
    assert "It was changed after it was signed. Ask for the file as it was made" in err


def test_what_was_never_signed_or_cut_is_told(tmp_path: Path, page: Path) -> None:
    plain, cut = tmp_path / "plain.html", tmp_path / "cut.html"
    plain.write_bytes(as_html(REPORT))
    cut.write_bytes(page.read_bytes()[:-10])
    assert [one["error"] for one in documents(plain, cut)] == ["report-not-genuine"] * 2


@pytest.mark.parametrize("key", [b"A" * 44, b"=" * 44, b"A" * 42 + b"=="])
def test_a_signature_of_no_key_is_not_genuine(tmp_path: Path, key: bytes) -> None:
    path = tmp_path / "forged.html"
    path.write_bytes(b"<html>\n<!-- ampacity-signature:1 key=" + key + b" signature=" + b"A" * 86 + b"== -->\n")
    assert documents(path)[0]["error"] == "report-not-genuine"


def test_of_several_files_each_is_told_and_one_bad_one_counts(page: Path, printed: Path, tmp_path: Path) -> None:
    told = documents(page, tmp_path / "none.pdf", printed, tmp_path)
    assert [one["genuine"] for one in told] == [True, False, True, False]
    assert [one.get("error") for one in told] == [None, "report-unreadable", None, "report-unreadable"]
    code, out, err = verify(page, tmp_path / "none.pdf")
    assert code == 1
    assert "is as it was signed" in out
    assert "none.pdf: It can't be read (No such file or directory). Check its name" in err


def test_an_empty_file_is_not_genuine(tmp_path: Path) -> None:
    (tmp_path / "empty.pdf").touch()
    assert documents(tmp_path / "empty.pdf")[0]["error"] == "report-not-genuine"


@pytest.mark.parametrize("key", ["", "12", "xyz", FINGERPRINT + "0", FINGERPRINT[:-1]])
def test_what_is_no_fingerprint_is_refused_before_anything_is_read(key: str, page: Path) -> None:
    code, out, _ = verify(page, "--key", key, "--json")
    assert code == 1
    assert json.loads(out)["error"] == "report-key"


def test_without_a_file_the_command_line_is_wrong() -> None:
    assert verify()[0] == 2
