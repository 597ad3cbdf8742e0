"""Cards and tags in memory: whose may charge, and which one is being learned.

Chargers ask on the control thread and are answered at once; people change on other threads. What is changed by people
is durable before it counts; what chargers tell (a tag that was learned, when one was last seen) is kept by `flush`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ampacity.core.errors import AmpacityError
from ampacity.core.site import ChargerId
from ampacity.links.ocpp.tags import LONGEST_TAG, OWN_TAG, TagVerdict, normal_tag

LEARN_S = 120.0
BY_LEARNING = "learning"
"""Who has added a tag that was learned; in the audit."""


class TagInvalid(AmpacityError):
    """No charger would send it."""

    code = "tag-invalid"
    remedy = f"Write the tag's number as the charger tells it, up to {LONGEST_TAG} characters; or learn it."


class TagTaken(AmpacityError):
    """A tag belongs to one."""

    code = "tag-taken"
    remedy = "Change the one that is there, or remove it."


class TagUnknown(AmpacityError):
    """There is no such tag."""

    code = "tag-unknown"
    remedy = "Look at the list of tags; it may have been removed meanwhile."


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTag:
    """A tag that may charge."""

    tag: str
    """In the form of `normal_tag`."""
    name: str = ""
    account: int | None = None
    """Whose it is: sessions that it begins are this account's. None: nobody's in particular."""
    seen_s: float | None = None
    """When it was last held to a charger, UTC; None: never."""
    blocked: bool = False
    """It may not charge now: its account is disabled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """The next tag is learned."""

    until_s: float
    """UTC seconds since 1970."""
    charger: ChargerId | None
    """At which charger; None: at any."""
    tag: str | None = None
    """What was held; None: nothing yet."""
    known: bool = False
    """It had been known before."""


class TagStore(Protocol):
    """Where tags are kept. Blocks; raises StorageError. Tags are in the form of `normal_tag`."""

    def all(self) -> Sequence[KnownTag]: ...

    def put(self, tag: KnownTag, *, who: str, now_s: float) -> None:
        """Adds it, or puts it in the place of the one with this number; with a line in the audit. `blocked` is not
        kept: it is told by the account."""
        ...

    def remove(self, tag: str, *, who: str, now_s: float) -> None: ...

    def seen(self, times: Mapping[str, float]) -> None:
        """When tags were last held, without a line in the audit."""
        ...


class Tags:
    """The register. All methods are for any thread; those that raise StorageError block, the others return at once."""

    def __init__(self, store: TagStore | None = None, *, wall_s: Callable[[], float] = time.time) -> None:
        """Until `load` was called, every tag may charge. `store`: None keeps nothing. `wall_s`: UTC since 1970."""
        self._store = store
        self._wall_s = wall_s
        self._known: dict[str, KnownTag] = {}
        self._required = False
        self._learning: Learning | None = None
        self._learned: dict[str, float] = {}
        """Tags that were learned and are not kept yet."""
        self._seen: dict[str, float] = {}
        """Times that are not kept yet."""
        self._lock = threading.Lock()
        """For what is in memory; never held while something blocks."""
        self._writing = threading.Lock()
        """Held while something is kept: two who change the same tag take turns."""

    # --- chargers ---

    def verdict(self, charger: ChargerId, tag: str) -> TagVerdict:
        """Whether it may charge. It is `ampacity.links.ocpp.tags.Authorise`."""
        tag = normal_tag(tag)
        with self._lock:
            if tag == normal_tag(OWN_TAG):
                return TagVerdict.INVALID if self._required else TagVerdict.ACCEPTED
            now_s = self._wall_s()
            known = self._known.get(tag)
            if known is None and self._is_learning(charger, now_s) and is_tag(tag):
                known = self._known[tag] = KnownTag(tag=tag)
                self._learned[tag] = now_s
                self._told(tag, known=False)
            elif known is not None and self._is_learning(charger, now_s):
                self._told(tag, known=True)
            if known is None:
                return TagVerdict.INVALID if self._required else TagVerdict.ACCEPTED
            self._known[tag] = replace(known, seen_s=now_s)
            self._seen[tag] = now_s
            return TagVerdict.BLOCKED if known.blocked else TagVerdict.ACCEPTED

    # --- people ---

    @property
    def required(self) -> bool:
        """Whether only known tags may charge."""
        return self._required

    def require(self, required: bool) -> None:
        """From now on. Sessions that go on, go on."""
        with self._lock:
            self._required = required

    def all(self) -> list[KnownTag]:
        """Those with a name first, by name."""
        with self._lock:
            return sorted(self._known.values(), key=lambda one: (not one.name, one.name.casefold(), one.tag))

    def get(self, tag: str) -> KnownTag | None:
        with self._lock:
            return self._known.get(normal_tag(tag))

    def add(self, tag: str, *, name: str, account: int | None, who: str) -> KnownTag:
        """
        Raises:
            TagInvalid, TagTaken, StorageError
        """
        tag = normal_tag(tag)
        if not is_tag(tag):
            raise TagInvalid(f"{tag[:40]!r} is not what a tag is called.")
        with self._writing:
            before = self.get(tag)
            if before is not None and (before.name or before.account is not None):
                raise TagTaken(f"There is a tag {tag} already, called {before.name or '(no name)'}.")
            return self._put(replace(before or KnownTag(tag=tag), name=name, account=account), who)

    def change(self, tag: str, *, name: str, account: int | None, who: str) -> KnownTag:
        """
        Raises:
            TagUnknown, StorageError
        """
        with self._writing:
            before = self.get(tag)
            if before is None:
                raise TagUnknown(f"There is no tag {tag[:40]!r}.")
            return self._put(replace(before, name=name, account=account), who)

    def remove(self, tag: str, *, who: str) -> None:
        """It is not known any more: where known tags are required, it can't begin another session.

        Raises:
            TagUnknown, StorageError
        """
        tag = normal_tag(tag)
        with self._writing:
            if self.get(tag) is None:
                raise TagUnknown(f"There is no tag {tag[:40]!r}.")
            if self._store is not None:
                self._store.remove(tag, who=who, now_s=self._wall_s())
            with self._lock:
                for known in (self._known, self._learned, self._seen):
                    known.pop(tag, None)

    # --- learning ---

    def learn(self, charger: ChargerId | None = None) -> Learning:
        """The next tag that is held, within two minutes, is learned, and may charge at once."""
        with self._lock:
            self._learning = Learning(until_s=self._wall_s() + LEARN_S, charger=charger)
            return self._learning

    def learning(self) -> Learning | None:
        """What is being learned, or was; None: nothing, or nothing was held in time."""
        with self._lock:
            one = self._learning
            if one is not None and one.tag is None and one.until_s <= self._wall_s():
                self._learning = one = None
            return one

    def forget_learning(self) -> None:
        """Nothing is learned any more. What was, stays."""
        with self._lock:
            self._learning = None

    # --- keeping ---

    def load(self) -> None:
        """Reads all that is kept. To be called at the start, and when accounts were disabled, enabled or removed.

        Raises:
            StorageError
        """
        if self._store is None:
            return
        with self._writing:
            kept = {one.tag: one for one in self._store.all()}
            with self._lock:
                for tag, at_s in self._seen.items():
                    if tag in kept:
                        kept[tag] = replace(kept[tag], seen_s=at_s)
                for tag in self._learned:
                    kept.setdefault(tag, self._known[tag])
                self._known = kept

    def flush(self) -> None:
        """Keeps what chargers told since the last time.

        Raises:
            StorageError: it is tried again the next time.
        """
        if self._store is None:
            return
        with self._writing:
            with self._lock:
                learned = [self._known[tag] for tag in self._learned]
                seen = {tag: at_s for tag, at_s in self._seen.items() if tag not in self._learned}
            for one in learned:
                self._store.put(one, who=BY_LEARNING, now_s=self._wall_s())
            if seen:
                self._store.seen(seen)
            with self._lock:
                for one in learned:
                    self._learned.pop(one.tag, None)
                    if self._seen.get(one.tag) == one.seen_s:
                        del self._seen[one.tag]
                for tag, at_s in seen.items():
                    if self._seen.get(tag) == at_s:
                        del self._seen[tag]

    def _put(self, tag: KnownTag, who: str) -> KnownTag:
        if self._store is not None:
            self._store.put(tag, who=who, now_s=self._wall_s())
        with self._lock:
            newest = self._known.get(tag.tag)
            self._known[tag.tag] = tag = replace(tag, seen_s=newest.seen_s if newest is not None else tag.seen_s)
            self._learned.pop(tag.tag, None)
        return tag

    def _is_learning(self, charger: ChargerId, now_s: float) -> bool:
        one = self._learning
        return one is not None and one.tag is None and now_s < one.until_s and one.charger in (None, charger)

    def _told(self, tag: str, *, known: bool) -> None:
        if self._learning is not None:
            self._learning = replace(self._learning, tag=tag, known=known)


def is_tag(tag: str) -> bool:
    """Whether a charger may send it, and it is not ours."""
    tag = normal_tag(tag)
    return 0 < len(tag) <= LONGEST_TAG and tag.isprintable() and tag != normal_tag(OWN_TAG)
