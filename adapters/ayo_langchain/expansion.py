"""``MultiQueryRetriever``: an LLM writes queries, and each of them is searched with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from ayo_bridge.graph import Op, Opaque, QueryExpansion
from ayo_bridge.lift.lifted import Draft
from ayo_bridge.lift.llm import LineItems
from ayo_bridge.lift.makers import ExpansionMaker
from ayo_bridge.lift.parts import Parts
from ayo_bridge.lift.places import Place
from ayo_bridge.lift.recognise import loaded
from ayo_bridge.runahead.home import Home
from ayo_bridge.schedule import Work
from ayo_bridge.seam import Call
from ayo_langchain.known import differs
from ayo_langchain.llms import LiftedLLM, lift_llm
from ayo_langchain.ollama_llms import LiftedOllama
from ayo_langchain.prompts import prompt_differs
from ayo_langchain.searching import VectorSearch, add_search, lift_vector_retriever

LINES: Final = 3
"""Queries it is taken to generate until it has done so: what its own prompt asks for."""
_MODULE: Final = "langchain_classic.retrievers.multi_query"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion(Place):
    """The place of a ``MultiQueryRetriever``."""

    queries: str
    """The value its generated queries are fed as."""
    lines: int
    """How many of them the graph has places for."""
    search: VectorSearch | None
    """What searches with them, if that is done early."""


def lift_multi_query(
    draft: Draft,
    retriever: Any,
    parts: Parts,
    question: str,
    *,
    sync: bool,
    after: tuple[str, ...] = (),
    settled: tuple[str, ...] = (),
) -> Expansion:
    """Lift a ``MultiQueryRetriever``."""
    expand, search = draft.name("expand"), draft.name("search")
    queries = f"{expand}.queries"
    lines = parts.expected.get(id(retriever), LINES)
    draft.covers.add(id(retriever))
    draft.followed = True
    generator = parts.once(_lift_generator, retriever.llm_chain)
    if isinstance(generator, str):
        left = Opaque(name=expand, inputs=(question,), outputs=(queries,), reason=generator)
        draft.add(left, after)
    else:
        _lift_writing(draft, generator, expand, question, lines, after)
        if generator.refusal is None:
            generator.llm.prove(sync=sync)
    values = (queries, question) if retriever.include_original else (queries,)
    found = parts.once(lift_vector_retriever, retriever.retriever)
    early: VectorSearch | None = None
    hits = f"{search}.hits"
    if isinstance(found, str):
        draft.add(Opaque(name=search, inputs=values, outputs=(hits,), reason=found), [expand])
    else:
        # In the original's async path all searches start together; in the sync one, in turn.
        count, together = lines + len(values) - 1, not sync
        if add_search(
            draft, found, parts, search, values, count, concurrent=together, after=[expand]
        ):
            early = found
    return Expansion(
        part=retriever,
        question=question,
        ends=((search, hits),),
        made=(queries, hits),
        settled=settled,
        asks=expand,
        queries=queries,
        lines=lines,
        search=early,
    )


@dataclass(frozen=True, slots=True)
class _Generator:
    """``prompt | llm | LineListOutputParser()``. ``refusal``: why it is not run ahead."""

    llm: LiftedLLM | LiftedOllama
    prompt: Any
    refusal: str | None

    def ask(self, question: str, sync: bool, work: Work, on_text: Callable[[str], None]) -> Call:
        """The call that asks for queries; ``question`` is the name of a value."""
        prompt = self.prompt.format_prompt(question=work.values[question])
        return self.llm.call(prompt, on_text, sync=sync)


def _lift_writing(
    draft: Draft,
    generator: _Generator,
    name: str,
    question: str,
    lines: int,
    after: tuple[str, ...],
) -> None:
    queries = f"{name}.queries"
    if generator.refusal is None:
        draft.makers[name, Op.PREFILLING] = lambda asked: ExpansionMaker(
            partial(generator.ask, question, asked.sync), LineItems(_ended_lines, _filled), queries
        )
    else:
        draft.notes.append(
            f"{name.removeprefix(draft.prefix)} is left to the original: {generator.refusal}."
        )
    component = QueryExpansion(
        name=name,
        llm=generator.llm.engine,
        queries=lines,
        inputs=(question,),
        outputs=(queries,),
        splittable=generator.refusal is None,
    )
    draft.add(component, after)


def _lift_generator(chain: Any, runtime: Home) -> _Generator | str:
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
    lines = loaded(_MODULE, "LineListOutputParser")
    refusal = (
        llm.refusal()
        or prompt_differs(prompt)
        or differs(parser, lines, "invoke", "ainvoke", "parse")
    )
    return _Generator(llm, prompt, refusal)


# How ``LineListOutputParser`` reads an answer (langchain-classic 1.0): the lines of the stripped
# text that are not empty. Lines keep their own white space.


def _ended_lines(text: str) -> list[str]:
    """Lines that no strip of the rest can reach: something that is no white space follows them."""
    text = text.lstrip()
    solid = text.rstrip()
    lines = solid.split("\n")
    if not text.startswith("\n", len(solid)):
        lines.pop()
    return lines


def _filled(lines: list[str]) -> list[str]:
    return list(filter(None, lines))
