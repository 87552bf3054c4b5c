"""LlamaIndex's ingestion: pipelines, and functions that make indexes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from llama_index.core import Settings, SummaryIndex, VectorStoreIndex
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
from llama_index.embeddings.openai_like import OpenAILikeEmbedding

from ayo_bridge.engines.sentence_transformer import CORES
from tests.differential import llama_index_parts as parts
from tests.differential.harness import Case, Env
from tests.stub_openai import StubOpenAI


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


async def close_clients() -> None:
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


def served(env: Env, **options: Any) -> Any:
    """An embedding model that a server has; a client of it is closed after the test."""
    given = {"api_base": env.stub.base_url, "api_key": "key", "max_retries": 0, "timeout": 10.0}
    _made.append(OpenAILikeEmbedding(**{**given, "model_name": "stub-embedding", **options}))
    _made[-1].embed_batch_size = 3
    return _made[-1]


def local(env: Env) -> Any:
    """An embedding model of this process."""
    model = HuggingFaceEmbedding(model_name=str(env.fixture("minilm_path")), device="cpu")
    model.embed_batch_size = 2
    return model


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


def _refuses_to_embed(stub: StubOpenAI) -> None:
    stub.reply_when(lambda request: request.path.endswith("/embeddings"), status=400)


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
    row("contexts-embedded", lambda env: _pipeline(env, context, served), ahead=_BOTH, frugal=True),
    row(
        "chain-embedded",
        lambda env: _pipeline(env, *_CHAIN, served),
        ahead=_BOTH,
        frugal=True,
        requests=35,
    ),
    row(
        "embedded-here",
        lambda env: _pipeline(env, partial(keywords, in_place=False), summary, local),
        ahead=_BOTH,
        frugal=True,
    ),
    row(
        "embedded-by-workers",
        lambda env: _pipeline(env, keywords, summary, partial(served, num_workers=2)),
        ahead=_BOTH,
        frugal=True,
    ),
    row(
        "embedding-refused",
        lambda env: _pipeline(env, keywords, summary, served),
        script=_refuses_to_embed,
        stops_early=True,
        only_result=_BOTH,
    ),
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


def _indexing(
    env: Env,
    model: Callable[[Env], Any] = embedding,
    *more: Callable[[Env], Any],
    extractors: Sequence[Callable[[Env], Any]] = (summary, keywords),
    **options: Any,
) -> Any:
    """A function that makes an index, and then adds a document to it."""
    transformations = [made(env) for made in (splitter, *extractors, *more)]
    embedded_by = model(env)

    def index(documents: list[Document]) -> Any:
        made = VectorStoreIndex.from_documents(
            documents[:-1], transformations=transformations, embed_model=embedded_by, **options
        )
        made.insert(documents[-1])
        return made

    return index


def _of_settings(env: Env) -> Any:
    """A function that embeds by the model of the settings."""
    model, transformations = served(env), [splitter(env), summary(env), keywords(env)]

    def index(documents: list[Document]) -> Any:
        before = Settings._embed_model
        Settings.embed_model = model
        try:
            return VectorStoreIndex.from_documents(documents, transformations=transformations)
        finally:
            Settings._embed_model = before

    return index


def _without_vectors(env: Env) -> Any:
    """A function that makes an index whose nodes are not embedded."""
    transformations = [splitter(env), summary(env), keywords(env)]

    def index(documents: list[Document]) -> Any:
        return SummaryIndex.from_documents(documents, transformations=transformations)

    return index


def _embedding(env: Env) -> Any:
    """A function that embeds one batch after the other."""
    model = local(env)

    def index(given: list[BaseNode]) -> Any:
        return VectorStoreIndex(given, embed_model=model)

    return index


def _of_books(name: str, build: Callable[[Env], Any], **options: Any) -> Case:
    given = {"queries": (partial(books, count=4),), "entries": ("call",), "ahead": ("call",)}
    return row(name, build, **{**given, **options})


FUNCTIONS = [
    _of_books("index", _indexing),
    _of_books("index-served", partial(_indexing, model=served), frugal=True),
    _of_books("index-by-parts", partial(_indexing, model=served, insert_batch_size=4), frugal=True),
    *(
        _of_books(
            f"index-by-parts-of-{size!r}",
            partial(_indexing, model=served, insert_batch_size=size),
            frugal=True,
        )
        for size in (0, "4")
    ),
    _of_books("index-here", partial(_indexing, model=local), frugal=True),
    _of_books(
        "index-of-copies",
        partial(_indexing, model=served, extractors=(partial(keywords, in_place=False), summary)),
        frugal=True,
    ),
    _of_books("index-of-embedded", lambda env: _indexing(env, served, served), frugal=True),
    _of_books("index-async", partial(_indexing, model=served, use_async=True), frugal=True),
    _of_books("index-of-settings", _of_settings, frugal=True),
    _of_books("index-without-vectors", _without_vectors, frugal=True),
    row("batches", _embedding, entries=("call",), ahead=("call",) if CORES > 1 else ()),
]
