"""Which versions of OCPP are spoken with a charger, as site.toml says."""

from __future__ import annotations

from ampacity.config.table import Table, hint, shown
from ampacity.devices.charger_family import OCPP_VERSIONS


def versions_of(table: Table) -> tuple[str, ...]:
    """Empty: all that its family speaks well."""
    value = table.raw("ocpp_versions")
    if value is None:
        return ()
    known = ", ".join(f'"{one}"' for one in OCPP_VERSIONS)
    if not isinstance(value, list) or not value:
        table.wrong("ocpp_versions", f"{shown(value)} is no list of versions.", 'Write it as ["1.6"].')
        return ()
    for one in value:
        if one not in OCPP_VERSIONS:
            near = hint(one, OCPP_VERSIONS) if isinstance(one, str) else ""
            table.wrong("ocpp_versions", f"{shown(one)} is not known.", f"{near}Known: {known}.")
            return ()
    return tuple(value)
