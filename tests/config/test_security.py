"""Keys on security: what is impossible together is a mistake with line and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from ampacity.config.mistakes import SiteFileError
from ampacity.config.rewrite import with_password_hash
from ampacity.config.site_toml import load
from ampacity.core.site import ChargerId
from ampacity.links.ocpp.passwords import hashed

TEXT = """\
# keep me
[circuits.main]
limit_a = 40
meter = "main"
worst_load_a = 10
[meters.main]
host = "10.0.0.7"

[chargers.left]   # and me
lines = ["L1", "L2", "L3"]
max_a = 16
CHARGER

[ocpp]
OCPP
"""
HASH = hashed("open sesame 1234")
WITH_HASH = f'password_hash = "{HASH}"'
TLS = 'tls_certificate = "c.pem"\ntls_key = "k.pem"'


def _site(folder: Path, charger: str, ocpp: str) -> Path:
    for name in ("c.pem", "k.pem", "ca.pem"):
        (folder / name).write_text("")
        (folder / name).chmod(0o600)
    file = folder / "site.toml"
    file.write_text(TEXT.replace("CHARGER", charger).replace("OCPP", ocpp))
    file.chmod(0o600)
    return file


@pytest.mark.parametrize(
    ("charger", "ocpp", "profile"),
    [
        ("", "", 0),
        (WITH_HASH, "", 1),
        ('password = "open sesame 1234"', "", 1),
        (f"{WITH_HASH}\nsecurity_profile = 2", TLS, 2),
        (WITH_HASH, f"{TLS}\nsecurity_profile = 2", 2),
        ("security_profile = 3", f'{TLS}\ntls_client_ca = "ca.pem"', 3),
        ("security_profile = 0", f"{TLS}\nsecurity_profile = 2", 0),
    ],
)
def test_the_profile_is_the_chargers_own_or_the_sites_or_what_its_password_says(
    tmp_path: Path, charger: str, ocpp: str, profile: int
) -> None:
    assert load(_site(tmp_path, charger, ocpp)).chargers[0].security_profile == profile


@pytest.mark.parametrize(
    ("charger", "ocpp", "told"),
    [
        ("security_profile = 1", "", "line 12, chargers.left.security_profile: profile 1 asks for a password"),
        ("security_profile = 2", TLS, "line 12, chargers.left.security_profile: profile 2 asks for a password"),
        (f"security_profile = 2\n{WITH_HASH}", "", "line 12, chargers.left.security_profile: profile 2 needs TLS."),
        ("security_profile = 3", "", "profile 3 needs TLS. TLS is not set up. Set tls_certificate and tls_key"),
        ("security_profile = 3", TLS, "profile 3 needs the authority"),
        (f"security_profile = 0\n{WITH_HASH}", "", "profile 0 asks for no password, and one is given."),
        ("security_profile = 4", "", "4 is out of range."),
        (f'{WITH_HASH}\npassword = "x"', "", "chargers.left.password_hash: password is given as well."),
        ('certificate_cn = "x"', "", "certificate_cn: no certificate is asked for."),
        ('password_hash = "open sesame"', "", "password_hash: this is no argon2id hash"),
        ("", "tls_port = 8888", "line 15, ocpp.tls_port: TLS is not set up."),
        ("", 'tls_client_ca = "ca.pem"', "ocpp.tls_client_ca: TLS is not set up."),
        ("", f"{TLS}\ntls_port = 8887", "ocpp.tls_port: it is the same as port."),
        ("", f'{TLS}\ntls_client_ca = "none.pem"', 'ocpp.tls_client_ca: "none.pem" is no file.'),
        (WITH_HASH, 'security_profile = 1\nadopt_into = "main"', "ocpp.adopt_into: a charger that is not in the file"),
        ("security_profile = 0", 'security_profile = 3\nadopt_into = "main"', "ocpp.security_profile: profile 3 needs"),
    ],
)
def test_what_is_impossible_together_is_a_mistake(tmp_path: Path, charger: str, ocpp: str, told: str) -> None:
    with pytest.raises(SiteFileError) as caught:
        load(_site(tmp_path, charger, ocpp))
    assert any(told in line for line in caught.value.lines()), caught.value.lines()


def test_what_stands_in_place_of_a_hash_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(SiteFileError) as caught:
        load(_site(tmp_path, 'password_hash = "open sesame"', ""))
    assert "open sesame" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_key_that_others_may_read_is_told(tmp_path: Path, mode: int) -> None:
    file = _site(tmp_path, "", TLS)
    assert not any("k.pem" in told for told in load(file).warnings)
    (tmp_path / "k.pem").chmod(mode)
    assert any("chmod 600 k.pem" in told for told in load(file).warnings)


def test_a_password_file_that_the_group_may_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("open sesame 1234")
    (tmp_path / "secret").chmod(0o640)
    file = _site(tmp_path, 'password_file = "secret"', "")
    assert any("chmod 600 secret" in told for told in load(file).warnings)


def test_a_hash_takes_the_place_of_a_password_and_everything_else_stays(tmp_path: Path) -> None:
    file = _site(tmp_path, 'password = "open sesame 1234"', "")
    before = file.read_text()
    with_password_hash(file, ChargerId("left"), HASH)
    assert set(file.read_text().splitlines()) ^ set(before.splitlines()) == {
        'password = "open sesame 1234"',
        WITH_HASH,
    }
    assert load(file).chargers[0].password is None
    assert load(file).chargers[0].password_hash == HASH
