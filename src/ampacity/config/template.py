"""The text of a new site.toml: every key that matters, with a comment that helps to decide."""

from __future__ import annotations

import tomlkit

from ampacity.config.site_toml import NOMINAL_V
from ampacity.core.phases import Supply


def new_site_text(
    *,
    name: str,
    supply: Supply,
    region: str,
    limit_a: float,
    chargers: int,
    meter_host: str | None,
    meter_serial: str | None,
    zone: str = "UTC",
) -> str:
    """A site.toml that passes its check. `meter_host` wins over `meter_serial`; one of them is needed."""
    lines = [line.name for line in supply.lines]
    wiring = _wirings(supply, lines)
    blocks = [
        _HEAD.format(
            name=_quoted(name),
            zone=_quoted(zone),
            supply=supply.value,
            region=region,
            volts=_volts(supply, region),
            limit_a=f"{limit_a:g}",
            dynamic=_switch(chargers != 1),
            single=_switch(chargers == 1),
        )
    ]
    if meter_host is not None:
        blocks.append(_METER_TCP.format(host=_quoted(meter_host)))
    else:
        blocks.append(_METER_RTU.format(serial=_quoted(meter_serial or "")))
    blocks.append(_CHARGERS)
    for number in range(chargers):
        shown = ", ".join(f'"{line}"' for line in wiring[number % len(wiring)])
        blocks.append(_CHARGER.format(name=f"charger-{number + 1}", identity=f"CP{number + 1:03}", lines=shown))
    blocks.append(_REST)
    return "\n".join(blocks)


def _quoted(text: str) -> str:
    return tomlkit.string(text).as_string()


def _switch(on: bool) -> str:
    return "true" if on else "false"


def _volts(supply: Supply, region: str) -> str:
    """European nets whose chargers sit between lines have 230 V there (IT, TT delta), not the 208 V of the default."""
    if supply is Supply.LINE_TO_LINE and region == "europe":
        return "voltage_v = 230"
    return f"# voltage_v = {NOMINAL_V[supply]:g}"


def _wirings(supply: Supply, lines: list[str]) -> list[list[str]]:
    match supply:
        case Supply.SINGLE_PHASE | Supply.SPLIT_PHASE:
            return [lines]
        case Supply.THREE_PHASE:
            return [lines, lines[1:] + lines[:1], lines[2:] + lines[:2]]
        case Supply.LINE_TO_LINE:
            return [["L1", "L2"], ["L2", "L3"], ["L3", "L1"]]


_HEAD = """\
# What is installed, and how it may be used. Check it with: ampacity check site.toml
# Electricity is dangerous: breaker limits, wiring and meters are for qualified persons.

[site]
name = {name}
# Whose clock the schedules go by.
time_zone = {zone}
# single-phase | split-phase | three-phase | three-phase-line-to-line (chargers between two lines)
supply = "{supply}"
# europe | north-america (loads of hours may use 80 % of a breaker's rating)
region = "{region}"
# Line to neutral; line to line where chargers sit between lines. Default: as usual for the supply.
{volts}
# budget: a small excess that only a pause can remove may last for grace_s (0 to 24 s), as far as the breaker bears it.
# strict: it may not last at all; for those who pay for peaks.
pause_mode = "budget"
grace_s = 2
# When not all cars fit: how long one charges before it gives way, in seconds. At least 600.
turn_s = 1200

[circuits.main]
# The breaker's rating in A per line, as on the board: one number, or a list with one for each line.
limit_a = {limit_a}
meter = "main"
# The most the building draws here without cars, per line, in A. With it, `ampacity check` proves the safe currents.
# worst_load_a = 20

# A circuit below the main one, if the chargers have a breaker of their own:
# [circuits.garage]
# parent = "main"
# limit_a = 32

# What is switched on, here or in the app: Settings, Energy Features.
[features]
# Several chargers share what the building leaves, by the meter.
dynamic = {dynamic}
# One charger gets what the building leaves, by the meter.
single = {single}
# All chargers together have a fixed current, in A per line.
static = false
# static_a = 40
# Chargers get what the sun gives: "surplus" alone, or "top-up" to the minimum. Not together with dynamic or static.
solar = false
# solar_mode = "surplus"
# Times when chargers may charge, or are limited; each in a table [schedules.NAME].
schedules = false
# [schedules.night]
# days = ["mon", "tue", "wed", "thu", "fri"]
# from = "22:00"
# to = "06:00"
# limit_a = 10
"""
_METER_TCP = """\
[meters.main]
# A family from `ampacity devices`, or "auto" to recognise it.
device = "auto"
host = {host}
port = 502
unit = 1
# How often it is read, in seconds.
period_s = 1.0
"""
_METER_RTU = """\
[meters.main]
# A family from `ampacity devices`, or "auto" to recognise it.
device = "auto"
serial = {serial}
baud = 9600
parity = "N"
stop_bits = 1
unit = 1
# How often it is read, in seconds.
period_s = 1.0
"""
_CHARGERS = """\
# One table a charger. `lines`: the supply's lines in the charger's own order (its L1 first), or "unknown".
# `safe_a`: what it falls back to by itself when the controller is gone; 0 pauses it.
# More keys: min_a, step_a, rank (1 comes first), weight, security_profile, family, lease_s, min_interval_s.
# One that is asked over Modbus or HTTP has, instead of ocpp_id: device (from `ampacity devices`) and host or serial.
# Give each a password where it can take one: ampacity charger password site.toml CHARGER
"""
_CHARGER = """\
[chargers.{name}]
ocpp_id = "{identity}"
circuit = "main"
lines = [{lines}]
max_a = 16
safe_a = 0
"""
_REST = """\
[ocpp]
# Chargers connect to ws://<this machine>:<port>/<ocpp_id>
listen = "0.0.0.0"
port = 8887
# With a certificate the port takes wss:// only; with a tls_port both are open at once.
# tls_certificate = "cert.pem"
# tls_key = "key.pem"
# tls_port = 8888
# The authority that signs the chargers' own certificates, for security_profile = 3:
# tls_client_ca = "ca.pem"
# Take in chargers that are not in this file, on this circuit:
# adopt_into = "main"

[app]
# People find the app at https://<this machine>:<port>, with a certificate made at the first start.
enabled = true
listen = "0.0.0.0"
port = 8443
# Their own certificate, or none at all where the network itself is trusted:
# tls_certificate = "app.pem"
# tls_key = "app.key"
# tls = false

[storage]
file = "ampacity.db"

[log]
level = "info"
json = false
"""
