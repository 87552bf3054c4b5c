"""What the model's client adds to its requests is in those made ahead."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.adapters.langchain.calls import assert_same, made
from tests.adapters.langchain.test_refusals import Accelerate, llm_outcomes, with_llm
from tests.differential.langchain_parts import chat
from tests.stub_openai import StubOpenAI


@pytest.mark.parametrize(
    "settings",
    [
        {"default_headers": {"x-tenant": "t"}, "organization": "o"},
        {"model_kwargs": {"extra_headers": {"x": "y"}}},
    ],
)
async def test_whatever_the_client_adds_is_in_the_requests_ahead(
    settings: dict[str, Any], stub: StubOpenAI, fast: Accelerate, proven: Callable[[], None]
) -> None:
    original = with_llm(chat(stub.base_url, **settings))
    accelerated = fast(original)
    proven()
    expected = await made(original, "invoke", stub)
    assert_same(expected, await made(accelerated, "invoke", stub))
    assert llm_outcomes(accelerated) == ["hit"]
