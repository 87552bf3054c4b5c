"""Small engines whose results depend on nothing but the request, and take virtual time."""

import asyncio
import zlib
from collections.abc import Sequence

from ayo_bridge.profile import Curve, EngineProfile, LLMProfile, Profiles
from ayo_bridge.seam import AsyncEngine, Call, EngineKind, Limits
from ayo_bridge.workflow import (
    App,
    Embed,
    Embedded,
    Generate,
    Ingest,
    Rerank,
    Search,
    Segment,
    text_of,
)

PROFILES = Profiles(
    {
        "llm": LLMProfile(0.03, 0.0002, 0.02),
        "bge": EngineProfile("embedding", Curve.of([(1, 0.012), (101, 0.212)]), 16),
        "pg": EngineProfile("vector_store", Curve.of([(1, 0.012), (101, 0.212)]), 64),
        "cross": EngineProfile("reranker", Curve.of([(1, 0.012), (101, 0.212)]), 16),
    }
)


def digest(*parts: object) -> int:
    return zlib.crc32(repr(parts).encode())


class Engine(AsyncEngine):
    """Serves on the loop; ``serve`` sleeps for what the items cost."""

    def __init__(self, name: str, kind: EngineKind, limits: Limits = Limits()) -> None:  # noqa: B008
        self.name, self.kind, self.limits = name, kind, limits
        self.served: list[object] = []
        self.cancelled: list[object] = []
        self.running = 0

    async def serve(self, call: Call) -> object:
        self.running += 1
        try:
            result = await self.answer(call.payload, call)
        except asyncio.CancelledError:
            self.cancelled.append(call.payload)
            raise
        finally:
            self.running -= 1
        self.served.append(call.payload)
        return result

    async def answer(self, request: object, call: Call) -> object:
        await asyncio.sleep(0.01 + 0.002 * call.items)
        match request:
            case Embed(texts):
                return [("vector of", text) for text in texts]
            case Rerank(query, candidates):
                return [digest(query, candidate) / 2**32 for candidate in candidates]
        raise TypeError(request)


class Store(Engine):
    def __init__(self) -> None:
        super().__init__("pg", EngineKind.VECTOR_STORE, Limits(max_items=64))
        self.documents: dict[int, list[str]] = {}

    async def answer(self, request: object, call: Call) -> object:
        await asyncio.sleep(0.01 + 0.002 * call.items)
        if isinstance(request, Ingest):
            self.documents.setdefault(request.query, []).extend(map(text_of, request.items))
            return [f"id of {text_of(item)}" for item in request.items]
        assert isinstance(request, Search)
        documents = self.documents.get(request.query, [f"document {i}" for i in range(40)])
        return [self._hits(item, documents, request.top_k) for item in request.items]

    @staticmethod
    def _hits(item: object, documents: Sequence[str], top_k: int) -> list[str]:
        assert isinstance(item, str | Embedded)
        return sorted(documents, key=lambda text: digest(text_of(item), text))[:top_k]


class LLM(Engine):
    """Answers with a digest of the prompt, or as many lines as items are expected."""

    streams = True
    caches_prefixes = True

    def __init__(self, name: str = "llm", lines: int | None = None) -> None:
        super().__init__(name, EngineKind.LLM, Limits(continuous=True))
        self.lines = lines
        self.warm: set[tuple[Segment, ...]] = set()
        self.answers: dict[str, str] = {}

    async def answer(self, request: object, call: Call) -> object:
        assert isinstance(request, Generate)
        tokens = request.prompt_tokens
        if any(request.prompt[:i] in self.warm for i in range(1, len(request.prompt))):
            tokens //= 2
        await asyncio.sleep(0.03 + 0.0002 * tokens)
        if call.warm:
            self.warm.add(request.prompt)
            return ""
        pieces = self.pieces(request)
        text = ""
        for piece in pieces:
            await asyncio.sleep(0.02 * request.max_tokens / len(pieces))
            text += piece
            if request.on_text is not None:
                request.on_text(text)
        return text

    def pieces(self, request: Generate) -> list[str]:
        for known, text in self.answers.items():
            if known in request.text:
                return [text]
        if request.items > 1:
            count = request.items if self.lines is None else self.lines
            return [f"query {i} {digest(request.text)}\n" for i in range(count)] or [""]
        return ["answer ", f"{digest(request.text)}"]


class Engines:
    """One of each, and an app that has them."""

    def __init__(self, lines: int | None = None, **options: object) -> None:
        self.llm = LLM(lines=lines)
        self.embedding = Engine("bge", EngineKind.EMBEDDING, Limits(max_items=16))
        self.store = Store()
        self.reranker = Engine("cross", EngineKind.RERANKER, Limits(max_items=16))
        self.app = App(profiles=PROFILES, **options)  # type: ignore[arg-type]
        for engine in (self.llm, self.embedding, self.store, self.reranker):
            self.app.register(engine)

    @property
    def running(self) -> int:
        return sum(e.running for e in (self.llm, self.embedding, self.store, self.reranker))
