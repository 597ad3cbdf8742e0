"""OCPP 2.0.1 and 2.1 messages as typed values: lenient in what is received, strict in what is sent."""

from __future__ import annotations

from typing import Any

import msgspec

from ampacity.devices.charger_reports import ENERGY, SOC, Sampled, number_of
from ampacity.links.ocpp.fields import In, Noted, Out, Scalar, is_elsewhere, is_inlet, text, whole

LARGEST_MULTIPLIER = 9


class Evse(In):
    id: Scalar = None
    connectorId: Scalar = None  # noqa: N815


class ChargingStation(In):
    vendorName: Scalar = ""  # noqa: N815
    model: Scalar = ""
    firmwareVersion: Scalar = ""  # noqa: N815
    serialNumber: Scalar = ""  # noqa: N815


class BootNotification(In):
    chargingStation: ChargingStation = msgspec.field(default_factory=ChargingStation)  # noqa: N815
    reason: Scalar = ""


class Heartbeat(In):
    pass


class StatusNotification(In):
    timestamp: Scalar = None
    connectorStatus: Scalar = ""  # noqa: N815
    evseId: Scalar = 1  # noqa: N815
    connectorId: Scalar = 1  # noqa: N815


class UnitOfMeasure(In):
    unit: Scalar = None
    multiplier: Scalar = None


class SampledValue(In):
    value: Scalar = None
    measurand: Scalar = None
    phase: Scalar = None
    location: Scalar = None
    context: Scalar = None
    unitOfMeasure: UnitOfMeasure | None = None  # noqa: N815


class MeterValue(In):
    timestamp: Scalar = None
    sampledValue: list[SampledValue] = msgspec.field(default_factory=list)  # noqa: N815


class MeterValues(In):
    evseId: Scalar = 1  # noqa: N815
    meterValue: list[MeterValue] = msgspec.field(default_factory=list)  # noqa: N815


class IdToken(In):
    idToken: Scalar = ""  # noqa: N815
    type: Scalar = ""


class TransactionInfo(In):
    transactionId: Scalar = ""  # noqa: N815
    chargingState: Scalar = None  # noqa: N815
    stoppedReason: Scalar = None  # noqa: N815


class TransactionEvent(In):
    eventType: Scalar = ""  # noqa: N815
    timestamp: Scalar = None
    triggerReason: Scalar = ""  # noqa: N815
    seqNo: Scalar = None  # noqa: N815
    offline: Scalar = False
    transactionInfo: TransactionInfo = msgspec.field(default_factory=TransactionInfo)  # noqa: N815
    evse: Evse | None = None
    idToken: IdToken | None = None  # noqa: N815
    meterValue: list[MeterValue] = msgspec.field(default_factory=list)  # noqa: N815


class Authorize(In):
    idToken: IdToken = msgspec.field(default_factory=IdToken)  # noqa: N815


class Component(In):
    name: Scalar = ""
    instance: Scalar = None
    evse: Evse | None = None


class Variable(In):
    name: Scalar = ""
    instance: Scalar = None


class EventData(In):
    component: Component = msgspec.field(default_factory=Component)
    variable: Variable = msgspec.field(default_factory=Variable)
    actualValue: Scalar = ""  # noqa: N815
    timestamp: Scalar = None
    techInfo: Scalar = ""  # noqa: N815


class NotifyEvent(In):
    eventData: list[EventData] = msgspec.field(default_factory=list)  # noqa: N815


class Characteristics(In):
    maxLimit: Scalar = None  # noqa: N815


class ReportData(In):
    component: Component = msgspec.field(default_factory=Component)
    variable: Variable = msgspec.field(default_factory=Variable)
    variableCharacteristics: Characteristics | None = None  # noqa: N815


class NotifyReport(In):
    requestId: Scalar = None  # noqa: N815
    reportData: list[ReportData] = msgspec.field(default_factory=list)  # noqa: N815


class ShownPeriod(In):
    startPeriod: Scalar = 0  # noqa: N815
    limit: Scalar = None
    limit_L2: Scalar = None  # noqa: N815
    limit_L3: Scalar = None  # noqa: N815


class ShownSchedule(In):
    chargingRateUnit: Scalar = "A"  # noqa: N815
    duration: Scalar = None
    startSchedule: Scalar = None  # noqa: N815
    chargingSchedulePeriod: list[ShownPeriod] = msgspec.field(default_factory=list)  # noqa: N815


class ShownProfile(In):
    id: Scalar = None
    stackLevel: Scalar = 0  # noqa: N815
    chargingProfilePurpose: Scalar = ""  # noqa: N815
    validTo: Scalar = None  # noqa: N815
    chargingSchedule: list[ShownSchedule] = msgspec.field(default_factory=list)  # noqa: N815


class ReportChargingProfiles(In):
    requestId: Scalar = None  # noqa: N815
    chargingLimitSource: Scalar = ""  # noqa: N815
    evseId: Scalar = 0  # noqa: N815
    tbc: Scalar = False
    chargingProfile: list[ShownProfile] = msgspec.field(default_factory=list)  # noqa: N815


class ChargingLimit(In):
    chargingLimitSource: Scalar = ""  # noqa: N815


class NotifyChargingLimit(In):
    evseId: Scalar = 0  # noqa: N815
    chargingLimit: ChargingLimit = msgspec.field(default_factory=ChargingLimit)  # noqa: N815
    chargingSchedule: list[ShownSchedule] = msgspec.field(default_factory=list)  # noqa: N815


class ClearedChargingLimit(In):
    evseId: Scalar = 0  # noqa: N815
    chargingLimitSource: Scalar = ""  # noqa: N815


class AcParameters(In):
    energyAmount: Scalar = None  # noqa: N815
    evMinCurrent: Scalar = None  # noqa: N815
    evMaxCurrent: Scalar = None  # noqa: N815


class DcParameters(In):
    energyAmount: Scalar = None  # noqa: N815


class V2xParameters(In):
    minChargeCurrent: Scalar = None  # noqa: N815
    maxChargeCurrent: Scalar = None  # noqa: N815
    evTargetEnergyRequest: Scalar = None  # noqa: N815


class ChargingNeeds(In):
    requestedEnergyTransfer: Scalar = ""  # noqa: N815
    departureTime: Scalar = None  # noqa: N815
    acChargingParameters: AcParameters | None = None  # noqa: N815
    dcChargingParameters: DcParameters | None = None  # noqa: N815
    v2xChargingParameters: V2xParameters | None = None  # noqa: N815


class NotifyEVChargingNeeds(In):
    evseId: Scalar = 1  # noqa: N815
    chargingNeeds: ChargingNeeds = msgspec.field(default_factory=ChargingNeeds)  # noqa: N815


class SecurityEventNotification(In):
    type: Scalar = ""


class Answered(In):
    """A message of which nothing is needed, and whose answer says by `ANSWERS` that we have nothing to give."""

    action: str = ""


Incoming = (
    BootNotification
    | Heartbeat
    | StatusNotification
    | MeterValues
    | TransactionEvent
    | Authorize
    | NotifyEvent
    | NotifyReport
    | ReportChargingProfiles
    | NotifyChargingLimit
    | ClearedChargingLimit
    | NotifyEVChargingNeeds
    | SecurityEventNotification
    | Answered
    | Noted
)

ANSWERS: dict[str, dict[str, object]] = {
    "DataTransfer": {"status": "UnknownVendorId"},
    "Get15118EVCertificate": {"status": "Failed", "exiResponse": ""},
    "GetCertificateStatus": {"status": "Failed"},
    "NotifyEVChargingSchedule": {"status": "Accepted"},
    "SignCertificate": {"status": "Rejected"},
}
"""Contracts and certificates of chargers are no affair of load management: others issue them."""

ANSWERS_21: dict[str, dict[str, object]] = {
    "NotifyAllowedEnergyTransfer": {"status": "Rejected"},
    "OpenPeriodicEventStream": {"status": "Rejected"},
    "PullDynamicScheduleUpdate": {"status": "Rejected"},
}
UNSUPPORTED_21 = frozenset({"GetCertificateChainStatus", "VatNumberValidation"})
"""Known, and answered by an error: no answer in the right form would be true."""

_NOTED = (
    "FirmwareStatusNotification",
    "LogStatusNotification",
    "NotifyCustomerInformation",
    "NotifyDisplayMessages",
    "NotifyMonitoringReport",
    "PublishFirmwareStatusNotification",
    "ReservationStatusUpdate",
)
_NOTED_21 = (
    "BatterySwap",
    "ClosePeriodicEventStream",
    "NotifyDERAlarm",
    "NotifyDERStartStop",
    "NotifyPriorityCharging",
    "NotifySettlement",
    "NotifyWebPaymentStarted",
    "ReportDERControl",
)
_READ: tuple[type[In], ...] = (
    BootNotification,
    Heartbeat,
    StatusNotification,
    MeterValues,
    TransactionEvent,
    Authorize,
    NotifyEvent,
    NotifyReport,
    ReportChargingProfiles,
    NotifyChargingLimit,
    ClearedChargingLimit,
    NotifyEVChargingNeeds,
    SecurityEventNotification,
)
_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    **{one.__name__: msgspec.json.Decoder(one) for one in _READ},
    **{name: msgspec.json.Decoder(Noted) for name in (*_NOTED, *_NOTED_21)},
    **{name: msgspec.json.Decoder(Answered) for name in (*ANSWERS, *ANSWERS_21)},
}
ACTIONS_21 = frozenset(_DECODERS)
ACTIONS_201 = ACTIONS_21 - frozenset(_NOTED_21) - frozenset(ANSWERS_21)


def decoded(action: str, payload: msgspec.Raw) -> Incoming:
    """The message of a known action.

    Raises:
        msgspec.DecodeError: it is not of the action's shape, and nothing in it can be used.
        RecursionError: it is nested without end.
    """
    try:
        message = _decoded(action, payload)
    except UnicodeError:
        # Some send a degree sign, or a driver's name, in the charset of their own.
        message = _decoded(action, bytes(payload).decode(errors="replace").encode())
    if isinstance(message, Answered):
        message.action = action
    return message


def _decoded(action: str, payload: msgspec.Raw | bytes) -> Incoming:
    try:
        message: Incoming = _DECODERS[action].decode(payload)
    except msgspec.ValidationError:
        salvaged = _salvaged(action, msgspec.json.decode(payload))
        if salvaged is None:
            raise
        return salvaged
    return message


def _salvaged(action: str, payload: object) -> Incoming | None:
    """A message whose meter values are not all in the right form: without those that are not."""
    if action not in ("MeterValues", "TransactionEvent") or not isinstance(payload, dict):
        return None
    entries = payload.pop("meterValue", None)
    kind: type[MeterValues] | type[TransactionEvent] = MeterValues if action == "MeterValues" else TransactionEvent
    message = msgspec.convert(payload, kind)
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
        message.meterValue.append(MeterValue(stamp if isinstance(stamp, str) else None, kept))
    return message


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


def register_of(entries: list[MeterValue], context: str) -> list[Sampled]:
    """The energy register as it stood at the begin ("Transaction.Begin") or at the end ("Transaction.End"): where it
    is not marked so, the first or the last value there is."""
    by_time = sorted(entries, key=lambda entry: text(entry.timestamp), reverse=context == "Transaction.End")
    marked: list[Sampled] = []
    first: list[Sampled] = []
    for entry in by_time:
        values = [one for one in _of_the_socket(entry) if one.measurand == ENERGY]
        first = first or values
        if not marked and any(one.context == context for one in entry.sampledValue):
            marked = [
                one
                for one in _of_the_socket(
                    MeterValue(entry.timestamp, [value for value in entry.sampledValue if value.context == context])
                )
                if one.measurand == ENERGY
            ]
    return marked or first


def at_inlet(entries: list[MeterValue]) -> dict[Scalar, list[Sampled]]:
    """What it says of the supply that it hangs on, by the stamps."""
    out: dict[Scalar, list[Sampled]] = {}
    for entry in entries:
        values = [_plain(one) for one in entry.sampledValue if is_inlet(one.location)]
        if values:
            out.setdefault(entry.timestamp, []).extend(values)
    return out


def _of_the_socket(entry: MeterValue) -> list[Sampled]:
    return [_plain(one) for one in entry.sampledValue if one.measurand == SOC or not is_elsewhere(one.location)]


def _plain(one: SampledValue) -> Sampled:
    value, measurand, phase, measure = one.value, one.measurand, one.phase, one.unitOfMeasure
    unit: str | None = None
    if measure is not None:
        if type(measure.unit) is str:
            unit = measure.unit
        if measure.multiplier:
            value = _multiplied(value, measure.multiplier)
    return Sampled(
        value if type(value) is float or type(value) is int else text(value),
        measurand if type(measurand) is str and measurand else ENERGY,
        phase if type(phase) is str else None,
        unit,
    )


def _multiplied(value: Scalar, multiplier: Scalar) -> Scalar:
    """Times ten to the power of the multiplier; as text that is no number where that can't be told."""
    power, plain = whole(multiplier), number_of(text(value))
    if power is None or abs(power) > LARGEST_MULTIPLIER or plain is None:
        return f"{text(value)[:20]} times ten to the {text(multiplier)[:10]}"
    return plain * 10.0**power


# --- what we send ---


class OutEvse(Out):
    id: int
    connectorId: int | None = None  # noqa: N815


class SchedulePeriod(Out, rename={"limit_l2": "limit_L2", "limit_l3": "limit_L3"}):
    startPeriod: int  # noqa: N815
    limit: float
    numberPhases: int | None = None  # noqa: N815
    limit_l2: float | None = None
    """OCPP 2.1, as the next one; `limit` is that of L1 where they are set."""
    limit_l3: float | None = None


class Schedule(Out):
    id: int
    chargingRateUnit: str  # noqa: N815
    chargingSchedulePeriod: list[SchedulePeriod]  # noqa: N815
    startSchedule: str | None = None  # noqa: N815
    duration: int | None = None


class Profile(Out):
    id: int
    stackLevel: int  # noqa: N815
    chargingProfilePurpose: str  # noqa: N815
    chargingProfileKind: str  # noqa: N815
    chargingSchedule: list[Schedule]  # noqa: N815
    transactionId: str | None = None  # noqa: N815
    validTo: str | None = None  # noqa: N815
    maxOfflineDuration: int | None = None  # noqa: N815
    """OCPP 2.1, as the next one."""
    invalidAfterOfflineDuration: bool | None = None  # noqa: N815


class SetChargingProfile(Out):
    evseId: int  # noqa: N815
    chargingProfile: Profile  # noqa: N815


class ClearChargingProfile(Out):
    chargingProfileId: int  # noqa: N815


class ProfileCriterion(Out):
    chargingLimitSource: list[str]  # noqa: N815


class GetChargingProfiles(Out):
    requestId: int  # noqa: N815
    chargingProfile: ProfileCriterion  # noqa: N815


class GetCompositeSchedule(Out):
    duration: int
    evseId: int  # noqa: N815
    chargingRateUnit: str  # noqa: N815


class OutComponent(Out):
    name: str


class OutVariable(Out):
    name: str
    instance: str | None = None


class GetVariable(Out):
    component: OutComponent
    variable: OutVariable


class GetVariables(Out):
    getVariableData: list[GetVariable]  # noqa: N815


class SetVariable(Out):
    attributeValue: str  # noqa: N815
    component: OutComponent
    variable: OutVariable


class SetVariables(Out):
    setVariableData: list[SetVariable]  # noqa: N815


class GetReport(Out):
    requestId: int  # noqa: N815
    componentVariable: list[GetVariable]  # noqa: N815


class TriggerMessage(Out):
    requestedMessage: str  # noqa: N815
    evse: OutEvse | None = None


class OutIdToken(Out):
    idToken: str  # noqa: N815
    type: str


class RequestStartTransaction(Out):
    idToken: OutIdToken  # noqa: N815
    remoteStartId: int  # noqa: N815
    evseId: int | None = None  # noqa: N815


class RequestStopTransaction(Out):
    transactionId: str  # noqa: N815
