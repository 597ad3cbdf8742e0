"""The keys of site.toml on security: what is impossible together, and what is worth a warning."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

from ampacity.config.installation import ChargerConnection, OcppSettings
from ampacity.config.table import Table
from ampacity.links.ocpp.passwords import is_usable_hash

THIS_MACHINE = ("127.0.0.1", "::1", "localhost")
_NO_TLS = "TLS is not set up."
_SET_TLS = "Set tls_certificate and tls_key in [ocpp]"


def password_hash_of(table: Table) -> str | None:
    """As it stands; None if absent or wrong."""
    given = table.optional_text("password_hash")
    if given is None:
        return None
    if not is_usable_hash(given):
        # Not shown: it may be the password itself.
        table.wrong(
            "password_hash",
            "this is no argon2id hash, or one that takes too much memory or time.",
            "Make one with: ampacity charger password SITE.TOML CHARGER",
        )
        return None
    return given


def profile_of(table: Table, ocpp: OcppSettings, *, has_password: bool) -> int:
    """The least security profile the charger of this table must come with."""
    least = max(ocpp.security_profile, 1 if has_password else 0)
    profile = table.whole("security_profile", least, 0, 3)
    if profile in (1, 2) and not has_password:
        table.wrong(
            "security_profile",
            f"profile {profile} asks for a password, and there is none.",
            "Make one with: ampacity charger password SITE.TOML CHARGER",
        )
    if profile == 0 and has_password:
        table.wrong(
            "security_profile",
            "profile 0 asks for no password, and one is given.",
            "Remove security_profile, or the password.",
        )
    if profile >= 2 and ocpp.tls_certificate is None:
        table.wrong("security_profile", f"profile {profile} needs TLS. {_NO_TLS}", f"{_SET_TLS}, or ask for less.")
    elif profile == 3 and ocpp.tls_client_ca is None:
        table.wrong(
            "security_profile",
            "profile 3 needs the authority that signs the chargers' certificates.",
            "Set tls_client_ca in [ocpp], or ask for less.",
        )
    return profile


def certificate_cn_of(table: Table, profile: int) -> str | None:
    """The name a certificate must bear, where it is not `ocpp_id`."""
    name = table.optional_text("certificate_cn")
    if name is not None and profile < 3:
        table.wrong(
            "certificate_cn", "no certificate is asked for.", "Set security_profile = 3 as well, or remove this key."
        )
    return name


def check_doors(table: Table, settings: OcppSettings) -> None:
    """Notes what is impossible together in [ocpp]."""
    if settings.tls_certificate is None:
        for key in ("tls_port", "tls_client_ca"):
            if key in table:
                table.wrong(key, _NO_TLS, f"{_SET_TLS}, or remove this key.")
    if settings.tls_port is not None and settings.tls_port == settings.port != 0:
        table.wrong("tls_port", "it is the same as port.", "Give the port with TLS a number of its own, as 8888.")
    if settings.adopt_into is not None and settings.security_profile in (1, 2):
        table.wrong(
            "adopt_into",
            f"a charger that is not in the file has no password, and security_profile = {settings.security_profile} "
            "asks for one.",
            "Remove adopt_into, or set security_profile to 0 or 3.",
        )
    if settings.adopt_into is not None and settings.security_profile == 3:
        if settings.tls_certificate is None:
            table.wrong("security_profile", f"profile 3 needs TLS. {_NO_TLS}", f"{_SET_TLS}, or ask for less.")
        elif settings.tls_client_ca is None:
            table.wrong(
                "security_profile",
                "profile 3 needs the authority that signs the chargers' certificates.",
                "Set tls_client_ca, or ask for less.",
            )


def door_warnings(connections: Sequence[ChargerConnection], ocpp: OcppSettings) -> list[str]:
    """What a network that reaches the doors may do."""
    if ocpp.listen in THIS_MACHINE:
        return []
    warnings = []
    bare = [c.charger for c in connections if c.direct is None and c.security_profile == 0]
    if bare:
        warnings.append(
            f"chargers {', '.join(bare)}: no password, so anything on the network can pose as one. "
            "Set one where the charger can (OCPP security profile 1), or keep the network apart."
        )
    clear = [c.charger for c in connections if c.security_profile == 1]
    if clear and ocpp.tls_certificate is None:
        warnings.append(
            "ocpp: passwords cross the network in the clear. Set tls_certificate and tls_key where the chargers can, "
            "or keep the network apart."
        )
    elif clear and ocpp.tls_port is not None:
        warnings.append(
            f"chargers {', '.join(clear)}: their passwords may cross the network in the clear. Set "
            "security_profile = 2 for those that come over TLS."
        )
    return warnings


def open_key_warning(key: Path | None) -> list[str]:
    """Whoever has the key of the server can pose as it."""
    if key is None or not is_open(key):
        return []
    return [f"{key.name}: others than its owner can read this key. Run: chmod 600 {key.name}"]


def is_open(path: Path) -> bool:
    """Whether the file's group, or everybody on the machine, may read it."""
    try:
        return bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return False
