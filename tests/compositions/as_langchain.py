"""A tree as a LangChain runnable."""

from __future__ import annotations

from functools import partial
from operator import itemgetter
from typing import Any, TypeAlias

from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import (
    Runnable,
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from langchain_core.tools import StructuredTool

from tests.compositions import algebra
from tests.compositions.algebra import Node
from tests.compositions.engines import Engines

Text: TypeAlias = "Runnable[Any, Any]"


def built(tree: Node, engines: Engines) -> Text:
    """The runnable."""
    if isinstance(tree, algebra.Fields):
        of_question: Text = itemgetter("question") | _of(tree.inner, engines)
        return RunnablePassthrough.assign(answer=of_question)
    made = _of(tree, engines)
    # A sequence is what applications build; a lone step is asked as one of it.
    return made if isinstance(tree, algebra.Then) else RunnablePassthrough() | made


def _of(node: Node, engines: Engines) -> Text:
    match node:
        case algebra.Ask(number, lines):
            return _asks(algebra.template_of(number, lines=lines), engines.chat_model)
        case algebra.Streamed(number):
            return _streams(_asks(algebra.template_of(number), engines.chat_model))
        case algebra.Fails(_, how):
            late = how is algebra.Failure.LATE
            model = engines.hasty_chat_model if late else engines.chat_model
            return _asks(algebra.failing_template(node), model)
        case algebra.Search(count):
            return _searches(count, engines)
        case algebra.Answer(count, number):
            template = f"Task {number} from context:\n{{context}}\n\nQuestion: {{x}}"
            found: dict[str, Any] = {
                "context": _searches(count, engines),
                "x": RunnablePassthrough(),
            }
            prompt = ChatPromptTemplate.from_template(template)
            answers: Text = found | prompt | engines.chat_model | StrOutputParser()
            return answers
        case algebra.Compute(glue):
            return RunnableLambda(glue.__call__)
        case algebra.Raises(check):
            return RunnableLambda(partial(algebra.checked, check))
        case algebra.Then(parts):
            steps = [_of(part, engines) for part in parts]
            made = steps[0]
            for step in steps[1:]:
                made = made | step
            return made
        case _:
            return _composed(node, engines)


def _composed(node: Node, engines: Engines) -> Text:
    match node:
        case algebra.Beside(parts):
            beside = {f"p{at}": _of(part, engines) for at, part in enumerate(parts)}
            return RunnableParallel(beside) | RunnableLambda(_paragraphs)
        case algebra.Apart(parts):
            return _apart([_of(part, engines) for part in parts])
        case algebra.Branch(check, yes, no):
            return RunnableBranch((check.__call__, _of(yes, engines)), _of(no, engines))
        case algebra.Route(check, yes, no):
            return _routes(check, _of(yes, engines), _of(no, engines))
        case algebra.Judged(number, check, yes, no):
            judge = _asks(algebra.judging_template(number), engines.chat_model)
            return _judges(judge, check, _of(yes, engines), _of(no, engines))
        case algebra.Kept(inner):
            kept = RunnableParallel({"p0": RunnablePassthrough(), "p1": _of(inner, engines)})
            return kept | RunnableLambda(_paragraphs)
        case algebra.Each(inner):
            return (
                RunnableLambda(algebra.lines_of)
                | _of(inner, engines).map()
                | RunnableLambda(_lines)
            )
        case algebra.Until(check, inner, times):
            return _repeats(check, _of(inner, engines), times)
        case algebra.Persist(number, check, inner, times):
            judge = _asks(algebra.judging_template(number), engines.chat_model)
            return _repeats(check, _of(inner, engines), times, judge)
        case algebra.Tool(inner):
            return _in_a_tool(_of(inner, engines))
        case algebra.Rescue(inner, other):
            return _of(inner, engines).with_fallbacks([_of(other, engines)])
        case _:
            raise TypeError(node)


def _lines(texts: list[str]) -> str:
    return "\n".join(texts)


def _apart(parts: list[Text]) -> Text:
    made: Text = RunnableLambda(lambda x: {"x": x})
    for at, part in enumerate(parts):
        made = made | RunnablePassthrough.assign(**{f"p{at}": itemgetter("x") | part})
    return made | RunnableLambda(_paragraphs)


def _paragraphs(found: dict[str, str]) -> str:
    """Of what was found under ``p0``, ``p1``, ...: a stream may bring them in any order."""
    names = (f"p{at}" for at in range(len(found)))
    return algebra.paragraphs([found[name] for name in names if name in found])


def _asks(template: str, model: Any) -> Text:
    named: Text = RunnableLambda(lambda x: {"x": x})
    prompt = ChatPromptTemplate.from_template(template)
    made: Text = named | prompt | model | StrOutputParser()
    return made


def _searches(count: int, engines: Engines) -> Text:
    retriever = engines.store.as_retriever(search_kwargs={"k": count})
    made: Text = retriever | RunnableLambda(_contents)
    return made


def _contents(found: list[Document]) -> str:
    return algebra.paragraphs([document.page_content for document in found])


def _streams(inner: Text) -> Text:
    def read(x: str) -> str:
        return "".join(inner.stream(x))

    async def aread(x: str) -> str:
        return "".join([piece async for piece in inner.astream(x)])

    return RunnableLambda(read, aread)


def _routes(check: algebra.Check, yes: Text, no: Text) -> Text:
    def route(x: str) -> Text:
        return yes if check(x) else no

    return RunnableLambda(route)


def _judges(judge: Text, check: algebra.Check, yes: Text, no: Text) -> Text:
    def favours(seen: dict[str, str]) -> bool:
        return check(seen["verdict"])

    seen = RunnableParallel({"x": RunnablePassthrough(), "verdict": judge})
    of_text = itemgetter("x")
    return seen | RunnableBranch((favours, of_text | yes), of_text | no)


def _repeats(check: algebra.Check, inner: Text, times: int, judge: Text | None = None) -> Text:
    def loop(x: str) -> str:
        for _ in range(times):
            x = inner.invoke(x)
            if check(x if judge is None else judge.invoke(x)):
                break
        return x

    async def aloop(x: str) -> str:
        for _ in range(times):
            x = await inner.ainvoke(x)
            if check(x if judge is None else await judge.ainvoke(x)):
                break
        return x

    return RunnableLambda(loop, aloop)


def _in_a_tool(inner: Text) -> Text:
    def work(x: str) -> str:
        return str(inner.invoke(x))

    async def awork(x: str) -> str:
        return str(await inner.ainvoke(x))

    tool = StructuredTool.from_function(
        func=work, coroutine=awork, name="work", description="Works on a text."
    )
    return RunnableLambda(lambda x: {"x": x}) | tool
