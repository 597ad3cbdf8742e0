"""OCPP 1.6J messages as typed values: lenient in what is received, strict in what is sent."""

from __future__ import annotations

from typing import Any

import msgspec

from ampacity.devices.charger_reports import ENERGY, SOC, Sampled
from ampacity.links.ocpp.fields import In, Noted, Out, Scalar, is_elsewhere, is_inlet, text


class BootNotification(In):
    chargePointVendor: Scalar = ""  # noqa: N815
    chargePointModel: Scalar = ""  # noqa: N815
    firmwareVersion: Scalar = ""  # noqa: N815
    chargePointSerialNumber: Scalar = ""  # noqa: N815


class StatusNotification(In):
    connectorId: Scalar = 1  # noqa: N815
    status: Scalar = ""
    errorCode: Scalar = ""  # noqa: N815
    info: Scalar = ""
    timestamp: Scalar = None


class SampledValue(In):
    value: Scalar = ""
    measurand: Scalar = None
    phase: Scalar = None
    unit: Scalar = None
    location: Scalar = None
    format: Scalar = None


class MeterValue(In):
    timestamp: Scalar = None
    sampledValue: list[SampledValue] = msgspec.field(default_factory=list)  # noqa: N815


class MeterValues(In):
    connectorId: Scalar = 1  # noqa: N815
    transactionId: Scalar = None  # noqa: N815
    meterValue: list[MeterValue] = msgspec.field(default_factory=list)  # noqa: N815


class StartTransaction(In):
    connectorId: Scalar = 1  # noqa: N815
    idTag: Scalar = ""  # noqa: N815
    meterStart: Scalar = None  # noqa: N815
    timestamp: Scalar = None


class StopTransaction(In):
    transactionId: Scalar = None  # noqa: N815
    meterStop: Scalar = None  # noqa: N815
    reason: Scalar = ""
    timestamp: Scalar = None
    transactionData: list[MeterValue] = msgspec.field(default_factory=list)  # noqa: N815


class Authorize(In):
    idTag: Scalar = ""  # noqa: N815


class Heartbeat(In):
    pass


class DataTransfer(In):
    pass


Incoming = (
    BootNotification
    | StatusNotification
    | MeterValues
    | StartTransaction
    | StopTransaction
    | Authorize
    | Heartbeat
    | DataTransfer
    | Noted
)

_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    "BootNotification": msgspec.json.Decoder(BootNotification),
    "StatusNotification": msgspec.json.Decoder(StatusNotification),
    "MeterValues": msgspec.json.Decoder(MeterValues),
    "StartTransaction": msgspec.json.Decoder(StartTransaction),
    "StopTransaction": msgspec.json.Decoder(StopTransaction),
    "Authorize": msgspec.json.Decoder(Authorize),
    "Heartbeat": msgspec.json.Decoder(Heartbeat),
    "DataTransfer": msgspec.json.Decoder(DataTransfer),
    "DiagnosticsStatusNotification": msgspec.json.Decoder(Noted),
    "FirmwareStatusNotification": msgspec.json.Decoder(Noted),
    "SecurityEventNotification": msgspec.json.Decoder(Noted),
    "SignedFirmwareStatusNotification": msgspec.json.Decoder(Noted),
    "LogStatusNotification": msgspec.json.Decoder(Noted),
}
ACTIONS = frozenset(_DECODERS)


def decoded(action: str, payload: msgspec.Raw) -> Incoming:
    """The message of a known action.

    Raises:
        msgspec.DecodeError: it is not of the action's shape, and nothing in it can be used.
        RecursionError: it is nested without end.
    """
    try:
        return _decoded(action, payload)
    except UnicodeError:
        # Some send a degree sign, or a driver's name, in the charset of their own.
        return _decoded(action, bytes(payload).decode(errors="replace").encode())


def _decoded(action: str, payload: msgspec.Raw | bytes) -> Incoming:
    try:
        message: Incoming = _DECODERS[action].decode(payload)
    except msgspec.ValidationError:
        if action != "MeterValues":
            raise
        return _salvaged(msgspec.json.decode(payload))
    return message


def _salvaged(payload: object) -> MeterValues:
    """The values of a MeterValues that are in the right form, where others are not."""
    if not isinstance(payload, dict):
        raise msgspec.ValidationError("the payload is no object")
    entries = payload.get("meterValue")
    out = []
    for entry in entries if isinstance(entries, list) else [entries]:
        if not isinstance(entry, dict):
            continue
        values = entry.get("sampledValue")
        kept = []
        for value in values if isinstance(values, list) else [values]:
            try:
                kept.append(msgspec.convert(value, SampledValue))
            except msgspec.ValidationError:
                continue
        stamp = entry.get("timestamp")
        out.append(MeterValue(stamp if isinstance(stamp, str) else None, kept))
    connector, transaction = payload.get("connectorId", 1), payload.get("transactionId")
    return MeterValues(
        connector if isinstance(connector, int | str) else 1,
        transaction if isinstance(transaction, int | str) else None,
        out,
    )


def sampled(entries: list[MeterValue]) -> list[Sampled]:
    """The values of the socket; of several entries the newest that has a measurand."""
    if len(entries) == 1:
        return _of_the_socket(entries[0])
    out: list[Sampled] = []
    have: set[str] = set()
    for entry in sorted(entries, key=lambda entry: text(entry.timestamp), reverse=True):
        values = [one for one in _of_the_socket(entry) if one.measurand not in have]
        have.update(one.measurand for one in values)
        out += values
    return out


def at_inlet(entries: list[MeterValue]) -> dict[Scalar, list[Sampled]]:
    """What it says of the supply that it hangs on, by the stamps."""
    out: dict[Scalar, list[Sampled]] = {}
    for entry in entries:
        values = [_plain(one) for one in entry.sampledValue if is_inlet(one.location) and one.format != "SignedData"]
        if values:
            out.setdefault(entry.timestamp, []).extend(values)
    return out


def _of_the_socket(entry: MeterValue) -> list[Sampled]:
    return [
        _plain(one)
        for one in entry.sampledValue
        if one.format != "SignedData" and (one.measurand == SOC or not is_elsewhere(one.location))
    ]


def _plain(one: SampledValue) -> Sampled:
    value, measurand, phase, unit = one.value, one.measurand, one.phase, one.unit
    return Sampled(
        value if type(value) is str else text(value),
        measurand if type(measurand) is str and measurand else ENERGY,
        phase if type(phase) is str else None,
        unit if type(unit) is str else None,
    )


# --- what we send ---


class SchedulePeriod(Out):
    startPeriod: int  # noqa: N815
    limit: float
    numberPhases: int | None = None  # noqa: N815


class Schedule(Out):
    chargingRateUnit: str  # noqa: N815
    chargingSchedulePeriod: list[SchedulePeriod]  # noqa: N815
    startSchedule: str | None = None  # noqa: N815
    duration: int | None = None


class Profile(Out):
    chargingProfileId: int  # noqa: N815
    stackLevel: int  # noqa: N815
    chargingProfilePurpose: str  # noqa: N815
    chargingProfileKind: str  # noqa: N815
    chargingSchedule: Schedule  # noqa: N815
    transactionId: int | str | None = None  # noqa: N815
    validTo: str | None = None  # noqa: N815


class SetChargingProfile(Out):
    connectorId: int  # noqa: N815
    csChargingProfiles: Profile  # noqa: N815


class GetConfiguration(Out):
    key: list[str] | None = None


class ChangeConfiguration(Out):
    key: str
    value: str


class TriggerMessage(Out):
    requestedMessage: str  # noqa: N815
    connectorId: int | None = None  # noqa: N815


class RemoteStartTransaction(Out):
    idTag: str  # noqa: N815
    connectorId: int | None = None  # noqa: N815


class RemoteStopTransaction(Out):
    transactionId: int  # noqa: N815


class GetCompositeSchedule(Out):
    connectorId: int  # noqa: N815
    duration: int
    chargingRateUnit: str  # noqa: N815


class ClearChargingProfile(Out):
    id: int
