"""Every text of the app is there, in every language."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import re
from pathlib import Path
from typing import Protocol, TypeGuard

import pytest

import ampacity.api
from ampacity.api.entrance import REFUSALS
from ampacity.api.problems import Problem
from ampacity.commission import expiry
from ampacity.commission.guide import BY_HAND
from ampacity.commission.report import ReportNotGenuine
from ampacity.commission.steptest import ground, procedure
from ampacity.commission.steptest.procedure import Ending
from ampacity.commission.tester import JUDGING, ChargerNotThere, TestUnderWay
from ampacity.core.decision import Blindness, Flag, Rule
from ampacity.core.errors import AmpacityError
from ampacity.core.features import Feature
from ampacity.core.observations import ChargerState
from ampacity.links.mail import MailFailed
from ampacity.links.webhook import WebhookFailed
from ampacity.runtime.happenings import CODES, OF_PEOPLE

ROOT = Path(__file__).parents[2]
COMMISSION = ROOT / "src" / "ampacity" / "commission"
CODE = r"[a-z]+(?:-[a-z]+)+"
FOLDER = ROOT / "src" / "ampacity" / "web" / "texts"
LANGUAGES = ("en", "es", "de", "fr", "ca", "nl")
TEXTS = {name: json.loads((FOLDER / f"{name}.json").read_text()) for name in LANGUAGES}
ENGLISH = {f"{group}.{key}": text for group, texts in TEXTS["en"].items() for key, text in texts.items()}
SOURCE = "\n".join(path.read_text() for path in (ROOT / "frontend" / "src").rglob("*.ts*"))
BY_THE_SERVER = {"labels", "events", "mail", "selfcheck", "commission", "terminal"}
"""Groups of which the server itself writes, or the command line."""


class _Text(Protocol):
    value: str


def params(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


def codes() -> set[str]:
    for module in pkgutil.walk_packages(ampacity.api.__path__, "ampacity.api."):
        importlib.import_module(module.name)
    return {kind.code for kind in (*REFUSALS, *subclasses(Problem))}


def subclasses(kind: type[AmpacityError]) -> list[type[AmpacityError]]:
    """And itself."""
    return [kind, *(one for below in kind.__subclasses__() for one in subclasses(below))]


def cautions() -> set[str]:
    source = "".join(path.read_text() for path in (ROOT / "src" / "ampacity" / "config").glob("*.py"))
    return set(re.findall(r"Caution\(\s*\"([a-z0-9-]+)\"", source))


def stages() -> set[str]:
    """Of a test of the commissioning."""
    return {one.value for one in (*procedure.Stage, *expiry.Stage)} | {JUDGING}


def tasks() -> set[str]:
    """Of the commissioning: what the guide makes a `Task` of."""
    source = (COMMISSION / "guide.py").read_text()
    return set(re.findall(r"Task\(code=\"([a-z-]+)\"", source)) | set(BY_HAND)


def findings() -> dict[str, set[str]]:
    """By code of a finding of the commissioning, all that the function which makes it fills in."""
    found: dict[str, set[str]] = {}
    for name in ("guide.py", "told.py", "bus.py"):
        tree = ast.parse((COMMISSION / name).read_text())
        for function in (one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)):
            nodes = list(ast.walk(function))
            given = {word.arg or "" for one in nodes if isinstance(one, ast.Call) for word in one.keywords}
            given |= {key.value for one in nodes if isinstance(one, ast.Dict) for key in one.keys if _is_text(key)}
            for code in {one.value for one in nodes if _is_text(one) and re.fullmatch(CODE, one.value)}:
                found.setdefault(code, set()).update(given)
    for code in re.findall(rf"\"({CODE})\"", (COMMISSION / "bus.py").read_text()):
        found[code] = {"ohm"}
    found |= {
        code: set() for code in re.findall(r"Finding\(code=\"([a-z-]+)\"", (COMMISSION / "dossier.py").read_text())
    }
    found |= {f"step-{one.value}": set() for one in Ending if one is not Ending.DONE}
    found |= {f"expiry-{why.value}": {"needs"} for why in expiry.Open if why is not expiry.Open.UNSEEN}
    fallen = {"safe", "after_s", "before", "last"}
    return found | {f"expiry-{way}{how}": fallen for way in ("linked", "cut") for how in ("", "-not", "-open")}


def _is_text(node: ast.AST | None) -> TypeGuard[_Text]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_text_with_the_same_gaps_to_fill(language: str) -> None:
    own = {f"{group}.{key}": text for group, texts in TEXTS[language].items() for key, text in texts.items()}
    assert own.keys() == ENGLISH.keys()
    assert [key for key, text in own.items() if not text.strip()] == []
    assert {key: params(text) for key, text in own.items()} == {key: params(text) for key, text in ENGLISH.items()}


@pytest.mark.parametrize(
    ("group", "names"),
    [
        ("causes", {rule.value for rule in Rule}),
        ("states", {state.value for state in ChargerState}),
        ("flags", {flag.value for flag in Flag}),
        ("blind", {why.value for why in Blindness}),
        ("features", {feature.value for feature in Feature}),
        ("errors", codes()),
        ("errors", {kind.code for kind in (*subclasses(MailFailed), *subclasses(WebhookFailed))}),
        (
            "errors",
            {
                kind.code
                for kind in (TestUnderWay, ChargerNotThere, ground.NoGround, expiry.NoSureRoom, ReportNotGenuine)
            },
        ),
        ("commission", {f"stage-{stage}" for stage in stages()}),
        ("commission", {f"{word}-{task}" for task in tasks() for word in ("task", "how")}),
        ("events", set(CODES)),
        ("cautions", cautions()),
    ],
)
def test_everything_that_can_be_said_has_its_text(group: str, names: set[str]) -> None:
    assert names - TEXTS["en"][group].keys() == set()


def test_an_events_text_asks_for_nothing_that_the_event_does_not_have() -> None:
    known = {"circuit": {"circuit"}, "charger": {"charger"}}
    more = {
        "link-poor": {"device", "share_pct"},
        "link-fine": {"device"},
        "budget-half": {"used_pct"},
        "limit-exceeded": {"line", "measured_a", "limit_a"},
        "session-ended": {"energy_kwh"},
        "meter-standby": {"meter", "standby"},
        "meter-first-again": {"meter"},
        "controller-started": {"version"},
        "wiring-moved": {"found", "before"},
        "wiring-learned": {"found"},
        "charger-unseen": {"circuit"},
        "report-changed": {"circuit", "share_pct"},
        "clamp-lost": {"lines"},
        "clamp-turned": {"lines"},
        "ratio-changed": {"lines", "share_pct"},
        "notification-failed": {"way"},
        "update-available": {"version"},
    }
    for code in CODES:
        thing = "circuit" if code.startswith(("meter", "budget", "limit", "clamp", "ratio")) else "charger"
        allowed = known[thing] | more.get(code, set()) | ({"by"} if code in OF_PEOPLE else set())
        assert params(TEXTS["en"]["events"][code]) <= allowed, code


def test_every_finding_of_the_commissioning_has_its_text() -> None:
    assert findings().keys() - TEXTS["en"]["commission"].keys() == set()


def test_a_findings_text_asks_for_nothing_that_the_finding_does_not_have() -> None:
    texts = TEXTS["en"]["commission"]
    asked = {code: params(texts[code]) - given for code, given in findings().items() if code in texts}
    assert {code: names for code, names in asked.items() if names} == {}


def test_no_text_of_the_commissioning_is_left_over() -> None:
    server = "\n".join(path.read_text() for path in (ROOT / "src" / "ampacity").rglob("*.py"))
    asked = set(re.findall(r"\"commission\.([\w-]+)\"", SOURCE)) | set(re.findall(r"\"([a-z]+(?:-[a-z]+)+)\"", server))
    made = ("task-", "how-", "stage-", "value-", "report-", "test-ground-")
    left = TEXTS["en"]["commission"].keys() - asked - findings().keys()
    assert {key for key in left if not key.startswith(made)} == set()


def test_every_text_that_the_page_asks_for_is_there_and_none_is_left_over() -> None:
    asked = set(re.findall(r"\bt\(\s*\"([\w-]+\.[\w.-]+)\"", SOURCE)) | set(
        re.findall(
            r"\"((?:app|live|lm|enter|energy|people|security|audit|kiosk|sessions|tags|linking|about|tokens|schedules|chargers|notify|backup|updates|lately|charger|selfcheck|commission)\.[\w-]+)\"",
            SOURCE,
        )
    )
    made = set(re.findall(r"t\([^)]*?`([\w-]+)\.", SOURCE)) | set(re.findall(r"`([\w-]+)\.\$", SOURCE))
    assert asked - ENGLISH.keys() == set()
    left = {key for key in ENGLISH if key not in asked and key.partition(".")[0] not in made | BY_THE_SERVER}
    assert left == set()
