"""What happened, as the app lists it, and as it tells it at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from fastapi.testclient import TestClient
from tests.api.conftest import BOTH, CSRF, HOST, FakeControl

from ampacity.api.access import Role
from ampacity.api.ports import Services
from ampacity.api.server import create
from ampacity.api.stream import Stream
from ampacity.kept import KeptEvents
from ampacity.runtime.chronicle import Chronicle, KeptEvent
from ampacity.runtime.happenings import Event
from ampacity.web.texts import text

pytestmark = BOTH


class Kept:
    """A record in memory."""

    def __init__(self) -> None:
        self.events: list[KeptEvent] = []

    def append(self, events: Sequence[Event]) -> None:
        for event in events:
            self.events.append(KeptEvent(id=len(self.events) + 1, event=event))

    def newest(self, limit: int, *, before: int | None = None, without: Collection[str] = ()) -> Sequence[KeptEvent]:
        known = [one for one in reversed(self.events) if one.event.code not in without]
        return [one for one in known if before is None or one.id < before][:limit]


def offline(at_s: float) -> Event:
    return Event(at_s=at_s, code="charger-offline", params={"charger": "Left", "charger_id": "left"})


def wish(at_s: float) -> Event:
    params = {"charger": "Left", "charger_id": "left", "by": "Ann", "until_s": None}
    return Event(at_s=at_s, code="wish-pause", params=params)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def with_events(services: Services, kept: Kept) -> Services:
    return replace(services, events=Chronicle(kept))


def client(services: Services, role: Role) -> TestClient:
    return TestClient(create(services), base_url=HOST, headers={"x-test-role": role.value, "x-csrf": CSRF})


def codes(answer: TestClient, query: str = "") -> list[tuple[int, str]]:
    return [(one["id"], one["code"]) for one in answer.get(f"/api/v1/events{query}").json()["events"]]


def test_events_come_newest_first_and_page_by_page(with_events: Services, kept: Kept) -> None:
    kept.append([offline(float(n)) for n in range(5)])
    owner = client(with_events, Role.OWNER)
    assert [number for number, _ in codes(owner, "?limit=2")] == [5, 4]
    assert [number for number, _ in codes(owner, "?limit=2&before=4")] == [3, 2]
    assert codes(owner, "?before=1") == []


def test_an_event_has_what_its_text_needs(with_events: Services, kept: Kept) -> None:
    kept.append([offline(5.0)])
    told = client(with_events, Role.KIOSK).get("/api/v1/events").json()["events"]
    assert told == [
        {
            "id": 1,
            "at_s": 5.0,
            "code": "charger-offline",
            "params": {"charger": "Left", "charger_id": "left"},
            "severity": "warning",
            "has_evidence": False,
        }
    ]


EVIDENCE = json.dumps(
    {
        "version": 1,
        "circuit": "House <1>",
        "steps": [
            {
                "charger": "left",
                "at_s": 1e9,
                "from_s": 1e9 - 10,
                "before_a": [0.0],
                "after_a": [16.0],
                "expected_a": [16.0, 0.0, 0.0],
                "shown_a": [0.1, 15.9, 0.2],
                "usual_a": [0.2, 0.2, 0.2],
                "trace_s": [1e9 - 20, 1e9, 1e9 + 10],
                "trace_a": [[3.0, 1.0, 2.0], [3.0, 9.0, 2.0], [3.0, 17.0, 2.0]],
            }
        ],
    }
)


@pytest.fixture
def with_evidence(services: Services) -> Services:
    kept = KeptEvents(services.engine)
    params = {"charger": "Left", "charger_id": "left", "circuit": "House", "found": "L2", "before": "L1"}
    kept.append([offline(1.0), Event(at_s=2.0, code="wiring-moved", params=params, evidence=EVIDENCE)])
    return replace(services, events=Chronicle(kept))


def test_an_event_tells_whether_there_is_something_that_shows_it(with_evidence: Services) -> None:
    told = client(with_evidence, Role.DRIVER).get("/api/v1/events").json()["events"]
    assert [(one["code"], one["has_evidence"]) for one in told] == [("wiring-moved", True), ("charger-offline", False)]


def test_what_shows_an_event_is_a_picture_in_the_words_of_the_reader(with_evidence: Services) -> None:
    driver = client(with_evidence, Role.DRIVER)
    number = driver.get("/api/v1/events").json()["events"][0]["id"]
    picture = driver.get(f"/api/v1/events/{number}/evidence")
    assert picture.headers["content-type"] == "image/svg+xml"
    root = ElementTree.fromstring(picture.content)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    said = "".join(root.itertext())
    assert "House <1>" in said
    assert text("en", "events.picture-expected") in said


def test_an_event_without_evidence_has_no_picture(with_evidence: Services) -> None:
    driver = client(with_evidence, Role.DRIVER)
    number = driver.get("/api/v1/events").json()["events"][1]["id"]
    assert driver.get(f"/api/v1/events/{number}/evidence").status_code == 404
    assert driver.get("/api/v1/events/999999/evidence").status_code == 404
    assert driver.get("/api/v1/events/0/evidence").status_code == 422


def test_evidence_that_is_damaged_is_no_crash(services: Services) -> None:
    kept = KeptEvents(services.engine)
    kept.append([Event(at_s=2.0, code="clamp-lost", params={}, evidence="{}")])
    answer = client(replace(services, events=Chronicle(kept)), Role.OWNER)
    number = answer.get("/api/v1/events").json()["events"][0]["id"]
    assert answer.get(f"/api/v1/events/{number}/evidence").json()["code"] == "picture-not-drawn"


@pytest.mark.parametrize(
    ("role", "seen"), [(Role.OWNER, 2), (Role.INSTALLER, 2), (Role.DRIVER, 1), (Role.KIOSK, 1)], ids=str
)
def test_who_wished_what_only_staff_is_told(with_events: Services, kept: Kept, role: Role, seen: int) -> None:
    kept.append([offline(1.0), wish(2.0)])
    assert len(codes(client(with_events, role))) == seen


@pytest.mark.parametrize(
    ("people", "expected"), [(True, ["wish-pause", "charger-offline"]), (False, ["charger-offline"])]
)
async def test_an_open_page_is_told_at_once_and_only_what_is_for_it(
    with_events: Services, control: FakeControl, monkeypatch: pytest.MonkeyPatch, people: bool, expected: list[str]
) -> None:
    monkeypatch.setattr("ampacity.api.stream.EVERY_S", 0.01)
    control.step()
    with_events.events.put([offline(1.0)])  # before the page was opened
    news = []
    async with asyncio.timeout(20):
        async for part in Stream(with_events, lambda: None).events(lambda: True, people=people):
            if part.startswith(b"event: live"):
                with_events.events.put([wish(2.0), offline(3.0)])
            if part.startswith(b"event: news"):
                news.append(json.loads(part.partition(b"data: ")[2]))
                if news[-1]["code"] == "charger-offline":
                    break
    assert [one["code"] for one in news] == expected
    assert news[-1]["at_s"] == 3.0
