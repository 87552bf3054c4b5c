"""Which methods of LlamaIndex's classes are entries: a row each.

Written for llama-index-core 0.14.25 and llama-index-workflows 2.25. What lifting can do nothing for
is learned by them.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import AsyncGenerator, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ayo_bridge.learn.live.entry import Following
from ayo_bridge.learn.live.streams import stepped, stepped_async
from ayo_bridge.lift.entries import Entry, Kind
from ayo_bridge.lift.recognise import derives

_CORE: Final = "llama_index.core"


@dataclass(frozen=True, slots=True)
class Row:
    """A class and its entries, some of which a class derived from it may lack."""

    module: str
    name: str
    entries: tuple[Entry, ...]

    def describes(self, base: type) -> bool:
        """Whether ``base`` is the class or one derived from it."""
        return derives(base, self.module, self.name)


def _pair(name: str, awaited: str) -> tuple[Entry, Entry]:
    return Entry(name), Entry(awaited, Kind.AWAIT)


_CHAT: Final = (*_pair("chat", "achat"), *_pair("stream_chat", "astream_chat"))

ROWS: Final = (
    Row(f"{_CORE}.base.base_query_engine", "BaseQueryEngine", _pair("query", "aquery")),
    Row(f"{_CORE}.base.base_retriever", "BaseRetriever", _pair("retrieve", "aretrieve")),
    Row(
        f"{_CORE}.response_synthesizers.base",
        "BaseSynthesizer",
        _pair("synthesize", "asynthesize"),
    ),
    Row(
        f"{_CORE}.postprocessor.types",
        "BaseNodePostprocessor",
        _pair("postprocess_nodes", "apostprocess_nodes"),
    ),
    Row(f"{_CORE}.chat_engine.types", "BaseChatEngine", _CHAT),
    Row(f"{_CORE}.ingestion.pipeline", "IngestionPipeline", _pair("run", "arun")),
    Row(f"{_CORE}.schema", "TransformComponent", _pair("__call__", "acall")),
    Row("workflows.workflow", "Workflow", (Entry("run", begins=True),)),
    Row(f"{_CORE}.tools.types", "AsyncBaseTool", _pair("call", "acall")),
    Row(f"{_CORE}.tools.types", "BaseTool", (Entry("__call__"),)),
    Row(
        f"{_CORE}.evaluation.base",
        "BaseEvaluator",
        (*_pair("evaluate", "aevaluate"), *_pair("evaluate_response", "aevaluate_response")),
    ),
    Row(f"{_CORE}.base.base_selector", "BaseSelector", _pair("select", "aselect")),
    Row(f"{_CORE}.question_gen.types", "BaseQuestionGenerator", _pair("generate", "agenerate")),
    Row(f"{_CORE}.indices.query.query_transform.base", "BaseQueryTransform", (Entry("run"),)),
)
"""The first row that describes a class gives its entries."""


_MODEL: Final = Row(f"{_CORE}.base.embeddings.base", "BaseEmbedding", ())
"""A transformation by type, and an engine: what asks it is to be accelerated."""


def entries_of(base: type) -> Sequence[Entry]:
    """The entries of a class; none: it is no class of LlamaIndex that an application calls."""
    if _MODEL.describes(base):
        return ()
    row = next((row for row in ROWS if row.describes(base)), None)
    return () if row is None else [e for e in row.entries if hasattr(base, e.name)]


def kept(base: type) -> dict[str, Any]:
    """What the metaclass of workflows would take from a class made of ``base``: its free steps."""
    steps = vars(base).get("_step_functions")
    return {} if steps is None else {"_step_functions": steps}


# What calls return before they are over.


def returned(result: Any, following: Following) -> Any:
    """End a call; one that streams, or a run that goes on, ends later."""
    own = getattr(result, "__dict__", {})
    stream = own.get("response_gen")
    writer = own.get("write_response_to_history_thread")
    task = result if isinstance(result, asyncio.Future) else None
    task = task or own.get("_result_task") or own.get("awrite_response_to_history_task")
    if isinstance(stream, Generator):
        result.response_gen = stepped(stream, following)
    elif isinstance(stream, AsyncGenerator):
        result.response_gen = stepped_async(stream, following)
    elif isinstance(writer, threading.Thread):
        threading.Thread(target=_after, args=(writer, following), daemon=True).start()
    elif isinstance(task, asyncio.Future):
        # Told before who awaits the result, since it is the first to ask.
        task.add_done_callback(lambda done: _ended(done, following))
        weakref.finalize(task, following.leave)  # Its loop may be gone before it is done.
    else:
        following.end()
    return result


def _after(writer: threading.Thread, following: Following) -> None:
    """A stream is read by a thread of the framework: the call ends with that."""
    writer.join()
    following.end()


def _ended(task: asyncio.Future[Any], following: Following) -> None:
    if task.cancelled():
        following.failed(asyncio.CancelledError())
    elif (error := task.exception()) is not None:
        following.failed(error)
    following.end()
