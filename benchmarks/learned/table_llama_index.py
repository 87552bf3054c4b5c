"""The programs of the survey's rows that are LlamaIndex's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.learned.app import Answer, Inputs, Program
from benchmarks.learned.engines import Engines
from benchmarks.learned.llama_index_apps import (
    query,
    rerank_engine,
    retry_engine,
    router_engine,
    sub_question_engine,
    town_engine,
)
from benchmarks.learned.passages import document, passages

_THREE = ("history", "economy", "people")
_NODES_OF_A_DOCUMENT = 8


def sub_question(engines: Engines) -> Program:
    """A sub-question for each of three tools."""
    engine = sub_question_engine(engines, _THREE, use_async=False)
    return Program(engine, query)


def router(engines: Engines) -> Program:
    """One or both of two tools."""
    return Program(router_engine(engines, ("history", "economy")), query)


def _parts(engines: Engines, embedding: Any) -> list[Any]:
    return [engines.llama_index(passages(name, 16, 4), embedding) for name in _THREE]


def composable(engines: Engines) -> Program:
    """A synthesis over the answers of three indices."""
    from llama_index.core import ComposableGraph, SummaryIndex

    llm = engines.llama_llm()
    indices = _parts(engines, engines.llama_embedding())
    graph = ComposableGraph.from_indices(
        SummaryIndex, indices, index_summaries=[f"The {name} of the town" for name in _THREE]
    )
    inner = {
        index.index_id: index.as_query_engine(llm=llm, similarity_top_k=2) for index in indices
    }
    return Program(graph.as_query_engine(llm=llm, custom_query_engines=inner), query)


def retry(engines: Engines) -> Program:
    """Four sources are judged one by one if the answer fails."""
    return Program(retry_engine(engines), query)


def recursive(engines: Engines) -> Program:
    """A search whose three hits lead to searches of their own."""
    from llama_index.core import VectorStoreIndex
    from llama_index.core.retrievers import RecursiveRetriever
    from llama_index.core.schema import IndexNode

    embedding = engines.llama_embedding()
    parts = dict(zip(_THREE, _parts(engines, embedding), strict=True))
    tops = [IndexNode(text=f"The {name} of the town", index_id=name) for name in _THREE]
    top = VectorStoreIndex(tops, embed_model=embedding)
    retriever = RecursiveRetriever(
        "town",
        retriever_dict={
            "town": top.as_retriever(similarity_top_k=3),
            **{name: index.as_retriever(similarity_top_k=2) for name, index in parts.items()},
        },
    )
    return Program(retriever, retrieve)


def retrieve(retriever: Any, inputs: Inputs) -> Answer:
    """Ask a LlamaIndex retriever."""
    found = retriever.retrieve(inputs.query)
    texts = tuple(node.get_content() for node in found)
    return Answer("\n\n".join(texts), texts)


def summary(engines: Engines) -> Program:
    """Forty passages, of which an LLM picks in batches of ten."""
    from llama_index.core import SummaryIndex
    from llama_index.core.schema import TextNode

    nodes = [TextNode(text=passage.text, id_=passage.id) for passage in passages("notes", 40, 2)]
    retriever = SummaryIndex(nodes).as_retriever(
        retriever_mode="llm", choice_batch_size=10, llm=engines.llama_llm()
    )
    return Program(retriever, retrieve)


def rerank(engines: Engines) -> Program:
    """Four batches of passages are reranked."""
    return Program(rerank_engine(engines), query)


def structured_tree(engines: Engines) -> Program:
    """Seven leaves of structured answers, and their root."""
    from benchmarks.learned.facts import Facts

    engine = town_engine(
        engines,
        narrow=True,
        similarity_top_k=28,
        response_mode="tree_summarize",
        output_cls=Facts,
    )
    return Program(engine, query)


def extractor(kind: str) -> Callable[[Engines], Program]:
    """An extractor of metadata, over 32 nodes of four documents."""

    def build(engines: Engines) -> Program:
        from llama_index.core import extractors
        from llama_index.core.ingestion import IngestionPipeline

        make = getattr(extractors, kind)
        extractor = make(llm=engines.llama_llm(), show_progress=False)
        return Program(IngestionPipeline(transformations=[extractor], disable_cache=True), _extract)

    return build


def _extract(pipeline: Any, inputs: Inputs) -> Answer:
    from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode

    nodes = []
    for number, text in enumerate(inputs.texts):
        source = RelatedNodeInfo(node_id=f"document-{number // _NODES_OF_A_DOCUMENT}")
        nodes.append(TextNode(text=text, relationships={NodeRelationship.SOURCE: source}))
    nodes = pipeline.run(nodes=nodes)
    return Answer("\n".join(str(sorted(node.metadata.items())) for node in nodes))


def thirty_two(number: int) -> Inputs:
    """The texts of 32 nodes."""
    return Inputs("", texts=tuple(document(32 * number + part, 2) for part in range(32)))
