"""Replicas go away under load and come back: every question is answered as it always is.

``python -m tests.faults.replicas`` kills real processes for two minutes.
"""

from __future__ import annotations

import random
import time
from contextlib import ExitStack

import pytest

from ayo_bridge.engines.openai_http import replica_checks
from tests.differential.harness import EagerRuntime
from tests.faults.replicas.killing import under_fire
from tests.stub_openai import StubOpenAI


def test_replicas_that_go_and_come_back_cost_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica_checks, "EVERY", 0.05)
    chance = random.Random(1)
    with ExitStack() as stack:
        stubs = [stack.enter_context(StubOpenAI(latency=0.02)) for _ in range(3)]

        def strike() -> None:
            victim = chance.choice(stubs)
            victim.loop.call_soon_threadsafe(victim._restart, 0.15)
            time.sleep(0.3)

        urls = [stub.base_url for stub in stubs]
        seen = under_fire(urls, "stub", strike, seconds=1.5, users=4, make=EagerRuntime)
        asked = [stub.served for stub in stubs]
    assert not seen.wrong, seen
    assert not seen.failed, seen
    assert seen.right
    assert seen.hits, seen
    assert min(asked) > 0, asked
