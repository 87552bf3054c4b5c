"""A call that serves several tenants, and tenants whose documents are told apart by a filter."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import Any

import pytest
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.vector_stores import ExactMatchFilter, MetadataFilters

from ayo_bridge import Runtime, accelerate
from tests.adapters.python.programs import asked, client_of, learned, question
from tests.stub_openai import StubOpenAI

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
TENANTS = ("first", "second", "third")


def test_a_client_that_one_job_has_used_asks_nothing_for_another_job(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    clients = {name: client_of(stub, key=name) for name in TENANTS}

    def served(given: tuple[str, str]) -> str:
        name, query = given
        causes = asked(clients[name], f"List the causes: {query}")
        effects = asked(clients[name], f"List the effects: {query}")
        return causes + effects

    def answers(queries: list[str], names: list[str]) -> list[str]:
        pairs = list(zip(names, queries, strict=True))
        with ThreadPoolExecutor(len(pairs)) as pool:
            return list(pool.map(lambda pair: copy_context().run(served, pair), pairs))

    fast = accelerate(answers, runtime=runtime)
    for number in range(5):
        fast([question(number), question(number + 20), question(number + 40)], ["first"] * 3)
    learned(fast)
    stub.reset()
    owners: dict[str, str] = {}
    for number in range(5, 9):
        queries = [question(number), question(number + 20), question(number + 40)]
        owners.update(zip(queries, TENANTS, strict=True))
        fast(queries, list(TENANTS))
    time.sleep(0.05)
    assert len(stub.requests) >= 24
    for request in stub.requests:
        (owner,) = (name for query, name in owners.items() if query in request.prompt)
        assert request.headers["authorization"] == f"Bearer {owner}"


def test_what_a_search_with_filters_has_found_is_no_constant_of_the_program(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    tenant: ContextVar[str] = ContextVar("tenant")
    client = client_of(stub)
    index = VectorStoreIndex.from_documents(
        [Document(text=f"A secret of the {t} tenant", metadata={"t": t}) for t in TENANTS],
        embed_model=MockEmbedding(8),
    )

    def answer(query: str) -> str:
        polite = asked(client, f"Is this polite? {query}")
        own: Any = MetadataFilters(filters=[ExactMatchFilter(key="t", value=tenant.get())])
        found = index.as_retriever(similarity_top_k=1, filters=own).retrieve(query)
        texts = "\n".join(each.text for each in found)
        return polite + asked(client, f"{texts}\nWhat follows for this? {query}")

    fast = accelerate(answer, runtime=runtime)
    tenant.set("first")
    for number in range(6):
        fast(question(number))
    time.sleep(0.3)  # Whatever could be learned by now has been.
    tenant.set("second")
    stub.reset()
    for number in range(6, 10):
        assert fast(question(number)) == answer(question(number))
    time.sleep(0.05)
    assert not [each for each in stub.requests if "the first tenant" in each.prompt]
