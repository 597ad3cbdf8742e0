"""The catalogue as a page for people: `python -m ampacity.devices.reference` prints docs/reference/meters.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ampacity.devices.catalogue import meter_families
from ampacity.devices.meter_family import MeterFamily, Quantity
from ampacity.devices.meter_settings import Check, Setting

_HEAD = """# Meters

Made from the files in `src/ampacity/devices/meters`; [add a meter in one file](../how-to/add-a-meter.md).

Put the id of the family as `device` under `[meters.NAME]` in site.toml, or `"auto"`: the meter is then recognised by
its identification register. A meter on RS485 is read over a serial port (`serial = ...`) or through a Modbus TCP
gateway (`host = ...`), one on Ethernet at its own address (`host = ...`).

Of all meters here: currents get the sign of their phase's power, positive is import. A reading is refused when a value
is marked as out of range, a voltage is more than 15 % off the supply's, or a power is more than its voltage and current
allow. Addresses are those on the wire, from 0, read with function 4.
"""


def meters_page(families: Iterable[MeterFamily]) -> str:
    """Markdown; the same families give the same page."""
    return "\n".join([_HEAD, *(line for family in families for line in _chapter(family))]).rstrip() + "\n"


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
    yield f"| words of a number | {'least' if family.low_word_first else 'most'} significant first |"
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
        yield f"| {what} | {_quantity(quantity)} {unit} |"
    yield f"| verified | {family.verified} |"
    yield ""
    yield f"Identification, register {family.identify_address:#06x} read alone:"
    yield ""
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
    print(meters_page(meter_families().values()), end="")
