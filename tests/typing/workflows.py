"""What a type checker says of native workflows and of engines of a user's own."""

from collections.abc import Sequence
from typing import assert_type

from ayo_bridge import Runtime
from ayo_bridge.graph import (
    Condition,
    Flow,
    QueryExpansion,
    Reranking,
    Searching,
    Synthesis,
    SynthesisMode,
    Template,
    choose,
)
from ayo_bridge.profile import LLMProfile, Profiles
from ayo_bridge.seam import AsyncEngine, BatchEngine, Call, EngineKind, Limits
from ayo_bridge.workflow import App, Result

EXPAND = QueryExpansion(name="expand", llm="llm", queries=3)
SEARCH = Searching(name="search", embedding="bge", store="pg")
RERANK = Reranking(name="rerank", reranker="cross", candidates=16)
ANSWER = Synthesis(name="answer", llm="llm", mode=SynthesisMode.TREE)
ENOUGH = Condition(name="enough")


class Lengths(BatchEngine):
    """A batch runs in a thread."""

    name = "lengths"
    kind = EngineKind.RERANKER
    limits = Limits(max_items=16)

    def run(self, calls: Sequence[Call]) -> list[int]:
        return [len(str(call.payload)) for call in calls]


class Echo(AsyncEngine):
    """Serves on the loop."""

    name = "echo"
    kind = EngineKind.LLM
    limits = Limits(continuous=True)
    streams = True

    async def serve(self, call: Call) -> str:
        return str(call.payload)

    async def aclose(self) -> None:
        self.streams = False


def components_compose() -> None:
    assert_type(EXPAND >> SEARCH, Flow)
    assert_type(EXPAND >> SEARCH >> RERANK >> ANSWER, Flow)
    assert_type(EXPAND | SEARCH, Flow)
    assert_type((EXPAND | SEARCH) >> RERANK, Flow)
    assert_type(choose(ENOUGH, {"yes": SEARCH >> RERANK, "no": None}), Flow)
    assert_type(EXPAND >> choose(ENOUGH, {1: SEARCH, 2: None}, speculate=True) >> ANSWER, Flow)
    assert_type((EXPAND >> SEARCH).template(("question",)), Template)


async def an_app_runs_them() -> None:
    async with App(profiles=Profiles({"echo": LLMProfile(0.03, 0.0002, 0.02)})) as app:
        assert_type(app, App)
        app.register(Echo(), profile=LLMProfile(0.03, 0.0002, 0.02))
        app.register(Lengths(), ask=lambda call: call.payload, answer=lambda call, size: size)
        app.handle("answer", lambda work: str(work))
        result = await app.submit({"question": "why?"}, EXPAND >> SEARCH, timeout=30)
        assert_type(result, Result)
        assert_type(result.output, object)
        assert_type(result["search.hits"], object)
        assert_type(result.seconds, float)
        await app.submit({}, ANSWER)
        await app.submit({}, (EXPAND >> SEARCH).template())
        async for piece in app.stream({"question": "why?"}, EXPAND >> ANSWER):
            assert_type(piece, str)
    App(runtime=Runtime(engines=[Echo(), Lengths()]), passes=())


class Silent(BatchEngine):
    """Lacks what it has to do."""

    name = "silent"


class Wrong(AsyncEngine):
    """Serves at once what has to be awaited, and several at that."""

    kind = "llm"  # type: ignore[assignment]

    def serve(self, call: Sequence[Call]) -> str:  # type: ignore[override]
        return str(call)


async def wrong_uses(app: App) -> None:
    """Each is an error: were it none, mypy would say that its comment is unused."""
    Silent()  # type: ignore[abstract]
    Limits(max_items="many")  # type: ignore[arg-type]
    EXPAND >> "search"  # type: ignore[operator]
    choose(SEARCH, {"yes": EXPAND})  # type: ignore[arg-type]
    choose(ENOUGH, {"yes": "search"})  # type: ignore[dict-item]
    Searching("search")  # type: ignore[call-arg]
    EXPAND.queries = 4  # type: ignore[misc]
    app.register("llm")  # type: ignore[arg-type]
    app.submit({"question": "why?"}, EXPAND)  # type: ignore[unused-coroutine]
    await app.submit("why?", EXPAND)  # type: ignore[arg-type]
    await app.submit({"question": "why?"}, "expand")  # type: ignore[arg-type]
    text: str = (await app.submit({}, ANSWER)).output  # type: ignore[assignment]
    print(text)
