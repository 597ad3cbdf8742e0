"""What is fuzzed: an input of the program, what it must do with any bytes, and the corpus it starts from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"

NUMBERS = (
    b"0",
    b"-1",
    b"-0.0",
    b"1e308",
    b"1e400",
    b"-1e308",
    b"NaN",
    b"nan",
    b"inf",
    b"-inf",
    b"Infinity",
    b"9223372036854775808",
    b"18446744073709551616",
    b"0.1",
    b"1e-320",
    b"9" * 400,
    b"9" * 5000,
)
TEXTS = (
    b'""',
    b'"\\ud800"',
    b"null",
    b"true",
    b"[]",
    b"{}",
    b"[[]]",
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xae",
)


@dataclass(frozen=True, slots=True)
class Target:
    """`check` raises if the program does with these bytes what it must not."""

    name: str
    check: Callable[[bytes], None]
    words: tuple[bytes, ...]
    """Besides the usual numbers and texts."""
    share: float = 1.0
    """Of the examples that a run is told to make; less where each takes long."""

    @property
    def corpus(self) -> list[Path]:
        return sorted(one for one in (CORPUS / self.name).iterdir() if one.is_file())

    @property
    def dictionary(self) -> tuple[bytes, ...]:
        return (*self.words, *NUMBERS, *TEXTS)
