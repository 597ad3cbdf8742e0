"""The self-made certificate: made once, kept, renewed before it ends."""

from __future__ import annotations

import ipaddress
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509

from ampacity.api import machine
from ampacity.api.certificate import CertificateUnusable, OwnCertificate, own_certificate, tls_of

NOW = datetime(2026, 11, 24, tzinfo=UTC)
NAMES, ADDRESSES = ["ampacity.local", "localhost"], ["192.168.1.7", "fd00::7"]


def made(folder: Path, now: datetime = NOW) -> OwnCertificate:
    return own_certificate(folder, NAMES, ADDRESSES, now)


def test_it_names_the_machine_and_lasts_as_long_as_phones_accept(tmp_path: Path) -> None:
    one = made(tmp_path)
    read = x509.load_pem_x509_certificate(one.certificate.read_bytes())
    names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == NAMES
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address(one) for one in ADDRESSES]
    assert read.not_valid_after_utc - read.not_valid_before_utc == timedelta(days=825)
    assert len(one.fingerprint.split(":")) == 32


def test_its_key_is_its_owner_s_alone(tmp_path: Path) -> None:
    assert stat.S_IMODE(made(tmp_path).key.stat().st_mode) == 0o600
    made(tmp_path).key.chmod(0o644)
    assert stat.S_IMODE(made(tmp_path).key.stat().st_mode) == 0o600


def test_it_is_made_once(tmp_path: Path) -> None:
    first, second = made(tmp_path), made(tmp_path, NOW + timedelta(days=700))
    assert (first.is_new, second.is_new) == (True, False)
    assert first.fingerprint == second.fingerprint


def test_it_is_renewed_a_month_before_its_end(tmp_path: Path) -> None:
    first = made(tmp_path)
    assert made(tmp_path, first.until - timedelta(days=30, seconds=1)).fingerprint == first.fingerprint
    assert made(tmp_path, first.until - timedelta(days=30)).fingerprint != first.fingerprint


@pytest.mark.parametrize("name", ["ampacity-app.pem", "ampacity-app.key"])
@pytest.mark.parametrize("left", [b"", b"not PEM", None])
def test_what_can_not_be_read_is_made_anew(tmp_path: Path, name: str, left: bytes | None) -> None:
    first = made(tmp_path)
    if left is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(left)
    again = made(tmp_path)
    assert again.fingerprint != first.fingerprint
    tls_of(again.certificate, again.key)


def test_a_key_of_another_certificate_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    made(tmp_path).key.write_bytes(made(tmp_path / "other").key.read_bytes())
    assert made(tmp_path).is_new


def test_a_folder_that_is_not_there_is_told_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(CertificateUnusable, match="can't be written") as caught:
        made(tmp_path / "no")
    assert "permissions" in caught.value.remedy


def test_a_given_certificate_must_fit_its_key(tmp_path: Path) -> None:
    for name in ("a", "b"):
        given = trustme.CA().issue_cert("localhost")
        given.cert_chain_pems[0].write_to_path(str(tmp_path / f"{name}.pem"))
        given.private_key_pem.write_to_path(str(tmp_path / f"{name}.key"))
    tls_of(tmp_path / "a.pem", tmp_path / "a.key")
    with pytest.raises(CertificateUnusable):
        tls_of(tmp_path / "a.pem", tmp_path / "b.key")


def test_the_machine_knows_its_names_and_addresses() -> None:
    assert "localhost" in machine.host_names()
    assert {"127.0.0.1", "::1"} <= set(machine.addresses())
    assert all(ipaddress.ip_address(one) for one in machine.addresses())
