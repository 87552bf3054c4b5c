"""A tree as a LlamaIndex query engine, made of query engines."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, Final

from llama_index.core.prompts import PromptTemplate
from llama_index.core.query_engine import CustomQueryEngine, RetrieverQueryEngine
from llama_index.core.response_synthesizers import ResponseMode, get_response_synthesizer
from llama_index.core.tools import QueryEngineTool
from openai import OpenAIError

from tests.compositions import algebra
from tests.compositions.algebra import Node
from tests.compositions.engines import Engines

_MODES = (
    ResponseMode.COMPACT,
    ResponseMode.REFINE,
    ResponseMode.TREE_SUMMARIZE,
    ResponseMode.SIMPLE_SUMMARIZE,
    ResponseMode.ACCUMULATE,
)


_RESCUED: Final = (algebra.PlannedError, OpenAIError)


def built(tree: Node, engines: Engines, *, streaming: bool = False) -> Any:
    """The query engine; ``streaming``: a retrieval application that comes last streams."""
    if isinstance(tree, algebra.Fields):
        tree = tree.inner
    return _of(tree, engines, streaming)


class _Engine(CustomQueryEngine):
    """Does what its node says; its ``parts`` are query engines."""

    node: Any
    parts: tuple[Any, ...] = ()
    streams: bool = False
    """The response of the part that comes last is returned as it is."""

    def last(self, response: Any) -> Any:
        """The response of the part that comes last, as this engine returns it."""
        return response if self.streams else str(response)


def _text(response: Any) -> str:
    return str(response)


class AskEngine(_Engine):
    llm: Any

    def _prompt(self) -> PromptTemplate:
        match self.node:
            case algebra.Fails():
                return PromptTemplate(algebra.failing_template(self.node))
            case algebra.Judged(number) | algebra.Persist(number):
                return PromptTemplate(algebra.judging_template(number))
            case algebra.Ask(number, lines):
                return PromptTemplate(algebra.template_of(number, lines=lines))
            case _:
                return PromptTemplate(algebra.template_of(self.node.number))

    def custom_query(self, query_str: str) -> str:
        return str(self.llm.predict(self._prompt(), x=query_str))

    async def acustom_query(self, query_str: str) -> str:
        return str(await self.llm.apredict(self._prompt(), x=query_str))


class StreamedEngine(AskEngine):
    def custom_query(self, query_str: str) -> str:
        return "".join(self.llm.stream(self._prompt(), x=query_str))

    async def acustom_query(self, query_str: str) -> str:
        read = await self.llm.astream(self._prompt(), x=query_str)
        return "".join([piece async for piece in read])


class SearchEngine(_Engine):
    retriever: Any

    def custom_query(self, query_str: str) -> str:
        return _found(self.retriever.retrieve(query_str))

    async def acustom_query(self, query_str: str) -> str:
        return _found(await self.retriever.aretrieve(query_str))


def _found(nodes: list[Any]) -> str:
    return algebra.paragraphs([each.node.get_content() for each in nodes])


class ComputeEngine(_Engine):
    def custom_query(self, query_str: str) -> str:
        if isinstance(self.node, algebra.Raises):
            return algebra.checked(self.node.check, query_str)
        return str(self.node.glue(query_str))

    async def acustom_query(self, query_str: str) -> str:
        return self.custom_query(query_str)


class ThenEngine(_Engine):
    def custom_query(self, query_str: str) -> Any:
        for part in self.parts[:-1]:
            query_str = _text(part.query(query_str))
        return self.last(self.parts[-1].query(query_str))

    async def acustom_query(self, query_str: str) -> Any:
        for part in self.parts[:-1]:
            query_str = _text(await part.aquery(query_str))
        return self.last(await self.parts[-1].aquery(query_str))


class ApartEngine(_Engine):
    def custom_query(self, query_str: str) -> str:
        return algebra.paragraphs([_text(part.query(query_str)) for part in self.parts])

    async def acustom_query(self, query_str: str) -> str:
        return algebra.paragraphs([_text(await part.aquery(query_str)) for part in self.parts])


class BesideEngine(ApartEngine):
    async def acustom_query(self, query_str: str) -> str:
        found = await asyncio.gather(*(part.aquery(query_str) for part in self.parts))
        return algebra.paragraphs([_text(each) for each in found])


class BranchEngine(_Engine):
    def custom_query(self, query_str: str) -> Any:
        return self.last(self.parts[not self.node.check(query_str)].query(query_str))

    async def acustom_query(self, query_str: str) -> Any:
        return self.last(await self.parts[not self.node.check(query_str)].aquery(query_str))


class JudgedEngine(_Engine):
    judge: Any

    def custom_query(self, query_str: str) -> Any:
        no = not self.node.check(_text(self.judge.query(query_str)))
        return self.last(self.parts[no].query(query_str))

    async def acustom_query(self, query_str: str) -> Any:
        no = not self.node.check(_text(await self.judge.aquery(query_str)))
        return self.last(await self.parts[no].aquery(query_str))


class KeptEngine(_Engine):
    def custom_query(self, query_str: str) -> str:
        return algebra.paragraphs([query_str, _text(self.parts[0].query(query_str))])

    async def acustom_query(self, query_str: str) -> str:
        return algebra.paragraphs([query_str, _text(await self.parts[0].aquery(query_str))])


class EachEngine(_Engine):
    def custom_query(self, query_str: str) -> str:
        return "\n".join([_text(self.parts[0].query(line)) for line in algebra.lines_of(query_str)])

    async def acustom_query(self, query_str: str) -> str:
        lines = algebra.lines_of(query_str)
        found = await asyncio.gather(*(self.parts[0].aquery(line) for line in lines))
        return "\n".join([_text(each) for each in found])


class UntilEngine(_Engine):
    def custom_query(self, query_str: str) -> str:
        for _ in range(self.node.times):
            query_str = _text(self.parts[0].query(query_str))
            if self.node.check(query_str):
                break
        return query_str

    async def acustom_query(self, query_str: str) -> str:
        for _ in range(self.node.times):
            query_str = _text(await self.parts[0].aquery(query_str))
            if self.node.check(query_str):
                break
        return query_str


class PersistEngine(_Engine):
    judge: Any

    def custom_query(self, query_str: str) -> str:
        for _ in range(self.node.times):
            query_str = _text(self.parts[0].query(query_str))
            if self.node.check(_text(self.judge.query(query_str))):
                break
        return query_str

    async def acustom_query(self, query_str: str) -> str:
        for _ in range(self.node.times):
            query_str = _text(await self.parts[0].aquery(query_str))
            if self.node.check(_text(await self.judge.aquery(query_str))):
                break
        return query_str


class ToolEngine(_Engine):
    tool: Any

    def custom_query(self, query_str: str) -> str:
        return str(self.tool.call(query_str).content)

    async def acustom_query(self, query_str: str) -> str:
        return str((await self.tool.acall(query_str)).content)


class RescueEngine(_Engine):
    def custom_query(self, query_str: str) -> str:
        try:
            return _text(self.parts[0].query(query_str))
        except _RESCUED:
            return _text(self.parts[1].query(query_str))

    async def acustom_query(self, query_str: str) -> str:
        try:
            return _text(await self.parts[0].aquery(query_str))
        except _RESCUED:
            return _text(await self.parts[1].aquery(query_str))


class _Classes:
    of: ClassVar[dict[type, type[_Engine]]] = {
        algebra.Compute: ComputeEngine,
        algebra.Raises: ComputeEngine,
        algebra.Then: ThenEngine,
        algebra.Beside: BesideEngine,
        algebra.Apart: ApartEngine,
        algebra.Branch: BranchEngine,
        algebra.Route: BranchEngine,
        algebra.Judged: JudgedEngine,
        algebra.Kept: KeptEngine,
        algebra.Each: EachEngine,
        algebra.Until: UntilEngine,
        algebra.Persist: PersistEngine,
        algebra.Rescue: RescueEngine,
    }


def _of(node: Node, engines: Engines, streams: bool = False) -> Any:
    match node:
        case algebra.Ask():
            return AskEngine(node=node, llm=engines.llama_llm)
        case algebra.Streamed():
            return StreamedEngine(node=node, llm=engines.llama_llm)
        case algebra.Fails(_, how):
            late = how is algebra.Failure.LATE
            return AskEngine(node=node, llm=engines.hasty_llama_llm if late else engines.llama_llm)
        case algebra.Search(count):
            retriever = engines.index.as_retriever(similarity_top_k=count)
            return SearchEngine(node=node, retriever=retriever)
        case algebra.Answer(count, number):
            return RetrieverQueryEngine(
                engines.index.as_retriever(similarity_top_k=count),
                get_response_synthesizer(
                    llm=engines.llama_llm,
                    response_mode=_MODES[number % len(_MODES)],
                    streaming=streams,
                ),
            )
        case algebra.Tool(inner):
            tool = QueryEngineTool.from_defaults(
                _of(inner, engines), name="work", description="Works on a text."
            )
            return ToolEngine(node=node, tool=tool)
        case _:
            return _composed(node, engines, streams)


def _composed(node: Node, engines: Engines, streams: bool) -> Any:
    ends_as_parts_do = False
    match node:
        case algebra.Then(parts):
            inner_parts: tuple[Node, ...] = parts
            ends_as_parts_do = streams
        case algebra.Beside(parts) | algebra.Apart(parts):
            inner_parts = parts
        case algebra.Branch(_, yes, no) | algebra.Route(_, yes, no) | algebra.Judged(_, _, yes, no):
            inner_parts = (yes, no)
            ends_as_parts_do = streams
        case algebra.Rescue(first, other):
            inner_parts = (first, other)
        case (
            algebra.Each(inner)
            | algebra.Kept(inner)
            | algebra.Until(_, inner, _)
            | algebra.Persist(_, _, inner, _)
        ):
            inner_parts = (inner,)
        case _:
            inner_parts = ()
    first_that_ends = len(inner_parts) - 1 if isinstance(node, algebra.Then) else 0
    made = tuple(
        _of(part, engines, ends_as_parts_do and at >= first_that_ends)
        for at, part in enumerate(inner_parts)
    )
    more: dict[str, Any] = {}
    if isinstance(node, algebra.Judged | algebra.Persist):
        more["judge"] = AskEngine(node=node, llm=engines.llama_llm)
    return _Classes.of[type(node)](node=node, parts=made, streams=ends_as_parts_do, **more)
