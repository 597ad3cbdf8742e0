"""[storage]: one place for the record, and each mistake with its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import URL

from ampacity.config.mistakes import SiteFileError
from ampacity.config.site_toml import parse
from ampacity.config.template import new_site_text
from ampacity.core.phases import Supply
from ampacity.storage.database import Place, shown


def place_of(folder: Path, storage: str) -> Place:
    text = new_site_text(
        name="House",
        supply=Supply.THREE_PHASE,
        region="europe",
        limit_a=40,
        chargers=1,
        meter_host="127.0.0.1",
        meter_serial=None,
    )
    return parse(text.replace('file = "ampacity.db"', storage), folder / "site.toml").storage.place


def test_a_file_stands_where_site_toml_is(tmp_path: Path) -> None:
    assert place_of(tmp_path, 'file = "data/a.db"') == tmp_path / "data" / "a.db"
    assert place_of(tmp_path, "") == tmp_path / "ampacity.db"


def test_a_server_has_its_password_from_a_file_and_shows_it_nowhere(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("geheim\n")
    (tmp_path / "pw").chmod(0o600)
    place = place_of(tmp_path, 'url = "postgres://ampacity@db:5433/house?sslmode=require"\npassword_file = "pw"')
    assert isinstance(place, URL)
    assert (place.host, place.port, place.database, place.password) == ("db", 5433, "house", "geheim")
    assert "geheim" not in shown(place)


def test_a_certificate_stands_where_site_toml_is(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("x")
    place = place_of(tmp_path, 'url = "postgresql://a@db/house?sslmode=verify-full&sslrootcert=ca.pem"')
    assert isinstance(place, URL)
    assert place.query["sslrootcert"] == str(tmp_path / "ca.pem")


@pytest.mark.parametrize(
    ("storage", "at", "what"),
    [
        ('file = "a.db"\nurl = "postgresql://a@db/x"', "storage.url", "file is given as well"),
        ('url = "mysql://a@db/x"', "storage.url", "not a kind of database"),
        ('url = "just words"', "storage.url", "no URL"),
        ('url = "postgresql://db:port/x"', "storage.url", "no URL"),
        ('url = "postgresql://db:99999/x"', "storage.url", "a host and a database"),
        ('url = "postgresql://a@db"', "storage.url", "a host and a database"),
        ('url = "postgresql:///x"', "storage.url", "a host and a database"),
        ('url = "postgresql://a@db/x?sslmod=require"', "storage.url", "not known"),
        ('url = "postgresql://a@db/x?sslmode=allow"', "storage.url", "sslmode"),
        ('url = "postgresql://a@db/x?sslmode=require&sslmode=disable"', "storage.url", "given twice"),
        ('url = "postgresql://a@db/x?sslrootcert=no.pem"', "storage.url", "no file"),
        ('url = "postgresql://a:b@db/x"\npassword_file = "pw"', "storage.password_file", "password as well"),
        ('password_file = "pw"', "storage.password_file", "no url"),
        ('url = "postgresql://a@db/x"\npassword_file = "none"', "storage.password_file", "can't be read"),
        ("url = 7", "storage.url", "not a text"),
    ],
)
def test_a_mistake_is_told_with_its_place(storage: str, at: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("geheim")
    (tmp_path / "pw").chmod(0o600)
    with pytest.raises(SiteFileError) as caught:
        place_of(tmp_path, storage)
    (mistake,) = caught.value.mistakes
    assert mistake.place == at
    assert what in mistake.what
    assert mistake.line is not None
    assert mistake.remedy
