"""What a charger is told in OCPP 2.0.1 and 2.1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ampacity.devices.charger_family import ChargerFamily
from ampacity.devices.charger_reports import ENERGY
from ampacity.links.ocpp import messages2 as messages
from ampacity.links.ocpp.fields import Out
from ampacity.links.ocpp.profiles import Form, Plan, stamp, written
from ampacity.links.ocpp.settings import Setting, Settings
from ampacity.links.ocpp.transactions import TransactionId
from ampacity.links.ocpp.words import PING_S

EVSE = 1
"""The one that is steered."""
LONGEST_TRANSACTION = 36
_SMART, _SAMPLED = "SmartChargingCtrlr", "SampledDataCtrlr"
_ENTRIES = (_SMART, "Entries", "ChargingProfiles")
_VARIABLES: dict[Setting, tuple[str, str]] = {
    Setting.SMART_CHARGING: (_SMART, "Enabled"),
    Setting.RATE_UNITS: (_SMART, "RateUnit"),
    Setting.MOST_STACK_LEVEL: (_SMART, "ProfileStackLevel"),
    Setting.MOST_PERIODS: (_SMART, "PeriodsPerSchedule"),
    Setting.PHASES_3_TO_1: (_SMART, "Phases3to1"),
    Setting.PHASE_CHOICE: (_SMART, "ACPhaseSwitchingSupported"),
    Setting.MEASURANDS: (_SAMPLED, "TxUpdatedMeasurands"),
    Setting.CLOCK_MEASURANDS: ("AlignedDataCtrlr", "Measurands"),
    Setting.BEGIN_MEASURANDS: (_SAMPLED, "TxStartedMeasurands"),
    Setting.END_MEASURANDS: (_SAMPLED, "TxEndedMeasurands"),
    Setting.REPORT_INTERVAL: (_SAMPLED, "TxUpdatedInterval"),
    Setting.PING_INTERVAL: ("OCPPCommCtrlr", "WebSocketPingInterval"),
}
_OFFLINE_END = (_SMART, "SupportsMaxOfflineDuration")
_SOURCES = ["CSO", "EMS", "SO", "Other"]


class Words2:
    """OCPP 2.0.1; with 2.1 what that adds: limits of each phase, and how long a profile holds offline."""

    asks_by_name = True
    measurands: Sequence[Setting] = (Setting.MEASURANDS, Setting.CLOCK_MEASURANDS)

    def __init__(self, version: str) -> None:
        self.version = version
        self._is_21 = version == "2.1"
        self._variables = {**_VARIABLES, **({Setting.OFFLINE_END: _OFFLINE_END} if self._is_21 else {})}
        self._settings = {place: setting for setting, place in self._variables.items()}

    def form(self, form: Form) -> Form:
        return replace(form, offline_end=self._is_21 and form.stack_level > 0, by_id=True)

    def set_profile(self, plan: Plan) -> Out:
        schedule = messages.Schedule(
            id=plan.id,
            chargingRateUnit=plan.unit,
            chargingSchedulePeriod=[self._period(one.start_s, one.limits, plan.phases) for one in plan.periods],
            startSchedule=None if plan.begin is None else stamp(plan.begin),
            duration=plan.duration_s,
        )
        says_offline = self._is_21 and plan.offline_s is not None
        profile = messages.Profile(
            id=plan.id,
            stackLevel=plan.stack_level,
            chargingProfilePurpose=plan.purpose,
            chargingProfileKind="Relative" if plan.begin is None else "Absolute",
            chargingSchedule=[schedule],
            transactionId=None if plan.transaction is None else str(plan.transaction),
            validTo=None if plan.ends is None else stamp(plan.ends),
            maxOfflineDuration=plan.offline_s if says_offline else None,
            invalidAfterOfflineDuration=True if says_offline else None,
        )
        return messages.SetChargingProfile(evseId=plan.connector, chargingProfile=profile)

    def ask_settings(self, at_once: int) -> list[Out]:
        wanted = [_variable(*place) for place in self._variables.values()]
        return [messages.GetVariables(getVariableData=wanted[n : n + at_once]) for n in range(0, len(wanted), at_once)]

    def settings(self, answer: Any, family: ChargerFamily) -> Settings:
        results = answer.get("getVariableResult") if isinstance(answer, dict) else None
        settings: Settings = {}
        for one in results if isinstance(results, list) else ():
            place = _place_of(one)
            if place in self._settings and one.get("attributeStatus") == "Accepted":
                settings[self._settings[place]] = (str(one.get("attributeValue", "")), False)
        return settings

    def change(self, setting: Setting, value: str) -> Out:
        component, variable = self._variables[setting]
        change = messages.SetVariable(
            attributeValue=value,
            component=messages.OutComponent(name=component),
            variable=messages.OutVariable(name=variable),
        )
        return messages.SetVariables(setVariableData=[change])

    def wishes(self, family: ChargerFamily) -> Sequence[tuple[Setting, str]]:
        return (
            (Setting.SMART_CHARGING, "true"),
            (Setting.BEGIN_MEASURANDS, ENERGY),
            (Setting.END_MEASURANDS, ENERGY),
            (Setting.REPORT_INTERVAL, str(family.report_every_s)),
            (Setting.PING_INTERVAL, str(PING_S)),
        )

    def status(self, answer: Any) -> str:
        if not isinstance(answer, dict):
            return ""
        results = answer.get("setVariableResult")
        if isinstance(results, list) and results and isinstance(results[0], dict):
            return str(results[0].get("attributeStatus", ""))
        return str(answer.get("status", ""))

    def ask_to_introduce(self) -> Sequence[Out]:
        return messages.TriggerMessage(requestedMessage="BootNotification"), *self._ask_for_both()

    def ask_for_status(self) -> Sequence[Out]:
        status = messages.TriggerMessage(
            requestedMessage="StatusNotification", evse=messages.OutEvse(id=EVSE, connectorId=1)
        )
        return status, *self._ask_for_both()

    def ask_for_values(self, transaction: TransactionId | None) -> Out:
        return _of_evse("TransactionEvent" if transaction is not None else "MeterValues")

    def ask_schedule(self, covered_s: int, unit: str) -> Out:
        return messages.GetCompositeSchedule(duration=covered_s, evseId=EVSE, chargingRateUnit=unit)

    def ask_limits(self, number: int) -> Out | None:
        return messages.GetReport(requestId=number, componentVariable=[_variable(*_ENTRIES)])

    def ask_profiles(self, number: int) -> Out | None:
        criterion = messages.ProfileCriterion(chargingLimitSource=_SOURCES)
        return messages.GetChargingProfiles(requestId=number, chargingProfile=criterion)

    def clear_profile(self, profile_id: int) -> Out:
        return messages.ClearChargingProfile(chargingProfileId=profile_id)

    def start(self, tag: str, number: int) -> Out:
        token = messages.OutIdToken(idToken=tag, type="Central")
        return messages.RequestStartTransaction(idToken=token, remoteStartId=number, evseId=EVSE)

    def stop(self, transaction: TransactionId) -> Out | None:
        name = str(transaction)
        return messages.RequestStopTransaction(transactionId=name) if len(name) <= LONGEST_TRANSACTION else None

    def _ask_for_both(self) -> Sequence[Out]:
        """The state of a transaction stands in TransactionEvents alone; without one, values come in MeterValues."""
        return _of_evse("TransactionEvent"), _of_evse("MeterValues")

    def _period(self, start_s: int, limits: Sequence[float], phases: int | None) -> messages.SchedulePeriod:
        """With a limit for each phase where they differ and the version can say so; else the smallest for all."""
        if not self._is_21 or len(limits) == 1:
            return messages.SchedulePeriod(startPeriod=start_s, limit=written(min(limits)), numberPhases=phases)
        return messages.SchedulePeriod(
            startPeriod=start_s,
            limit=written(limits[0]),
            limit_l2=written(limits[1]),
            limit_l3=written(limits[2]) if len(limits) > 2 else None,
            numberPhases=phases,
        )


def is_most_profiles(report: messages.ReportData) -> bool:
    """Whether it tells how many profiles the charger holds."""
    component, variable = report.component, report.variable
    return (component.name, variable.name, variable.instance) == _ENTRIES


def _of_evse(wanted: str) -> Out:
    return messages.TriggerMessage(requestedMessage=wanted, evse=messages.OutEvse(id=EVSE))


def _variable(component: str, name: str, instance: str | None = None) -> messages.GetVariable:
    return messages.GetVariable(
        component=messages.OutComponent(name=component), variable=messages.OutVariable(name=name, instance=instance)
    )


def _place_of(one: Any) -> tuple[str, str]:
    """The names of component and variable, as in an answer; "" where there are none."""
    if not isinstance(one, dict):
        return "", ""
    component, variable = one.get("component"), one.get("variable")
    return (
        str(component.get("name", "")) if isinstance(component, dict) else "",
        str(variable.get("name", "")) if isinstance(variable, dict) else "",
    )
