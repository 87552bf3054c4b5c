"""A tree as a plain function, over the OpenAI SDK and a vector store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

from tests.compositions import algebra
from tests.compositions.algebra import Node
from tests.compositions.engines import Engines

Function: TypeAlias = Callable[[str], str]
AsyncFunction: TypeAlias = Callable[[str], Awaitable[str]]


def built(tree: Node, engines: Engines) -> Function:
    """The function; a method of what holds the tree, as applications have them."""
    run = _Sync(engines).run

    def answer(question: str) -> str:
        return run(tree, question)

    return answer


def built_async(tree: Node, engines: Engines) -> AsyncFunction:
    """The coroutine function."""
    run = _Async(engines).run

    async def answer(question: str) -> str:
        return await run(tree, question)

    return answer


def _prompt(node: algebra.Ask, x: str) -> str:
    return algebra.template_of(node.number, lines=node.lines).replace("{x}", x)


def _context_prompt(number: int, context: str, x: str) -> str:
    return f"Task {number} from context:\n{context}\n\nQuestion: {x}"


def _request(prompt: str) -> dict[str, Any]:
    return {
        "model": "stub",
        "messages": [{"role": "user", "content": prompt}],
        "temperature": 0.0,
    }


class _Sync:
    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    def _ask(self, prompt: str) -> str:
        made = self._engines.openai.chat.completions.create(**_request(prompt))
        return str(made.choices[0].message.content)

    def _search(self, count: int, x: str) -> str:
        found = self._engines.store.similarity_search(x, k=count)
        return algebra.paragraphs([each.page_content for each in found])

    def run(self, node: Node, x: str) -> str:
        match node:
            case algebra.Ask():
                return self._ask(_prompt(node, x))
            case algebra.Search(count):
                return self._search(count, x)
            case algebra.Answer(count, number):
                return self._ask(_context_prompt(number, self._search(count, x), x))
            case algebra.Compute(glue):
                return glue(x)
            case algebra.Raises(check):
                return algebra.checked(check, x)
            case algebra.Then(parts):
                for part in parts:
                    x = self.run(part, x)
                return x
            case _:
                return self._composed(node, x)

    def _composed(self, node: Node, x: str) -> str:
        match node:
            case algebra.Beside(parts):
                with ThreadPoolExecutor(len(parts)) as pool:
                    found = pool.map(lambda part: self.run(part, x), parts)
                    return algebra.paragraphs(list(found))
            case algebra.Apart(parts):
                return algebra.paragraphs([self.run(part, x) for part in parts])
            case algebra.Branch(check, yes, no):
                return self.run(yes if check(x) else no, x)
            case algebra.Each(inner):
                return "\n".join([self.run(inner, line) for line in algebra.lines_of(x)])
            case algebra.Until(check, inner, times):
                for _ in range(times):
                    x = self.run(inner, x)
                    if check(x):
                        break
                return x
            case algebra.Tool(inner):
                return self.run(inner, x)
            case algebra.Rescue(inner, other):
                try:
                    return self.run(inner, x)
                except algebra.PlannedError:
                    return self.run(other, x)
            case _:
                raise TypeError(node)


class _Async:
    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    async def _ask(self, prompt: str) -> str:
        made = await self._engines.async_openai.chat.completions.create(**_request(prompt))
        return str(made.choices[0].message.content)

    async def _search(self, count: int, x: str) -> str:
        found = await self._engines.store.asimilarity_search(x, k=count)
        return algebra.paragraphs([each.page_content for each in found])

    async def run(self, node: Node, x: str) -> str:
        match node:
            case algebra.Ask():
                return await self._ask(_prompt(node, x))
            case algebra.Search(count):
                return await self._search(count, x)
            case algebra.Answer(count, number):
                return await self._ask(_context_prompt(number, await self._search(count, x), x))
            case algebra.Compute(glue):
                return glue(x)
            case algebra.Raises(check):
                return algebra.checked(check, x)
            case algebra.Then(parts):
                for part in parts:
                    x = await self.run(part, x)
                return x
            case _:
                return await self._composed(node, x)

    async def _composed(self, node: Node, x: str) -> str:
        match node:
            case algebra.Beside(parts):
                found = await asyncio.gather(*(self.run(part, x) for part in parts))
                return algebra.paragraphs(list(found))
            case algebra.Apart(parts):
                return algebra.paragraphs([await self.run(part, x) for part in parts])
            case algebra.Branch(check, yes, no):
                return await self.run(yes if check(x) else no, x)
            case algebra.Each(inner):
                lines = algebra.lines_of(x)
                return "\n".join(await asyncio.gather(*(self.run(inner, each) for each in lines)))
            case algebra.Until(check, inner, times):
                for _ in range(times):
                    x = await self.run(inner, x)
                    if check(x):
                        break
                return x
            case algebra.Tool(inner):
                return await self.run(inner, x)
            case algebra.Rescue(inner, other):
                try:
                    return await self.run(inner, x)
                except algebra.PlannedError:
                    return await self.run(other, x)
            case _:
                raise TypeError(node)
