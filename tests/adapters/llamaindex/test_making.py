"""A function that makes its index and its engine certainly asks by what they are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import llama_index.core.indices.base
import llama_index.core.query_engine.retriever_query_engine as engine_module
import llama_index_instrumentation
import pytest
from llama_index.core import Document, Settings, StorageContext, SummaryIndex, VectorStoreIndex
from llama_index.core.callbacks import CallbackManager
from llama_index.core.callbacks.base_handler import BaseCallbackHandler
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import (
    ResponseMode,
    TreeSummarize,
    get_response_synthesizer,
)
from llama_index.core.retrievers import QueryFusionRetriever, VectorIndexRetriever
from llama_index.core.schema import TransformComponent
from llama_index.core.settings import _Settings
from llama_index.llms.openai_like import OpenAILike

from ayo_bridge.adapter import KNOWN
from ayo_bridge.learn.certain.running import run_of
from ayo_llamaindex import intact
from tests.adapters.llamaindex.models import clients, embedding, index_of, model

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
Answer = Callable[[str, Any], Any]

llm, second, embed_model = model(), model(), embedding()
splitter = SentenceSplitter()
index = index_of()
pipeline = IngestionPipeline(transformations=[splitter, embed_model], disable_cache=True)


@pytest.fixture(autouse=True)
def _settings() -> Iterator[None]:
    """Those of this file, and then those that were there."""
    before = dict(vars(Settings))
    Settings._llm, Settings._embed_model = llm, embed_model
    Settings._callback_manager = None
    yield
    vars(Settings).update(before)
    for each in (llm, second, embed_model, splitter):
        each.callback_manager = CallbackManager([])


def asked(answer: Answer, text: Any = "A document.") -> tuple[set[int], set[int]]:
    """By whom a call certainly asks: one client alone, and engines."""
    runs = run_of(answer, ("What?", text), {}, KNOWN).asks
    plain = {id(each.owner) for each in runs if each.plain}
    return plain, {id(each.owner) for each in runs if not each.plain} - {id(index.vector_store)}


def uploading(question: str, text: str) -> str:
    made = VectorStoreIndex.from_documents(
        [Document(text=text)], transformations=[splitter], embed_model=embed_model
    )
    engine = made.as_query_engine(llm=llm, response_mode="tree_summarize", similarity_top_k=6)
    return str(engine.query(question))


def _fusion(made: Any, asks: Any) -> QueryFusionRetriever:
    return QueryFusionRetriever([made.as_retriever(similarity_top_k=4)], llm=asks, num_queries=4)


def expanding(question: str, text: str) -> str:
    nodes = pipeline.run(documents=[Document(text=part) for part in text.split("\n")])
    made = VectorStoreIndex(nodes, embed_model=embed_model)
    engine = RetrieverQueryEngine.from_args(
        _fusion(made, second), llm=llm, response_mode=ResponseMode.REFINE
    )
    return str(engine.query(question))


async def by_settings(question: str, text: str) -> str:
    engine = index.as_query_engine(similarity_top_k=2)
    return str(await engine.aquery(question))


def of_parts(question: str, text: str) -> str:
    retriever = VectorIndexRetriever(index=index, similarity_top_k=2)
    synthesizer = get_response_synthesizer(llm=Settings.llm, response_mode=ResponseMode.ACCUMULATE)
    engine = RetrieverQueryEngine(retriever, response_synthesizer=synthesizer)
    return str(engine.query(question))


def summarising(question: str, text: str) -> str:
    made = SummaryIndex.from_documents([Document(text=text)])
    engine = made.as_query_engine(response_synthesizer=TreeSummarize(llm=second))
    return str(engine.query(question))


def test_an_engine_that_is_made_in_a_call_asks_by_what_it_is_made_of() -> None:
    one, two, embeds = clients(llm), clients(second), clients(embed_model)
    assert asked(uploading) == (set(), one | embeds | embeds)
    assert asked(expanding) == (set(), one | two | embeds)
    assert asked(by_settings) == asked(of_parts) == (set(), one)
    assert asked(summarising) == (set(), two)


def test_settings_that_are_given_something_else_are_seen_at_the_next_call() -> None:
    assert asked(by_settings) == asked(of_parts) == (set(), clients(llm))
    Settings.llm = second
    assert asked(by_settings) == asked(of_parts) == (set(), clients(second))
    Settings._llm = None
    assert asked(by_settings) == asked(of_parts) == (set(), set())


def test_where_one_is_made_by_its_argument_another_is_asked() -> None:
    def answer(question: str, asks: Any) -> str:
        return str(index.as_query_engine(llm=asks).query(question))

    for each in (llm, second):
        assert asked(answer, each) == (set(), clients(each))
    assert asked(answer, "default") == (set(), set())


class Choosing(OpenAILike):
    """May take any client for a call."""


class OwnFusion(QueryFusionRetriever):
    """Has its prompts from elsewhere."""

    def _get_prompts(self) -> Any:
        return {}


class OwnDocument(Document):
    """May do anything when it is split."""


class OwnTransformation(TransformComponent):
    """May do anything."""

    def __call__(self, nodes: Any, **kwargs: Any) -> Any:
        return nodes


class Postprocessor(BaseNodePostprocessor):
    """Runs when the engine is asked only."""

    def _postprocess_nodes(self, nodes: Any, query_bundle: Any = None) -> Any:
        return nodes


class Watching(Postprocessor):
    """Is told when it is given its callback manager."""

    def __setattr__(self, name: str, value: Any) -> None:
        Settings.llm = second


class Told(BaseCallbackHandler):
    """May do anything with what it is told."""

    def __init__(self) -> None:
        super().__init__([], [])

    def start_trace(self, trace_id: Any = None) -> None:
        Settings.llm = second

    def end_trace(self, trace_id: Any = None, trace_map: Any = None) -> None:
        """Nothing."""

    def on_event_start(self, event_type: Any, payload: Any = None, *_: Any, **__: Any) -> str:
        return ""

    def on_event_end(self, event_type: Any, payload: Any = None, *_: Any, **__: Any) -> None:
        """Nothing."""


class Heard(BaseEventHandler):
    """So may this."""

    def handle(self, event: Any, **kwargs: Any) -> None:
        Settings.llm = second


chooses, postprocessor, watching = model(Choosing), Postprocessor(), Watching.model_construct()
own_document: Any = OwnDocument
own_document, marked = own_document(text="a"), Document(text="a", metadata={"of": object()})
transformation, counting = OwnTransformation(), SentenceSplitter(tokenizer=str.split)


def swapped(question: str, text: str) -> str:
    engine = index.as_query_engine()
    engine._response_synthesizer._llm = second
    return str(engine.query(question))


def swapped_settings(question: str, text: str) -> str:
    Settings.llm = second
    return str(index.as_query_engine().query(question))


def own_llm(question: str, text: str) -> str:
    return str(index.as_query_engine(llm=chooses).query(question))


def own_fusion(question: str, text: str) -> str:
    return str(OwnFusion([index.as_retriever()], llm=llm).retrieve(question))


def own_nodes(question: str, text: str) -> str:
    made = VectorStoreIndex.from_documents([own_document], embed_model=embed_model)
    return str(made.as_query_engine().query(question))


def own_metadata(question: str, text: str) -> str:
    made = VectorStoreIndex.from_documents([marked], embed_model=embed_model)
    return str(made.as_query_engine().query(question))


def own_transformation(question: str, text: str) -> str:
    made = VectorStoreIndex.from_documents(
        [Document(text=text)], transformations=[splitter, transformation], embed_model=embed_model
    )
    return str(made.as_query_engine().query(question))


def own_storage(question: str, text: str) -> str:
    made = VectorStoreIndex.from_documents(
        [Document(text=text)], storage_context=StorageContext.from_defaults()
    )
    return str(made.as_query_engine().query(question))


def own_tokenizer(question: str, text: str) -> str:
    own = SentenceSplitter(tokenizer=lambda each: list(each))
    made = VectorStoreIndex.from_documents([Document(text=text)], transformations=[own])
    return str(made.as_query_engine().query(question))


def counted_by_the_user(question: str, text: str) -> str:
    made = VectorStoreIndex.from_documents([Document(text=text)], transformations=[counting])
    return str(made.as_query_engine().query(question))


def told_of_its_events(question: str, text: str) -> str:
    return str(index.as_query_engine(node_postprocessors=[watching]).query(question))


def grown(question: str, text: str) -> str:
    engine = index.as_query_engine()
    engine._node_postprocessors.append(postprocessor)
    pipeline.transformations.append(transformation)
    return str(engine.query(question))


def another_prompt(question: str, text: str) -> str:
    engine = index.as_query_engine()
    engine.update_prompts({})
    return str(engine.query(question))


@pytest.mark.parametrize(
    "answer",
    [
        *(swapped, swapped_settings, own_llm, own_fusion, own_nodes, own_metadata, own_storage),
        *(
            own_transformation,
            own_tokenizer,
            counted_by_the_user,
            told_of_its_events,
            grown,
            another_prompt,
        ),
    ],
    ids=lambda answer: answer.__name__,
)
def test_nothing_is_certain_where_something_of_the_users_may_choose(answer: Answer) -> None:
    assert asked(answer) == (set(), set())


def test_a_postprocessor_of_the_user_changes_nothing_for_who_is_asked_before_it() -> None:
    def answer(question: str, text: str) -> str:
        return str(index.as_query_engine(node_postprocessors=[postprocessor]).query(question))

    assert asked(answer) == (set(), clients(llm))


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (RetrieverQueryEngine, "__init__"),
        (RetrieverQueryEngine, "_query"),
        (VectorStoreIndex, "as_retriever"),
        (VectorStoreIndex, "_add_nodes_to_index"),
        (CallbackManager, "as_trace"),
        (SentenceSplitter, "_parse_nodes"),
        (OpenAILike, "_get_client"),
        (engine_module, "get_response_synthesizer"),
        (engine_module, "Settings"),
        (llama_index.core.indices.base, "run_transformations"),
        (_Settings, "llm"),
        (intact, "_is_tested"),
    ],
    ids=lambda each: getattr(each, "__name__", each),
)
def test_nothing_is_certain_once_something_on_the_way_is_replaced(
    owner: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked(uploading)[1] >= clients(llm)
    monkeypatch.setattr(owner, name, lambda *_, **__: None, raising=False)
    monkeypatch.setattr(intact, "_verdict", None if owner is intact else intact._verdict)
    assert not asked(uploading)[1] & clients(llm)


def test_nothing_is_certain_while_code_of_the_users_is_told_of_events() -> None:
    known = asked(uploading)
    for tells in (Settings, splitter, llm, embed_model):
        before, tells.callback_manager = tells.callback_manager, CallbackManager([Told()])
        assert not asked(uploading)[1] & clients(llm)
        tells.callback_manager = before
    assert asked(uploading) == known
    assert known[1] >= clients(llm)
    dispatcher = llama_index_instrumentation.get_dispatcher("llama_index.core.indices")
    handlers = dispatcher.event_handlers
    handlers.append(Heard())
    assert asked(uploading) == (set(), set())
    handlers.pop()
    assert asked(uploading) == known
