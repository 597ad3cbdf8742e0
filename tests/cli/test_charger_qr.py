"""`ampacity charger qr`: the code on the terminal, as a picture, and on labels."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ampacity.cli.main import app
from ampacity.config.charger_code import code_of, ocpp_id_of

SITE = """\
[site]
name = "Elm <5>"
[circuits.main]
limit_a = 40
meter = "main"
[meters.main]
host = "10.0.0.7"
[chargers.left]
ocpp_id = "CP 1"
name = "Left & <b>bay</b>"
lines = ["L1", "L2", "L3"]
[chargers.right]
ocpp_id = "CP-2"
lines = ["L1", "L2", "L3"]
"""
URL = ("--url", "https://ampacity.local:8443/")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "site.toml"
    file.write_text(SITE)
    return file


def qr(site: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["charger", "qr", str(site), *words])


class Words(HTMLParser):
    """What a page shows, tag by tag."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, _: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_without_a_name_the_codes_of_all_chargers_are_shown(site: Path) -> None:
    done = qr(site)
    assert done.exit_code == 0, done.output
    assert "Left & <b>bay</b> (left)" in done.stdout
    assert re.findall(r"AMP:1:.*", done.stdout) == [code_of("CP 1"), code_of("CP-2")]


@pytest.mark.parametrize("name", ["right", "CP-2"])
def test_with_an_address_of_the_app_the_code_is_a_link(site: Path, name: str) -> None:
    done = qr(site, name, *URL)
    assert f"https://ampacity.local:8443/link#{code_of('CP-2')}" in done.stdout
    assert "CP 1" not in done.stdout


def test_the_name_that_the_installer_gave_the_app_is_used(site: Path) -> None:
    site.write_text(SITE + '[app]\nhost_names = ["charging.example.org"]\n')
    (told,) = json.loads(qr(site, "right", "--json").stdout)["chargers"]
    assert told == {
        "charger": "right",
        "ocpp_id": "CP-2",
        "code": code_of("CP-2"),
        "link": f"https://charging.example.org:8443/link#{code_of('CP-2')}",
    }
    assert ocpp_id_of(told["link"]) == "CP-2"


def test_a_sheet_of_labels_shows_names_and_codes_and_nothing_that_was_smuggled_in(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels.html"
    assert qr(site, "--out", str(out), "--language", "de", *URL).exit_code == 0
    page = Words(out.read_text())
    assert "Left & <b>bay</b>" in page.words
    assert "Etiketten der Ladestationen: Elm <5>" in page.words
    assert code_of("CP 1") in "".join(page.words)
    assert page.tags.count("svg") == page.tags.count("article") == 2
    assert {"b", "script", "link", "img"} & set(page.tags) == set()


def test_more_than_24_labels_are_on_several_sheets(site: Path, tmp_path: Path) -> None:
    more = "".join(f'[chargers.c{n}]\nocpp_id = "N{n}"\nlines = ["L1"]\n' for n in range(23))
    site.write_text(SITE + more)
    out = tmp_path / "labels.html"
    assert qr(site, "--out", str(out), "--paper", "letter").exit_code == 0
    assert out.read_text().count('<section class="letter">') == 2


@pytest.mark.parametrize(("ending", "begin"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_one_charger_goes_into_a_picture(site: Path, tmp_path: Path, ending: str, begin: bytes) -> None:
    out = tmp_path / f"left.{ending}"
    assert qr(site, "left", "--out", str(out)).exit_code == 0
    assert out.read_bytes().startswith(begin)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["nobody"], "charger-not-in-file"),
        (["--out", "both.svg"], "labels-kind"),
        (["--out", "labels.pdf"], "labels-kind"),
        (["--out", "no-such-folder/labels.html"], "labels-write"),
        (["--url", "ampacity.local"], "app-url"),
    ],
)
def test_what_can_not_be_done_is_told_with_what_to_do(site: Path, words: list[str], code: str) -> None:
    done = qr(site, *words, "--json")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["error"]) == (1, code)
    assert told["remedy"]


def test_a_site_without_chargers_has_no_labels(site: Path) -> None:
    site.write_text(SITE.partition("[chargers.left]")[0])
    assert json.loads(qr(site, "--json").stdout)["error"] == "labels-none"
