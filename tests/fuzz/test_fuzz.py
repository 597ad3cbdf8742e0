"""Every input takes any bytes: it makes something of them, or says what is wrong with them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from tests.fuzz.files import FILES
from tests.fuzz.findings import Findings
from tests.fuzz.frames import FRAMES
from tests.fuzz.mutations import Input, mutated
from tests.fuzz.sockets import SOCKETS
from tests.fuzz.target import Target

TARGETS = (*FRAMES, *FILES, *SOCKETS)
EXAMPLES = int(os.environ.get("AMPACITY_EXAMPLES", "150"))


def test_every_folder_of_the_corpus_has_its_target(request: pytest.FixtureRequest) -> None:
    folders = {one.name for one in (request.path.parent / "corpus").iterdir()}
    assert folders == {target.name for target in TARGETS}


@pytest.mark.parametrize(
    ("target", "path"),
    [(target, path) for target in TARGETS for path in target.corpus],
    ids=lambda value: value.name,
)
def test_an_input_of_the_corpus_is_taken_or_refused_with_a_reason(target: Target, path: Path) -> None:
    target.check(path.read_bytes())


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_an_input_that_is_nearly_right_is_taken_or_refused_with_a_reason(target: Target, findings: Findings) -> None:
    seeds = [path.read_bytes() for path in target.corpus]

    # To make an input smaller that takes long takes very long.
    phases = [Phase.generate, Phase.shrink] if target.share >= 1 else [Phase.generate]

    @settings(max_examples=max(1, round(EXAMPLES * target.share)), phases=phases, database=None)
    @given(mutated(seeds, target.dictionary))
    def holds(one: Input) -> None:
        data = one.data
        findings.tried(target.name, data)
        target.check(data)
        findings.passed(target.name)

    holds()
