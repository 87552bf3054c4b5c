"""LangChain under observation: all that a callback handler is told, in one log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import Runnable

from tests.differential.harness import Entry, Framework
from tests.differential.plain import Names, plain, renamed
from tests.differential.record import Log, Seen

_KINDS = {"start": "enter", "end": "exit", "error": "drop"}


@dataclass(frozen=True)
class Ask:
    """A question with the config of its call; ``handlers`` are beside ours."""

    question: Any
    config: Mapping[str, Any] = field(default_factory=dict)
    handlers: Sequence[BaseCallbackHandler] = ()


class Watcher(BaseCallbackHandler):
    """Notes every event, in the thread and at the moment in which LangChain tells it."""

    run_inline = True
    raise_error = True

    def __init__(self) -> None:
        self.log: Log | None = None

    def note(
        self, event: str, run_id: UUID, parent: UUID | None, args: Sequence[Any], more: Any
    ) -> None:
        """One event of the run ``run_id``, which belongs to ``parent``."""
        if self.log is not None:
            name = str(more.get("name") or event)
            kind = _KINDS.get(event.rpartition("_")[2], "event")
            content = [event, plain(list(args)), plain(more)]
            above = None if parent is None else str(parent)
            self.log.add(Seen(kind, name, str(run_id), above, content=content))


def _handler_of(event: str) -> Callable[..., None]:
    def told(
        self: Watcher, *args: Any, run_id: UUID, parent_run_id: UUID | None = None, **more: Any
    ) -> None:
        self.note(event, run_id, parent_run_id, args, more)

    return told


for _event in (
    *("on_chain_start", "on_chain_end", "on_chain_error"),
    *("on_chat_model_start", "on_llm_start", "on_llm_new_token", "on_llm_end", "on_llm_error"),
    *("on_retriever_start", "on_retriever_end", "on_retriever_error"),
    *("on_tool_start", "on_tool_end", "on_tool_error", "on_text", "on_retry", "on_custom_event"),
):
    setattr(Watcher, _event, _handler_of(_event))

WATCHER = Watcher()


@contextmanager
def watching(log: Log) -> Iterator[None]:
    """Collect everything that LangChain tells the handler, which every entry passes on."""
    WATCHER.log = log
    try:
        yield
    finally:
        WATCHER.log = None


def in_threads(name: str) -> bool:
    """Whether what is in a span of this name runs in threads: the steps of a parallel one, and
    the inputs of a batch, which are spans beside each other."""
    return name == "root" or name.startswith("RunnableParallel")


# Asking.


def _asked(query: Any) -> tuple[Any, Any]:
    ask = query if isinstance(query, Ask) else Ask(query)
    return ask.question, {**ask.config, "callbacks": [WATCHER, *ask.handlers]}


def _inputs(question: Any) -> list[Any]:
    if isinstance(question, Mapping):
        return [{**question, "question": text} for text in _inputs(question["question"])]
    return [question, f"{question} And of bridges?"]


@asynccontextmanager
async def _to_the_end() -> AsyncIterator[None]:
    """After a failure wait for what it has left running."""
    before = asyncio.all_tasks()
    try:
        yield
    except Exception:
        await asyncio.gather(*(asyncio.all_tasks() - before), return_exceptions=True)
        raise


def _invoke(runnable: Runnable[Any, Any], query: Any) -> Any:
    return runnable.invoke(*_asked(query))


def _stream(runnable: Runnable[Any, Any], query: Any) -> Any:
    return list(runnable.stream(*_asked(query)))


def _batch(runnable: Runnable[Any, Any], query: Any) -> Any:
    question, config = _asked(query)
    return runnable.batch(_inputs(question), config)


async def _ainvoke(runnable: Runnable[Any, Any], query: Any) -> Any:
    async with _to_the_end():
        return await runnable.ainvoke(*_asked(query))


async def _astream(runnable: Runnable[Any, Any], query: Any) -> Any:
    async with _to_the_end():
        return [chunk async for chunk in runnable.astream(*_asked(query))]


async def _abatch(runnable: Runnable[Any, Any], query: Any) -> Any:
    question, config = _asked(query)
    async with _to_the_end():
        return await runnable.abatch(_inputs(question), config)


async def _astream_events(runnable: Runnable[Any, Any], query: Any) -> Any:
    """All events, in an order of their content: that of steps beside each other is chance, and so
    is that of the names under which a parallel step has gathered what they gave."""
    question, config = _asked(query)
    async with _to_the_end():
        events = [event async for event in runnable.astream_events(question, config, version="v2")]
    shown = (renamed(plain(event), Names(numbered=False)) for event in events)
    return sorted(shown, key=lambda event: json.dumps(event, sort_keys=True, default=repr))


LANGCHAIN = Framework(
    "langchain",
    {
        "invoke": Entry(_invoke),
        "stream": Entry(_stream),
        "batch": Entry(_batch),
        "ainvoke": Entry(_ainvoke, concurrent=True),
        "astream": Entry(_astream, concurrent=True),
        "abatch": Entry(_abatch, concurrent=True),
        "astream_events": Entry(_astream_events, concurrent=True),
    },
    watching,
    in_threads,
)
