"""Retrievers that ask several others: their searches run side by side, and nothing else changes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from langchain_classic.retrievers import EnsembleRetriever, MergerRetriever
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_huggingface import HuggingFaceEmbeddings
from pydantic import Field

from ayo_bridge import Runtime, accelerate, explain, stats
from tests.adapters.langchain.calls import QUESTION, assert_mapped, assert_same, made
from tests.differential.langchain_parts import chat, multi_query, new_embeddings, rag, store, texts
from tests.stub_openai import StubOpenAI

Accelerate = Callable[[Any], Any]
ENTRIES = ("invoke", "ainvoke", "stream", "astream", "batch", "abatch")


def half(model: HuggingFaceEmbeddings | None = None) -> InMemoryVectorStore:
    """Every other document."""
    made = store(model)
    made.delete([f"d{n}" for n in range(0, 30, 2)])
    return made


def retrievers(model: HuggingFaceEmbeddings | None = None) -> list[BaseRetriever]:
    """Three, of which two embed with the same model."""
    return [
        store().as_retriever(search_kwargs={"k": 3}),
        half(model).as_retriever(search_kwargs={"k": 4}),
        store(model).as_retriever(search_kwargs={"k": 2}),
    ]


def of(parts: list[Any], **settings: Any) -> EnsembleRetriever:
    return EnsembleRetriever(retrievers=parts, **{"weights": [], **settings})


def ensemble(**settings: Any) -> EnsembleRetriever:
    return of(retrievers(), **settings)


def weighted() -> EnsembleRetriever:
    return ensemble(weights=[0.2, 0.5, 0.3], id_key="number", tags=["mine"])


def two_models() -> EnsembleRetriever:
    """The model that comes again is not the first one."""
    own = half(new_embeddings()).as_retriever()
    return of([own, *retrievers()])


def first_model_apart() -> EnsembleRetriever:
    return of(retrievers(new_embeddings()))


def merger() -> MergerRetriever:
    return MergerRetriever(retrievers=retrievers())


def nested() -> EnsembleRetriever:
    return of([*retrievers()[:2], ensemble()])


APPLICATIONS = [ensemble, weighted, two_models, first_model_apart, merger, nested]


class Noting(BaseRetriever):
    """A retriever of the user's own; it may do anything."""

    asked: list[str] = Field(default_factory=list)
    fails: bool = False

    def _get_relevant_documents(self, query: str, **_: Any) -> list[Document]:
        self.asked.append(query)
        if self.fails:
            raise LookupError("nothing of that")
        return texts()[:2]


@contextmanager
def reached(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the embedding model and the stores are asked below every binding of ours."""
    seen: list[str] = []
    from ayo_bridge.engines.sentence_transformer import EmbeddingModel
    from ayo_langchain.stores import Search

    batch, search = EmbeddingModel.run, Search.run

    def run(self: Any, calls: Any) -> Any:
        seen.extend("embedding" for _ in calls)
        return batch(self, calls)

    def searched(self: Any) -> Any:
        seen.append("search ahead")
        return search(self)

    with monkeypatch.context() as patch:
        patch.setattr(EmbeddingModel, "run", run)
        patch.setattr(Search, "run", searched)
        yield seen


def calls(accelerated: Any) -> list[tuple[str, str]]:
    """Kind of engine and outcome of the calls of the last query."""
    shown: Any = explain(accelerated).json()["calls"]
    return sorted((call["engine"].split(":")[0], call["outcome"]) for call in shown)


@pytest.mark.parametrize(
    ("build", "entry"),
    [
        *[(b, entry) for b in (ensemble, merger) for entry in ENTRIES],
        *[(b, entry) for b in APPLICATIONS if b not in (ensemble, merger) for entry in ENTRIES[:2]],
    ],
)
async def test_to_whoever_looks_it_is_the_original(
    build: Callable[[], Any], entry: str, stub: StubOpenAI, fast: Accelerate
) -> None:
    original = build()
    accelerated = fast(original)
    expected = await made(original, entry, stub)
    for _ in range(3):
        seen = await made(accelerated, entry, stub)
        assert_same(expected, seen)
    assert not [call for call in calls(accelerated) if call[1] not in ("hit", "direct")]


@pytest.mark.parametrize("build", APPLICATIONS)
def test_sync_code_finds_its_searches_made(build: Callable[[], Any], fast: Accelerate) -> None:
    accelerated = fast(build())
    accelerated.invoke(QUESTION)
    assert stats(accelerated).hits >= 3
    assert not [call for call in calls(accelerated) if call[1] not in ("hit", "direct")]


def test_every_search_is_made_once_and_equal_texts_are_embedded_once(
    fast: Accelerate, monkeypatch: pytest.MonkeyPatch
) -> None:
    accelerated = fast(ensemble())
    with reached(monkeypatch) as seen:
        accelerated.invoke(QUESTION)
    assert calls(accelerated)[:3] == [("embedding", "hit")] * 3
    stores = calls(accelerated)[3:]  # The original may come to a search of MiniLM's speed first.
    assert len(stores) == 3
    assert seen.count("embedding") == 1
    assert seen.count("search ahead") == stores.count(("store", "hit"))


async def test_async_code_searches_side_by_side_by_itself(fast: Accelerate) -> None:
    own = [store(new_embeddings()).as_retriever() for _ in range(2)]
    accelerated = fast(of(own))
    await accelerated.ainvoke(QUESTION)
    assert calls(accelerated) == [*[("embedding", "direct")] * 2, *[("store", "direct")] * 2]


async def test_async_code_too_embeds_equal_texts_once(
    fast: Accelerate, monkeypatch: pytest.MonkeyPatch
) -> None:
    accelerated = fast(ensemble())
    with reached(monkeypatch) as seen:
        await accelerated.ainvoke(QUESTION)
    assert calls(accelerated) == [*[("embedding", "hit")] * 3, *[("store", "direct")] * 3]
    assert seen == ["embedding"]


def test_without_run_ahead_nothing_is_shared() -> None:
    accelerated = accelerate(ensemble(), runtime=Runtime(run_ahead=False))
    accelerated.invoke(QUESTION)
    assert {outcome for _, outcome in calls(accelerated)} == {"direct"}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("inner", [ensemble, merger])
async def test_in_a_chain(
    inner: Callable[[], Any], entry: str, stub: StubOpenAI, fast: Accelerate
) -> None:
    original = rag(inner(), chat(stub.base_url))
    accelerated = fast(original)
    expected = await made(original, entry, stub)
    assert_same(expected, await made(accelerated, entry, stub))
    assert stats(accelerated).wasted == 0
    if entry in ("invoke", "stream"):
        assert stats(accelerated).hits >= 3


@pytest.mark.parametrize("entry", ["invoke", "ainvoke"])
async def test_inside_a_function_and_asked_twice(
    entry: str, stub: StubOpenAI, fast: Accelerate
) -> None:
    inner = ensemble()
    original: Any = RunnableLambda(
        lambda question, config: [inner.invoke(question, config), inner.invoke("other", config)]
    )
    accelerated = fast(original)
    expected = await made(original, entry, stub)
    assert_same(expected, await made(accelerated, entry, stub))
    assert stats(accelerated).wasted == 0
    if entry == "invoke":
        assert stats(accelerated).hits >= 6, "the embeddings at least"


@pytest.mark.parametrize("entry", ["invoke", "ainvoke"])
async def test_a_multi_query_retriever_in_it_is_followed(
    entry: str, stub: StubOpenAI, fast: Accelerate, proven: Callable[[], None]
) -> None:
    original = of([*retrievers(), multi_query(stub.base_url)])
    accelerated = fast(original)
    await made(accelerated, entry, stub)
    proven()
    expected = await made(original, entry, stub)
    for _ in range(3):
        seen = await made(accelerated, entry, stub)
        assert_same(expected, seen)
    assert_mapped(accelerated, 1)
    assert stats(accelerated).wasted == 0


@pytest.mark.parametrize("entry", ["invoke", "ainvoke"])
@pytest.mark.parametrize("place", range(4))
async def test_an_unknown_retriever_in_it_runs_in_its_turn(
    place: int, entry: str, stub: StubOpenAI, fast: Accelerate
) -> None:
    def build() -> tuple[EnsembleRetriever, list[str]]:
        own, parts = Noting(asked=[]), retrievers()
        parts.insert(place, own)
        return of(parts), own.asked

    (original, once), (again, twice) = build(), build()
    accelerated = fast(again)
    expected = await made(original, entry, stub)
    seen = await made(accelerated, entry, stub)
    assert_same(expected, seen)
    assert once == twice == [QUESTION]
    assert "Noting is not a known retriever" in explain(accelerated).full()


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("place", [0, 3])
async def test_a_retriever_in_it_that_fails_fails_as_ever(
    place: int, entry: str, stub: StubOpenAI, fast: Accelerate
) -> None:
    parts = retrievers()
    parts.insert(place, Noting(fails=True))
    original = of(parts)
    expected = await made(original, entry, stub)
    assert "LookupError" in str(expected.result)
    seen = await made(fast(original), entry, stub)
    if "batch" in entry:  # How far the other inputs get before it fails is nobody's choice.
        assert seen.result == expected.result
    else:
        assert_same(expected, seen)


async def test_a_search_that_fails_ends_the_call_and_what_ran_ahead(
    stub: StubOpenAI, fast: Accelerate
) -> None:
    broken = InMemoryVectorStore(new_embeddings(encode_kwargs={"truncate_dim": 5}))
    broken.store = store().store
    original = of([broken.as_retriever(), *retrievers()])
    expected = await made(original, "invoke", stub)
    assert "ValueError" in str(expected.result)
    assert_same(expected, await made(fast(original), "invoke", stub))


async def test_without_retrievers_it_does_what_it_did(stub: StubOpenAI, fast: Accelerate) -> None:
    original = MergerRetriever(retrievers=[])
    accelerated = fast(original)
    assert "asks no retriever" in explain(accelerated).full()
    expected = await made(original, "invoke", stub)
    assert_same(expected, await made(accelerated, "invoke", stub))


class Own(EnsembleRetriever):
    """A subclass may do anything."""

    def rank_fusion(self, query: str, *args: Any, **kwargs: Any) -> list[Document]:
        return super().rank_fusion(query.upper(), *args, **kwargs)


async def test_a_subclass_is_left_alone(stub: StubOpenAI, fast: Accelerate) -> None:
    original = Own(retrievers=[*retrievers()], weights=[])
    accelerated = fast(original)
    assert "Own is not EnsembleRetriever itself" in explain(accelerated).full()
    expected = await made(original, "invoke", stub)
    assert_same(expected, await made(accelerated, "invoke", stub))
    assert (stats(accelerated).hits, stats(accelerated).wasted) == (0, 0)


@pytest.mark.parametrize("name", ["invoke", "rank_fusion"])
@pytest.mark.parametrize("before", [True, False])
async def test_a_patched_method_is_left_alone(
    before: bool,
    name: str,
    stub: StubOpenAI,
    fast: Accelerate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = getattr(EnsembleRetriever, name)

    def patched(self: Any, query: str, *args: Any, **kwargs: Any) -> Any:
        return library(self, query.upper(), *args, **kwargs)

    original = rag(ensemble(), chat(stub.base_url))
    accelerated = None if before else fast(original)
    monkeypatch.setattr(EnsembleRetriever, name, patched)
    accelerated = accelerated or fast(original)
    expected = await made(original, "invoke", stub)
    assert_same(expected, await made(accelerated, "invoke", stub))
    assert (stats(accelerated).hits, stats(accelerated).wasted) == (0, 0)
    assert f"EnsembleRetriever.{name} has been replaced" in explain(accelerated).full()


async def test_a_retriever_added_later_is_asked(stub: StubOpenAI, fast: Accelerate) -> None:
    original = ensemble()
    accelerated = fast(original)
    await made(accelerated, "invoke", stub)
    for each in (original, accelerated):
        each.retrievers = [*each.retrievers[:2], half().as_retriever(search_kwargs={"k": 9})]
    expected = await made(original, "invoke", stub)
    assert_same(expected, await made(accelerated, "invoke", stub))


async def test_accelerated_retrievers_in_it_share_its_scope(
    stub: StubOpenAI, fast: Accelerate
) -> None:
    parts = [fast(retriever) for retriever in retrievers()]
    accelerated = fast(of(parts))
    expected = await made(ensemble(), "invoke", stub)
    assert_same(expected, await made(accelerated, "invoke", stub))
    assert stats(accelerated).hits >= 3, "the embeddings at least"
    assert stats(accelerated).wasted == 0
    assert [stats(part).calls for part in parts] == [0, 0, 0]


class Writing(BaseCallbackHandler):
    """Writes into the store of the second retriever before that is asked."""

    def __init__(self, into: InMemoryVectorStore) -> None:
        self._into = into

    def on_retriever_start(self, serialized: Any, query: str, **kwargs: Any) -> None:
        if kwargs.get("parent_run_id") is not None:
            self._into.add_documents([Document(id="late", page_content=query)])


async def test_a_store_that_changes_is_searched_anew(stub: StubOpenAI, fast: Accelerate) -> None:
    def build() -> tuple[EnsembleRetriever, Writing]:
        parts: list[Any] = retrievers()
        return of(parts), Writing(parts[1].vectorstore)

    (original, one), (again, two) = build(), build()
    expected = await made(original, "invoke", stub, handlers=(one,))
    seen = await made(fast(again), "invoke", stub, handlers=(two,))
    assert "late" in str(expected.result)
    assert_same(expected, seen)


def test_results_belong_to_the_caller(fast: Accelerate) -> None:
    accelerated = fast(ensemble())
    for document in accelerated.invoke(QUESTION):
        document.metadata["mine"] = True
    assert not any("mine" in found.metadata for found in accelerated.invoke(QUESTION))
