"""LlamaIndex applications, as its documentation writes them."""

from __future__ import annotations

from typing import Any

from benchmarks.learned.app import Answer, App, Calls, Group, Inputs, Longest, Program, exactly
from benchmarks.learned.engines import Engines
from benchmarks.learned.passages import passages


def town_engine(engines: Engines, *, narrow: bool = False, **settings: Any) -> Any:
    """A query engine over the town's history; a narrow window takes few passages to a prompt."""
    llm = engines.llama_llm(context_window=900, max_tokens=128) if narrow else engines.llama_llm()
    index = engines.llama_index(passages("history", 30), engines.llama_embedding())
    return index.as_query_engine(llm=llm, **settings)


def query(engine: Any, inputs: Inputs) -> Answer:
    """Ask a query engine."""
    return answer_of(engine.query(inputs.query))


async def aquery(engine: Any, inputs: Inputs) -> Answer:
    """Ask a query engine on the loop."""
    return answer_of(await engine.aquery(inputs.query))


def answer_of(response: Any) -> Answer:
    """A response with the texts of its sources: some engines draw ids for theirs at random."""
    return Answer(str(response), tuple(found.node.get_content() for found in response.source_nodes))


def tools(engines: Engines, names: tuple[str, ...], llm: Any) -> list[Any]:
    """A query engine over a corpus of its own for each name, as tools."""
    from llama_index.core.tools import QueryEngineTool

    embedding = engines.llama_embedding()
    return [
        QueryEngineTool.from_defaults(
            engines.llama_index(passages(name, 20, 4), embedding).as_query_engine(
                llm=llm, similarity_top_k=2
            ),
            name=name,
            description=f"Answers questions about the {name} of the town",
        )
        for name in names
    ]


def sub_question_engine(engines: Engines, names: tuple[str, ...], *, use_async: bool) -> Any:
    """Sub-questions, each answered by one of the tools, then a synthesis."""
    from llama_index.core.query_engine import SubQuestionQueryEngine
    from llama_index.core.question_gen import LLMQuestionGenerator
    from llama_index.core.response_synthesizers import get_response_synthesizer

    llm = engines.llama_llm()
    return SubQuestionQueryEngine.from_defaults(
        query_engine_tools=tools(engines, names, llm),
        llm=llm,
        question_gen=LLMQuestionGenerator.from_defaults(llm=llm),
        response_synthesizer=get_response_synthesizer(llm=llm, use_async=use_async),
        use_async=use_async,
        verbose=False,
    )


def _sub_question(engines: Engines) -> Program:
    engine = sub_question_engine(engines, ("history", "economy"), use_async=False)
    return Program(engine, query)


def _sub_question_async(engines: Engines) -> Program:
    engine = sub_question_engine(engines, ("history", "economy"), use_async=True)
    return Program(engine, aquery)


def _hyde(engines: Engines) -> Program:
    from llama_index.core.indices.query.query_transform import HyDEQueryTransform
    from llama_index.core.query_engine import TransformQueryEngine

    transform = HyDEQueryTransform(llm=engines.llama_llm(), include_original=True)
    return Program(TransformQueryEngine(town_engine(engines, similarity_top_k=3), transform), query)


def _accumulate(engines: Engines) -> Program:
    engine = town_engine(engines, similarity_top_k=6, response_mode="accumulate")
    return Program(engine, query)


def router_engine(engines: Engines, names: tuple[str, ...]) -> Any:
    """Those of the tools that a selector picks, then a synthesis of their answers."""
    from llama_index.core.query_engine import RouterQueryEngine
    from llama_index.core.response_synthesizers import TreeSummarize
    from llama_index.core.selectors import LLMMultiSelector

    llm = engines.llama_llm()
    return RouterQueryEngine.from_defaults(
        query_engine_tools=tools(engines, names, llm),
        llm=llm,
        selector=LLMMultiSelector.from_defaults(llm=llm),
        summarizer=TreeSummarize(llm=llm),
        select_multi=True,
    )


def _router(engines: Engines) -> Program:
    return Program(router_engine(engines, ("history", "economy", "people")), query)


def rerank_engine(engines: Engines, *, top_n: int = 4, **settings: Any) -> Any:
    """Twenty passages, reranked five to a prompt, ``top_n`` of them kept."""
    from llama_index.core.postprocessor import LLMRerank

    rerank = LLMRerank(llm=engines.llama_llm(), choice_batch_size=5, top_n=top_n)
    return town_engine(engines, similarity_top_k=20, node_postprocessors=[rerank], **settings)


def _rerank(engines: Engines) -> Program:
    return Program(rerank_engine(engines), query)


def _rerank_tree(engines: Engines) -> Program:
    engine = rerank_engine(engines, top_n=12, narrow=True, response_mode="tree_summarize")
    return Program(engine, query)


def _rerank_accumulate(engines: Engines) -> Program:
    return Program(rerank_engine(engines, response_mode="accumulate"), query)


def retry_engine(engines: Engines) -> Any:
    """An answer is judged; if it fails, so are its sources, and the answer is written again."""
    from llama_index.core import Settings
    from llama_index.core.evaluation import RelevancyEvaluator
    from llama_index.core.query_engine import RetrySourceQueryEngine

    # The engine takes the model of its inner engine from the settings.
    Settings.llm = llm = engines.llama_llm()
    Settings.embed_model = engines.llama_embedding()
    inner = town_engine(engines, similarity_top_k=4)
    return RetrySourceQueryEngine(inner, RelevancyEvaluator(llm=llm), llm=llm, max_retries=1)


def _retry(engines: Engines) -> Program:
    return Program(retry_engine(engines), query)


def _tree_repack(engines: Engines) -> Program:
    engine = town_engine(engines, narrow=True, similarity_top_k=20, response_mode="tree_summarize")
    return Program(engine, query)


def _tree_wide(engines: Engines) -> Program:
    return Program(town_engine(engines, similarity_top_k=8, response_mode="tree_summarize"), query)


def _refine(engines: Engines) -> Program:
    return Program(town_engine(engines, similarity_top_k=3, response_mode="refine"), query)


def _citation(engines: Engines) -> Program:
    from llama_index.core.query_engine import CitationQueryEngine

    index = engines.llama_index(passages("history", 30), engines.llama_embedding())
    engine = CitationQueryEngine.from_args(
        index, llm=engines.llama_llm(), similarity_top_k=3, citation_chunk_size=512
    )
    return Program(engine, query)


APPS = (
    App(
        "li_subquestion",
        Group.LLAMA_INDEX,
        _sub_question,
        Calls(4, 6),
        longest=Longest(llm=3, embedding=1, search=1),
    ),
    App(
        "li_subquestion_async",
        Group.LLAMA_INDEX,
        _sub_question_async,
        Calls(4, 6),
        longest=Longest(llm=3, embedding=1, search=1),
        on_loop=True,
    ),
    App(
        "li_hyde",
        Group.LLAMA_INDEX,
        _hyde,
        exactly(2),
        longest=Longest(llm=2, embedding=1, search=1),
    ),
    App(
        "li_accumulate",
        Group.LLAMA_INDEX,
        _accumulate,
        exactly(6),
        longest=Longest(llm=1, embedding=1, search=1),
    ),
    App(
        "li_router_multi",
        Group.LLAMA_INDEX,
        _router,
        Calls(2, 5),
    ),
    App(
        "li_llm_rerank20",
        Group.LLAMA_INDEX,
        _rerank,
        exactly(5),
        longest=Longest(llm=2, embedding=1, search=1),
    ),
    App(
        "li_rerank_tree",
        Group.LLAMA_INDEX,
        _rerank_tree,
        Calls(5, 9),
        longest=Longest(llm=3, embedding=1, search=1),
    ),
    App(
        "li_rerank_accumulate",
        Group.LLAMA_INDEX,
        _rerank_accumulate,
        Calls(5, 8),
        longest=Longest(llm=2, embedding=1, search=1),
    ),
    App(
        "li_retry_source",
        Group.LLAMA_INDEX,
        _retry,
        Calls(2, 7),
        one_thread=True,
    ),
    App(
        "li_tree_repack",
        Group.LLAMA_INDEX,
        _tree_repack,
        Calls(5, 7),
    ),
    App(
        "li_tree_wide",
        Group.LLAMA_INDEX,
        _tree_wide,
        exactly(1),
        longest=Longest(llm=1, embedding=1, search=1),
    ),
    App(
        "li_refine",
        Group.LLAMA_INDEX,
        _refine,
        exactly(3),
        longest=Longest(llm=3, embedding=1, search=1),
    ),
    App(
        "li_citation",
        Group.LLAMA_INDEX,
        _citation,
        exactly(1),
        longest=Longest(llm=1, embedding=1, search=1),
    ),
)
"""Query engines of LlamaIndex."""
