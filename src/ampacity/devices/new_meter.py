"""The beginning of a new family's file: `python -m ampacity.devices.new_meter NAME` prints it."""

from __future__ import annotations

import re
import sys

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

_TEXT = """\
id = "{name}"
maker = "Maker"
models = ["Model"]
phases = 3
word_order = "high-first"
max_registers = 60
answer_max_s = 0.5
# With which function registers are read, 3 or 4; without this line with 4 or, where the meter has not that, with 3.
function = 4
reads = [[0x0000, 18]]
slow_reads = [[0x0046, 4]]
verified = "nobody yet: say here which document, or which public sources agree"
source = ["Maker, document, revision, table"]

[serial]
baud = 9600
parity = "N"
stop_bits = 1

# The register that says which model it is. Leave the table empty if none is known.
[identify]
address = 0x000B
values = {{ 1 = "Model" }}

[registers]
voltages = {{ address = [0x0000, 0x0002, 0x0004], type = "float32", scale = 1.0 }}
currents = {{ address = [0x0006, 0x0008, 0x000A], type = "float32", scale = 1.0 }}
powers = {{ address = [0x000C, 0x000E, 0x0010], type = "float32", scale = 1.0 }}
frequency = {{ address = [0x0046], type = "float32", scale = 1.0 }}
energy_import_kwh = {{ address = [0x0048], type = "float32", scale = 1.0 }}

# This sample fails until its registers are those of a meter, or typed from its document, and until what they say is
# worked out by hand. One with export on a phase at least.
[[sample]]
what = "what flows, and where the registers are from"
registers.0x0000 = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
registers.0x0046 = [0, 0, 0, 0]
voltages = [230.0, 230.0, 230.0]
currents = [-1.0, 2.0, 3.0]
powers = [-230.0, 460.0, 690.0]
frequency_hz = 50.0
energy_import_wh = 1
"""


def text_for(name: str) -> str:
    """
    Raises:
        ValueError: no file can have this name.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name} can't be used: small letters and digits, with - between, as maker-model")
    return _TEXT.format(name=name)


if __name__ == "__main__":
    try:
        print(text_for(sys.argv[1] if len(sys.argv) > 1 else ""), end="")
    except ValueError as error:
        sys.exit(str(error))
