"""A charging station that speaks OCPP 2.0.1 or 2.1; what it charges and how it connects is as with 1.6.

Written from OCPP 2.0.1 edition 3 and 2.1 edition 1 alone; the controller's own code is not used, so that the two can
disagree.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ampacity.sim.wire.charger import (
    AUTHORISED_AFTER_S,
    PLAN_S,
    Call,
    Fields,
    Model,
    Plug,
    Session,
    SimulatedCharger,
    stamp,
)
from ampacity.sim.wire.profiles import DEFAULT, MAX_INSTALLED, BadProfile, Installed, Profile, profile_of
from ampacity.sim.wire.quirks import Quirk

_CONNECTOR = {"Available": "Available", "Faulted": "Faulted", "Unavailable": "Unavailable"}
"""Of each status; all others are "Occupied"."""
_CHARGING = ("Charging", "SuspendedEV", "SuspendedEVSE")
_MEASURANDS = frozenset(
    {
        "Current.Import",
        "Current.Offered",
        "Energy.Active.Import.Register",
        "Power.Active.Export",
        "Power.Active.Import",
        "Voltage",
    }
)
_READ_ONLY = {
    "SmartChargingCtrlr.Available": "true",
    "SmartChargingCtrlr.ProfileStackLevel": "8",
    "SmartChargingCtrlr.PeriodsPerSchedule": "24",
    "SmartChargingCtrlr.RateUnit": "A,W",
    "SmartChargingCtrlr.Phases3to1": "false",
}
_READ_ONLY_21 = {"SmartChargingCtrlr.SupportsMaxOfflineDuration": "true"}
_WRITABLE = {
    "SmartChargingCtrlr.Enabled": "true",
    "SampledDataCtrlr.TxStartedMeasurands": "",
    "SampledDataCtrlr.TxUpdatedMeasurands": "Energy.Active.Import.Register",
    "SampledDataCtrlr.TxEndedMeasurands": "",
    "SampledDataCtrlr.TxUpdatedInterval": "60",
    "AlignedDataCtrlr.Measurands": "Energy.Active.Import.Register",
    "OCPPCommCtrlr.WebSocketPingInterval": "60",
    "OCPPCommCtrlr.HeartbeatInterval": "60",
}
_LISTS = frozenset(name for name in _WRITABLE if name.endswith("Measurands"))
_NUMBERS = frozenset(name for name in _WRITABLE if name.endswith("Interval"))


@dataclass(slots=True)
class _Told:
    """Of the transaction that goes on, what the central system was told."""

    charging: str = ""
    number: int = 0


class SimulatedCharger2(SimulatedCharger):
    """One station with one EVSE and one connector, in the version that its model says."""

    def __init__(
        self,
        model: Model,
        url: str,
        *,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        seed: int = 0,
        quirks: Sequence[Quirk] = (),
    ) -> None:
        super().__init__(model, url, wall=wall, seed=seed, quirks=quirks)
        self.is_21 = model.version == "2.1"
        self.needs: dict[str, Any] | None = None
        """chargingNeeds as its next car tells them over ISO 15118; None: it tells nothing."""
        self._read_only = {**_READ_ONLY, **(_READ_ONLY_21 if self.is_21 else {})}
        self._configuration = dict(_WRITABLE)
        self._told = _Told()
        self._connector = ""
        self._offline_s = 0.0

    # --- the plant ---

    def step(self, dt_s: float, volts: float | None = None) -> None:
        self._offline_s = 0.0 if self.online.is_set() else self._offline_s + dt_s
        gone = [one for one in self.installed.profiles if one.ends_offline and not self._holds(one)]
        if gone:
            self.installed = Installed(tuple(one for one in self.installed.profiles if one not in gone))
        super().step(dt_s, volts)

    @property
    def limit_a(self) -> float:
        held = Installed(tuple(one for one in self.installed.profiles if self._holds(one)))
        limit = held.limit_a(self.now, self._known_transaction())
        return self.model.max_a if limit is None else min(limit, self.model.max_a)

    def _holds(self, profile: Profile) -> bool:
        """OCPP 2.1: a profile may end with the connection."""
        return profile.offline_s is None or self._offline_s <= profile.offline_s

    def _sample_interval_s(self) -> float:
        return float(self._configuration["SampledDataCtrlr.TxUpdatedInterval"])

    # --- what it says ---

    def _introduction(self, reason: str) -> dict[str, Any]:
        self._connector = ""
        return {
            "reason": reason,
            "chargingStation": {
                "vendorName": self.model.vendor,
                "model": self.model.name,
                "firmwareVersion": self.model.firmware,
            },
        }

    def _show(self, status: str) -> None:
        self.status = status
        if _CONNECTOR.get(status, "Occupied") != self._connector and self.online.is_set():
            self._say_status()
        session = None if self._plug is None else self._plug.session
        if session is not None and status in _CHARGING and status != self._told.charging:
            self._event("Updated", "ChargingStateChanged", session)

    def _say_status(self) -> None:
        self._connector = _CONNECTOR.get(self.status, "Occupied")
        self._say(
            "StatusNotification",
            {"timestamp": stamp(self.now), "connectorStatus": self._connector, "evseId": 1, "connectorId": 1},
        )

    def _begin_session(self, plug: Plug) -> None:
        name = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        plug.session = session = Session(self.now, round(self.energy_wh), name)
        self._told = _Told()
        self._event("Started", "Authorized", session, tag="SIMULATED")
        if self.needs is not None:
            self._say("NotifyEVChargingNeeds", {"evseId": 1, "chargingNeeds": self.needs})

    def _stop(self, session: Session, reason: str) -> None:
        self._event("Ended", "EVDeparted" if reason == "EVDisconnected" else "RemoteStop", session, reason=reason)

    def _event(
        self, kind: str, trigger: str, session: Session, *, tag: str | None = None, reason: str | None = None
    ) -> None:
        info: dict[str, Any] = {"transactionId": session.id}
        if reason is not None:
            info["stoppedReason"] = reason
        elif self.status in _CHARGING:
            info["chargingState"] = self._told.charging = self.status
        else:
            info["chargingState"] = "EVConnected"
        payload: dict[str, Any] = {
            "eventType": kind,
            "timestamp": stamp(self.now),
            "triggerReason": trigger,
            "seqNo": self._told.number,
            "transactionInfo": info,
            "evse": {"id": 1, "connectorId": 1},
        }
        if tag is not None:
            payload["idToken"] = {"idToken": tag, "type": "ISO14443"}
        if not self.online.is_set():
            payload["offline"] = True
        values = self._values(kind)
        if values:
            payload["meterValue"] = [{"timestamp": stamp(self.now), "sampledValue": values}]
        is_kept = kind != "Updated"
        if is_kept or self.online.is_set():
            self._told.number += 1
        if kind == "Ended":
            self._outbox.put(
                Call("TransactionEvent", payload, lambda _: self._stop_acknowledged(session.id), keep=is_kept)
            )
        elif is_kept or self.online.is_set():
            self._outbox.put(Call("TransactionEvent", payload, keep=is_kept))

    def _report(self, context: str) -> None:
        session = None if self._plug is None else self._plug.session
        if context == "Sample.Periodic" and session is not None:
            self._event("Updated", "MeterValuePeriodic", session)
            return
        values = self._sampled_of("AlignedDataCtrlr.Measurands", context)
        if values:
            self._say(
                "MeterValues", {"evseId": 1, "meterValue": [{"timestamp": stamp(self.now), "sampledValue": values}]}
            )

    def _values(self, kind: str) -> list[dict[str, Any]]:
        contexts = {"Started": "Transaction.Begin", "Updated": "Sample.Periodic", "Ended": "Transaction.End"}
        return self._sampled_of(f"SampledDataCtrlr.Tx{kind}Measurands", contexts[kind])

    def _sampled_of(self, variable: str, context: str) -> list[dict[str, Any]]:
        out: list[dict[str, Any]] = []
        for measurand in self._configuration[variable].split(","):
            for location, seen in (None, self._measured(measurand)), ("Inlet", self._of_supply(measurand)):
                for value, unit, phase in seen:
                    one: dict[str, Any] = {"value": float(value), "context": context, "measurand": measurand}
                    one |= {} if location is None else {"location": location}
                    one["unitOfMeasure"] = {"unit": unit}
                    out.append(one if phase is None else {**one, "phase": phase})
        return out

    # --- what it is told ---

    def _called(self, number: str, action: str, payload: Fields) -> list[Any]:
        match action:
            case "GetVariables":
                results = [self._get(one) for one in payload["getVariableData"]]
                return [3, number, {"getVariableResult": results}]
            case "SetVariables":
                results = [self._set(one) for one in payload["setVariableData"]]
                return [3, number, {"setVariableResult": results}]
            case "GetReport":
                return [3, number, {"status": self._on_get_report(payload)}]
            case "SetChargingProfile":
                return [3, number, {"status": self._on_set_profile(payload)}]
            case "ClearChargingProfile":
                return [3, number, {"status": self._on_clear_profile({"id": payload.get("chargingProfileId")})}]
            case "GetChargingProfiles":
                return [3, number, {"status": self._on_get_profiles(payload)}]
            case "GetCompositeSchedule":
                return [3, number, self._on_composite(payload)]
            case "TriggerMessage":
                return [3, number, {"status": self._on_trigger(payload)}]
            case "RequestStartTransaction":
                return [3, number, {"status": self._on_remote_start()}]
            case "RequestStopTransaction":
                return [3, number, {"status": self._on_remote_stop(payload)}]
            case "Reset":
                return [3, number, {"status": self._on_reset({"type": "Hard"})}]
            case "DataTransfer":
                return [3, number, {"status": "UnknownVendorId"}]
        return [4, number, "NotImplemented", f"{action} is not known here", {}]

    def _get(self, one: Fields) -> dict[str, Any]:
        name, known = _name_of(one), {**self._read_only, **self._configuration}
        result = {"component": one["component"], "variable": one["variable"], "attributeType": "Actual"}
        if name not in known:
            return {**result, "attributeStatus": "UnknownVariable"}
        return {**result, "attributeStatus": "Accepted", "attributeValue": known[name]}

    def _set(self, one: Fields) -> dict[str, Any]:
        name, value = _name_of(one), str(one["attributeValue"])
        status = "Accepted"
        if name in self._read_only:
            status = "Rejected"
        elif name not in self._configuration:
            status = "UnknownVariable"
        elif (name in _NUMBERS and not (value.isdigit() and len(value) <= 6)) or (
            name in _LISTS and any(item not in _MEASURANDS for item in value.split(","))
        ):
            status = "Rejected"
        else:
            self._configuration[name] = value
            if name == "OCPPCommCtrlr.HeartbeatInterval":
                self._beat_s = float(value)
            if name == "SampledDataCtrlr.TxUpdatedInterval":
                self._sample_left_s = min(self._sample_left_s, float(value))
        return {"component": one["component"], "variable": one["variable"], "attributeStatus": status}

    def _on_get_report(self, payload: Fields) -> str:
        wanted = [_name_of(one) for one in payload.get("componentVariable", ())]
        if "SmartChargingCtrlr.Entries" not in wanted:
            return "EmptyResultSet"
        data = {
            "component": {"name": "SmartChargingCtrlr"},
            "variable": {"name": "Entries", "instance": "ChargingProfiles"},
            "variableAttribute": [{"value": str(len(self.installed.profiles)), "mutability": "ReadOnly"}],
            "variableCharacteristics": {
                "dataType": "integer",
                "maxLimit": MAX_INSTALLED,
                "supportsMonitoring": False,
            },
        }
        report = {"requestId": payload.get("requestId"), "seqNo": 0, "reportData": [data]}
        self._triggered.append(lambda: self._say("NotifyReport", {**report, "generatedAt": stamp(self.now)}))
        return "Accepted"

    def _on_set_profile(self, payload: Fields) -> str:
        if self.faults.refuses or self._configuration["SmartChargingCtrlr.Enabled"] != "true":
            return "Rejected"
        try:
            profile = self._profile_of(payload)
            self._check_place(profile)
            self.installed = self.installed.with_(profile)
        except BadProfile:
            return "Rejected"
        if profile.stack_level > 0:
            self.confirmed_a = profile.periods[0][1]
        return "Accepted"

    def _profile_of(self, payload: Fields) -> Profile:
        given = payload.get("chargingProfile")
        fields = dict(given) if isinstance(given, dict) else {}
        schedules = fields.get("chargingSchedule")
        if not isinstance(schedules, list) or not schedules or not isinstance(schedules[0], dict):
            raise BadProfile("chargingSchedule is missing")
        if fields.get("chargingProfilePurpose") != DEFAULT:
            raise BadProfile("only TxDefaultProfile is taken")
        for name in ("maxOfflineDuration", "invalidAfterOfflineDuration"):
            if name in fields and not self.is_21:
                raise BadProfile(f"{name} is of OCPP 2.1")
        schedule = {**schedules[0], "chargingSchedulePeriod": self._periods_of(schedules[0])}
        profile = profile_of(
            payload.get("evseId"),
            {**fields, "chargingProfileId": fields.get("id"), "chargingSchedule": schedule},
            phases=self.model.phases,
            volts=self.model.volts,
        )
        offline = fields.get("maxOfflineDuration")
        return replace(
            profile,
            offline_s=float(offline) if isinstance(offline, int) else None,
            ends_offline=fields.get("invalidAfterOfflineDuration") is True,
        )

    def _periods_of(self, schedule: Fields) -> list[dict[str, Any]]:
        """With one limit for all phases, the smallest: the car draws the same of each."""
        out = []
        for one in schedule.get("chargingSchedulePeriod", ()):
            limits = [one[name] for name in ("limit", "limit_L2", "limit_L3") if name in one]
            if len(limits) > 1 and not self.is_21:
                raise BadProfile("limits of phases are of OCPP 2.1")
            out.append({**one, "limit": min(limits, default=None)})
        return out

    def _check_place(self, profile: Profile) -> None:
        """Only the same id replaces a profile; another one may not be at the same level (K01)."""
        for other in self.installed.profiles:
            same = (other.connector, other.purpose, other.stack_level)
            if other.id != profile.id and same == (profile.connector, profile.purpose, profile.stack_level):
                raise BadProfile(f"profile {other.id} is at this level")

    def _on_get_profiles(self, payload: Fields) -> str:
        """It tells all that it holds, in two messages where it can."""
        held = self.installed.profiles
        if not held:
            return "NoProfiles"
        number = payload.get("requestId")
        self._triggered.append(lambda: self._tell_profiles(number, held))
        return "Accepted"

    def _tell_profiles(self, number: object, held: Sequence[Profile]) -> None:
        for place, one in enumerate(held, 1):
            report = {
                "requestId": number,
                "chargingLimitSource": "CSO",
                "evseId": one.connector,
                "chargingProfile": [_shown(one)],
                "tbc": place < len(held),
            }
            self._say("ReportChargingProfiles", report)

    def _on_composite(self, payload: Fields) -> dict[str, Any]:
        length_s, unit = payload.get("duration"), payload.get("chargingRateUnit") or "A"
        if not isinstance(length_s, int) or length_s <= 0 or unit not in ("A", "W"):
            return {"status": "Rejected"}
        now, transaction = self.now, self._known_transaction()
        length_s = min(length_s, PLAN_S)
        factor = self.model.volts * self.model.phases if unit == "W" else 1.0
        periods = []
        for second in self.installed.changes_s(now, transaction, length_s):
            limit = self.installed.limit_a(now + timedelta(seconds=second), transaction)
            amps = self.model.max_a if limit is None else min(limit, self.model.max_a)
            periods.append({"startPeriod": second, "limit": round(amps * factor, 1)})
        schedule = {
            "evseId": payload.get("evseId", 0),
            "duration": length_s,
            "scheduleStart": stamp(now),
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": periods,
        }
        return {"status": "Accepted", "schedule": schedule}

    def _on_trigger(self, payload: Fields) -> str:
        if payload.get("requestedMessage") == "TransactionEvent":
            session = None if self._plug is None else self._plug.session
            if session is None:
                return "Rejected"
            self._triggered.append(lambda: self._event("Updated", "Trigger", session))
            return "Accepted"
        return super()._on_trigger(payload)

    def _on_remote_start(self) -> str:
        if self._plug is None or self._plug.session is not None:
            return "Rejected"
        self._plug.wants_start = True
        self._plug.for_s = AUTHORISED_AFTER_S
        return "Accepted"


def _name_of(one: Fields) -> str:
    return f"{one['component']['name']}.{one['variable']['name']}"


def _shown(profile: Profile) -> dict[str, Any]:
    """In amperes, whatever it was given in."""
    schedule: dict[str, Any] = {
        "id": profile.id,
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [
            {"startPeriod": int(start_s), "limit": round(amps, 1)} for start_s, amps in profile.periods
        ],
    }
    if profile.start is not None:
        schedule["startSchedule"] = stamp(profile.start)
    if profile.duration_s is not None:
        schedule["duration"] = int(profile.duration_s)
    return {
        "id": profile.id,
        "stackLevel": profile.stack_level,
        "chargingProfilePurpose": profile.purpose,
        "chargingProfileKind": profile.kind,
        "chargingSchedule": [schedule],
    }
