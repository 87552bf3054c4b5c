"""A tree as a plain function, over the OpenAI SDK and a vector store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeAlias

from openai import OpenAIError

from tests.compositions import algebra
from tests.compositions.algebra import Node
from tests.compositions.engines import TIMEOUT, Engines

Function: TypeAlias = Callable[[Any], Any]
AsyncFunction: TypeAlias = Callable[[Any], Awaitable[Any]]
_RESCUED: Final = (algebra.PlannedError, OpenAIError)


def built(tree: Node, engines: Engines) -> Function:
    """The function; a method of what holds the tree, as applications have them."""
    run = _Sync(engines).run

    def answer(question: str) -> str:
        return run(tree, question)

    def answer_fields(asked: dict[str, str]) -> dict[str, str]:
        return {**asked, "answer": run(inner, asked["question"])}

    if isinstance(tree, algebra.Fields):
        inner = tree.inner
        return answer_fields
    return answer


def built_async(tree: Node, engines: Engines) -> AsyncFunction:
    """The coroutine function."""
    run = _Async(engines).run

    async def answer(question: str) -> str:
        return await run(tree, question)

    async def answer_fields(asked: dict[str, str]) -> dict[str, str]:
        return {**asked, "answer": await run(inner, asked["question"])}

    if isinstance(tree, algebra.Fields):
        inner = tree.inner
        return answer_fields
    return answer


def _prompt(node: algebra.Ask, x: str) -> str:
    return algebra.template_of(node.number, lines=node.lines).replace("{x}", x)


def _about(template: str, x: str) -> str:
    return template.replace("{x}", x)


def _context_prompt(number: int, context: str, x: str) -> str:
    return f"Task {number} from context:\n{context}\n\nQuestion: {x}"


def _request(prompt: str) -> dict[str, Any]:
    return {
        "model": "stub",
        "messages": [{"role": "user", "content": prompt}],
        "temperature": 0.0,
    }


def _patience(node: algebra.Fails) -> dict[str, Any]:
    return {"timeout": TIMEOUT} if node.how is algebra.Failure.LATE else {}


class _Sync:
    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    def _ask(self, prompt: str, **more: Any) -> str:
        made = self._engines.openai.chat.completions.create(**_request(prompt), **more)
        return str(made.choices[0].message.content)

    def _stream(self, prompt: str) -> str:
        made = self._engines.openai.chat.completions.create(**_request(prompt), stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in made if chunk.choices)

    def _search(self, count: int, x: str) -> str:
        found = self._engines.store.similarity_search(x, k=count)
        return algebra.paragraphs([each.page_content for each in found])

    def run(self, node: Node, x: str) -> str:
        match node:
            case algebra.Ask():
                return self._ask(_prompt(node, x))
            case algebra.Streamed(number):
                return self._stream(_about(algebra.template_of(number), x))
            case algebra.Fails():
                return self._ask(_about(algebra.failing_template(node), x), **_patience(node))
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
            case algebra.Branch(check, yes, no) | algebra.Route(check, yes, no):
                return self.run(yes if check(x) else no, x)
            case algebra.Judged(number, check, yes, no):
                verdict = self._ask(_about(algebra.judging_template(number), x))
                return self.run(yes if check(verdict) else no, x)
            case algebra.Kept(inner):
                return algebra.paragraphs([x, self.run(inner, x)])
            case algebra.Each(inner):
                return "\n".join([self.run(inner, line) for line in algebra.lines_of(x)])
            case algebra.Until(check, inner, times):
                for _ in range(times):
                    x = self.run(inner, x)
                    if check(x):
                        break
                return x
            case algebra.Persist(number, check, inner, times):
                for _ in range(times):
                    x = self.run(inner, x)
                    if check(self._ask(_about(algebra.judging_template(number), x))):
                        break
                return x
            case algebra.Tool(inner):
                return self.run(inner, x)
            case algebra.Rescue(inner, other):
                try:
                    return self.run(inner, x)
                except _RESCUED:
                    return self.run(other, x)
            case _:
                raise TypeError(node)


class _Async:
    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    async def _ask(self, prompt: str, **more: Any) -> str:
        made = await self._engines.async_openai.chat.completions.create(**_request(prompt), **more)
        return str(made.choices[0].message.content)

    async def _stream(self, prompt: str) -> str:
        create = self._engines.async_openai.chat.completions.create
        made = await create(**_request(prompt), stream=True)
        read = [chunk.choices[0].delta.content async for chunk in made if chunk.choices]
        return "".join(piece or "" for piece in read)

    async def _search(self, count: int, x: str) -> str:
        found = await self._engines.store.asimilarity_search(x, k=count)
        return algebra.paragraphs([each.page_content for each in found])

    async def run(self, node: Node, x: str) -> str:
        match node:
            case algebra.Ask():
                return await self._ask(_prompt(node, x))
            case algebra.Streamed(number):
                return await self._stream(_about(algebra.template_of(number), x))
            case algebra.Fails():
                return await self._ask(_about(algebra.failing_template(node), x), **_patience(node))
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
            case algebra.Branch(check, yes, no) | algebra.Route(check, yes, no):
                return await self.run(yes if check(x) else no, x)
            case algebra.Judged(number, check, yes, no):
                verdict = await self._ask(_about(algebra.judging_template(number), x))
                return await self.run(yes if check(verdict) else no, x)
            case algebra.Kept(inner):
                return algebra.paragraphs([x, await self.run(inner, x)])
            case algebra.Each(inner):
                lines = algebra.lines_of(x)
                return "\n".join(await asyncio.gather(*(self.run(inner, each) for each in lines)))
            case algebra.Until(check, inner, times):
                for _ in range(times):
                    x = await self.run(inner, x)
                    if check(x):
                        break
                return x
            case algebra.Persist(number, check, inner, times):
                for _ in range(times):
                    x = await self.run(inner, x)
                    if check(await self._ask(_about(algebra.judging_template(number), x))):
                        break
                return x
            case algebra.Tool(inner):
                return await self.run(inner, x)
            case algebra.Rescue(inner, other):
                try:
                    return await self.run(inner, x)
                except _RESCUED:
                    return await self.run(other, x)
            case _:
                raise TypeError(node)
