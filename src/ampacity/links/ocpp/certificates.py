"""TLS for the door of chargers, and what a client's certificate says."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from ampacity.core.errors import AmpacityError


class BadCertificate(AmpacityError):
    """Certificate or key can't be used."""

    code = "ocpp-certificate"
    remedy = "Give a PEM certificate and its unencrypted PEM key."


def tls_context(certificate: Path, key: Path, client_ca: Path | None = None) -> ssl.SSLContext:
    """For TLS 1.2 and newer. With `client_ca` a client may show a certificate, which must be signed by it; whether it
    has to, is for each charger to say.

    Raises:
        BadCertificate: the files are no matching certificate and key, or no certificates of an authority.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # An encrypted key must end in an error: OpenSSL would ask for its password on the terminal.
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise BadCertificate(f"{certificate.name} and {key.name} can't be used ({error}).") from error
    if client_ca is not None:
        try:
            context.load_verify_locations(client_ca)
        except (OSError, ssl.SSLError) as error:
            raise BadCertificate(
                f"{client_ca.name} can't be used ({error}).",
                remedy="Give the PEM certificate of the authority that signs the chargers' certificates.",
            ) from error
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def common_name(tls: ssl.SSLObject | None) -> str | None:
    """Of a client's certificate that was verified; None if it showed none, or it has not exactly one name."""
    shown: Any = tls.getpeercert() if tls is not None else None
    names = [str(value) for part in (shown or {}).get("subject", ()) for key, value in part if key == "commonName"]
    return names[0] if len(names) == 1 else None


def _no_password() -> bytes:
    raise ValueError("the key is encrypted")
