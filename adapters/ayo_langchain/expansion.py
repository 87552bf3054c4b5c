"""``MultiQueryRetriever``: an LLM writes queries, and each of them is searched with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ayo_bridge.engines.openai_http import LineList
from ayo_bridge.graph import Component, Op, Opaque, QueryExpansion
from ayo_bridge.runahead import Maker, MakerKey
from ayo_bridge.runahead.home import Home
from ayo_bridge.schedule import Values, Work
from ayo_bridge.seam import Call
from ayo_langchain.exact import differs
from ayo_langchain.lifter import Lifter
from ayo_langchain.llms import LiftedLLM, lift_llm
from ayo_langchain.prompts import prompt_differs
from ayo_langchain.searching import RETRIEVER_METHODS, VectorSearch, lift_vector_retriever

LINES: Final = 3
"""Queries it is taken to generate until it has done so: what its own prompt asks for."""
_METHODS: Final = (
    *RETRIEVER_METHODS,
    "generate_queries",
    "agenerate_queries",
    "retrieve_documents",
    "aretrieve_documents",
)


class ExpansionMaker:
    """Asks the LLM for further queries; streams where that is proven, to see each early."""

    def __init__(self, llm: LiftedLLM, prompt: Any, question: str, queries: str) -> None:
        self._llm = llm
        self._prompt = prompt
        self._question = question
        self._queries = queries
        self.off = ""
        """Why the call is left to the original after all."""

    def calls(self, work: Work) -> Sequence[Call]:
        """The call of the original; ``feed`` gets each query as it is written."""
        if self.off:
            raise ValueError(self.off)
        parser = LineList()

        def on_text(so_far: str) -> None:
            found = parser.feed(so_far)
            if found:
                work.feed({f"{self._queries}[{index}]": line for index, line in found})

        text = self._prompt.format_prompt(question=work.values[self._question])
        return [self._llm.call(text, on_text=on_text)]

    def outputs(self, work: Work, results: Sequence[object]) -> Values:
        """Nothing: the framework's own parser says what the queries are."""
        return {}


@dataclass(frozen=True, slots=True)
class Expansion:
    """One use of a ``MultiQueryRetriever`` in a graph, by the values that the taps feed."""

    retriever: Any
    question: str
    """The value its query is fed as."""
    queries: str
    """The value its generated queries are fed as."""
    lines: int
    """How many of them the graph has places for."""
    llm: ExpansionMaker | None
    search: VectorSearch | None
    """What searches with them, if that is done early."""

    def values(self, lines: Sequence[str]) -> Mapping[str, object]:
        """The values that generated queries make: each, and all in order."""
        one_by_one = {f"{self.queries}[{i}]": line for i, line in enumerate(lines)}
        return {**one_by_one, self.queries: list(lines)}


@dataclass(slots=True)
class LiftedExpansion:
    """What a multi-query retriever contributes to a template."""

    expansion: Expansion
    components: tuple[Component, ...]
    makers: dict[MakerKey, Maker] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def is_multi_query(retriever: Any) -> bool:
    """Whether this is a ``MultiQueryRetriever`` or of a class derived from it."""
    multi = _multi_query_class()
    return multi is not None and isinstance(retriever, multi)


def lift_multi_query(
    retriever: Any, lifter: Lifter, names: Callable[[str], str], question: str
) -> LiftedExpansion | str:
    """Lift a ``MultiQueryRetriever`` whose query is the value ``question``, or say why not.

    ``names`` makes the names of components unique.
    """
    reason = lifter.once(_differs, retriever)
    if reason is not None:
        return reason
    expand, search = names("expand"), names("search")
    queries = f"{expand}.queries"
    lines = lifter.expected.get(id(retriever), LINES)
    notes: list[str] = []
    makers: dict[MakerKey, Maker] = {}
    maker: ExpansionMaker | None = None
    generator = lifter.once(_lift_generator, retriever.llm_chain)
    first: Component
    if isinstance(generator, str):
        first = Opaque(name=expand, inputs=(question,), outputs=(queries,), reason=generator)
    else:
        if generator.refusal is None:
            maker = ExpansionMaker(generator.llm, generator.prompt, question, queries)
            makers[expand, Op.PREFILLING] = maker
        else:
            notes.append(f"{expand} is left to the original: {generator.refusal}.")
        first = QueryExpansion(
            name=expand,
            llm=generator.llm.engine,
            queries=lines,
            inputs=(question,),
            outputs=(queries,),
            splittable=maker is not None,
        )
    values = (queries, question) if retriever.include_original else (queries,)
    found = lifter.once(lift_vector_retriever, retriever.retriever)
    early: VectorSearch | None = None
    second: Component
    if isinstance(found, str):
        second = Opaque(name=search, inputs=values, outputs=(f"{search}.hits",), reason=found)
    else:
        # In the original's async path all searches start together; in the sync one, in turn.
        count = lines + len(values) - 1
        second = found.component(search, values, count, concurrent=not lifter.sync)
        refusal = lifter.once(_search_refusal, found)
        if refusal is None:
            early = found
            makers.update(found.makers(search))
        else:
            notes.append(f"{search} is left to the original: {refusal}.")
    expansion = Expansion(retriever, question, queries, lines, maker, early)
    return LiftedExpansion(expansion, (first, second), makers, notes)


@dataclass(frozen=True, slots=True)
class _Generator:
    """``prompt | llm | LineListOutputParser()``. ``refusal``: why it is not run ahead."""

    llm: LiftedLLM
    prompt: Any
    refusal: str | None


def _lift_generator(chain: Any, runtime: Home) -> _Generator | str:
    from langchain_classic.retrievers.multi_query import LineListOutputParser
    from langchain_core.runnables import RunnableSequence

    reason = differs(chain, RunnableSequence, "invoke", "ainvoke")
    if reason is not None:
        return reason
    if len(chain.steps) != 3:
        return "the chain that generates queries is not prompt, model and parser"
    prompt, model, parser = chain.steps
    llm = lift_llm(model, runtime)
    if isinstance(llm, str):
        return llm
    refusal = (
        llm.refusal()
        or prompt_differs(prompt)
        or differs(parser, LineListOutputParser, "invoke", "ainvoke", "parse")
    )
    if refusal is None:
        llm.prove(runtime)
    return _Generator(llm, prompt, refusal)


def _search_refusal(search: VectorSearch, runtime: Home) -> str | None:
    return search.refusal()


def _differs(retriever: Any, runtime: Home) -> str | None:
    multi = _multi_query_class()
    if multi is None:
        return "langchain-classic is not installed"
    return differs(retriever, multi, *_METHODS)


def _multi_query_class() -> type | None:
    try:
        from langchain_classic.retrievers.multi_query import MultiQueryRetriever
    except ImportError:
        return None
    return MultiQueryRetriever
