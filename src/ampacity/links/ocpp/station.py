"""One connected charger: its messages are read and answered, and it is told what to do."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import datetime

import msgspec
import structlog

from ampacity.core.decision import Command
from ampacity.core.observations import SessionEnded
from ampacity.devices.charger_family import ChargerFamily, recognised
from ampacity.links.ocpp import framing
from ampacity.links.ocpp.calls import Calls
from ampacity.links.ocpp.endpoint import Endpoint as Endpoint
from ampacity.links.ocpp.endpoint import StationFacts
from ampacity.links.ocpp.hearing import Hearing, NotSupported
from ampacity.links.ocpp.hearing2 import Hearing2
from ampacity.links.ocpp.hearing16 import Hearing16
from ampacity.links.ocpp.inlet import Supply
from ampacity.links.ocpp.outlet import Outlet
from ampacity.links.ocpp.remembered import Remembered
from ampacity.links.ocpp.steering import Put, Steering
from ampacity.links.ocpp.tags import Authorise, everybody
from ampacity.links.ocpp.told_time import ToldTime
from ampacity.links.ocpp.words import Words
from ampacity.links.ocpp.words2 import Words2
from ampacity.links.ocpp.words16 import Words16

_log = structlog.get_logger("ampacity.charger")


class Station:
    """A connection of one charger, in one version of OCPP. `receive` and `apply` are called on the event loop and
    never block."""

    def __init__(
        self,
        endpoint: Endpoint,
        families: dict[str, ChargerFamily],
        remembered: Remembered,
        *,
        send: Callable[[str], Awaitable[None]],
        put: Put,
        now_s: Callable[[], float],
        wall: Callable[[], datetime],
        authorise: Authorise = everybody,
        version: str = "1.6",
        tell_supply: Supply = lambda _: None,
    ) -> None:
        """`tell_supply` hears what it tells of the building's supply."""
        family = endpoint.family or remembered.family or recognised(families.values(), "", "", "")
        remembered.speak(version)
        self._remembered = remembered
        told = remembered.told = remembered.told or ToldTime(wall(), now_s())
        self._calls = Calls(send, remembered.tally)
        words: Words = Words16() if version == "1.6" else Words2(version)
        self._steering = Steering(endpoint, remembered, family, self._calls, words, put=put, now_s=now_s, told=told)
        self._outlet = Outlet(
            endpoint,
            families,
            family,
            remembered,
            self._steering,
            version=version,
            told=told,
            put=put,
            now_s=now_s,
            wall=wall,
            authorise=authorise,
            tell_supply=tell_supply,
        )
        self._hearing: Hearing = (
            Hearing16(self._outlet) if version == "1.6" else Hearing2(self._outlet, self._steering, version)
        )
        self._version = version

    @property
    def endpoint(self) -> Endpoint:
        return self._outlet.endpoint

    @property
    def facts(self) -> StationFacts:
        return self._outlet.facts

    @property
    def family(self) -> ChargerFamily:
        return self._outlet.family

    @property
    def is_misunderstood(self) -> bool:
        """Its family does not speak this version well: it has to come again in another one."""
        allowed = () if self.endpoint.versions else self.family.ocpp_versions
        return bool(allowed) and self._version not in allowed

    @property
    def ended(self) -> SessionEnded | None:
        """The session whose end is about to be acknowledged."""
        return self._outlet.ended

    @ended.setter
    def ended(self, ended: SessionEnded | None) -> None:
        self._outlet.ended = ended

    # --- what it is to do ---

    def apply(self, command: Command, put: Put) -> None:
        """Takes a command; one that still waits to be sent is replaced, and gets no answer."""
        self._steering.apply(command, put)

    def use(self, endpoint: Endpoint) -> None:
        """The same charger, with other limits: they count from the next command on."""
        self._outlet.endpoint = endpoint
        self._steering.use(endpoint)

    async def park(self, safe_a: float) -> bool:
        """Leaves the charger at its safe current for good. Returns whether it agreed."""
        return await self._steering.park(safe_a)

    async def work(self) -> None:
        """Sends what is to be sent. Runs until cancelled."""
        await self._steering.work()

    # --- what it says ---

    def receive(self, message: str | bytes) -> str | None:
        """Works in one message; returns the answer to send, if it wants one. Never raises."""
        tally, now_s = self._remembered.tally, time.monotonic()
        tally.took_in(len(message), now_s)
        match framing.frame_of(message):
            case framing.Call(message_id, action, payload):
                tally.last_good_s = now_s
                return self._called(message_id, action, payload)
            case framing.Result() as result:
                self._calls.answered(result)
            case framing.Refusal() as refusal:
                self._calls.refused(refusal)
            case framing.AnswerRefused(_, code, description):
                self._outlet.complain("ocpp-answer-refused", f"It can't use an answer: {code} {description}"[:120])
            case framing.Sent():
                self._steering.heard()  # streams of events: none is opened by us
            case framing.Malformed(message_id, what):
                tally.garbled += 1
                self._outlet.complain("ocpp-malformed", what)
                if message_id is not None:
                    return framing.error_text(message_id, self._hearing.format_error, what)
        return None

    def _called(self, message_id: str, action: str, payload: msgspec.Raw) -> str:
        self._steering.heard()
        if action not in self._hearing.actions:
            self._outlet.complain("ocpp-unknown-action", action[:60])
            return framing.error_text(message_id, "NotImplemented", f"{action[:60]} is not known here")
        try:
            answer = self._hearing.answer(action, payload)
        except NotSupported:
            return framing.error_text(message_id, "NotSupported", f"{action} is nothing that load management does")
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            self._outlet.complain("ocpp-malformed", f"{action}: {error}")
            return framing.error_text(message_id, self._hearing.format_error, str(error))
        return framing.result_text(message_id, answer)
