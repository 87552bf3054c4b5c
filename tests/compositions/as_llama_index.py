"""A tree as a LlamaIndex query engine, made of query engines."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from llama_index.core.prompts import PromptTemplate
from llama_index.core.query_engine import CustomQueryEngine, RetrieverQueryEngine
from llama_index.core.response_synthesizers import ResponseMode, get_response_synthesizer
from llama_index.core.tools import QueryEngineTool

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


def built(tree: Node, engines: Engines) -> Any:
    """The query engine."""
    return _of(tree, engines)


class _Engine(CustomQueryEngine):
    """Does what its node says; its ``parts`` are query engines."""

    node: Any
    parts: tuple[Any, ...] = ()


def _text(response: Any) -> str:
    return str(response)


class AskEngine(_Engine):
    llm: Any

    def _prompt(self) -> PromptTemplate:
        return PromptTemplate(algebra.template_of(self.node.number, lines=self.node.lines))

    def custom_query(self, query_str: str) -> str:
        return str(self.llm.predict(self._prompt(), x=query_str))

    async def acustom_query(self, query_str: str) -> str:
        return str(await self.llm.apredict(self._prompt(), x=query_str))


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
    def custom_query(self, query_str: str) -> str:
        for part in self.parts:
            query_str = _text(part.query(query_str))
        return query_str

    async def acustom_query(self, query_str: str) -> str:
        for part in self.parts:
            query_str = _text(await part.aquery(query_str))
        return query_str


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
    def custom_query(self, query_str: str) -> str:
        return _text(self.parts[not self.node.check(query_str)].query(query_str))

    async def acustom_query(self, query_str: str) -> str:
        return _text(await self.parts[not self.node.check(query_str)].aquery(query_str))


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
        except algebra.PlannedError:
            return _text(self.parts[1].query(query_str))

    async def acustom_query(self, query_str: str) -> str:
        try:
            return _text(await self.parts[0].aquery(query_str))
        except algebra.PlannedError:
            return _text(await self.parts[1].aquery(query_str))


class _Classes:
    of: ClassVar[dict[type, type[_Engine]]] = {
        algebra.Compute: ComputeEngine,
        algebra.Raises: ComputeEngine,
        algebra.Then: ThenEngine,
        algebra.Beside: BesideEngine,
        algebra.Apart: ApartEngine,
        algebra.Branch: BranchEngine,
        algebra.Each: EachEngine,
        algebra.Until: UntilEngine,
        algebra.Rescue: RescueEngine,
    }


def _of(node: Node, engines: Engines) -> Any:
    match node:
        case algebra.Ask():
            return AskEngine(node=node, llm=engines.llama_llm)
        case algebra.Search(count):
            retriever = engines.index.as_retriever(similarity_top_k=count)
            return SearchEngine(node=node, retriever=retriever)
        case algebra.Answer(count, number):
            return RetrieverQueryEngine(
                engines.index.as_retriever(similarity_top_k=count),
                get_response_synthesizer(
                    llm=engines.llama_llm, response_mode=_MODES[number % len(_MODES)]
                ),
            )
        case algebra.Tool(inner):
            tool = QueryEngineTool.from_defaults(
                _of(inner, engines), name="work", description="Works on a text."
            )
            return ToolEngine(node=node, tool=tool)
        case algebra.Then(parts) | algebra.Beside(parts) | algebra.Apart(parts):
            inner_parts: tuple[Node, ...] = parts
        case algebra.Branch(_, yes, no):
            inner_parts = (yes, no)
        case algebra.Rescue(first, other):
            inner_parts = (first, other)
        case algebra.Each(inner) | algebra.Until(_, inner, _):
            inner_parts = (inner,)
        case _:
            inner_parts = ()
    made = tuple(_of(part, engines) for part in inner_parts)
    return _Classes.of[type(node)](node=node, parts=made)
