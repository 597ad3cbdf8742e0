"""The beginning of a new family's file: `python -m ampacity.devices.new_charger NAME` prints it."""

from __future__ import annotations

import re
import sys

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

_TEXT = """\
id = "{name}"
protocol = "modbus"
maker = "Maker"
models = ["Model"]
transports = ["tcp"]
unit = 1
# Function codes by which registers are read (3 or 4) and written (6 or 16), where a register has none of its own.
read = 3
write = 16
word_order = "high-first"
needs = "What has to be set at the charger before it takes commands."
verified = "nobody yet: say here which document, or which public sources agree"
# Who has seen it work with Ampacity, on which model and firmware. Without this line it is said to be unconfirmed.
# hardware = "Your name, Model X, firmware 1.2.3"
source = ["Maker, document, revision, table"]

# The first rule that knows the value tells: A no car, B a car, C it charges, E an error, F out of service.
[[state]]
at = {{ address = 100, type = "uint16" }}
values = {{ 1 = "A", 2 = "B", 3 = "C", 4 = "E" }}

# One address for each phase. Leave the table out if it tells no currents.
[currents]
address = [110, 112, 114]
type = "uint32"
scale = 0.001

[power]
address = 120
type = "uint32"

# In Wh; a counter that is never set back.
[energy]
address = 130
type = "uint32"

# `at` is read back, unless it has `read = 0`; name another register as `shown` if its limit stands there.
[limit]
at = {{ address = 200, scale = 0.1 }}
step_a = 0.1

# What it does when it hears nothing more; see docs/how-to/add-a-charger.md for the kinds. Leave it out if nothing is
# known: the charger is then unguarded.
# [watchdog]
# kind = "read"
# timeout = {{ address = 210 }}
# safe = {{ address = 211, scale = 0.1 }}

# This sample fails until its registers are those of a charger, or typed from its document, and until what they say is
# worked out by hand. Blocks by function code and first address. Two samples at least.
[[sample]]
what = "charges"
seen = "where these registers are from"
registers.3.100 = [3]
registers.3.110 = [0, 0, 0, 0, 0, 0]
registers.3.120 = [0, 0]
registers.3.130 = [0, 0]
registers.3.200 = [0]
state = "C"
currents = [10.0, 10.1, 9.9]
power_w = 6900.0
energy_wh = 123456.0
limit_a = 10.0
"""


def new_charger(name: str) -> str:
    """The text of a file whose sample fails.

    Raises:
        ValueError: the name can't be an id.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name[:60]!r} is no name for a family: use small letters, digits and -, as maker-model.")
    return _TEXT.format(name=name)


if __name__ == "__main__":
    try:
        print(new_charger(sys.argv[1] if len(sys.argv) > 1 else ""), end="")
    except ValueError as error:
        sys.exit(str(error))
