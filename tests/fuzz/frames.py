"""Fuzz targets without a socket: what chargers say, what meters' registers hold, what a journal kept."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import UTC, datetime
from itertools import cycle, islice
from typing import Any

from tests.fuzz.target import Target
from tests.links.peer2 import schema

from ampacity.core.decide import decide
from ampacity.core.observations import (
    ChargerLink,
    MeterReading,
    Observation,
    Observed,
    SetpointAnswer,
)
from ampacity.core.phases import Line, PhaseAmps, PhaseVolts, Supply
from ampacity.core.site import Charger, ChargerId, Circuit, CircuitId, Meter, MeterId, Site
from ampacity.devices.catalogue import charger_families, meter_families
from ampacity.devices.charger_reports import LARGEST_A
from ampacity.devices.meter_family import FrameAbsurd, MeterFamily
from ampacity.links.ocpp.remembered import Remembered
from ampacity.links.ocpp.station import Endpoint, Station
from ampacity.storage.codec import (
    decoded_observation,
    encoded_observation,
    encoded_pass,
    packed_passes,
    unpacked_passes,
    unpacked_site,
    unpacked_start,
)
from ampacity.storage.errors import StorageDamaged

CHARGER_FAMILIES = charger_families()
METER_FAMILIES = meter_families()
LARGEST = 2.0**53
MOST = {"currents": LARGEST_A, "current_a": LARGEST_A, "soc_pct": 100.0}
WALL = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = tuple(
    f'"{word}"'.encode()
    for word in (
        *("BootNotification", "StatusNotification", "MeterValues", "StartTransaction", "StopTransaction"),
        *("Heartbeat", "Authorize", "DataTransfer", "connectorId", "transactionId", "timestamp", "status", "value"),
        *("Charging", "SuspendedEV", "Available", "Preparing", "Faulted", "Finishing", "Unavailable"),
        *("Current.Import", "Power.Active.Import", "Energy.Active.Import.Register", "Voltage", "SoC"),
        *("L1", "L2", "L3", "N", "L1-N", "L1-L2", "kW", "kWh", "mA", "W", "A", "Wh", "Percent", "SignedData"),
        *("2026-01-01T00:00:00Z", "1970-01-01T00:00:00+23:59", "9999-12-31T23:59:59Z", "2026-W01-1"),
    )
)


WORDS2 = tuple(
    f'"{word}"'.encode()
    for word in (
        *("TransactionEvent", "StatusNotification", "MeterValues", "NotifyEvent", "NotifyReport", "BootNotification"),
        *("ReportChargingProfiles", "NotifyChargingLimit", "ClearedChargingLimit", "NotifyEVChargingNeeds"),
        *("Started", "Updated", "Ended", "transactionInfo", "transactionId", "chargingState", "seqNo", "offline"),
        *("Charging", "SuspendedEV", "SuspendedEVSE", "EVConnected", "Idle", "Occupied", "Available", "Faulted"),
        *("evse", "id", "evseId", "idToken", "connectorStatus", "timestamp", "meterValue", "sampledValue", "value"),
        *("Current.Import", "Energy.Active.Import.Register", "Transaction.Begin", "Transaction.End", "L1", "L2", "L3"),
        *("unitOfMeasure", "multiplier", "unit", "kW", "chargingProfile", "chargingSchedule", "limit", "limit_L2"),
        *("chargingNeeds", "acChargingParameters", "evMaxCurrent", "departureTime", "2026-01-01T00:00:00Z"),
    )
)


class Chargers:
    """Stations of a small site, without connections, on one clock of the test's own."""

    def __init__(self, *names: str, version: str = "1.6") -> None:
        self.version = version
        self.now_s = 0.0
        self.seen: list[Observation] = []
        self.stations = [self._station(name) for name in names]

    def _station(self, name: str) -> Station:
        async def send(_: str) -> None:
            return None

        numbers = iter(range(100, 1_000_000))
        return Station(
            Endpoint(
                charger=ChargerId(name), ocpp_id=name, phases=3, volts=230.0, safe_a=6.0, password=None, family=None
            ),
            CHARGER_FAMILIES,
            Remembered(ChargerId(name), lambda: next(numbers)),
            send=send,
            put=self.seen.append,
            now_s=lambda: self.now_s,
            wall=lambda: WALL,
            version=self.version,
        )

    def heard(self, number: int, message: bytes) -> list[Observation]:
        """What a station makes of a message, after the checks that hold for each."""
        before = len(self.seen)
        station = self.stations[number]
        answer = station.receive(message)
        wanted = _id_of_call(message)
        if wanted is not None:
            assert answer is not None, "a request has no answer"
        if answer is not None:
            kind, answered, *rest = json.loads(answer)
            assert kind in (3, 4)
            assert len(rest) == (1 if kind == 3 else 3)
            assert wanted is None or answered == wanted
            answer.encode()
            if kind == 3 and self.version != "1.6":
                action = json.loads(message.decode(errors="replace"))[2]
                assert list(schema(self.version, f"{action}Response").iter_errors(rest[0])) == []
        new = self.seen[before:]
        for one in new if station.ended is None else [*new, station.ended]:
            _check_sane(one, self.now_s)
        station.ended = None
        return new


def _id_of_call(message: bytes) -> str | None:
    """The identity of what is a request to any reader of JSON; None: it is none, or its identity can't be one."""
    try:
        frame = json.loads(message.decode(), parse_constant=_no_json)
        # Half a surrogate pair is no text that can be sent on.
        json.dumps(frame, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    match frame:
        case [int(two), str(known), str(), dict(), *_] if two == 2 and type(two) is int and 0 < len(known) <= 64:
            return known if known.isascii() else None
    return None


def _no_json(word: str) -> float:
    """Python reads NaN and Infinity, which are not JSON."""
    raise ValueError(word)


def _numbers(value: object) -> Iterator[float]:
    if isinstance(value, PhaseAmps):
        yield from value.values
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def _check_sane(one: Observation, now_s: float) -> None:
    for field in fields(one):
        for number in _numbers(getattr(one, field.name)):
            assert math.isfinite(number), field.name
            assert 0 <= number <= MOST.get(field.name, LARGEST), field.name
    assert one.at_s <= now_s
    encoded_observation(one)


def check_ocpp_frames(data: bytes) -> None:
    """A message a line, from one charger."""
    chargers = Chargers("left")
    for line in data.split(b"\n")[:50]:
        chargers.now_s += 1.0
        chargers.heard(0, line)


def check_ocpp2_frames(data: bytes) -> None:
    """A message a line, from one charger that speaks OCPP 2.1; each answer fits its schema."""
    chargers = Chargers("left", version="2.1")
    for line in data.split(b"\n")[:50]:
        chargers.now_s += 1.0
        chargers.heard(0, line)


SITE = Site(
    name="fuzz",
    supply=Supply.THREE_PHASE,
    nominal_v=230.0,
    circuits=(Circuit(id=CircuitId("main"), rating_a=PhaseAmps((40.0,) * 3), meter=MeterId("main")),),
    meters=(Meter(id=MeterId("main")),),
    chargers=(
        Charger(id=ChargerId("left"), circuit=CircuitId("main"), wiring=(Line.L1, Line.L2, Line.L3), safe_a=6.0),
        Charger(id=ChargerId("right"), circuit=CircuitId("main"), wiring=None, phases=3, step_a=1.0),
    ),
)


def check_ocpp_story(data: bytes) -> None:
    """A message a line and second: `0` or `1` for the charger, and its message; the controller decides on each."""
    chargers = Chargers("left", "right")
    observed = Observed()
    coming: list[Observation] = [ChargerLink(charger=c.id, at_s=0.0, online=True) for c in SITE.chargers]
    for line in data.split(b"\n")[:60]:
        chargers.now_s += 1.0
        now_s = chargers.now_s
        coming += chargers.heard(int(line[:1] == b"1"), line[1:])
        # The building has no say here: its current follows the bytes, so that rooms open and close.
        amps = 5.0 + len(line) % 30
        coming.append(
            MeterReading(
                meter=MeterId("main"), at_s=now_s, currents=PhaseAmps((amps,) * 3), voltages=PhaseVolts((230.0,) * 3)
            )
        )
        observed = observed.with_(SITE, coming)
        decision = decide(SITE, observed, now_s)
        unpacked_passes(packed_passes([encoded_pass(coming, decision, {})]))
        observed = observed.remembering(decision.memory)
        assert [one.charger for one in decision.setpoints] == [c.id for c in SITE.chargers]
        for setpoint, charger in zip(decision.setpoints, SITE.chargers, strict=True):
            assert setpoint.limit_a == 0 or charger.min_a <= setpoint.limit_a <= charger.max_a
        coming = [
            SetpointAnswer(
                charger=c.charger, at_s=now_s + 0.5, limit_a=c.limit_a, accepted=True, lease_end_s=now_s + 120
            )
            for c in decision.commands
        ]


def _words_of(data: bytes) -> Iterator[int]:
    padded = data + bytes(len(data) % 2) or bytes(2)
    return cycle(int.from_bytes(padded[n : n + 2], "big") for n in range(0, len(padded), 2))


def _registers(family: MeterFamily, data: bytes) -> dict[int, int]:
    words = _words_of(data)
    blocks = (*family.reads, *family.slow_reads)
    return {address + n: word for address, count in blocks for n, word in enumerate(islice(words, count))}


def check_meter_registers(data: bytes) -> None:
    """Words of 16 bits, which fill what is read of a meter, of every family."""
    for family in METER_FAMILIES.values():
        registers = _registers(family, data)
        for lines in range(1, family.phases + 1):
            _or_absurd(lambda: _check_reading(family, registers, lines))  # noqa: B023
        _or_absurd(lambda: family.energy_import_wh(registers))  # noqa: B023
        _or_absurd(lambda: family.frequency_hz(registers))  # noqa: B023


def _or_absurd(read: Callable[[], object]) -> None:
    try:
        read()
    except FrameAbsurd as error:
        assert error.what
        assert error.remedy


def _check_reading(family: MeterFamily, registers: dict[int, int], lines: int) -> None:
    reading = family.reading(MeterId("main"), registers, 1.0, lines, [230.0, 400.0])
    told = [reading.currents, *(one for one in (reading.voltages, reading.powers) if one is not None)]
    for values in (one.values for one in told):
        assert len(values) == (0 if family.unusable else lines)
        assert all(math.isfinite(value) for value in values)
    encoded_observation(reading)


def check_journal_records(data: bytes) -> None:
    """A record of the journal, of any kind."""
    kinds: list[Callable[[bytes], Any]] = [unpacked_passes, unpacked_start, unpacked_site]
    for kind in kinds:
        try:
            read = kind(data)
            if kind is unpacked_passes:
                for one in read:
                    for name, body in one.seen:
                        decoded_observation(name, body)
        except StorageDamaged as error:
            assert error.remedy


FRAMES = (
    Target("ocpp_frames", check_ocpp_frames, WORDS, share=4),
    Target("ocpp2_frames", check_ocpp2_frames, WORDS2, share=2),
    Target("ocpp_story", check_ocpp_story, (b"\n0", b"\n1", *WORDS), share=2),
    Target(
        "meter_registers", check_meter_registers, (b"\x7f\xff\xff\xff", b"\x80\x00", b"\xff\xff", b"\x00\x00"), share=2
    ),
    Target(
        "journal_records", check_journal_records, (b"\xc1", b"\xdf\xff\xff\xff\xff", b"\xdd\x7f\xff\xff\xff"), share=2
    ),
)
