"""The app's own certificate, for sites that have none: made at the first start, renewed before it ends."""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ampacity.core.errors import AmpacityError

LASTS = timedelta(days=825)
"""Apple's devices accept no longer ones."""
RENEWED_BEFORE = timedelta(days=30)
_SKEW = timedelta(days=1)
"""A phone's clock may be behind."""
CERTIFICATE, KEY = "ampacity-app.pem", "ampacity-app.key"


class CertificateUnusable(AmpacityError):
    """Certificate or key can't be used or made."""

    code = "app-certificate"
    remedy = "Give a PEM certificate and its unencrypted PEM key, or remove both: Ampacity then makes its own."


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCertificate:
    """Files of a certificate and its key."""

    certificate: Path
    key: Path
    fingerprint: str
    """SHA-256 as browsers show it: AB:CD:..."""
    until: datetime
    is_new: bool
    """It was made just now."""


def own_certificate(folder: Path, names: Sequence[str], addresses: Sequence[str], now: datetime) -> OwnCertificate:
    """The one in the folder; made, if there is none that can be used for another RENEWED_BEFORE.

    `names`, `addresses`: under which the machine is reached; they count when one is made. A change of them makes no new
    one: everybody would have to trust it anew.

    Raises:
        CertificateUnusable: it can't be written.
    """
    certificate, key = folder / CERTIFICATE, folder / KEY
    found = _read(certificate, key)
    if found is not None and found.not_valid_before_utc <= now < found.not_valid_after_utc - RENEWED_BEFORE:
        return _told(certificate, key, found, is_new=False)
    private = ec.generate_private_key(ec.SECP256R1())
    made = _made(private, names, addresses, now)
    try:
        _write(key, _pem_of_key(private), 0o600)
        _write(certificate, made.public_bytes(serialization.Encoding.PEM), 0o644)
    except OSError as error:
        raise CertificateUnusable(
            f"The app's certificate can't be written to {folder} ({error.strerror or error}).",
            remedy="Check the folder's permissions, and that the disk is not full.",
        ) from error
    return _told(certificate, key, made, is_new=True)


def tls_of(certificate: Path, key: Path) -> ssl.SSLContext:
    """For TLS 1.2 and newer.

    Raises:
        CertificateUnusable
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    load_into(context, certificate, key)
    return context


def load_into(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Connections that begin from now on see this one.

    Raises:
        CertificateUnusable
    """
    try:
        # An encrypted key must end in an error: OpenSSL would ask for its password on the terminal.
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise CertificateUnusable(f"{certificate.name} and {key.name} can't be used ({error}).") from error


def fingerprint_of(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _made(
    private: ec.EllipticCurvePrivateKey, names: Sequence[str], addresses: Sequence[str], now: datetime
) -> x509.Certificate:
    shown = (names[0] if names else "ampacity")[:64]  # RFC 5280: a common name has 64 characters at most
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, shown)])
    places: list[x509.GeneralName] = [x509.DNSName(one) for one in dict.fromkeys(names)]
    places += [x509.IPAddress(ipaddress.ip_address(one)) for one in dict.fromkeys(addresses)]
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - _SKEW)
        .not_valid_after(now.astimezone(UTC) - _SKEW + LASTS)
        .add_extension(x509.SubjectAlternativeName(places), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .sign(private, hashes.SHA256())
    )


def _read(certificate: Path, key: Path) -> x509.Certificate | None:
    """None: there is none, or the two do not belong together."""
    with suppress(OSError, ValueError, TypeError, UnsupportedAlgorithm):
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), None)
        if private.public_key() == found.public_key():
            key.chmod(0o600)
            return found
    return None


def _write(path: Path, body: bytes, mode: int) -> None:
    """All of it or nothing; a key is nobody else's at any moment."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _pem_of_key(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _told(certificate: Path, key: Path, found: x509.Certificate, *, is_new: bool) -> OwnCertificate:
    return OwnCertificate(
        certificate=certificate,
        key=key,
        fingerprint=fingerprint_of(found),
        until=found.not_valid_after_utc,
        is_new=is_new,
    )


def _no_password() -> bytes:
    raise ValueError("the key is encrypted")
