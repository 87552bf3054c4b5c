"""Retrievers, fusion and postprocessors, over mock and real embeddings."""

from __future__ import annotations

from functools import partial
from typing import Any

from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.retrievers import BaseRetriever, VectorIndexRetriever
from llama_index.core.schema import IndexNode, NodeWithScore, QueryBundle
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.types import VectorStoreQueryMode

from tests.differential import llama_index_parts as parts
from tests.differential.harness import Case, Env

RETRIEVE = ("retrieve", "aretrieve")
FUSION_MODES = ("reciprocal_rerank", "relative_score", "dist_based_score", "simple")


def _real(env: Env, **options: Any) -> VectorIndexRetriever:
    return VectorIndexRetriever(parts.minilm_index_of(env), **{"similarity_top_k": 4, **options})


class Backwards(BaseNodePostprocessor):
    """A postprocessor of a user: nobody knows what it does."""

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        for node in nodes:
            node.node.metadata["seen"] = True
        return nodes[::-1]


class FirstNotes(BaseRetriever):
    """A retriever of a user."""

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [NodeWithScore(node=node, score=0.5) for node in parts.nodes()[:3]]


class Subclassed(VectorIndexRetriever):
    """A known retriever, but not quite."""

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return super()._retrieve(query_bundle)[1:]


def _filters() -> MetadataFilters:
    return MetadataFilters(filters=[MetadataFilter(key="source", value="book 1")])


def _embedded_query() -> QueryBundle:
    return QueryBundle("given", embedding=[0.5] * parts.DIMENSION)


def _custom_strings() -> QueryBundle:
    return QueryBundle("what is asked", custom_embedding_strs=["embedded", "instead of it"])


VECTOR = [
    Case("vector-mock", lambda env: parts.retriever(env), entries=RETRIEVE),
    Case("vector-minilm", _real, entries=RETRIEVE),
    Case("vector-minilm-strict", _real, entries=RETRIEVE, runtime={"strict": True}),
    Case("vector-filters", lambda env: parts.retriever(env, filters=_filters()), entries=RETRIEVE),
    Case(
        "vector-node-ids",
        lambda env: parts.retriever(env, node_ids=["node-3", "node-5"]),
        entries=RETRIEVE,
    ),
    Case(
        "vector-mmr",
        lambda env: _real(env, vector_store_query_mode=VectorStoreQueryMode.MMR),
        entries=RETRIEVE,
    ),
    Case(
        "vector-embedding-given",
        lambda env: parts.retriever(env),
        queries=(_embedded_query,),
        entries=RETRIEVE,
    ),
    Case("vector-custom-strings", _real, queries=(_custom_strings,), entries=RETRIEVE),
    Case("vector-objects", lambda env: _with_objects(env), entries=RETRIEVE),
]


def _with_objects(env: Env) -> Any:
    inner = parts.retriever(env, top_k=2)
    pointer = IndexNode(
        id_="pointer", text="points further", index_id="inner", obj=inner, embedding=[9.0] * 8
    )
    made = VectorStoreIndex(
        [*parts.nodes()[:3]], objects=[pointer], embed_model=parts.mock_embedding()
    )
    return made.as_retriever(similarity_top_k=3)


def _fusion(mode: str, **options: Any) -> Case:
    shown = [f"{key}={value}" for key, value in options.items()]
    return Case(
        "-".join(["fusion", mode, *shown]),
        lambda env: parts.fusion(
            env, mode, retrievers=[_real(env), _real(env, similarity_top_k=2)], **options
        ),
        entries=RETRIEVE,
        ahead=() if options.get("queries") == 1 else RETRIEVE,
        requests=0 if options.get("queries") == 1 else 1,
        script=parts.answers,
    )


def _over_fusion(env: Env, mode: ResponseMode) -> Any:
    source = parts.fusion(env, "reciprocal_rerank", retrievers=[_real(env)])
    return parts.engine(env, mode, chunk=64, source=source)


FUSION = [
    *(_fusion(mode, use_async=False) for mode in FUSION_MODES),
    # How results are fused does not depend on how they were searched for.
    *(_fusion(mode, use_async=True) for mode in FUSION_MODES[:2]),
    _fusion("simple", queries=1),
    _fusion("reciprocal_rerank", queries=1, use_async=True),
    Case(
        "fusion-strict",
        lambda env: parts.fusion(env, "relative_score", retrievers=[_real(env), _real(env)]),
        entries=RETRIEVE,
        runtime={"strict": True},
        script=parts.answers,
    ),
    Case(
        "fusion-completion",
        lambda env: parts.fusion(
            env, "simple", retrievers=[_real(env)], model=parts.llm(env, chat=False)
        ),
        entries=RETRIEVE,
        script=parts.answers,
    ),
    Case(
        "fusion-opaque-retriever",
        lambda env: parts.fusion(env, "simple", retrievers=[FirstNotes(), _real(env)]),
        entries=RETRIEVE,
        script=parts.answers,
    ),
    Case(
        "fusion-same-query-twice",
        lambda env: parts.fusion(env, "relative_score", retrievers=[_real(env)]),
        entries=RETRIEVE,
        script=lambda stub: stub.reply_when("multiple search", text="again\nagain\nagain"),
    ),
    Case(
        "fusion-fewer-lines",
        lambda env: parts.fusion(env, "relative_score", retrievers=[_real(env)]),
        entries=RETRIEVE,
        script=lambda stub: stub.reply_when("multiple search", text="```\nonly one\n```"),
    ),
    Case(
        "fusion-no-line",
        lambda env: parts.fusion(env, "relative_score", retrievers=[_real(env)]),
        entries=RETRIEVE,
        script=lambda stub: stub.reply_when("multiple search", text=" \n "),
    ),
    *(
        Case(
            f"fusion-engine-{mode.value}",
            partial(_over_fusion, mode=mode),
            entries=("query", "aquery", "stream", "astream"),
            script=parts.answers,
        )
        for mode in (ResponseMode.COMPACT, ResponseMode.TREE_SUMMARIZE, ResponseMode.GENERATION)
    ),
]


def reranker(env: Env, module: str, **options: Any) -> Any:
    """A reranker of LlamaIndex's, loaded once."""
    path = str(env.fixture("cross_encoder_path"))
    key = (path, module, *sorted(options.items()))
    if key not in _rerankers:
        cls = __import__(module, fromlist=["x"]).SentenceTransformerRerank
        _rerankers[key] = cls(model=path, top_n=3, device="cpu", **options)
    return _rerankers[key]


_rerankers: dict[object, Any] = {}
CORE = "llama_index.core.postprocessor.sbert_rerank"
PACKAGE = "llama_index.postprocessor.sbert_rerank.base"


def _postprocessed(name: str, *make: Any, **options: Any) -> Case:
    return Case(
        f"postprocess-{name}",
        lambda env: parts.engine(
            env,
            ResponseMode.TREE_SUMMARIZE,
            chunk=64,
            source=_real(env, similarity_top_k=6),
            postprocessors=[one(env) for one in make],
        ),
        **options,
    )


POSTPROCESSORS = [
    _postprocessed("similarity", lambda env: SimilarityPostprocessor(similarity_cutoff=0.1)),
    _postprocessed("similarity-all", lambda env: SimilarityPostprocessor(similarity_cutoff=2.0)),
    _postprocessed("rerank-core", lambda env: reranker(env, CORE)),
    _postprocessed("rerank-package", lambda env: reranker(env, PACKAGE)),
    _postprocessed(
        "rerank-keeps-score",
        lambda env: reranker(env, PACKAGE, keep_retrieval_score=True),
        runtime={"strict": True},
    ),
    _postprocessed("opaque", lambda env: Backwards()),
    _postprocessed(
        "three",
        lambda env: SimilarityPostprocessor(similarity_cutoff=0.05),
        lambda env: Backwards(),
        lambda env: reranker(env, CORE),
    ),
]
OPAQUE = [
    Case(
        "retriever-of-a-user",
        lambda env: parts.engine(env, ResponseMode.COMPACT, source=FirstNotes()),
    ),
    Case(
        "retriever-subclassed",
        lambda env: parts.engine(
            env, ResponseMode.COMPACT, source=Subclassed(parts.index(), similarity_top_k=4)
        ),
        entries=("query", "aquery", "stream"),
    ),
]


def _in_postgres(env: Env) -> VectorStoreIndex:
    """The notes in Postgres, in a store of its own for each object."""
    server = env.fixture("postgres")
    store = parts.postgres_store(server, table_name="differential", embed_dim=384)
    model = parts.minilm(str(env.fixture("minilm_path")))
    if server.dsn not in _filled:
        _filled.add(server.dsn)
        VectorStoreIndex(
            parts.nodes(embedded=False),
            storage_context=StorageContext.from_defaults(vector_store=store),
            embed_model=model,
        )
    return VectorStoreIndex.from_vector_store(store, embed_model=model)


_filled: set[object] = set()

POSTGRES = [
    Case(
        "postgres-compact",
        lambda env: parts.engine(
            env,
            ResponseMode.COMPACT,
            source=_in_postgres(env).as_retriever(similarity_top_k=4),
        ),
        real=True,
    ),
    Case(
        "postgres-fusion",
        lambda env: parts.fusion(
            env,
            "reciprocal_rerank",
            retrievers=[_in_postgres(env).as_retriever(similarity_top_k=4)],
        ),
        entries=RETRIEVE,
        script=parts.answers,
        real=True,
    ),
]
ROWS = [*VECTOR, *FUSION, *POSTPROCESSORS, *OPAQUE, *POSTGRES]
