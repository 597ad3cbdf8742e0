"""What a charger says in OCPP 1.6."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from ampacity.core.observations import ChargerState
from ampacity.devices.charger_reports import state_of
from ampacity.links.ocpp import messages16 as messages
from ampacity.links.ocpp.fields import Noted, text, whole
from ampacity.links.ocpp.outlet import Outlet


class Hearing16:
    """OCPP 1.6."""

    actions: Collection[str] = messages.ACTIONS
    format_error = "FormationViolation"

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet

    def answer(self, action: str, payload: msgspec.Raw) -> dict[str, object]:
        match messages.decoded(action, payload):
            case messages.MeterValues() as message:
                self._on_meter_values(message)
                return {}
            case messages.StatusNotification() as message:
                self._on_status(message)
                return {}
            case messages.BootNotification() as message:
                return self._outlet.introduces(
                    text(message.chargePointVendor), text(message.chargePointModel), text(message.firmwareVersion)
                )
            case messages.StartTransaction() as message:
                return self._on_start(message)
            case messages.StopTransaction() as message:
                self._outlet.ends(whole(message.transactionId), whole(message.meterStop), text(message.reason))
                return {"idTagInfo": {"status": "Accepted"}}
            case messages.Authorize() as message:
                return {"idTagInfo": {"status": self._outlet.verdict(message.idTag).value}}
            case messages.Heartbeat():
                return {"currentTime": self._outlet.beats()}
            case messages.DataTransfer():
                return {"status": "UnknownVendorId"}
            case Noted():
                return {}

    def _on_meter_values(self, message: messages.MeterValues) -> None:
        outlet = self._outlet
        outlet.supply(messages.at_inlet(message.meterValue))
        if not outlet.is_steered(message.connectorId):
            return
        age_s = outlet.stamped(message.meterValue[-1].timestamp if message.meterValue else None)
        sampled = messages.sampled(message.meterValue)
        outlet.values(message.connectorId, age_s, whole(message.transactionId), sampled)

    def _on_status(self, message: messages.StatusNotification) -> None:
        outlet = self._outlet
        outlet.stamped(message.timestamp)
        status = text(message.status)
        state = state_of(status)
        if state is None:
            outlet.complain("ocpp-unknown-status", status[:60])
            return
        if not outlet.is_steered(message.connectorId):
            return
        if state is ChargerState.FAULTED:
            outlet.complain("charger-faulted", f"{message.errorCode} {text(message.info)}".strip()[:120])
        outlet.shows(message.connectorId, state)

    def _on_start(self, message: messages.StartTransaction) -> dict[str, object]:
        outlet = self._outlet
        age_s = outlet.stamped(message.timestamp)
        if not outlet.is_steered(message.connectorId):
            told = {"status": outlet.verdict(message.idTag).value}
            return {"transactionId": outlet.transactions.foreign(), "idTagInfo": told}
        begin = (message.connectorId, message.idTag, message.meterStart, message.timestamp)
        begin_wh = whole(message.meterStart)
        if begin_wh is not None and begin_wh < 0:
            begin_wh = None  # no register counts below nothing
        number, is_new = outlet.transactions.start(begin, begin_wh)
        verdict = outlet.begins(number, begin_wh, message.idTag, age_s) if is_new else outlet.verdict_on(number)
        return {"transactionId": number, "idTagInfo": {"status": verdict.value}}
