"""In what chargers differ from the standard, a class for each quirk; a simulated charger may have several.

Written from public reports of real chargers; docs/reference/chargers.md names them.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from math import inf
from types import MappingProxyType
from typing import Any

from ampacity.sim.wire.profiles import DEFAULT, BadProfile, Profile

Fields = Mapping[str, Any]
Answer = dict[str, Any] | str | None
"""A payload, the code of a CALLERROR, or what the standard says."""
NEVER_S = 1e9


class Quirk:
    """None: what the standard says. Each method is asked in its place by the charger that has the quirk."""

    first_s = 0.0
    """How long after it is switched on it first dials."""
    again_s = 0.0
    """How much longer than usual it takes to dial again."""
    tls: ssl.SSLContext | None = None
    """What it trusts, where it dials with TLS."""
    configuration: Mapping[str, str] = MappingProxyType({})
    """Keys that it has besides, or holds otherwise."""

    def answers(self, action: str, payload: Fields) -> Answer:
        """To a request, before anything else."""
        return None

    def takes(self, profile: Profile, fields: Fields) -> Profile | None:
        """What it installs of a profile; None: it accepts it, and ignores it. `fields`: as it came.

        Raises:
            BadProfile: it is refused.
        """
        return profile

    def offers(self, limit_a: float, max_a: float, dt_s: float) -> float:
        """What it offers the car, where its profiles allow `limit_a`; asked every `dt_s` seconds."""
        return limit_a

    def starts_anew_over(self, measurands: Sequence[str]) -> bool:
        """Whether it reboots when it is to report these."""
        return False

    def samples_every_s(self, asked_s: float) -> float:
        """How often it reports in a transaction, where it was set to that."""
        return asked_s

    def reports(self, sampled: list[dict[str, str]]) -> list[dict[str, str]]:
        """What it sends of what it measured."""
        return sampled

    def writes(self, action: str, text: bytes) -> bytes:
        """A request of its own as it goes over the wire."""
        return text


# --- which profiles it takes -----------------------------------------------------------------------------------------


class OneLevel(Quirk):
    """It refuses profiles above stack level 0, and says that it takes them."""

    def takes(self, profile: Profile, fields: Fields) -> Profile:
        if profile.stack_level != 0:
            raise BadProfile(f"stack level {profile.stack_level}")
        return profile


class HigherLevelsIgnored(Quirk):
    """It accepts profiles above stack level 0, and ignores them."""

    def takes(self, profile: Profile, fields: Fields) -> Profile | None:
        return profile if profile.stack_level == 0 else None


class ConnectorZeroIgnored(Quirk):
    """It accepts profiles of connector 0, which are for each connector, and ignores them."""

    def takes(self, profile: Profile, fields: Fields) -> Profile | None:
        return None if profile.connector == 0 else profile


class RelativeOnly(Quirk):
    """It refuses profiles that don't count from the transaction's start."""

    def takes(self, profile: Profile, fields: Fields) -> Profile:
        if profile.kind != "Relative":
            raise BadProfile(profile.kind)
        return profile


class PurposeRefused(Quirk):
    """It refuses profiles of one purpose, those of 0 A alone if `at_zero`."""

    def __init__(self, purpose: str, *, at_zero: bool = False) -> None:
        self._purpose = purpose
        self._at_zero = at_zero

    def takes(self, profile: Profile, fields: Fields) -> Profile:
        if profile.purpose == self._purpose and (not self._at_zero or profile.periods[0][1] <= 0):
            raise BadProfile(profile.purpose)
        return profile


class PurposeIgnored(Quirk):
    """It accepts profiles of one purpose, and ignores them; those in watts alone if `in_watts`."""

    def __init__(self, purpose: str, *, in_watts: bool = False) -> None:
        self._purpose = purpose
        self._in_watts = in_watts

    def takes(self, profile: Profile, fields: Fields) -> Profile | None:
        is_meant = profile.purpose == self._purpose and (not self._in_watts or _unit(fields) == "W")
        return None if is_meant else profile


class DefaultsIgnoredInTransaction(Quirk):
    """It accepts TxDefaultProfiles in a transaction, and follows them from the next one on."""

    def __init__(self, in_transaction: Callable[[], bool]) -> None:
        self._in_transaction = in_transaction

    def takes(self, profile: Profile, fields: Fields) -> Profile | None:
        return None if profile.purpose == DEFAULT and self._in_transaction() else profile


class WattsOnly(Quirk):
    """It takes limits in watts only: others it refuses, or accepts and ignores. Its configuration does not say so."""

    def __init__(self, *, refuses: bool) -> None:
        self._refuses = refuses

    def takes(self, profile: Profile, fields: Fields) -> Profile | None:
        if _unit(fields) == "W":
            return profile
        if self._refuses:
            raise BadProfile("amperes")
        return None


# --- what it makes of a limit ----------------------------------------------------------------------------------------


class FractionsBecome(Quirk):
    """A limit that is written with a fraction, 13.0 too, becomes so many amperes."""

    def __init__(self, amps: float) -> None:
        self._amps = amps

    def takes(self, profile: Profile, fields: Fields) -> Profile:
        written = [entry["limit"] for entry in fields["chargingSchedule"]["chargingSchedulePeriod"]]
        periods = tuple(
            (start_s, amps if isinstance(limit, int) else self._amps)
            for (start_s, amps), limit in zip(profile.periods, written, strict=True)
        )
        return replace(profile, periods=periods)


class Steps(Quirk):
    """It offers certain currents only, the next lower one."""

    def __init__(self, *currents_a: float) -> None:
        self._currents_a = currents_a

    def offers(self, limit_a: float, max_a: float, dt_s: float) -> float:
        return max((one for one in self._currents_a if one <= limit_a), default=0.0)


class LowLimitsIgnored(Quirk):
    """Limits that are below so many amperes, and no pause, are accepted and ignored."""

    def __init__(self, least_a: float) -> None:
        self._least_a = least_a

    def takes(self, profile: Profile, fields: Fields) -> Profile | None:
        return None if 0 < profile.periods[0][1] < self._least_a else profile


class FollowsAfterRemoteStart(Quirk):
    """It offers its maximum in each session that was not begun by a RemoteStartTransaction."""

    def __init__(self) -> None:
        self._started = False

    def answers(self, action: str, payload: Fields) -> Answer:
        self._started = self._started or action == "RemoteStartTransaction"
        return None

    def offers(self, limit_a: float, max_a: float, dt_s: float) -> float:
        return limit_a if self._started else max_a


class StuckAt(Quirk):
    """It accepts limits, and offers its own one, which it shows in its configuration."""

    def __init__(self, amps: float) -> None:
        self._amps = amps
        self.configuration = {"chargingALimitConn1": f"{amps:g}"}

    def offers(self, limit_a: float, max_a: float, dt_s: float) -> float:
        return self._amps if limit_a > 0 else 0.0


class JumpsBack(Quirk):
    """It offers its maximum again so long after it took a limit."""

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._for_s = 0.0

    def takes(self, profile: Profile, fields: Fields) -> Profile:
        self._for_s = 0.0
        return profile

    def offers(self, limit_a: float, max_a: float, dt_s: float) -> float:
        self._for_s += dt_s
        return max_a if limit_a > 0 and self._for_s > self._after_s else limit_a


class JumpsWhenRepeated(Quirk):
    """It offers its maximum once it is told the limit that it has, until it is told another one."""

    def __init__(self) -> None:
        self._told_a = inf
        self._jumped = False

    def takes(self, profile: Profile, fields: Fields) -> Profile:
        amps = profile.periods[0][1]
        self._jumped = amps == self._told_a
        self._told_a = amps
        return profile

    def offers(self, limit_a: float, max_a: float, dt_s: float) -> float:
        return max_a if self._jumped and limit_a > 0 else limit_a


class FirstLimitAfterPauseIgnored(Quirk):
    """The first limit after one of 0 A ends the pause, and is ignored: it offers its maximum until the next one."""

    def __init__(self) -> None:
        self._paused = self._free = False

    def takes(self, profile: Profile, fields: Fields) -> Profile:
        amps = profile.periods[0][1]
        self._free = self._paused and amps > 0
        self._paused = amps <= 0
        return profile

    def offers(self, limit_a: float, max_a: float, dt_s: float) -> float:
        return max_a if self._free else limit_a


class PausedUntilCleared(Quirk):
    """After a limit of 0 A nothing is offered until a profile is cleared."""

    def __init__(self) -> None:
        self._paused = False

    def answers(self, action: str, payload: Fields) -> Answer:
        if action == "ClearChargingProfile":
            self._paused = False
        return None

    def takes(self, profile: Profile, fields: Fields) -> Profile:
        self._paused = self._paused or (profile.stack_level > 0 and profile.periods[0][1] <= 0)
        return profile

    def offers(self, limit_a: float, max_a: float, dt_s: float) -> float:
        return 0.0 if self._paused else limit_a


# --- what it is asked and told besides -------------------------------------------------------------------------------


class BreaksOn(Quirk):
    """From such a request on, it refuses everything and offers nothing."""

    def __init__(self, action: str) -> None:
        self._action = action
        self.broken = False

    def answers(self, action: str, payload: Fields) -> Answer:
        self.broken = self.broken or action == self._action
        return "InternalError" if self.broken else None

    def offers(self, limit_a: float, max_a: float, dt_s: float) -> float:
        return 0.0 if self.broken else limit_a


class Lacks(Quirk):
    """It does not know such requests. How often it was asked is counted."""

    def __init__(self, action: str) -> None:
        self._action = action
        self.asked = 0

    def answers(self, action: str, payload: Fields) -> Answer:
        if action != self._action:
            return None
        self.asked += 1
        return "NotImplemented"


class RebootsOver(Quirk):
    """It accepts every measurand, and starts anew each time it is to report others than these."""

    def __init__(self, known: Collection[str]) -> None:
        self._known = frozenset(known)
        self.reboots = 0
        self._asked = ""

    def answers(self, action: str, payload: Fields) -> Answer:
        if action == "ChangeConfiguration" and payload.get("key") == "MeterValuesSampledData":
            self._asked = str(payload.get("value"))
        return None

    def starts_anew_over(self, measurands: Sequence[str]) -> bool:
        is_too_much = not self._known.issuperset(one for one in self._asked.split(",") if one)
        self.reboots += is_too_much
        return is_too_much


class SilentOver(Quirk):
    """It accepts every measurand, and reports nothing at all once one of these is among them. Where `key` is given, it
    names in that those that it has."""

    def __init__(self, unknown: Collection[str], *, key: str = "", known: str = "") -> None:
        self._unknown = frozenset(unknown)
        self._silent = False
        self.configuration = {key: known} if key else {}

    def answers(self, action: str, payload: Fields) -> Answer:
        if action != "ChangeConfiguration" or payload.get("key") != "MeterValuesSampledData":
            return None
        self._silent = not self._unknown.isdisjoint(str(payload.get("value")).split(","))
        return {"status": "Accepted"} if self._silent else None

    def reports(self, sampled: list[dict[str, str]]) -> list[dict[str, str]]:
        return [] if self._silent else sampled


class ReportsNoFasterThan(Quirk):
    """It refuses a shorter interval, and to be triggered; from the factory it reports every 15 minutes."""

    def __init__(self, seconds: int) -> None:
        self.configuration = {"MeterValueSampleInterval": "900"}
        self._seconds = seconds
        self._is_set = False

    def answers(self, action: str, payload: Fields) -> Answer:
        if action == "ChangeConfiguration" and payload.get("key") == "MeterValueSampleInterval":
            self._is_set = int(str(payload.get("value"))) >= self._seconds
            return None if self._is_set else {"status": "Rejected"}
        is_triggered = action == "TriggerMessage" and payload.get("requestedMessage") == "MeterValues"
        return {"status": "Rejected"} if is_triggered else None

    def samples_every_s(self, asked_s: float) -> float:
        return asked_s if self._is_set else 900.0


class ReportsByTheGrid(Quirk):
    """Of a charger whose own phases are wired so ("STR": the first on L2): it names those of the grid."""

    def __init__(self, rotation: str) -> None:
        self.configuration = {"ConnectorPhaseRotation": f"0.{rotation},1.{rotation}"}
        self._grid = {f"L{own}": f"L{'RST'.index(letter) + 1}" for own, letter in enumerate(rotation, 1)}

    def reports(self, sampled: list[dict[str, str]]) -> list[dict[str, str]]:
        return [
            {**one, "phase": self._grid[one["phase"][:2]] + one["phase"][2:]} if "phase" in one else one
            for one in sampled
        ]


# --- the connection --------------------------------------------------------------------------------------------------


class Dials(Quirk):
    """It dials late at first, and late when it was cut off; inf: not at all."""

    def __init__(self, *, first_s: float = 0.0, again_s: float = 0.0) -> None:
        self.first_s = first_s
        self.again_s = min(again_s, NEVER_S)


class Trusts(Quirk):
    """It dials with TLS, and hangs up without a word on a certificate that it can't verify."""

    def __init__(self, authority: str | None) -> None:
        """`authority`: what was uploaded, PEM; None: nothing."""
        self.tls = ssl.create_default_context()
        if authority is not None:
            self.tls.load_verify_locations(cadata=authority)


class ValidatesByTheOldSchema(Quirk):
    """It offers OCPP 2.0.1, and holds SetChargingProfile of it against the schema of 1.6."""

    def answers(self, action: str, payload: Fields) -> Answer:
        return "FormationViolation" if action == "SetChargingProfile" and "csChargingProfiles" not in payload else None


class OddTexts(Quirk):
    """Units that no schema knows, letters in a charset of its own, and texts that are too long."""

    def reports(self, sampled: list[dict[str, str]]) -> list[dict[str, str]]:
        odd = {"context": "Sample.Periodic", "format": "Raw"}
        return [
            {**odd, "measurand": "Frequency", "unit": "Hz", "value": "50.0"},
            {**odd, "measurand": "Temperature", "unit": "\xb0C", "value": "25"},
            *sampled,
        ]

    def writes(self, action: str, text: bytes) -> bytes:
        text = text.replace("\xb0".encode(), b"\xb0")  # Latin-1
        if action == "BootNotification":
            return text.replace(b'"firmwareVersion":"', b'"firmwareVersion":"' + b"9" * 60)
        return text


def _unit(fields: Fields) -> object:
    return fields["chargingSchedule"]["chargingRateUnit"]
