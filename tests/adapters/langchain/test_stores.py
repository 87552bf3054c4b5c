"""Searches of LangChain's stores made ahead, on the real stores: what each asks its client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from ayo_bridge.lift.store_asking import KnownStore
from ayo_bridge.profile import ProfileStore
from ayo_bridge.runahead import Scope
from ayo_bridge.runtime import Runtime
from ayo_bridge.seam import Outcome, entered
from ayo_langchain.known import differs
from ayo_langchain.store_rows import known
from tests.adapters.llamaindex.stores import ahead, outcomes
from tests.differential.harness import Env
from tests.differential.langchain_stores import STORES, close_stores

MODEL = DeterministicFakeEmbedding(size=8)
QUESTION = "what of rivers?"
pytestmark = [
    pytest.mark.real,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*ORM-style PyMilvus API"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    made = Runtime(measure=False, profiles=ProfileStore(tmp_path))
    yield made
    made.close()


class Stores:
    """Each made once; tests that write to one leave it to the next as it is then."""

    def __init__(self) -> None:
        self.made: dict[str, Any] = {}

    def get(self, name: str, request: pytest.FixtureRequest) -> Any:
        if name not in self.made:
            env: Any = Env(None, request.getfixturevalue)  # type: ignore[arg-type]
            self.made[name] = STORES[name][0](env, MODEL)
        return self.made[name]


@pytest.fixture(scope="module")
def stores() -> Iterator[Stores]:
    yield Stores()
    close_stores()


@pytest.fixture
def store(request: pytest.FixtureRequest, stores: Stores) -> Any:
    return stores.get(request.param, request)


def row_of(store: Any) -> KnownStore:
    row = known(store)
    assert row is not None
    assert row.binding.install(), row.binding.status
    assert row.refusal(store, differs) is None
    return row


def searched_ahead(store: Any, runtime: Runtime, settings: dict[str, Any]) -> Scope:
    row, vector = row_of(store), MODEL.embed_query(QUESTION)
    engine = row.engine(store, runtime)
    scope, _ = ahead(
        runtime, engine, lambda _: [row.call(engine, store, (QUESTION,), settings, vector)]
    )
    return scope


@pytest.mark.parametrize("filtered", [False, True])
@pytest.mark.parametrize(("name", "store"), [(n, n) for n in STORES], indirect=["store"])
def test_a_search_takes_what_was_found_ahead(
    name: str, filtered: bool, store: Any, runtime: Runtime
) -> None:
    settings = {"k": 3, **(STORES[name][1]() if filtered else {})}
    expected = store.similarity_search(QUESTION, **settings)
    assert expected
    scope = searched_ahead(store, runtime, settings)
    with entered(scope):
        found = store.similarity_search(QUESTION, **settings)
        store.similarity_search("and of gardens?", **settings)
    assert found == expected
    assert outcomes(scope) == [Outcome.HIT, Outcome.DIRECT]


AWAITED = [name for name in STORES if name not in ("milvus", "pg-collections")]


@pytest.mark.parametrize("store", AWAITED, indirect=True)
async def test_an_awaited_search_does_too(store: Any, runtime: Runtime) -> None:
    expected = await store.asimilarity_search(QUESTION, k=3)
    scope = searched_ahead(store, runtime, {"k": 3})
    with entered(scope):
        assert await store.asimilarity_search(QUESTION, k=3) == expected
    assert outcomes(scope) == [Outcome.HIT]
    assert not row_of(store).not_awaited


@pytest.mark.parametrize("store", STORES, indirect=True)
def test_nothing_found_before_a_write_is_taken_after_it(store: Any, runtime: Runtime) -> None:
    scope = searched_ahead(store, runtime, {"k": 3})
    store.add_texts([QUESTION], [{"number": 99}])
    with entered(scope):
        found = store.similarity_search(QUESTION, k=3)
    assert found[0].page_content == QUESTION
    assert outcomes(scope) == [Outcome.AHEAD, Outcome.DIRECT]


@pytest.mark.parametrize("store", ["chroma"], indirect=True)
def test_a_store_that_asks_something_else_first_is_left_alone(
    store: Any, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = row_of(store)
    count = type(store).similarity_search_with_score

    def counting(self: Any, *args: Any, **kwargs: Any) -> Any:
        self._collection.count()
        return count(self, *args, **kwargs)

    monkeypatch.setattr(type(store), "similarity_search_with_score", counting)
    assert "has been replaced" in str(row.refusal(store, differs))
    with pytest.raises(ValueError, match="asks its client for count before it searches"):
        row.call("engine", store, (QUESTION,), {}, [0.0] * 8)
