"""The register of tags: chargers ask it, people change it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampacity.core.site import ChargerId
from ampacity.links.ocpp.tags import OWN_TAG, Authorise, TagVerdict
from ampacity.runtime.tags import LEARN_S, KnownTag, TagInvalid, Tags, TagTaken, TagUnknown

LEFT, RIGHT = ChargerId("left"), ChargerId("right")
ACCEPTED, BLOCKED, INVALID = TagVerdict.ACCEPTED, TagVerdict.BLOCKED, TagVerdict.INVALID


@dataclass
class Kept:
    """A table of tags."""

    rows: dict[str, KnownTag] = field(default_factory=dict)
    audit: list[tuple[str, str]] = field(default_factory=list)
    fails: bool = False

    def all(self) -> Sequence[KnownTag]:
        return list(self.rows.values())

    def put(self, tag: KnownTag, *, who: str, now_s: float) -> None:
        self._work()
        self.rows[tag.tag] = tag
        self.audit.append((who, tag.tag))

    def remove(self, tag: str, *, who: str, now_s: float) -> None:
        self._work()
        del self.rows[tag]
        self.audit.append((who, tag))

    def seen(self, times: Mapping[str, float]) -> None:
        self._work()
        for tag, at_s in times.items():
            if tag in self.rows:
                self.rows[tag] = replace(self.rows[tag], seen_s=at_s)

    def _work(self) -> None:
        if self.fails:
            raise OSError("the disk is full")


@dataclass
class Wall:
    at_s: float = 1000.0

    def __call__(self) -> float:
        return self.at_s


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def kept() -> Kept:
    return Kept({"AB12": KnownTag(tag="AB12", name="Ann"), "DEAD": KnownTag(tag="DEAD", blocked=True)})


@pytest.fixture
def tags(kept: Kept, wall: Wall) -> Tags:
    tags = Tags(kept, wall_s=wall)
    tags.load()
    return tags


def test_any_tag_may_charge_until_known_ones_are_required(tags: Tags) -> None:
    assert tags.verdict(LEFT, "FFFF") is ACCEPTED
    tags.require(True)
    assert [tags.verdict(LEFT, one) for one in ("AB12", "FFFF", "", "X" * 30)] == [ACCEPTED, INVALID, INVALID, INVALID]


def test_a_blocked_tag_may_not_charge_even_where_any_may(tags: Tags) -> None:
    assert tags.verdict(LEFT, "DEAD") is BLOCKED


@given(st.sampled_from(["ab12", "AB12", "aB12", " AB12 "]))
def test_a_tag_is_the_same_in_capital_and_small_letters(written: str) -> None:
    tags = Tags()
    tags.add("Ab12", name="Ann", account=None, who="Ann")
    tags.require(True)
    assert tags.verdict(LEFT, written) is ACCEPTED


def test_our_own_tag_starts_a_car_only_where_any_tag_may(tags: Tags) -> None:
    assert tags.verdict(LEFT, OWN_TAG) is ACCEPTED
    tags.require(True)
    tags.learn()
    assert tags.verdict(LEFT, OWN_TAG) is INVALID
    learning = tags.learning()
    assert learning is not None
    assert learning.tag is None


def test_the_next_tag_at_a_charger_is_learned_and_may_charge(tags: Tags, kept: Kept) -> None:
    tags.require(True)
    assert tags.learn(LEFT).until_s == 1000.0 + LEARN_S
    assert [tags.verdict(RIGHT, "C0DE"), tags.verdict(LEFT, "c0de"), tags.verdict(RIGHT, "C0DE")] == [
        INVALID,
        ACCEPTED,
        ACCEPTED,
    ]
    learning = tags.learning()
    assert learning is not None
    assert (learning.tag, learning.known) == ("C0DE", False)
    assert tags.verdict(LEFT, "FFFF") is INVALID  # one, and no more
    tags.flush()
    assert kept.rows["C0DE"].seen_s == 1000.0
    assert kept.audit == [("learning", "C0DE")]


def test_a_tag_that_was_known_before_is_told_to_be(tags: Tags) -> None:
    tags.learn()
    tags.verdict(LEFT, "AB12")
    learning = tags.learning()
    assert learning is not None
    assert (learning.tag, learning.known) == ("AB12", True)


def test_learning_ends_after_two_minutes_or_when_it_is_called_off(tags: Tags, wall: Wall) -> None:
    tags.require(True)
    tags.learn()
    wall.at_s += LEARN_S
    assert tags.verdict(LEFT, "FFFF") is INVALID
    assert tags.learning() is None
    tags.learn()
    tags.forget_learning()
    assert tags.verdict(LEFT, "FFFF") is INVALID


def test_a_learned_tag_gets_a_name_afterwards(tags: Tags, kept: Kept) -> None:
    tags.learn()
    tags.verdict(LEFT, "C0DE")
    tags.add("C0DE", name="Ben", account=3, who="Ann")
    tags.flush()
    assert (kept.rows["C0DE"].name, kept.rows["C0DE"].account) == ("Ben", 3)
    assert kept.audit == [("Ann", "C0DE")]


def test_what_can_not_be_a_tag_is_refused(tags: Tags) -> None:
    for tag in ("", "X" * 21, "a\nb", OWN_TAG):
        with pytest.raises(TagInvalid):
            tags.add(tag, name="", account=None, who="Ann")


def test_a_tag_with_a_name_is_not_given_to_another(tags: Tags) -> None:
    with pytest.raises(TagTaken):
        tags.add("ab12", name="Ben", account=None, who="Ann")


def test_changing_and_removing_need_a_known_tag(tags: Tags, kept: Kept) -> None:
    assert tags.change("ab12", name="Anna", account=2, who="Ann").name == "Anna"
    tags.remove("ab12", who="Ann")
    assert "AB12" not in kept.rows
    tags.require(True)
    assert tags.verdict(LEFT, "AB12") is INVALID
    with pytest.raises(TagUnknown):
        tags.remove("AB12", who="Ann")
    with pytest.raises(TagUnknown):
        tags.change("AB12", name="", account=None, who="Ann")


def test_when_a_tag_was_seen_is_kept_later_and_again_if_it_failed(tags: Tags, kept: Kept, wall: Wall) -> None:
    wall.at_s = 2000.0
    tags.verdict(LEFT, "AB12")
    kept.fails = True
    with pytest.raises(OSError, match="full"):
        tags.flush()
    kept.fails = False
    tags.flush()
    assert kept.rows["AB12"].seen_s == 2000.0
    assert tags.all()[0].seen_s == 2000.0


def test_what_can_not_be_kept_does_not_count(tags: Tags, kept: Kept) -> None:
    kept.fails = True
    with pytest.raises(OSError, match="full"):
        tags.add("C0DE", name="Ben", account=None, who="Ann")
    assert tags.get("C0DE") is None


def test_reading_again_keeps_what_chargers_told_meanwhile(tags: Tags, kept: Kept) -> None:
    tags.learn()
    tags.verdict(LEFT, "C0DE")
    tags.verdict(LEFT, "AB12")
    kept.rows["DEAD"] = KnownTag(tag="DEAD")
    tags.load()
    assert {one.tag: (one.seen_s, one.blocked) for one in tags.all()} == {
        "AB12": (1000.0, False),
        "C0DE": (1000.0, False),
        "DEAD": (None, False),
    }


def test_chargers_and_people_may_use_it_at_once(tags: Tags) -> None:
    failed: list[BaseException] = []
    verdict: Authorise = tags.verdict

    def work(name: int) -> None:
        try:
            for n in range(200):
                tag = f"{name}-{n % 7}"
                tags.learn()
                verdict(LEFT, tag)
                tags.flush()
                if tags.get(tag) is not None:
                    tags.remove(tag, who="Ann")
                tags.all()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
