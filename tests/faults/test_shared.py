"""Worker processes share an engine while it, or one of them, is killed under load.

``python -m tests.faults.shared`` does it for two minutes, with a real model, and on Ray too.
"""

from __future__ import annotations

import random

import pytest

from tests.faults.shared.killing import folder, under_fire
from tests.faults.shared.places import place


@pytest.fixture(autouse=True)
def _leaves_nothing() -> None:
    """The process from which workers are forked ends with this one; a run looks for the rest."""


@pytest.mark.parametrize("kind", ["process", "worker"])
def test_every_question_is_answered_and_nothing_is_left(kind: str) -> None:
    with folder() as sockets, place(kind, sockets, random.Random(1)) as made:
        found = under_fire(made, seconds=0.6, every=0.3, workers=2, pause=0.01)
    assert found.good, found
