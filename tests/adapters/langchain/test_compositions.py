"""What is built around an accelerated chain leaves it accelerated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda, RunnableParallel, RunnableSequence

from ayo_bridge import stats
from ayo_bridge.lift.subclass import state_of
from tests.differential.langchain_parts import chat
from tests.faults.matrix.entries import multi_query
from tests.stub_openai import StubOpenAI
from tests.wire.sending import lines

UP = RunnableLambda(str.upper)
COMPOSITIONS: dict[str, Callable[[Any], Any]] = {
    "chain | f": lambda chain: chain | str.upper,
    "f | chain": lambda chain: RunnableLambda(lambda question: question) | chain,
    "pipe": lambda chain: chain.pipe(UP),
    "sequence": lambda chain: RunnableSequence(chain, UP),
    "parallel": lambda chain: RunnableParallel(a=chain),
    "with_retry": lambda chain: chain.with_retry(),
    "with_config": lambda chain: chain.with_config(tags=["t"]),
    "bind": lambda chain: chain.bind(),
}


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_it_stays_accelerated(name: str, stub: StubOpenAI, fast: Callable[[Any], Any]) -> None:
    stub.text = lines
    chain = multi_query(chat(stub.base_url, max_tokens=32))
    accelerated = fast(chain)
    composed = COMPOSITIONS[name](accelerated)
    for question in ("one", "two"):
        assert composed.invoke(question) == COMPOSITIONS[name](chain).invoke(question)
    counted = accelerated if state_of(composed) is None else composed
    assert stats(counted).calls + stats(accelerated).calls >= 2
