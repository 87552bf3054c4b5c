"""A function that makes a store for each call asks the same, though ids and stores are others."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import SimpleVectorStore, VectorStoreQuery

from ayo_bridge import Runtime, accelerate
from ayo_bridge.verify.comparing import Comparison
from ayo_bridge.verify.report import Outcome
from ayo_bridge.verify.target import known
from tests.adapters.python.programs import asked, client_of
from tests.stub_openai import StubOpenAI

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def _program(stub: StubOpenAI, wanted: int) -> Callable[[str], str]:
    client = client_of(stub)

    def answer(query: str) -> str:
        store = SimpleVectorStore()
        nodes = [TextNode(text=word, embedding=[1.0, len(word)]) for word in query.split()]
        ids = store.add(nodes)
        found = store.query(
            VectorStoreQuery(query_embedding=[1.0, 0.0], similarity_top_k=wanted, node_ids=ids)
        )
        texts = {node.node_id: node.text for node in nodes}
        return asked(client, " ".join(texts[each] for each in found.ids or []))

    return answer


@pytest.mark.parametrize(("wanted", "outcome"), [(2, Outcome.SAME), (1, Outcome.DIFFERS)])
def test_stores_of_its_own_are_no_difference_and_what_is_searched_is(
    wanted: int, outcome: Outcome
) -> None:
    with StubOpenAI(latency=0.0) as stub, closing(Runtime(templates=False)) as runtime:
        loaded = known(_program(stub, 2), "answer")
        fast = accelerate(_program(stub, wanted), runtime=runtime)
        comparison = Comparison(loaded, fast, runtime)
        with closing(comparison):
            compared = comparison.compare("what is a bridge over").compared
        assert compared.outcome is outcome, compared
