"""Chargers as a page: `python -m ampacity.devices.charger_reference` prints docs/reference/chargers.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ampacity.devices.catalogue import charger_families
from ampacity.devices.charger_family import ChargerFamily

_HEAD = """# Chargers

Made from the files in `src/ampacity/devices/chargers`.

Any charger with OCPP 1.6J, 2.0.1 or 2.1 and smart charging can be steered: [what is spoken with it](ocpp.md). It
connects to `ws://HOST:PORT/IDENTITY` (`wss://` with a certificate), and its identity stands in site.toml as `ocpp_id`.
Its family is recognised by its BootNotification; to name one yourself, put the id of the family as `family` under
`[chargers.NAME]`.

A charger gets each setpoint as one TxDefaultProfile with a fixed id: the limit now, and its safe current from the
moment when the lease ends; below that lies a lasting profile of the safe current wherever the charger holds a second
one. Times are in the charger's own clock, as measured from its messages. A form that a charger refuses is replaced by
the next safer one that it takes, and the log says which. Whose tag may charge:
[cards and tags](../how-to/cards-and-tags.md). One socket for each identity.

Of a family only what differs from the standard is listed.
"""

_LEASES = {
    "two-period": "the limit, then the safe current, in one profile",
    "duration": "the profile ends, and the lasting one below it rules",
    "none": "never by itself",
}


def chargers_page(families: Iterable[ChargerFamily]) -> str:
    """Markdown; the same families give the same page."""
    return "\n".join([_HEAD, *(line for family in families for line in _chapter(family))]).rstrip() + "\n"


def _chapter(family: ChargerFamily) -> Iterator[str]:
    yield f"## {family.id}"
    yield ""
    models = ", ".join(family.models)
    yield f"Any maker: {models}." if family.maker == "any" else f"{family.maker} {models}."
    yield ""
    differs = list(_differs(family))
    if differs:
        yield "| | |"
        yield "|---|---|"
        for what, how in differs:
            yield f"| {what} | {how} |"
        yield ""
    yield "Introduces itself as:"
    yield ""
    for sample in family.samples:
        said = ", ".join(f'{what} "{value}"' for what, value in _said(sample.vendor, sample.model, sample.firmware))
        yield f"- {said} ({sample.seen})"
    yield ""
    yield "Sources:"
    yield ""
    for source in family.source:
        yield f"- {source}"
    yield ""


def _said(vendor: str, model: str, firmware: str) -> Iterator[tuple[str, str]]:
    for what, value in (("vendor", vendor), ("model", model), ("firmware", firmware)):
        if value:
            yield what, value


def _differs(family: ChargerFamily) -> Iterator[tuple[str, str]]:
    usual = ChargerFamily(id="", maker="")
    if family.connector != usual.connector:
        yield "profiles are set on", f"connector {family.connector}"
    if family.stack_level != usual.stack_level:
        yield "stack level", f"{family.stack_level}: no second profile fits below"
    if family.relative:
        yield "profiles count", "from the start of the transaction: limits do not end by themselves, it is unguarded"
    elif family.lease_form != usual.lease_form:
        yield "a limit ends", _LEASES[family.lease_form]
    if family.currents_a:
        yield "currents it knows", ", ".join(f"{amps:g}" for amps in family.currents_a) + " A"
    elif family.step_a != usual.step_a:
        yield "steps of", f"{family.step_a:g} A"
    if family.watts:
        yield "limits in", "W"
    if family.remote_start:
        yield "follows limits", "only after a RemoteStartTransaction, which it gets once a car is connected"
    if family.measurands:
        yield "is asked for exactly", ", ".join(family.measurands)
    if family.without_measurands:
        yield "is not asked for", ", ".join(family.without_measurands)
    if family.report_every_s != usual.report_every_s:
        yield "reports every", f"{family.report_every_s} s"
    if family.lease_s is not None:
        yield "shortest lease", f"{family.lease_s:g} s"
    if family.min_interval_s is not None:
        yield "shortest time between commands", f"{family.min_interval_s:g} s"
    if family.firmware_min is not None:
        yield "oldest firmware", family.firmware_min
    if family.ocpp_versions:
        yield "is spoken with in", " or ".join(f"OCPP {one}" for one in family.ocpp_versions)


if __name__ == "__main__":
    print(chargers_page(charger_families().values()), end="")
