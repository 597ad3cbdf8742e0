"""`ampacity charger password`: shown once, kept as a hash."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from typer.testing import CliRunner

from ampacity.cli.main import app
from ampacity.config.site_toml import load

SITE = """\
# keep me
[circuits.main]
limit_a = 40
meter = "main"
[meters.main]
host = "10.0.0.7"
[chargers.left]
ocpp_id = "CP 1"
lines = ["L1", "L2", "L3"]
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "site.toml"
    file.write_text(SITE)
    file.chmod(0o600)
    return file


def _hash(site: Path) -> str:
    return str(load(site).chargers[0].password_hash)


@pytest.mark.parametrize("name", ["left", "CP 1"])
def test_a_password_is_made_shown_once_and_kept_as_a_hash(site: Path, name: str) -> None:
    done = CliRunner().invoke(app, ["charger", "password", str(site), name])
    assert done.exit_code == 0, done.output
    secret = done.stdout.splitlines()[2].strip()
    assert len(secret) == 20
    assert secret.encode().hex() in done.stdout
    assert "AuthorizationKey" in done.stdout
    assert PasswordHasher().verify(_hash(site), secret)
    assert secret not in site.read_text()
    assert site.read_text().startswith("# keep me\n")


def test_two_passwords_differ(site: Path) -> None:
    made = [CliRunner().invoke(app, ["charger", "password", str(site), "left", "--json"]).stdout for _ in range(2)]
    assert json.loads(made[0])["password"] != json.loads(made[1])["password"]


def test_a_password_may_be_given(site: Path) -> None:
    done = CliRunner().invoke(app, ["charger", "password", str(site), "left", "--set"], input="open sesame 1234\n")
    assert done.exit_code == 0, done.output
    assert "open sesame" not in done.output
    assert PasswordHasher().verify(_hash(site), "open sesame 1234")


@pytest.mark.parametrize("given", ["", "short\n", "x" * 41, "tab\tin it 1234\n"])
def test_a_password_that_no_charger_can_be_given_is_refused(site: Path, given: str) -> None:
    done = CliRunner().invoke(app, ["charger", "password", str(site), "left", "--set", "--json"], input=given)
    assert done.exit_code == 1
    assert json.loads(done.stdout)["error"] == "charger-password-form"
    assert site.read_text() == SITE


def test_an_unknown_charger_is_told_with_those_that_are_known(site: Path) -> None:
    done = CliRunner().invoke(app, ["charger", "password", str(site), "lift", "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["error"] == "charger-not-in-file"
    assert "Did you mean left?" in json.loads(done.stdout)["what"]
