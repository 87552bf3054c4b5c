"""LlamaIndex's ingestion: accelerated it gives what the original gives, to every observer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.extractors import (
    DocumentContextExtractor,
    KeywordExtractor,
    QuestionsAnsweredExtractor,
    SummaryExtractor,
    TitleExtractor,
)
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import (
    BaseNode,
    Document,
    MetadataMode,
    NodeRelationship,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.embeddings.huggingface import HuggingFaceEmbedding

from ayo_bridge import Runtime
from ayo_bridge.engines.sentence_transformer import CORES
from tests.differential import llama_index_parts as parts
from tests.differential.harness import Case, Entry, Env, Framework, compare, compare_async
from tests.differential.harness import parameters as parameters_of
from tests.differential.llama_index import settings, watching
from tests.stub_openai import StubOpenAI

# The SDK's asynchronous clients close themselves in whatever loop runs when they are collected.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True, scope="module")
def _settings() -> Iterator[None]:
    with settings():
        yield


def nodes(documents: int = 2, each: int = 4) -> list[BaseNode]:
    """Nodes of several documents, in the order in which a splitter makes them."""
    return [
        TextNode(
            id_=f"node-{document}-{number}",
            text=f"Part {number} of book {document}: {parts.TEXTS[number % len(parts.TEXTS)]}",
            metadata={"book": document},
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=f"book-{document}")},
        )
        for document in range(documents)
        for number in range(each)
    ]


def books(changed: str = "", count: int = 2) -> list[Document]:
    """Documents, the first of which may have changed."""
    texts = [f"{parts.TEXTS[3 * n]} {parts.TEXTS[3 * n + 1]}" for n in range(count)]
    texts[0] += changed
    return [Document(id_=f"book-{n}", text=text) for n, text in enumerate(texts)]


def _store_of(documents: Sequence[Document]) -> SimpleDocumentStore:
    store = SimpleDocumentStore()
    store.add_documents(list(documents))
    return store


def _pipeline(env: Env, *makers: Callable[[Env], Any], **options: Any) -> IngestionPipeline:
    made = [make(env) for make in makers]
    return IngestionPipeline(transformations=made, **{"disable_cache": True, **options})


_made: list[Any] = []


def llm(env: Env, **options: Any) -> Any:
    """A client of the stub that is closed after the test."""
    _made.append(parts.llm(env, **options))
    return _made[-1]


async def _close() -> None:
    clients = [each._aclient for each in _made]
    _made.clear()
    for client in clients:
        if client is not None:
            await client.close()


def title(env: Env, **options: Any) -> Any:
    return TitleExtractor(llm=llm(env), show_progress=False, nodes=3, **options)


def summary(env: Env, **options: Any) -> Any:
    wanted = ["prev", "self", "next"]
    return SummaryExtractor(llm=llm(env), show_progress=False, **{"summaries": wanted, **options})


def keywords(env: Env, **options: Any) -> Any:
    return KeywordExtractor(llm=llm(env), show_progress=False, **options)


def questions(env: Env, **options: Any) -> Any:
    return QuestionsAnsweredExtractor(llm=llm(env), show_progress=False, **options)


def context(env: Env, **options: Any) -> Any:
    store = _store_of(books())
    given = {"docstore": store, "llm": llm(env), "show_progress": False, **options}
    return DocumentContextExtractor(**given)


def embedding(env: Env) -> Any:
    return MockEmbedding(embed_dim=4)


def splitter(env: Env) -> Any:
    return SentenceSplitter(chunk_size=48, chunk_overlap=0)


def _with_stores(env: Env, *makers: Callable[[Env], Any], **options: Any) -> IngestionPipeline:
    return _pipeline(
        env, *makers, vector_store=SimpleVectorStore(), docstore=SimpleDocumentStore(), **options
    )


def _fails_once(stub: StubOpenAI) -> None:
    stub.reply_when("Part 3 of book 1", status=400, times=1)


def _fails(stub: StubOpenAI) -> None:
    stub.reply_when("Part 3 of book 1", status=400)


def _long_fails(stub: StubOpenAI) -> None:
    stub.reply_when("Part 3 of book 1", status=400, latency=0.1)


_CHAIN = (title, summary, keywords, questions)
_BOTH = ("run", "arun")


def row(name: str, build: Callable[[Env], Any], **options: Any) -> Case:
    """A pipeline that is run by both entries, over nodes unless it is said otherwise."""
    return Case(name, build, **{"queries": (nodes,), "entries": _BOTH, **options})


ROWS = [
    row("chain", lambda env: _pipeline(env, *_CHAIN), ahead=_BOTH, frugal=True, requests=32),
    row(
        "text-alone",
        lambda env: _pipeline(
            env,
            partial(summary, metadata_mode=MetadataMode.NONE),
            partial(keywords, metadata_mode=MetadataMode.NONE, in_place=False),
        ),
        ahead=_BOTH,
        frugal=True,
    ),
    row(
        "completions",
        lambda env: _pipeline(
            env,
            lambda env: KeywordExtractor(llm=llm(env, chat=False), show_progress=False),
            lambda env: SummaryExtractor(llm=llm(env, chat=False), show_progress=False),
        ),
        ahead=_BOTH,
        frugal=True,
    ),
    row(
        "templates-kept",
        lambda env: _pipeline(
            env,
            partial(keywords, disable_template_rewrite=True),
            partial(questions, node_text_template="{metadata_str} / {content}"),
            keywords,
        ),
        ahead=_BOTH,
        frugal=True,
    ),
    row("contexts", lambda env: _pipeline(env, context), ahead=_BOTH, frugal=True),
    row(
        "documents-with-stores",
        lambda env: _with_stores(env, splitter, title, summary, embedding),
        queries=(books, books, partial(books, " And more was added.")),
        ahead=_BOTH,
        frugal=True,
    ),
    row(
        "from-the-cache",
        lambda env: _pipeline(env, keywords, summary, disable_cache=False),
        queries=(nodes, nodes),
        ahead=_BOTH,
        frugal=True,
    ),
    row(
        "duplicates-only",
        lambda env: _with_stores(env, keywords, embedding, docstore_strategy="duplicates_only"),
        queries=(nodes, nodes),
        ahead=_BOTH,
        frugal=True,
    ),
    row(
        "raises",
        lambda env: _pipeline(env, partial(keywords, num_workers=1), summary),
        script=_fails,
        stops_early=True,
        only_result=_BOTH,
    ),
    row(
        "goes-on-after-an-error",
        lambda env: _pipeline(env, partial(keywords, raise_on_error=False), summary),
        script=_long_fails,
        only_result=_BOTH,
    ),
    row(
        "tries-again",
        lambda env: _pipeline(env, partial(keywords, max_retries=1, retry_backoff=0.0), summary),
        script=_fails_once,
        only_result=_BOTH,
    ),
]


def _indexing(env: Env) -> Any:
    """A function that makes an index, and then adds a document to it."""
    transformations = [splitter(env), summary(env), keywords(env)]

    def index(documents: list[Document]) -> Any:
        made = VectorStoreIndex.from_documents(
            documents[:-1], transformations=transformations, embed_model=embedding(env)
        )
        made.insert(documents[-1])
        return made

    return index


def _embedding(env: Env) -> Any:
    """A function that embeds one batch after the other."""
    model = HuggingFaceEmbedding(model_name=str(env.fixture("minilm_path")), device="cpu")
    model.embed_batch_size = 2

    def index(given: list[BaseNode]) -> Any:
        return VectorStoreIndex(given, embed_model=model)

    return index


FUNCTIONS = [
    row("index", _indexing, queries=(partial(books, count=4),), entries=("call",), ahead=("call",)),
    row("batches", _embedding, entries=("call",), ahead=("call",) if CORES > 1 else ()),
]


SYNC = [*ROWS, *FUNCTIONS]


def _call(function: Any, query: Any) -> Any:
    index = function(query)
    return [index.docstore.to_dict(), index.vector_store.to_dict(), index.ref_doc_info]


def _given(query: Any) -> dict[str, Any]:
    return {"documents" if isinstance(query[0], Document) else "nodes": query}


def _seen(pipeline: Any, found: Sequence[BaseNode]) -> Any:
    """What a run returns, and what it leaves in the stores."""
    stores = pipeline.docstore, pipeline.vector_store, pipeline.cache.cache
    left = [None if store is None else store.to_dict() for store in stores]
    return [found, [node.hash for node in found], left]


def _run(pipeline: Any, query: Any) -> Any:
    return _seen(pipeline, pipeline.run(**_given(query)))


async def _arun(pipeline: Any, query: Any) -> Any:
    return _seen(pipeline, await pipeline.arun(**_given(query)))


INGESTION = Framework(
    "llama-index ingestion",
    {"run": Entry(_run), "call": Entry(_call), "arun": Entry(_arun, concurrent=True)},
    watching,
)


@pytest.fixture
def _loop() -> Iterator[None]:
    """The loop on which LlamaIndex runs what it awaits: one for all, for clients belong to one."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.run_until_complete(_close())
    for task in asyncio.all_tasks(loop):  # What an error has left behind.
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    asyncio.set_event_loop(None)
    loop.close()


@pytest.mark.usefixtures("_loop")
@pytest.mark.parametrize(("case", "entry"), parameters_of(INGESTION, SYNC, concurrent=False))
def test_run(case: Case, entry: str, env: Env, runtime: Runtime) -> None:
    compare(INGESTION, case, entry, env, runtime).check(case, entry)


@pytest.mark.parametrize(("case", "entry"), parameters_of(INGESTION, ROWS, concurrent=True))
async def test_arun(case: Case, entry: str, env: Env, runtime: Runtime) -> None:
    try:
        (await compare_async(INGESTION, case, entry, env, runtime)).check(case, entry)
    finally:
        await _close()
