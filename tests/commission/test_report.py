"""The signed report: every value in the reader's language, and no byte of it can be changed unseen."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from tests.commission.conftest import LEFT
from tests.commission.test_guide import INA, basis, expired, made, measured, read, things, verdict
from tests.postgres import Server

from ampacity.commission.dossier import COMMISSIONING, Done, Dossier, KeptDossier
from ampacity.commission.guide import Things, guide
from ampacity.commission.report import (
    SIGNING_KEY,
    Reader,
    Report,
    ReportNotGenuine,
    as_html,
    as_pdf,
    fingerprint_of,
    report,
    signed,
    signing_key,
    verified,
)
from ampacity.core.phases import Line
from ampacity.storage.database import open_database
from ampacity.storage.records import put_setting, setting
from ampacity.storage.transactions import keeping
from ampacity.web.texts import LANGUAGES, text

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
ORDER = (Line.L2, Line.L3, Line.L1)
HTML = signed(b"<!doctype html><p>60 ohm</p>", KEY)
PDF = signed(b"%PDF-1.4 ... %%EOF", KEY)


def everything() -> tuple[Things, Dossier]:
    """A site on which all has been done, some of it wrong."""
    found = replace(things(serial=True, own_max_a=16.0, firmware="1.1"), disclaimer=INA)
    dossier = expired(before=read(9.0, 6.0, 5.5, shown=(9.1, 6.25, 5.5)))
    dossier = dossier.with_step(verdict([ORDER]), 24.0, made())
    bus = replace(measured(ohm=120.0).done["bus"], values={"ohm": 120.0, "note": "Klemme gelöst & neu <gesetzt>"})
    switches: dict[str, float | str] = {"position": "T", "rotary.left": 7.0, "means_a.left": 32.0}
    wiring: dict[str, float | str] = {"cable": "J-Y(St)Y 2×2×0,8", "section_mm2": 0.5}
    for code, values in (("switches", switches), ("wiring", wiring)):
        done = Done(by="Jörg Müller-Lüdenscheidt", at_s=2000.0, values=values, basis=found.basis_of(code))
        dossier = dossier.with_done(code, done)
    return found, dossier.with_done("bus", bus)


def written(language: str = "en") -> Report:
    found, dossier = everything()
    reader = Reader(words=lambda key, **params: text(language, key, **params), language=language)
    return report(
        guide(found, dossier),
        found,
        reader,
        version="1.2.3",
        by="Ina",
        at=datetime(2026, 5, 4, 10, 30, tzinfo=ZoneInfo("Europe/Berlin")),
        fingerprint="aaaa bbbb",
        disclaimer=text(language, "disclaimer.1"),
    )


def rows(one: Report) -> str:
    return "\n".join(row.text for section in one.sections for row in section.rows)


# --- what it says ---


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_all_of_it_and_leaves_no_gap(language: str) -> None:
    one = written(language)
    said = "\n".join([one.title, *(f"{a} {b}" for a, b in one.facts), one.summary.text, rows(one), *one.disclaimer])
    assert not re.search(r"\{\w+\}|None|commission\.", said)


def test_every_value_that_was_typed_in_is_in_it() -> None:
    said = rows(written("de"))
    for value in ("120", "Klemme gelöst", "T", "7", "32", "9,1", "6,25", "J-Y(St)Y", "0,5", "1.0", "1.1", "Müller"):
        assert value in said, value


def test_who_accepted_the_disclaimer_and_when_is_in_it() -> None:
    one = written()
    assert "Ina" in one.disclaimer[1]
    assert "1970-01-01 01:16" in one.disclaimer[1]  # by the site's clock


def test_a_page_needs_nothing_else_and_what_was_typed_in_stays_text() -> None:
    html = as_html(written()).decode()
    assert "&amp; neu &lt;gesetzt&gt;" in html
    assert not re.search(r"<script|https?://|src=|href=", html)


def test_a_long_report_has_numbered_pages() -> None:
    one = written("de")
    long = as_pdf(replace(one, sections=[*one.sections] * 6))
    count = len(re.findall(rb"/Type /Page\b", long))
    assert long.startswith(b"%PDF")
    assert count > 3


# --- its signature ---


@pytest.mark.parametrize("content", [HTML, PDF])
def test_who_signed_it_is_told(content: bytes) -> None:
    assert verified(content) == fingerprint_of(KEY.public_key())


@given(st.data(), st.sampled_from([HTML, PDF]))
def test_any_changed_byte_is_found(data: st.DataObject, content: bytes) -> None:
    place = data.draw(st.integers(0, len(content) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda one: one != content[place]))
    with pytest.raises(ReportNotGenuine):
        verified(content[:place] + bytes([other]) + content[place + 1 :])


@given(st.binary(min_size=1, max_size=40), st.sampled_from([HTML, PDF]), st.booleans())
def test_anything_put_before_or_behind_is_found(more: bytes, content: bytes, before: bool) -> None:
    with pytest.raises(ReportNotGenuine):
        verified(more + content if before else content + more)


@given(st.integers(1, 400))
def test_a_file_that_was_cut_is_found(cut: int) -> None:
    with pytest.raises(ReportNotGenuine):
        verified(HTML[:-cut])


def test_the_signature_of_another_report_does_not_fit() -> None:
    other = signed(b"<!doctype html><p>40 ohm</p>", KEY)
    with pytest.raises(ReportNotGenuine):
        verified(HTML[: HTML.rindex(b"\n<!-- ")] + other[other.rindex(b"\n<!-- ") :])


def test_a_report_signed_by_another_shows_the_others_fingerprint() -> None:
    assert verified(signed(HTML, OTHER)) == fingerprint_of(OTHER.public_key())


def test_the_same_signature_in_other_letters_is_none() -> None:
    """The last letter of the key has two bits that mean nothing."""
    key = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()
    alike = next(
        key[:42] + letter + "="
        for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        if letter != key[42] and base64.b64decode(key[:42] + letter + "=") == base64.b64decode(key)
    )
    with pytest.raises(ReportNotGenuine):
        verified(HTML.replace(key.encode(), alike.encode()))


def test_a_key_that_is_none_is_no_fault() -> None:
    with pytest.raises(ReportNotGenuine):
        verified(b"x\n<!-- ampacity-signature:1 key=" + b"=" * 44 + b" signature=" + b"A" * 88 + b" -->\n")


# --- what is kept ---


def test_the_key_is_made_once_and_kept(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "a.db")
    first = signing_key(engine)
    assert signing_key(engine).private_bytes_raw() == first.private_bytes_raw()
    assert setting(engine, SIGNING_KEY)
    engine.dispose()


def test_what_was_done_is_there_after_a_restart_and_two_installers_lose_nothing(tmp_path: Path) -> None:
    _, dossier = everything()
    engine = open_database(tmp_path / "a.db")
    one, other = KeptDossier(lambda: engine), KeptDossier(lambda: engine)
    one.change(lambda _: dossier)
    other.change(lambda now: now.with_done("clamps", INA))
    one.change(lambda now: now.with_done("order", INA))
    engine.dispose()
    engine = open_database(tmp_path / "a.db")
    kept = KeptDossier(lambda: engine).read()
    assert kept == dossier.with_done("clamps", INA).with_done("order", INA)
    assert kept.wiring_of(LEFT, basis()) == ORDER
    engine.dispose()


def test_what_a_later_version_wrote_is_kept_aside(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "a.db")
    kept = KeptDossier(lambda: engine)
    kept.change(lambda now: now.with_done("order", INA))
    with keeping(engine) as connection:
        put_setting(connection, COMMISSIONING, '{"done": 7}')
    assert kept.read() == Dossier()
    assert kept.change(lambda now: now.with_done("clamps", INA)).done == {"clamps": INA}
    assert setting(engine, "commissioning-unread") == '{"done": 7}'
    engine.dispose()


def test_it_is_kept_on_a_server_too(postgres: Server) -> None:
    with postgres.database("ours") as url:
        engine = open_database(url)
        KeptDossier(lambda: engine).change(lambda now: now.with_done("order", INA))
        KeptDossier(lambda: engine).change(lambda now: now.with_done("clamps", INA))
        assert set(KeptDossier(lambda: engine).read().done) == {"order", "clamps"}
        assert signing_key(engine).private_bytes_raw() == signing_key(engine).private_bytes_raw()
        engine.dispose()
