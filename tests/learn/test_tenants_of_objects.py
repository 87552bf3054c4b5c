"""Objects of LlamaIndex whose clients are certain run ahead by them; no tenant asks for another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import pytest
from llama_index.core import SummaryIndex
from llama_index.core.base.base_selector import BaseSelector, SelectorResult, SingleSelection
from llama_index.core.extractors import KeywordExtractor
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.query_engine import RouterQueryEngine
from llama_index.core.response_synthesizers import Accumulate, TreeSummarize
from llama_index.core.schema import TextNode
from llama_index.core.tools import QueryEngineTool
from llama_index.llms.openai_like import OpenAILike

from ayo_bridge import Runtime, accelerate
from ayo_bridge.learn.live.clients import OTHERS, Clients
from ayo_bridge.learn.live.named import Named
from ayo_bridge.learn.live.owners import Owners
from ayo_bridge.learn.tracing.sites import Site
from ayo_bridge.seam import Answer, BoundaryCall, Outcome
from tests.adapters.python.programs import learned, outcomes, question
from tests.deadline import eventually
from tests.stub_openai import StubOpenAI

pytestmark = [
    pytest.mark.usefixtures("leaves_no_garbage"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def one_loop() -> Iterator[None]:
    """Sync methods that await take the thread's loop, to which a client's connections belong."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


def model(stub: StubOpenAI, key: str, cls: type[OpenAILike] = OpenAILike) -> Any:
    return cls(
        model="stub",
        api_base=stub.base_url,
        api_key=key,
        is_chat_model=True,
        temperature=0.0,
        max_retries=0,
    )


def keys(stub: StubOpenAI) -> set[str]:
    """Whose requests have come, once none is on its way."""
    eventually(lambda: all(call.ended is not None for call in stub.calls), "the last reply")
    return {each.headers["authorization"].removeprefix("Bearer ") for each in stub.requests}


def keywords(pipeline: Any, number: int) -> list[Any]:
    """The keywords of three texts."""
    texts = [question(10 * number + part) for part in range(3)]
    return [node.metadata for node in pipeline.run(nodes=[TextNode(text=text) for text in texts])]


class OwnExtractor(KeywordExtractor):
    """Not of the framework: a pipeline with it is learned, not lifted."""

    async def aextract(self, nodes: Any) -> list[dict[str, Any]]:
        return await super().aextract(nodes)


def extracting(llm: Any, kind: type[KeywordExtractor] = OwnExtractor) -> Any:
    """A pipeline whose one worker asks for one text after the other."""
    extractor = kind(llm=llm, num_workers=1, show_progress=False)
    return IngestionPipeline(transformations=[extractor], disable_cache=True)


def taught(stub: StubOpenAI, runtime: Runtime, original: Any, ask: Any) -> Any:
    """The accelerated object, after calls in which something was learned."""
    fast = accelerate(original, runtime=runtime)
    for number in range(4):
        ask(fast, number)
    learned(fast)
    stub.reset()
    return fast


def test_an_llm_that_was_replaced_between_calls_is_asked_nothing(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    original = extracting(model(stub, "first"))
    fast = taught(stub, runtime, original, keywords)
    keywords(fast, 8)
    assert keys(stub) == {"first"}
    stub.reset()
    fast.transformations[0].llm = model(stub, "second")
    keywords(fast, 9)
    assert keys(stub) == {"second"}


def test_so_it_is_in_a_pipeline_that_runs_ahead_from_its_first_call(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    fast = accelerate(extracting(model(stub, "first"), KeywordExtractor), runtime=runtime)
    keywords(fast, 8)
    assert outcomes(fast) == {Outcome.HIT: 3}
    assert keys(stub) == {"first"}
    stub.reset()
    fast.transformations[0].llm = model(stub, "second")
    keywords(fast, 9)
    assert keys(stub) == {"second"}


_tenant: ContextVar[str] = ContextVar("tenant", default="first")


class Choosing(OpenAILike):
    """Asks by the client of the tenant whose call it is."""

    def _get_aclient(self) -> Any:
        others = self.__dict__.setdefault("clients", {})
        if (name := _tenant.get()) not in others:
            others[name] = model_client(self, name)
        return others[name]


def model_client(llm: OpenAILike, key: str) -> Any:
    import openai

    return openai.AsyncOpenAI(base_url=llm.api_base, api_key=key, max_retries=0)


def test_an_llm_that_chooses_its_client_for_each_call_is_not_asked_by_that_of_another_call(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    fast = taught(stub, runtime, extracting(model(stub, "unused", Choosing)), keywords)
    token = _tenant.set("second")
    keywords(fast, 9)
    _tenant.reset(token)
    assert keys(stub) == {"second"}


class ByFirstWord(BaseSelector):
    """Sends a question to the tenant that it names."""

    def _select(self, choices: Any, query: Any) -> SelectorResult:
        chosen = 1 if query.query_str.startswith("second") else 0
        return SelectorResult(selections=[SingleSelection(index=chosen, reason="its name")])

    async def _aselect(self, choices: Any, query: Any) -> SelectorResult:
        return self._select(choices, query)

    def _get_prompts(self) -> dict[str, Any]:
        return {}

    def _update_prompts(self, prompts_dict: Any) -> None:
        pass


def routed(router: Any, number: int, tenant: str = "first") -> str:
    return str(router.query(f"{tenant}: {question(number)}"))


def test_a_router_asks_nothing_by_the_llm_of_an_engine_that_it_has_not_chosen(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    def tool(key: str) -> Any:
        index = SummaryIndex([TextNode(text=f"A note {part}") for part in range(3)])
        synthesizer = Accumulate(llm=model(stub, key))
        engine = index.as_query_engine(response_synthesizer=synthesizer, llm=synthesizer._llm)
        return QueryEngineTool.from_defaults(engine, name=key, description=f"Notes of the {key}")

    chief = model(stub, "chief")
    router = RouterQueryEngine(
        ByFirstWord(),
        [tool("first"), tool("second")],
        llm=chief,
        summarizer=TreeSummarize(llm=chief),
    )
    fast = taught(stub, runtime, router, routed)
    routed(fast, 9)
    assert Outcome.HIT in outcomes(fast)  # It is learned, and asked by the first tenant's client.
    assert keys(stub) == {"first"}
    stub.reset()
    routed(fast, 10, "second")
    assert keys(stub) == {"second"}


# One call.


class Client:
    """A client of an SDK, as far as anybody here asks."""


def call_by(client: Client) -> BoundaryCall:
    return BoundaryCall(
        "llm", client, dict, lambda _: Answer(), lambda _, __: pytest.fail("made"), server="a:1"
    )


def clients(*seen: Client, spread: bool = False) -> Clients:
    """Those of a call, after one in which these were used at the sites ``s0``, ``s1``, ..."""
    owners = Owners()
    for number, client in enumerate(seen):
        owners.saw(Site(f"s{number}", ()), call_by(client))
    sites = frozenset(f"s{number}" for number in range(len(seen))) if spread else frozenset[str]()
    return Clients(owners, frozenset(), Named({}), sites)


def test_beside_clients_that_a_call_may_choose_certain_ones_count_as_used_and_no_more() -> None:
    certain, other = Client(), Client()
    for spread in (False, True):
        alone = clients(certain, other, spread=spread)
        alone.always([certain])
        assert alone.way("s0", 0) is not None
        assert alone.way("s1", 0) is None
        beside = clients(certain, other, spread=spread)
        beside.always([certain, OTHERS])
        assert (beside.way("s0", 0) is None) is spread
        assert beside.way("s1", 0) is None


def test_once_another_client_is_used_in_its_place_nothing_is_certain_any_more() -> None:
    before, after = Client(), Client()
    call = clients(before, before)
    call.always([before])
    call.used("s0", (), call_by(before), {})
    assert call.way("s1") is not None
    call.used("s0", (), call_by(after), {})
    assert call.way("s1") is None
