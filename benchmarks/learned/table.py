"""The rows of a survey of both frameworks: sync entries that one call after another makes slow.

``target`` is original over ideal as the survey found it, over engines whose embedding and search
took 70 ms together; what it states for another size, or as a formula, is computed from it.
``longest`` is the ideal over the engines of this benchmark (30 ms).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.learned import langchain_apps
from benchmarks.learned import table_llama_index as rows
from benchmarks.learned.app import Answer, App, Calls, Group, Inputs, Longest, Program, exactly
from benchmarks.learned.engines import Engines
from benchmarks.learned.passages import question
from benchmarks.learned.plain_apps import call


def _assign(engines: Engines) -> Program:
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.runnables import RunnablePassthrough

    def part(template: str) -> Any:
        return ChatPromptTemplate.from_template(template) | engines.chat_model() | StrOutputParser()

    causes = RunnablePassthrough.assign(causes=part("List the causes of {question}"))
    effects = RunnablePassthrough.assign(effects=part("List the effects of {question}"))
    return Program(causes | effects, _assigned)


def _assigned(chain: Any, inputs: Inputs) -> Answer:
    result = chain.invoke({"question": inputs.query})
    return Answer(f"{result['causes']}\n{result['effects']}")


def _map(engines: Engines) -> Program:
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate

    prompt = ChatPromptTemplate.from_template("Translate to Dutch: {text}")
    return Program((prompt | engines.chat_model() | StrOutputParser()).map(), _mapped)


def _mapped(chain: Any, inputs: Inputs) -> Answer:
    return Answer("\n".join(chain.invoke([{"text": text} for text in inputs.texts])))


def _questions(count: int) -> Callable[[int], Inputs]:
    """A batch of questions; no two batches share one."""
    return lambda number: Inputs(
        "", texts=tuple(question(count * number + part) for part in range(count))
    )


def find(retriever: Any, inputs: Inputs) -> Answer:
    """Ask a LangChain retriever."""
    texts = tuple(found.page_content for found in retriever.invoke(inputs.query))
    return Answer("\n\n".join(texts), texts)


def _ensemble(engines: Engines) -> Program:
    return Program(langchain_apps.ensemble(engines), find)


def _merger(engines: Engines) -> Program:
    from langchain_classic.retrievers import MergerRetriever

    history, notes = langchain_apps.stores(engines)
    retrievers = [
        history.as_retriever(search_kwargs={"k": 2}),
        notes.as_retriever(search_kwargs={"k": 3}),
        history.as_retriever(search_kwargs={"k": 4}),
    ]
    return Program(MergerRetriever(retrievers=retrievers), find)


def _compression(engines: Engines) -> Program:
    return Program(langchain_apps.compression(engines), find)


def _map_reduce(engines: Engines) -> Program:
    return Program(langchain_apps.map_reduce_chain(engines, 4), langchain_apps.invoke)


def _map_rerank(engines: Engines) -> Program:
    from operator import itemgetter

    from langchain_classic.chains.combine_documents.map_rerank import MapRerankDocumentsChain
    from langchain_classic.chains.llm import LLMChain
    from langchain_classic.output_parsers.regex import RegexParser
    from langchain_core.prompts import PromptTemplate
    from langchain_core.runnables import RunnablePassthrough

    prompt = PromptTemplate(
        template=(
            "Context:\n{context}\n\nQuestion: {question}\n"
            "Write the answer, then the line 'Score: ' with a number up to 100."
        ),
        input_variables=["context", "question"],
        output_parser=RegexParser(regex=r"(.*?)\nScore: (\d*)", output_keys=["answer", "score"]),
    )
    chain = MapRerankDocumentsChain(
        llm_chain=LLMChain(llm=engines.chat_model(), prompt=prompt),
        document_variable_name="context",
        rank_key="score",
        answer_key="answer",
    )
    retriever = langchain_apps.stores(engines)[0].as_retriever(search_kwargs={"k": 4})
    asked: Any = {"input_documents": retriever, "question": RunnablePassthrough()}
    return Program(asked | chain | itemgetter("output_text"), langchain_apps.invoke)


def _corrective_rag(engines: Engines) -> Program:
    return langchain_apps.corrective_rag(engines, 4)


def _rag_batch(engines: Engines) -> Program:
    retriever = langchain_apps.stores(engines)[0].as_retriever(search_kwargs={"k": 4})
    return Program(langchain_apps.rag_chain(retriever, engines.chat_model()), _batch)


def _batch(chain: Any, inputs: Inputs) -> Answer:
    return Answer("\n".join(chain.batch(list(inputs.texts))))


def _two_calls(engines: Engines) -> Program:
    llm = engines.chat_model()

    def both(question: str) -> str:
        causes = llm.invoke(f"List the causes of {question}").content
        effects = llm.invoke(f"List the effects of {question}").content
        return f"{causes}\n{effects}"

    return Program(both, call)


def _row(
    name: str,
    build: Callable[[Engines], Program],
    calls: Calls,
    before: float,
    ideal: float,
    longest: Longest | None,
    **more: Any,
) -> App:
    """A row; ``before`` and ``ideal`` are milliseconds of the survey."""
    return App(
        f"row_{name}",
        Group.TABLE,
        build,
        calls,
        longest=longest,
        target=round(before / ideal, 2),
        **more,
    )


def _found(llm: int) -> Longest:
    return Longest(llm, embedding=1, search=1)


_EXTRACTED: dict[str, Any] = {"inputs": rows.thirty_two, "one_thread": True}

APPS: Sequence[App] = (
    _row("sub_question3", rows.sub_question, exactly(5), 710, 370, _found(3)),
    _row("router_multi2", rows.router, Calls(2, 4), 540, 300, None),
    _row("composable3", rows.composable, exactly(4), 610, 270, _found(2)),
    _row("retry_source4", rows.retry, Calls(2, 7), 870, 470, None, one_thread=True),
    _row("recursive3", rows.recursive, exactly(0), 210, 105, Longest(0, embedding=1, search=2)),
    _row("summary_llm4", rows.summary, exactly(4), 400, 100, Longest(1)),
    _row("llm_rerank4", rows.rerank, exactly(5), 570, 270, _found(2)),
    _row("structured_tree7", rows.structured_tree, exactly(8), 970, 270, _found(2)),
    _row(
        "title32",
        rows.extractor("TitleExtractor"),
        exactly(24),
        700,
        200,
        Longest(2),
        **_EXTRACTED,
    ),
    _row(
        "keyword32",
        rows.extractor("KeywordExtractor"),
        exactly(32),
        800,
        100,
        Longest(1),
        **_EXTRACTED,
    ),
    _row(
        "summary32",
        rows.extractor("SummaryExtractor"),
        exactly(32),
        800,
        100,
        Longest(1),
        **_EXTRACTED,
    ),
    _row("assign2", _assign, exactly(2), 220, 100, Longest(1)),
    _row("map8", _map, exactly(8), 305, 100, Longest(1), inputs=_questions(8)),
    _row("ensemble2", _ensemble, exactly(0), 147, 65, Longest(0, embedding=1, search=1)),
    _row("merger3", _merger, exactly(0), 220, 65, Longest(0, embedding=1, search=1)),
    _row("extractor8", _compression, exactly(8), 870, 165, _found(1)),
    _row("map_reduce4", _map_reduce, exactly(5), 616, 200, _found(2)),
    _row("map_rerank4", _map_rerank, exactly(4), 530, 100, _found(1)),
    _row("corrective_rag4", _corrective_rag, Calls(5, 6), 812, 265, None),
    _row("rag_batch32", _rag_batch, exactly(32), 3087, 165, _found(1), inputs=_questions(32)),
    _row("two_calls", _two_calls, exactly(2), 245, 100, Longest(1)),
)
"""The rows of the survey."""
