"""A debug switch: every message to and from a charger, held against the official schemas.

They come with the `ocpp` package, and are not ours to ship: the Open Charge Alliance licenses them CC BY-ND 4.0.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

_FOLDERS = {"1.6": "v16", "2.0.1": "v201", "2.1": "v21"}
MOST_TOLD = 200
"""Different breaches of one charger that are logged."""
MOST_OPEN = 100
"""Requests whose answer is awaited."""

Validator = Any
"""One of jsonschema_rs: it has `iter_errors`."""

_log = structlog.get_logger("ampacity.ocpp.check")


class MessageCheck:
    """All schemas of all versions, each read when it is first needed."""

    def __init__(self, packages: Path, validator_for: Callable[[Any], Validator]) -> None:
        """`packages`: where the folders v16, v201 and v21 are."""
        self._packages = packages
        self._validator_for = validator_for
        self._validators: dict[tuple[str, str], Validator | None] = {}

    def link(self, charger: str, version: str) -> CheckedLink:
        """For one connection."""
        return CheckedLink(self, charger, version)

    def breaches(self, version: str, message: str, payload: Any) -> list[str]:
        """What is wrong, in words, each with its place. `message`: `BootNotification`, `BootNotificationResponse`."""
        validator = self._validator(version, message)
        if validator is None:
            return [f"OCPP {version} has no {message}"]
        return [
            f"/{'/'.join(map(str, one.instance_path))}: {one.message[:200]}" for one in validator.iter_errors(payload)
        ]

    def _validator(self, version: str, message: str) -> Validator | None:
        key = (version, message)
        if key not in self._validators:
            self._validators[key] = self._read(version, message)
        return self._validators[key]

    def _read(self, version: str, message: str) -> Validator | None:
        folder = self._packages / _FOLDERS[version] / "schemas"
        for name in (f"{message}.json", f"{message}Request.json"):
            # The name may come from a charger: it is no path.
            if message.isalnum() and (folder / name).is_file():
                return self._validator_for(json.loads((folder / name).read_text(encoding="utf-8-sig")))
        return None


class CheckedLink:
    """The messages of one connection, counted, and what breaks the schemas logged, each thing once."""

    def __init__(self, check: MessageCheck, charger: str, version: str) -> None:
        self._check = check
        self._charger = charger
        self._version = version
        self._told: set[str] = set()
        self._asked_by_us: OrderedDict[str, str] = OrderedDict()
        self._asked_by_it: OrderedDict[str, str] = OrderedDict()
        self.messages = 0
        self.wrong_sent = 0
        self.wrong_received = 0

    def sent(self, text: str) -> None:
        found = self._breaches(text, self._asked_by_us, self._asked_by_it)
        self.wrong_sent += bool(found)
        self._tell("ocpp-check-sent", found, "It is our mistake: report this with the log around it.")

    def received(self, message: bytes | str) -> None:
        found = self._breaches(message, self._asked_by_it, self._asked_by_us)
        self.wrong_received += bool(found)
        self._tell("ocpp-check-received", found, "It is the charger's mistake; what can be used of it counts.")

    def closed(self) -> None:
        _log.info(
            "ocpp-checked",
            charger=self._charger,
            version=self._version,
            messages=self.messages,
            wrong_sent=self.wrong_sent,
            wrong_received=self.wrong_received,
        )

    def _breaches(
        self, message: bytes | str, asked: OrderedDict[str, str], asked_by_other: OrderedDict[str, str]
    ) -> list[tuple[str, str]]:
        self.messages += 1
        try:
            frame = json.loads(message)
        except (ValueError, RecursionError) as error:
            return [("frame", f"not JSON: {error}")]
        match frame:
            case [2, str(number), str(action), payload]:
                asked[number] = action
                if len(asked) > MOST_OPEN:
                    asked.popitem(last=False)
                name = action
            case [3, str(number), payload]:
                known = asked_by_other.pop(number, None)
                if known is None:
                    return [("frame", f"an answer to no request: {number[:40]}")]
                name = f"{known}Response"
            case [4, str(number), str(), str(), dict()]:
                asked_by_other.pop(number, None)
                return []
            case [5, str(), str(), str(), dict()] if self._version == "2.1":
                return []
            case [6, str(), str(name), payload] if self._version == "2.1":
                pass
            case _:
                return [("frame", f"not an OCPP-J frame of OCPP {self._version}")]
        return [(name[:60], one) for one in self._check.breaches(self._version, name, payload)]

    def _tell(self, code: str, found: list[tuple[str, str]], remedy: str) -> None:
        tell = _log.error if code == "ocpp-check-sent" else _log.warning
        for message, what in found:
            key = f"{code} {message} {what}"
            if key not in self._told and len(self._told) < MOST_TOLD:
                self._told.add(key)
                tell(code, charger=self._charger, version=self._version, message=message, what=what, remedy=remedy)


def message_check() -> MessageCheck | None:
    """None, and the log says so: what it needs is not installed."""
    # Found by name, as nobody else needs them: loading them costs a quarter of a second and 20 MB.
    package = importlib.util.find_spec("ocpp")
    if package is None or package.origin is None or importlib.util.find_spec("jsonschema_rs") is None:
        _log.error(
            "ocpp-check-missing",
            what="Messages can't be checked: the official schemas are not installed.",
            remedy="Run: pip install 'ampacity[check]', or take check_messages and --check-ocpp away.",
        )
        return None
    validator_for = importlib.import_module("jsonschema_rs").validator_for
    _log.warning("ocpp-check", what="Every message is held against the official schemas; this costs time.")
    return MessageCheck(Path(package.origin).parent, validator_for)
