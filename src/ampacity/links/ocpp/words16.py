"""What a charger is told in OCPP 1.6."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ampacity.devices.charger_family import ChargerFamily
from ampacity.links.ocpp import messages16 as messages
from ampacity.links.ocpp.fields import Out
from ampacity.links.ocpp.own_maximum import own_maximum_a
from ampacity.links.ocpp.profiles import Form, Plan, stamp, written
from ampacity.links.ocpp.settings import Setting, Settings
from ampacity.links.ocpp.transactions import TransactionId
from ampacity.links.ocpp.words import PING_S

KEYS = {
    Setting.RATE_UNITS: "ChargingScheduleAllowedChargingRateUnit",
    Setting.MOST_STACK_LEVEL: "ChargeProfileMaxStackLevel",
    Setting.MOST_PROFILES: "MaxChargingProfilesInstalled",
    Setting.MOST_PERIODS: "ChargingScheduleMaxPeriods",
    Setting.MEASURANDS: "MeterValuesSampledData",
    Setting.REPORT_INTERVAL: "MeterValueSampleInterval",
    Setting.PING_INTERVAL: "WebSocketPingInterval",
    Setting.PHASE_ROTATION: "ConnectorPhaseRotation",
}
_SETTINGS = {key: setting for setting, key in KEYS.items()}


class Words16:
    """OCPP 1.6. Its profiles can't be read back, and no clear is needed: ours replace what is in their place."""

    version = "1.6"
    asks_by_name = False
    measurands: Sequence[Setting] = (Setting.MEASURANDS,)

    def form(self, form: Form) -> Form:
        return form

    def set_profile(self, plan: Plan) -> Out:
        periods = [
            messages.SchedulePeriod(startPeriod=one.start_s, limit=written(min(one.limits)), numberPhases=plan.phases)
            for one in plan.periods
        ]
        schedule = messages.Schedule(
            chargingRateUnit=plan.unit,
            chargingSchedulePeriod=periods,
            startSchedule=None if plan.begin is None else stamp(plan.begin),
            duration=plan.duration_s,
        )
        profile = messages.Profile(
            chargingProfileId=plan.id,
            stackLevel=plan.stack_level,
            chargingProfilePurpose=plan.purpose,
            chargingProfileKind="Relative" if plan.begin is None else "Absolute",
            chargingSchedule=schedule,
            transactionId=plan.transaction,
            validTo=None if plan.ends is None else stamp(plan.ends),
        )
        return messages.SetChargingProfile(connectorId=plan.connector, csChargingProfiles=profile)

    def ask_settings(self, at_once: int) -> list[Out]:
        return [messages.GetConfiguration()]

    def settings(self, answer: Any, family: ChargerFamily) -> Settings:
        entries = answer.get("configurationKey") if isinstance(answer, dict) else None
        settings: Settings = {}
        told: dict[str, str] = {}
        for entry in entries if isinstance(entries, list) else ():
            key = entry.get("key") if isinstance(entry, dict) else None
            if isinstance(key, str) and key in _SETTINGS:
                settings[_SETTINGS[key]] = (str(entry.get("value", "")), entry.get("readonly") is True)
            if isinstance(key, str):
                told[key] = str(entry.get("value", ""))
        if (own_a := own_maximum_a(told)) is not None:
            settings[Setting.OWN_MAXIMUM] = (str(own_a), True)
        if family.measurands_key and (own := told.get(family.measurands_key)) is not None:
            settings[Setting.KNOWN_MEASURANDS] = (own, True)
        return settings

    def change(self, setting: Setting, value: str) -> Out:
        return messages.ChangeConfiguration(key=KEYS[setting], value=value)

    def wishes(self, family: ChargerFamily) -> Sequence[tuple[Setting, str]]:
        return (Setting.REPORT_INTERVAL, str(family.report_every_s)), (Setting.PING_INTERVAL, str(PING_S))

    def status(self, answer: Any) -> str:
        return str(answer.get("status", "")) if isinstance(answer, dict) else ""

    def ask_to_introduce(self) -> Sequence[Out]:
        return _trigger("BootNotification"), _trigger("MeterValues")

    def ask_for_status(self) -> Sequence[Out]:
        return _trigger("StatusNotification"), _trigger("MeterValues")

    def ask_for_values(self, transaction: TransactionId | None) -> Out:
        return _trigger("MeterValues")

    def ask_schedule(self, covered_s: int, unit: str) -> Out:
        return messages.GetCompositeSchedule(connectorId=1, duration=covered_s, chargingRateUnit=unit)

    def ask_limits(self, number: int) -> Out | None:
        return None

    def ask_profiles(self, number: int) -> Out | None:
        return None

    def clear_profile(self, profile_id: int) -> Out:
        return messages.ClearChargingProfile(id=profile_id)

    def start(self, tag: str, number: int) -> Out:
        return messages.RemoteStartTransaction(idTag=tag, connectorId=1)

    def stop(self, transaction: TransactionId) -> Out | None:
        if not isinstance(transaction, int):
            return None
        return messages.RemoteStopTransaction(transactionId=transaction)


def _trigger(wanted: str) -> Out:
    return messages.TriggerMessage(requestedMessage=wanted)
