"""What a charger says in OCPP 2.0.1 and 2.1."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC
from itertools import chain

import msgspec

from ampacity.core.observations import ChargerState
from ampacity.links.ocpp import messages2 as messages
from ampacity.links.ocpp.clock import moment_of
from ampacity.links.ocpp.endpoint import CarNeeds, OwnLimit
from ampacity.links.ocpp.fields import Noted, Scalar, number, text, whole
from ampacity.links.ocpp.hearing import NotSupported
from ampacity.links.ocpp.installed import Held
from ampacity.links.ocpp.outlet import Outlet
from ampacity.links.ocpp.socket_state import SocketState
from ampacity.links.ocpp.steering import Steering
from ampacity.links.ocpp.words2 import is_most_profiles

LONGEST_TRANSACTION = 64
"""The standard says 36; some send more."""
_ENDING = ("StopAuthorized", "Deauthorized", "RemoteStop")
"""Triggers by which a tag is told that ends a session."""
_OURS = "CSO"


class Hearing2:
    """OCPP 2.0.1 and 2.1."""

    format_error = "FormatViolation"

    def __init__(self, outlet: Outlet, steering: Steering, version: str) -> None:
        self._outlet = outlet
        self._steering = steering
        self._is_21 = version == "2.1"
        unsupported = messages.UNSUPPORTED_21 if self._is_21 else frozenset()
        self.actions: Collection[str] = (messages.ACTIONS_21 if self._is_21 else messages.ACTIONS_201) | unsupported
        self._socket = SocketState()
        self._sequence: tuple[str, int] | None = None
        """The transaction that spoke last, and the number of its message."""

    def answer(self, action: str, payload: msgspec.Raw) -> dict[str, object]:
        if action in messages.UNSUPPORTED_21:
            raise NotSupported(action)
        match messages.decoded(action, payload):
            case messages.MeterValues() as message:
                self._on_meter_values(message)
            case messages.TransactionEvent() as message:
                return self._on_transaction(message)
            case messages.StatusNotification() as message:
                self._outlet.stamped(message.timestamp)
                self._on_connector(message.evseId, text(message.connectorStatus))
            case messages.NotifyEvent() as message:
                self._on_events(message)
            case messages.BootNotification() as message:
                return self._on_boot(message)
            case messages.Heartbeat():
                return {"currentTime": self._outlet.beats()}
            case messages.Authorize() as message:
                return {"idTokenInfo": {"status": self._outlet.verdict(message.idToken.idToken).value}}
            case messages.NotifyReport() as message:
                self._on_report(message)
            case messages.ReportChargingProfiles() as message:
                self._steering.profiles_told(whole(message.requestId), _held(message), more=message.tbc is True)
            case messages.NotifyChargingLimit() as message:
                self._on_limit(message)
            case messages.ClearedChargingLimit() as message:
                if self._outlet.is_steered(message.evseId):
                    self._outlet.limited(None)
            case messages.NotifyEVChargingNeeds() as message:
                return self._on_needs(message)
            case messages.SecurityEventNotification() as message:
                self._outlet.complain("charger-security-event", text(message.type)[:60])
            case messages.Answered() as message:
                return messages.ANSWERS.get(action) or messages.ANSWERS_21[action]
            case Noted():
                pass
        return {}

    # --- the station and its connector ---

    def _on_boot(self, message: messages.BootNotification) -> dict[str, object]:
        station = message.chargingStation
        return self._outlet.introduces(
            text(station.vendorName),
            text(station.model),
            text(station.firmwareVersion),
            triggered=message.reason == "Triggered",
        )

    def _on_connector(self, evse: Scalar, word: str, what: str = "") -> None:
        outlet = self._outlet
        if not outlet.is_steered(evse):
            return
        socket = SocketState() if whole(evse) == 0 else self._socket
        state = socket.connector(word)
        if state is None:
            outlet.complain("ocpp-unknown-status", word[:60])
            return
        if state is ChargerState.FAULTED:
            outlet.complain("charger-faulted", what[:120] or "It reports a fault.")
        outlet.shows(evse, state)

    def _on_events(self, message: messages.NotifyEvent) -> None:
        """Some tell a connector's state in this way, instead of by a StatusNotification."""
        for one in message.eventData:
            self._outlet.stamped(one.timestamp)
            evse = None if one.component.evse is None else whole(one.component.evse.id)
            if one.variable.name == "AvailabilityState":
                self._on_connector(evse or 0, text(one.actualValue), text(one.techInfo))
            elif one.variable.name == "Problem" and text(one.actualValue).lower() == "true":
                self._outlet.complain("charger-faulted", f"{one.component.name} {text(one.techInfo)}".strip()[:120])

    def _on_meter_values(self, message: messages.MeterValues) -> None:
        outlet = self._outlet
        outlet.supply(messages.at_inlet(message.meterValue))
        if outlet.is_steered(message.evseId):
            age_s = outlet.stamped(message.meterValue[-1].timestamp if message.meterValue else None)
            outlet.values(message.evseId, age_s, None, messages.sampled(message.meterValue))

    # --- transactions ---

    def _on_transaction(self, message: messages.TransactionEvent) -> dict[str, object]:
        outlet = self._outlet
        age_s = outlet.stamped(message.timestamp)
        outlet.supply(messages.at_inlet(message.meterValue))
        name = text(message.transactionInfo.transactionId)[:LONGEST_TRANSACTION]
        if outlet.transactions.is_foreign(name) or not self._is_ours(message):
            outlet.transactions.leave(name)
            return _told(message, None if message.idToken is None else outlet.verdict(message.idToken.idToken).value)
        self._note_sequence(name, whole(message.seqNo))
        is_over = message.eventType == "Ended"
        verdict = self._on_session(message, name, age_s)
        # One that is over, and tells again, says nothing of the socket now.
        is_current = not name or name == outlet.transactions.current
        if is_current and not is_over:
            outlet.values(1, age_s, name or None, messages.sampled(message.meterValue))
        if is_current:
            self._on_charging_state(message, is_over=is_over, age_s=age_s)
        if is_over:
            end_wh = outlet.register_wh(messages.register_of(message.meterValue, "Transaction.End"))
            outlet.ends(name or None, end_wh, text(message.transactionInfo.stoppedReason) or "Local")
        return _told(message, verdict)

    def _is_ours(self, message: messages.TransactionEvent) -> bool:
        return message.evse is None or self._outlet.is_steered(message.evse.id)

    def _note_sequence(self, name: str, now: int | None) -> None:
        """Numbers that are missing are messages that were lost; those that come again are old ones sent again."""
        if now is None:
            return
        before = self._sequence
        if before is not None and before[0] == name:
            if now > before[1] + 1:
                self._outlet.complain("charger-events-missing", f"Messages of session {name} are missing.")
            now = max(now, before[1])
        self._sequence = (name, now)

    def _on_session(self, message: messages.TransactionEvent, name: str, age_s: float | None) -> str | None:
        """Begins it, if it is new; returns the verdict on the tag, where one is told."""
        outlet = self._outlet
        tag = None if message.idToken is None else message.idToken.idToken
        if message.eventType == "Started" and name:
            begin_wh = outlet.register_wh(messages.register_of(message.meterValue, "Transaction.Begin"))
            if outlet.transactions.named(name, begin_wh):
                if tag is None:
                    outlet.begins_untagged(name, begin_wh, age_s)
                    return None
                return outlet.begins(name, begin_wh, tag, age_s).value
        elif outlet.transactions.mention(name or None):
            outlet.begins_untagged(name, None, age_s)
        if tag is None:
            return None
        if name != outlet.transactions.current or message.triggerReason in _ENDING:
            return outlet.verdict(tag).value
        return outlet.tagged(name, tag).value

    def _on_charging_state(self, message: messages.TransactionEvent, *, is_over: bool, age_s: float | None) -> None:
        outlet = self._outlet
        if is_over:
            outlet.shows(1, self._socket.ended())
            return
        word = text(message.transactionInfo.chargingState)
        if not word or outlet.is_late(age_s):
            return
        state = self._socket.transaction(word)
        if state is None:
            outlet.complain("ocpp-unknown-status", word[:60])
        elif state is not outlet.state:  # many tell it in each message
            outlet.shows(1, state)

    # --- smart charging ---

    def _on_report(self, message: messages.NotifyReport) -> None:
        for one in message.reportData:
            most = None if one.variableCharacteristics is None else whole(one.variableCharacteristics.maxLimit)
            if most is not None and is_most_profiles(one):
                self._steering.limits_told(most)

    def _on_limit(self, message: messages.NotifyChargingLimit) -> None:
        source = text(message.chargingLimit.chargingLimitSource)[:20]
        if not self._outlet.is_steered(message.evseId) or source == _OURS:
            return
        endpoint = self._outlet.endpoint
        amps = [
            limit / (endpoint.volts * endpoint.phases) if schedule.chargingRateUnit == "W" else limit
            for schedule in message.chargingSchedule
            for limit in _limits(schedule.chargingSchedulePeriod[:1])
        ]
        self._outlet.limited(OwnLimit(source=source, limit_a=round(min(amps), 1) if amps else None))

    def _on_needs(self, message: messages.NotifyEVChargingNeeds) -> dict[str, object]:
        """What a car asks for over ISO 15118. A profile of its own would take half a minute of its patience, and say
        no more than the limits that it is given all the time: it is told that none comes."""
        if self._outlet.is_steered(message.evseId):
            needs = message.chargingNeeds
            ac = needs.acChargingParameters or messages.AcParameters()
            dc = needs.dcChargingParameters or messages.DcParameters()
            v2x = needs.v2xChargingParameters or messages.V2xParameters()
            departure = moment_of(needs.departureTime)
            self._outlet.needs(
                CarNeeds(
                    min_a=_first_number(ac.evMinCurrent, v2x.minChargeCurrent),
                    max_a=_first_number(ac.evMaxCurrent, v2x.maxChargeCurrent),
                    energy_wh=_first_number(ac.energyAmount, dc.energyAmount, v2x.evTargetEnergyRequest),
                    departure=None if departure is None else departure.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                    mode=text(needs.requestedEnergyTransfer)[:20],
                )
            )
        if self._is_21:
            return {"status": "NoChargingProfile"}
        return {"status": "Rejected", "statusInfo": {"reasonCode": "NoChargingProfile"}}


def _told(message: messages.TransactionEvent, verdict: str | None) -> dict[str, object]:
    """A tag that is told wants a verdict."""
    return {} if message.idToken is None or verdict is None else {"idTokenInfo": {"status": verdict}}


def _first_number(*values: Scalar) -> float | None:
    return next((found for found in map(number, values) if found is not None), None)


def _limits(periods: Sequence[messages.ShownPeriod]) -> list[float]:
    """The highest limit of a phase, of each period that shows one."""
    out = []
    for one in periods:
        shown = [found for found in map(number, (one.limit, one.limit_L2, one.limit_L3)) if found is not None]
        if shown:
            out.append(max(shown))
    return out


def _held(message: messages.ReportChargingProfiles) -> list[Held]:
    held = []
    for one in message.chargingProfile:
        profile_id = whole(one.id)
        if profile_id is None:
            continue
        schedule = one.chargingSchedule[0] if one.chargingSchedule else messages.ShownSchedule()
        starts = [number(period.startPeriod) or 0.0 for period in schedule.chargingSchedulePeriod]
        limits = list(
            chain.from_iterable(_limits([period]) or [float("inf")] for period in schedule.chargingSchedulePeriod)
        )
        held.append(
            Held(
                id=profile_id,
                connector=whole(message.evseId) or 0,
                purpose=text(one.chargingProfilePurpose),
                stack_level=whole(one.stackLevel) or 0,
                source=text(message.chargingLimitSource),
                limits=tuple(sorted(zip(starts, limits, strict=True))),
                unit=text(schedule.chargingRateUnit),
                has_end=schedule.duration is not None or one.validTo is not None,
            )
        )
    return held
