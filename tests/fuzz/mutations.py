"""Inputs that are nearly right: seeds, with bits, parts and words of them changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

MOST_CHANGES = 4
LONGEST_PART = 64


@dataclass(frozen=True, slots=True)
class Input:
    """Bytes that are not written out when they fail: they may be many."""

    data: bytes

    def __repr__(self) -> str:
        return f"Input({len(self.data)} bytes)"


Change = Callable[[bytearray, int, int, bytes], None]

_places = st.integers(0, 2**16)


def _flip(body: bytearray, at: int, length: int, _: bytes) -> None:
    if body:
        body[at % len(body)] ^= 1 << length % 8


def _truncate(body: bytearray, at: int, _length: int, _: bytes) -> None:
    del body[at % (len(body) + 1) :]


def _remove(body: bytearray, at: int, length: int, _: bytes) -> None:
    begin = at % (len(body) + 1)
    del body[begin : begin + length % LONGEST_PART]


def _repeat(body: bytearray, at: int, length: int, _: bytes) -> None:
    begin = at % (len(body) + 1)
    body[begin:begin] = body[begin : begin + length % (4 * LONGEST_PART)]


def _insert(body: bytearray, at: int, _length: int, word: bytes) -> None:
    begin = at % (len(body) + 1)
    body[begin:begin] = word


def _replace(body: bytearray, at: int, length: int, word: bytes) -> None:
    begin = at % (len(body) + 1)
    body[begin : begin + length % 16] = word


def _replace_value(body: bytearray, at: int, _length: int, word: bytes) -> None:
    """From the next `=`, `:` or `,` to the end of that value."""
    begin = at % (len(body) + 1)
    while begin < len(body) and body[begin] not in b"=:,[":
        begin += 1
    end = begin + 1
    while end < len(body) and body[end] not in b",]}\n":
        end += 1
    body[begin + 1 : end] = word


def _splice(body: bytearray, at: int, length: int, other: bytes) -> None:
    """Goes on as another seed does."""
    body[at % (len(body) + 1) :] = other[length % (len(other) + 1) :]


_BY_WORD: tuple[Change, ...] = (_flip, _truncate, _remove, _repeat, _insert, _replace, _replace_value, _replace_value)


def mutated(seeds: Sequence[bytes], words: Sequence[bytes]) -> st.SearchStrategy[Input]:
    """One of the seeds, with up to four changes. `words` mean something in inputs of this kind."""
    change = st.tuples(
        st.sampled_from(_BY_WORD), _places, _places, st.sampled_from(words) | st.binary(min_size=1, max_size=4)
    ) | st.tuples(st.just(_splice), _places, _places, st.sampled_from(seeds))

    @st.composite
    def changed(draw: st.DrawFn) -> Input:
        body = bytearray(draw(st.sampled_from(seeds)))
        for how, at, length, word in draw(st.lists(change, max_size=MOST_CHANGES)):
            how(body, at, length, word)
        return Input(bytes(body))

    return changed()
