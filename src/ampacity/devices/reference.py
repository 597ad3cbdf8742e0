"""The catalogue as a page for people: `python -m ampacity.devices.reference` prints docs/reference/meters.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ampacity.devices.catalogue import json_families, meter_families, p1_families
from ampacity.devices.json_family import JsonFamily
from ampacity.devices.meter_family import MeterFamily, Quantity
from ampacity.devices.meter_settings import Check, Setting
from ampacity.devices.p1_family import P1Family

_HEAD = """# Meters

Made from the files in `src/ampacity/devices/meters`; [add a meter in one file](../how-to/add-a-meter.md).

Put the id of the family as `device` under `[meters.NAME]` in site.toml, or `"auto"`: the meter is then recognised by
its identification register. A meter on RS485 is read over a serial port (`serial = ...`) or through a Modbus TCP
gateway (`host = ...`), one on Ethernet at its own address (`host = ...`).

Of all meters here: currents get the sign of their phase's power, positive is import. A reading is refused when a value
is marked as out of range, a voltage is more than 15 % off the supply's, or a power is more than its voltage and current
allow. Addresses are those on the wire, from 0, read with function 4 unless it says otherwise.

**No family here has been confirmed on hardware by this project** unless its table names who did. `ampacity check`, the
log and the app say so when such a family is used. Hold the meter against a clamp meter, line by line, before you rely
on it.
"""


_TELLING = """# Meters that tell by themselves

Customer ports (P1), and meters that speak JSON over HTTP, a websocket or MQTT: [how to read
them](../how-to/meters-of-any-kind.md). What a charger tells of the building's supply over OCPP needs no family:
`device = "charger"`, [the source of last resort](../how-to/meters-of-any-kind.md#what-a-charger-tells-of-the-supply).
"""


def meters_page(
    families: Iterable[MeterFamily], p1: Iterable[P1Family] = (), documents: Iterable[JsonFamily] = ()
) -> str:
    """Markdown; the same families give the same page."""
    families = list(families)
    telling: list[P1Family | JsonFamily] = [*p1, *documents]
    lines = [_HEAD, *_overview(families, telling), *(line for family in families for line in _chapter(family))]
    if telling:
        lines += [_TELLING, *(line for family in telling for line in _telling_chapter(family))]
    return "\n".join(lines).rstrip() + "\n"


def _overview(families: Iterable[MeterFamily], telling: Iterable[P1Family | JsonFamily]) -> Iterator[str]:
    """What each can do, in one table."""
    yield "| device | maker | lines | how | recognised | told at most | verified |"
    yield "|---|---|---|---|---|---|---|"
    for one in families:
        how = "can't be used" if one.unusable else "Modbus RTU, TCP" if one.serial is not None else "Modbus TCP"
        says = "by its chain" if one.sunspec is not None else "no" if one.identification is None else "yes"
        often = f"every {one.refresh_s:g} s" if one.refresh_s else "as it is asked"
        yield f"| `{one.id}` | {one.maker} | {one.phases} | {how} | {says} | {often} | {_first_words(one.verified)} |"
    for other in telling:
        how = "P1" if isinstance(other, P1Family) else ", ".join(_ways(other))
        words = f"no | every {other.every_s:g} s | {_first_words(other.verified)}"
        yield f"| `{other.id}` | {other.maker} | {other.phases} | {how} | {words} |"
    yield ""


def _ways(family: JsonFamily) -> list[str]:
    ways = {"HTTP": family.url, "websocket": family.pushes, "MQTT": family.topic}
    return [way for way, place in ways.items() if place]


def _first_words(verified: str) -> str:
    return verified.split(";")[0].split(":")[0].split(".")[0]


def _telling_chapter(family: P1Family | JsonFamily) -> Iterator[str]:
    yield f"## {family.id}"
    yield ""
    yield f"{family.maker}: {', '.join(family.models)}."
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield f"| phases | {family.phases} |"
    yield f"| tells | every {family.every_s:g} s |"
    if isinstance(family, P1Family):
        port = family.serial
        yield f"| port | {port.baud} baud, {port.bits}{port.parity}{port.stop_bits} |"
        yield f"| currents | {f'in {family.current_step_a:g} A' if family.current_step_a else 'none: by power'} |"
        yield f"| check sum | {'yes' if family.checked else 'no'} |"
        yield f"| encrypted | {'yes, with a key' if family.encrypted else 'no'} |"
    else:
        for way, place in (
            ("HTTP", family.url),
            ("websocket", family.pushes),
            ("MQTT, below its prefix", family.topic),
        ):
            if place:
                yield f"| {way} | `{place}` |"
        for what, places in (("current", family.map.currents), ("power", family.map.powers)):
            if places is not None:
                yield f"| {what} | {', '.join(f'`{at}`' for at in places.at)} |"
    yield f"| verified | {family.verified} |"
    yield f"| confirmed on hardware | {family.hardware or 'nobody'} |"
    yield ""
    yield "Sources:"
    yield ""
    for source in family.source:
        yield f"- {source}"
    yield ""


def _chapter(family: MeterFamily) -> Iterator[str]:
    yield f"## {family.id}"
    yield ""
    yield f"{family.maker} {', '.join(family.models)}."
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield f"| phases | {family.phases} |"
    if family.serial is not None:
        port = family.serial
        yield f"| RS485, from the factory | {port.baud} baud, 8{port.parity}{port.stop_bits} |"
    else:
        yield "| RS485 | none; Ethernet |"
    if family.unusable:
        yield f"| can't be used | {family.unusable} |"
    yield f"| words of a number | {'least' if family.low_word_first else 'most'} significant first |"
    if family.function is not None:
        yield f"| read with function | {family.function} |"
    if family.refresh_s:
        yield f"| its values change | every {family.refresh_s:g} s at most |"
    if family.quiet_s:
        yield f"| silence between requests | {family.quiet_s:g} s |"
    yield f"| longest answering time | {family.answer_max_s:g} s |"
    yield f"| read every period | {_blocks(family.reads)} |"
    yield f"| read now and then | {_blocks(family.slow_reads)} |"
    for what, quantity, unit in (
        ("voltage", family.voltages, "V"),
        ("current", family.currents, "A"),
        ("power", family.powers, "W"),
        ("frequency", family.frequency, "Hz"),
        ("energy imported", family.energy_import_kwh, "kWh"),
    ):
        if quantity is not None:
            yield f"| {what} | {_quantity(quantity)} {unit} |"
    yield f"| verified | {family.verified} |"
    yield f"| confirmed on hardware | {family.hardware or 'nobody'} |"
    yield ""
    if family.sunspec is not None:
        models = ", ".join(map(str, family.sunspec.models))
        bases = ", ".join(map(str, family.sunspec.bases))
        yield f"Found by its chain of models, which begins at {bases}: models {models}. Addresses count from the model."
    elif family.identify_address is None:
        yield "No identification register is known: set `device` to this id. What it says is held to be plausible."
    else:
        yield f"Identification, {family.identify_registers} register(s) from {family.identify_address:#06x} read alone:"
    yield ""
    if family.identify_text:
        yield f"- text that begins with one of {', '.join(family.models)}"
    for code, model in sorted(family.identify_values.items()):
        yield f"- {code}: {model}"
    for code, why in sorted(family.identify_reject.items()):
        yield f"- {code} is refused: {why}"
    yield ""
    yield "Settings that are checked:"
    yield ""
    for setting in family.setup:
        yield f"- {_setting(setting)}"
    yield ""
    if family.checks:
        yield "What it says of its own wiring:"
        yield ""
        for check in family.checks:
            yield f"- {_check(check)}"
        yield ""
    yield "Sources:"
    yield ""
    for source in family.source:
        yield f"- {source}"
    yield ""


def _setting(setting: Setting) -> str:
    right = setting.want if setting.want is not None else f"what is stated as {setting.stated}"
    words = f"register {setting.address:#06x}{_only(setting.models)}, {setting.what}, should be {right}"
    if setting.values:
        words += ": " + "; ".join(f"{raw} is {meaning}" for raw, meaning in setting.values.items())
    words += f". {setting.remedy}"
    if not setting.write:
        words += " It can't be set over the wire."
    if setting.at_the_board:
        words += " It is set over the wire only when somebody says so for this meter."
    if setting.lock is not None:
        words += f" It can't be set while register {setting.lock.address:#06x} is {setting.lock.value}: "
        words += f"{setting.lock.what} {setting.lock.remedy}"
    return " ".join(part for part in (words, setting.effect, setting.refused) if part)


def _check(check: Check) -> str:
    told = [f"{number} is: {words}" for number, words in check.values.items()]
    told += [f"bit {bit} is: {words}" for bit, words in check.bits.items()]
    return f"register {check.address:#06x}{_only(check.models)}, {check.what}; {'; '.join(told)}. {check.remedy}"


def _only(models: Iterable[str]) -> str:
    named = ", ".join(models)
    return f" ({named})" if named else ""


def _blocks(blocks: Iterable[tuple[int, int]]) -> str:
    return ", ".join(f"{count} from {address:#06x}" for address, count in blocks)


def _quantity(quantity: Quantity) -> str:
    addresses = ", ".join(f"{address:#06x}" for address in quantity.addresses)
    return f"{addresses}: {quantity.type}, in {quantity.scale:g}"


if __name__ == "__main__":
    print(meters_page(meter_families().values(), p1_families().values(), json_families().values()), end="")
