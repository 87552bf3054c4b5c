"""LlamaIndex under observation: its spans, its events and its legacy callbacks in one log."""

from __future__ import annotations

import asyncio
import gc
import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from llama_index.core import Settings
from llama_index.core.callbacks import CallbackManager
from llama_index.core.callbacks.base_handler import BaseCallbackHandler
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.span import BaseSpan
from llama_index.core.instrumentation.span_handlers import BaseSpanHandler
from llama_index.core.llms import MockLLM
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.span import active_span_id
from pydantic import PrivateAttr

from tests.differential.harness import Entry, Framework
from tests.differential.plain import plain
from tests.differential.record import Log, Seen


class Spans(BaseSpanHandler[BaseSpan]):
    """Enters, exits and drops, with arguments, results and errors."""

    _log: Log = PrivateAttr()

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    @classmethod
    def class_name(cls) -> str:
        return "Spans"

    def new_span(
        self,
        id_: str,
        bound_args: inspect.BoundArguments,
        instance: Any = None,
        parent_span_id: str | None = None,
        tags: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> BaseSpan:
        name = id_[:-37]
        content = {
            "instance": f"{type(instance).__module__}.{type(instance).__qualname__}",
            "arguments": plain(bound_args.arguments),
            "tags": plain(tags),
        }
        self._log.add(Seen("enter", name, id_, parent_span_id, content=content))
        return BaseSpan(id_=id_, parent_id=parent_span_id, tags=tags or {})

    def prepare_to_exit_span(
        self,
        id_: str,
        bound_args: inspect.BoundArguments,
        instance: Any = None,
        result: Any = None,
        **kwargs: Any,
    ) -> BaseSpan | None:
        self._log.add(Seen("exit", id_[:-37], id_, content=plain(result)))
        return self.open_spans.get(id_)

    def prepare_to_drop_span(
        self,
        id_: str,
        bound_args: inspect.BoundArguments,
        instance: Any = None,
        err: BaseException | None = None,
        **kwargs: Any,
    ) -> BaseSpan | None:
        self._log.add(Seen("drop", id_[:-37], id_, content=plain(err)))
        return self.open_spans.get(id_)


class Events(BaseEventHandler):
    """Events with their payloads."""

    _log: Log = PrivateAttr()

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    @classmethod
    def class_name(cls) -> str:
        return "Events"

    def handle(self, event: Any, **kwargs: Any) -> None:
        self._log.add(Seen("event", type(event).__name__, event.span_id, content=plain(event)))


class Callbacks(BaseCallbackHandler):
    """Legacy events and traces."""

    def __init__(self) -> None:
        super().__init__([], [])
        self.log: Log | None = None

    def _add(self, kind: str, name: str, **fields: Any) -> None:
        if self.log is not None:
            self.log.add(Seen(kind, str(name), active_span_id.get(), **fields))

    def on_event_start(
        self,
        event_type: Any,
        payload: dict[str, Any] | None = None,
        event_id: str = "",
        parent_id: str = "",
        **kwargs: Any,
    ) -> str:
        content = plain([payload, kwargs])
        self._add(
            "callback start", event_type, parent=parent_id, callback=event_id, content=content
        )
        return event_id

    def on_event_end(
        self,
        event_type: Any,
        payload: dict[str, Any] | None = None,
        event_id: str = "",
        **kwargs: Any,
    ) -> None:
        content = plain([payload, kwargs])
        self._add("callback end", event_type, callback=event_id, content=content)

    def start_trace(self, trace_id: str | None = None) -> None:
        self._add("trace start", trace_id or "")

    def end_trace(
        self, trace_id: str | None = None, trace_map: dict[str, list[str]] | None = None
    ) -> None:
        # The map's content is that of the starts, which have been seen.
        self._add("trace end", trace_id or "", content=sum(map(len, (trace_map or {}).values())))


CALLBACKS = Callbacks()


@contextmanager
def watching(log: Log) -> Iterator[None]:
    """Collect everything that LlamaIndex tells its observers."""
    root = get_dispatcher("root")
    spans, events = Spans(log), Events(log)
    root.add_span_handler(spans)
    root.add_event_handler(events)
    CALLBACKS.log = log
    try:
        yield
    finally:
        CALLBACKS.log = None
        root.span_handlers.remove(spans)
        root.event_handlers.remove(events)


@contextmanager
def settings() -> Iterator[None]:
    """Global settings for one test: our callbacks, and nothing that would call out."""
    before = Settings._callback_manager, Settings._llm
    Settings.callback_manager = CallbackManager([CALLBACKS])
    Settings.llm = MockLLM()
    try:
        yield
    finally:
        Settings._callback_manager, Settings._llm = before


def collect_garbage() -> None:
    """Collect what LlamaIndex and the SDK leave open, now and not in the middle of another test.

    LlamaIndex makes a loop for the main thread and never closes it; the SDK's clients close
    themselves, if at all, when they are collected.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with suppress(RuntimeError):  # There is none.
            asyncio.get_event_loop_policy().get_event_loop().close()
            asyncio.set_event_loop(None)
        gc.collect()


# Asking.


def _query(engine: Any, query: Any) -> Any:
    return engine.query(query)


def _stream(engine: Any, query: Any) -> Any:
    response = engine.query(query)
    pieces = list(response.response_gen) if hasattr(response, "response_gen") else None
    return {"response": response, "pieces": pieces}


def _retrieve(retriever: Any, query: Any) -> Any:
    return retriever.retrieve(query)


async def _aquery(engine: Any, query: Any) -> Any:
    return await engine.aquery(query)


async def _astream(engine: Any, query: Any) -> Any:
    response = await engine.aquery(query)
    if not hasattr(response, "async_response_gen"):
        return {"response": response, "pieces": None}
    pieces = [piece async for piece in response.async_response_gen()]
    return {"response": response, "pieces": pieces}


async def _aretrieve(retriever: Any, query: Any) -> Any:
    return await retriever.aretrieve(query)


LLAMA_INDEX = Framework(
    "llama-index",
    {
        "query": Entry(_query),
        "stream": Entry(_stream, streaming=True),
        "retrieve": Entry(_retrieve),
        "aquery": Entry(_aquery, concurrent=True),
        "astream": Entry(_astream, streaming=True, concurrent=True),
        "aretrieve": Entry(_aretrieve, concurrent=True),
    },
    watching,
)
