"""The service of ``benchmarks.shared_engines``: an embedding model and a reranker in each worker.

``AYO_SHARED_ARM`` says how it runs: ``libraries`` (no models), ``original``, ``private`` or
``shared``. The functions are the same in all of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from anyio import to_thread
from sentence_transformers import CrossEncoder, SentenceTransformer

from benchmarks.shared_models import FOUND, PASSAGES

Ask = Callable[[str], list[float]]
ARM = os.environ["AYO_SHARED_ARM"]
EMBEDDING, RERANKER = os.environ["AYO_SHARED_MODELS"].split(os.pathsep)


class Search:
    """Finds the passages nearest to a question and ranks them."""

    def __init__(self) -> None:
        self.model = SentenceTransformer(EMBEDDING, device="cpu")
        self.reranker = CrossEncoder(RERANKER, device="cpu", max_length=512)
        self.vectors = self.model.encode(list(PASSAGES), show_progress_bar=False)

    def embed(self, question: str) -> list[float]:
        """The vector's first numbers."""
        vector = self.model.encode(question, show_progress_bar=False)
        return [float(number) for number in vector[:8]]

    def rerank(self, question: str) -> list[float]:
        """The scores of the same passages."""
        pairs = [(question, text) for text in PASSAGES[:FOUND]]
        return [float(s) for s in self.reranker.predict(pairs, show_progress_bar=False)]

    def find(self, question: str) -> list[float]:
        """Scores of the passages that were found."""
        vector = self.model.encode(question, show_progress_bar=False)
        nearest = (self.vectors @ vector).argsort()[::-1][:FOUND]
        pairs = [(question, PASSAGES[place]) for place in nearest]
        return [float(s) for s in self.reranker.predict(pairs, show_progress_bar=False)]


def _runtime() -> Any:
    from ayo_bridge import Embedding, Reranker, Runtime, SharedProcess

    # Nothing runs ahead: what is measured is whose calls share a batch, and not what is learned.
    if ARM != "shared":
        return Runtime(run_ahead=False)
    placed = SharedProcess(grace=1.0)
    return Runtime(
        run_ahead=False,
        engines=[Embedding(EMBEDDING, placement=placed), Reranker(RERANKER, placement=placed)],
    )


def _made() -> dict[str, Ask]:
    search = Search()
    functions: dict[str, Ask] = {
        "embed": search.embed,
        "rerank": search.rerank,
        "find": search.find,
    }
    if ARM == "original":
        return functions
    from ayo_bridge import accelerate

    runtime = _runtime()
    globals()["RUNTIME"] = runtime
    return {name: accelerate(function, runtime=runtime) for name, function in functions.items()}


FUNCTIONS = {} if ARM == "libraries" else _made()


class Lag:
    """How late the event loop comes to what is due: the longest it was held up."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._due: float | None = None

    def begin(self) -> None:
        """Look every 20 ms: often enough to meet the longest, and cheap beside what is measured."""
        if self._due is None:
            self._next()

    def _next(self) -> None:
        self._due = time.perf_counter() + 0.02
        asyncio.get_running_loop().call_later(0.02, self._look)

    def _look(self) -> None:
        if self._due is not None:
            self.longest = max(self.longest, time.perf_counter() - self._due)
        self._next()


LAG = Lag()
_SHARED = ("SharedEmbedding", "SharedCrossEncoder")


def _state() -> dict[str, Any]:
    runtime = globals().get("RUNTIME")
    engines = [] if runtime is None else [scheduler.engine for scheduler in runtime.schedulers]
    shared = [engine.elsewhere for engine in engines if type(engine).__name__ in _SHARED]
    longest, LAG.longest = LAG.longest, 0.0
    return {"pid": os.getpid(), "shared": shared, "lag": longest}


async def app(scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
    """``/worker`` tells of the worker that answers; ``/embed``, ``/rerank`` and ``/find`` work."""
    if scope["type"] != "http":
        raise NotImplementedError
    LAG.begin()
    name = Path(scope["path"]).name
    if name == "worker":
        reply: Any = _state()
    else:
        question = parse_qs(scope["query_string"].decode())["q"][0]
        reply = await to_thread.run_sync(FUNCTIONS[name], question)  # As FastAPI does.
    body = json.dumps(reply).encode()
    headers = [(b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
