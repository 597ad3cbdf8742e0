"""Printing never holds up control, whoever reads."""

from __future__ import annotations

import os

from ampacity.cli.printer import printer


def test_lines_arrive_in_order() -> None:
    reader, output = os.pipe()
    with printer(output) as put:
        for number in range(100):
            put(f"line {number}")
    os.close(output)
    with os.fdopen(reader) as file:
        assert file.read().splitlines() == [f"line {number}" for number in range(100)]


def test_a_reader_that_does_not_read_holds_nobody_up() -> None:
    reader, output = os.pipe()
    with printer(output) as put:
        for _ in range(5000):
            put("x" * 1000)
    os.close(reader)
    os.close(output)


def test_what_is_left_out_is_left_out_whole() -> None:
    reader, output = os.pipe()
    with printer(output) as put:
        for _ in range(5000):
            put("x" * 99)
        with os.fdopen(reader) as file:
            assert {len(file.readline()) for _ in range(500)} == {100}


def test_a_reader_that_is_gone_ends_the_printing_alone() -> None:
    reader, output = os.pipe()
    os.close(reader)
    with printer(output) as put:
        for _ in range(2000):
            put("nobody")
    os.close(output)
