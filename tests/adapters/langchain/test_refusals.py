"""What must be left to the original is: nothing of it is asked early, twice or not at all."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from langchain_classic.retrievers.multi_query import MultiQueryRetriever
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.globals import set_llm_cache
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tracers._streaming import _StreamingCallbackHandler
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_huggingface import HuggingFaceEmbeddings
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from ayo_bridge import Runtime, accelerate, explain, stats
from tests.adapters.langchain.calls import assert_mapped, assert_same, made
from tests.differential.langchain_parts import ASKS_FOR_LINES, chat, embeddings, rag, store
from tests.stub_openai import StubOpenAI

Accelerate = Callable[[Any], Any]


def with_llm(llm: Any, **settings: Any) -> MultiQueryRetriever:
    return MultiQueryRetriever.from_llm(
        store().as_retriever(search_kwargs={"k": 3}), llm, include_original=True, **settings
    )


def llm_outcomes(accelerated: Any) -> list[str]:
    calls: Any = explain(accelerated).json()["calls"]
    return [call["outcome"] for call in calls if call["engine"].startswith("llm:")]


async def assert_left_alone(
    original: Any, accelerated: Any, stub: StubOpenAI, reason: str, entry: str = "invoke"
) -> None:
    """Same for every observer; the LLM's call is the original's own, and `explain` says why."""
    expected = await made(original, entry, stub)
    for _ in range(2):
        assert_same(expected, await made(accelerated, entry, stub))
        assert set(llm_outcomes(accelerated)) <= {"direct"}
    assert reason in explain(accelerated).full()


class Limiter(BaseRateLimiter):
    def __init__(self) -> None:
        self.asked = 0

    def acquire(self, *, blocking: bool = True) -> bool:
        self.asked += 1
        return True

    async def aacquire(self, *, blocking: bool = True) -> bool:
        self.asked += 1
        return True


async def test_a_rate_limiter_is_asked_once_a_call(stub: StubOpenAI, fast: Accelerate) -> None:
    limiter = Limiter()
    original = with_llm(chat(stub.base_url, rate_limiter=limiter))
    accelerated = fast(original)
    await assert_left_alone(original, accelerated, stub, "the model has a rate limiter")
    assert limiter.asked == 3


@pytest.fixture
def global_cache() -> Iterator[InMemoryCache]:
    cache = InMemoryCache()
    set_llm_cache(cache)
    yield cache
    set_llm_cache(None)


@pytest.mark.parametrize("entry", ["invoke", "ainvoke"])
async def test_what_the_global_cache_knows_reaches_no_engine(
    entry: str, stub: StubOpenAI, fast: Accelerate, global_cache: InMemoryCache
) -> None:
    original = rag(with_llm(chat(stub.base_url)), chat(stub.base_url))
    accelerated = fast(original)
    await made(original, entry, stub)
    expected = await made(original, entry, stub)
    assert expected.requests.total() == 0
    assert_same(expected, await made(accelerated, entry, stub))
    assert "the model has a cache" in explain(accelerated).full()


async def test_a_cache_of_the_model_is_left_to_it(stub: StubOpenAI, fast: Accelerate) -> None:
    original = with_llm(chat(stub.base_url, cache=InMemoryCache()))
    accelerated = fast(original)
    assert (await made(accelerated, "invoke", stub)).requests.total() == 1
    assert (await made(accelerated, "invoke", stub)).requests.total() == 0
    assert (await made(original, "invoke", stub)).requests.total() == 0


async def test_a_client_of_the_users_own_makes_every_request(
    stub: StubOpenAI, fast: Accelerate, proven: Callable[[], None]
) -> None:
    seen: list[str] = []
    with httpx.Client(event_hooks={"request": [lambda r: seen.append(str(r.url))]}) as client:
        original = with_llm(chat(stub.base_url, http_client=client))
        accelerated = fast(original)
        reason = "the HTTP client has event hooks"
        await assert_left_alone(original, accelerated, stub, reason)
        assert len(seen) == len(stub.calls) == 3
        assert not [request for request in stub.requests if request.mark]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"disable_streaming": True}, "how the model streams is set"),
        ({"streaming": True}, "how the model streams is set"),
        ({"api_key": lambda: "none"}, "the model's key is a function"),
        ({"model_kwargs": {"response_format": {"type": "json_object"}}}, "sends response_format"),
        ({"include_response_headers": True}, "asks for the response's headers"),
        ({"n": 2}, "several answers"),
    ],
)
async def test_settings_that_are_not_understood(
    settings: dict[str, Any], reason: str, stub: StubOpenAI, fast: Accelerate
) -> None:
    original = with_llm(chat(stub.base_url, **settings))
    await assert_left_alone(original, fast(original), stub, reason)


@pytest.mark.parametrize("bound", [{"stop": ["x"]}, {"temperature": 0.5, "max_tokens": 90}])
async def test_plain_parameters_may_be_bound(
    bound: dict[str, Any], stub: StubOpenAI, fast: Accelerate, proven: Callable[[], None]
) -> None:
    original = with_llm(chat(stub.base_url).bind(**bound))
    accelerated = fast(original)
    proven()
    expected = await made(original, "invoke", stub)
    assert_same(expected, await made(accelerated, "invoke", stub))
    assert llm_outcomes(accelerated) == ["hit"]


async def test_bound_tools_are_left_alone(stub: StubOpenAI, fast: Accelerate) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    original = with_llm(chat(stub.base_url).bind(tools=[tool]))
    await assert_left_alone(original, fast(original), stub, "the model has tools bound to it")


class OwnChat(ChatOpenAI):
    """A subclass may do anything."""


async def test_a_subclass_of_the_model(stub: StubOpenAI, fast: Accelerate) -> None:
    own = OwnChat(model="stub", base_url=stub.base_url, api_key=SecretStr("k"), max_retries=0)
    original = with_llm(own)
    reason = "OwnChat is not ChatOpenAI itself"
    await assert_left_alone(original, fast(original), stub, reason)


@pytest.mark.parametrize("entry", ["invoke", "ainvoke"])
@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (ChatOpenAI, "_get_request_payload"),
        (ChatOpenAI, "_generate"),
        (ChatOpenAI, "_agenerate"),
    ],
)
async def test_a_patched_model(
    cls: type,
    name: str,
    entry: str,
    stub: StubOpenAI,
    fast: Accelerate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []
    library = getattr(cls, name)

    @functools.wraps(library)
    def patched(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        return library(*args, **kwargs)

    monkeypatch.setattr(cls, name, patched)
    original = with_llm(chat(stub.base_url))
    accelerated = fast(original)
    calls.clear()
    reason = f"ChatOpenAI.{name} has been replaced"
    await assert_left_alone(original, accelerated, stub, reason, entry)
    assert len(calls) % 3 == 0


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (HuggingFaceEmbeddings, "embed_query"),
        (InMemoryVectorStore, "similarity_search"),
        (InMemoryVectorStore, "similarity_search_with_score"),
    ],
)
async def test_a_patched_search_is_made_by_the_original(
    cls: type, name: str, stub: StubOpenAI, fast: Accelerate, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    library = getattr(cls, name)

    def patched(self: Any, query: str, *args: Any, **kwargs: Any) -> Any:
        calls.append(query)
        return library(self, query.upper(), *args, **kwargs)

    original = with_llm(chat(stub.base_url))
    accelerated = fast(original)
    monkeypatch.setattr(cls, name, patched)
    expected = await made(original, "invoke", stub)
    assert_same(expected, await made(accelerated, "invoke", stub))
    assert calls[: len(calls) // 2] == calls[len(calls) // 2 :]
    assert stats(accelerated).wasted == 0
    assert f"{cls.__name__}.{name} has been replaced" in explain(accelerated).full()


@pytest.mark.parametrize(
    "settings",
    [
        {"search_type": "mmr", "search_kwargs": {"k": 2}},
        {"search_type": "similarity_score_threshold", "search_kwargs": {"score_threshold": 0.1}},
        {"search_kwargs": {"k": 2, "filter": lambda document: document.metadata["number"] > 9}},
    ],
)
@pytest.mark.filterwarnings("ignore:Relevance scores must be between:UserWarning")
async def test_other_searches_run_as_they_are(
    settings: dict[str, Any], stub: StubOpenAI, fast: Accelerate
) -> None:
    retriever = store().as_retriever(**settings)
    original = MultiQueryRetriever.from_llm(retriever, chat(stub.base_url), include_original=True)
    accelerated = fast(original)
    expected = await made(original, "invoke", stub)
    assert_same(expected, await made(accelerated, "invoke", stub))
    assert stats(accelerated).wasted == 0


class Streaming(BaseCallbackHandler, _StreamingCallbackHandler[Any]):
    """A handler of this kind makes `invoke` stream."""

    def __init__(self) -> None:
        self.tokens: list[str] = []

    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        self.tokens.append(token)

    def tap_output_iter(self, run_id: Any, output: Any) -> Any:
        return output

    def tap_output_aiter(self, run_id: Any, output: Any) -> Any:
        return output


@pytest.mark.parametrize("entry", ["invoke", "ainvoke"])
async def test_a_handler_that_makes_the_model_stream(
    entry: str, stub: StubOpenAI, fast: Accelerate, proven: Callable[[], None]
) -> None:
    original = with_llm(chat(stub.base_url))
    accelerated = fast(original)
    proven()
    one, two = Streaming(), Streaming()
    expected = await made(original, entry, stub, handlers=(one,))
    seen = await made(accelerated, entry, stub, handlers=(two,))
    assert_same(expected, seen)
    assert one.tokens == two.tokens != []
    assert stats(accelerated).wasted == 0
    assert [request.body.get("stream") for request in stub.calls] == [True, True]


async def test_a_stateful_model_is_called_as_often_as_ever(fast: Accelerate) -> None:
    def model() -> FakeListChatModel:
        return FakeListChatModel(responses=[f"rivers {n}\nbridges {n}" for n in range(4)])

    with StubOpenAI() as stub:
        original, again = with_llm(model()), with_llm(model())
        accelerated = fast(again)
        for _ in range(4):
            expected = await made(original, "invoke", stub)
            assert_same(expected, await made(accelerated, "invoke", stub))
    assert stats(accelerated).hits > 0, "its lines feed the graph all the same"


@pytest.mark.parametrize(
    "prompt",
    [
        PromptTemplate(
            template=f"{ASKS_FOR_LINES} {{now}} Original question: {{question}}",
            input_variables=["question"],
            partial_variables={"now": lambda: "today"},
        ),
        PromptTemplate.from_template(
            f"{ASKS_FOR_LINES} Original question: {{{{question}}}}", template_format="mustache"
        ),
        ChatPromptTemplate.from_messages(
            [("system", ASKS_FOR_LINES), ("placeholder", "{before}"), ("human", "{question}")]
        ),
    ],
)
async def test_prompts_with_more_than_text_are_formatted_once(
    prompt: Any, stub: StubOpenAI, fast: Accelerate
) -> None:
    original = with_llm(chat(stub.base_url), prompt=prompt)
    await assert_left_alone(original, fast(original), stub, "prompt")


async def test_chat_prompts_of_text_run_ahead(
    stub: StubOpenAI, fast: Accelerate, proven: Callable[[], None]
) -> None:
    prompt = ChatPromptTemplate.from_messages(
        [("system", f"Queries {ASKS_FOR_LINES}."), ("human", "Original question: {question}")]
    )
    original = with_llm(chat(stub.base_url), prompt=prompt)
    accelerated = fast(original)
    proven()
    expected = await made(original, "invoke", stub)
    assert_same(expected, await made(accelerated, "invoke", stub))
    assert llm_outcomes(accelerated) == ["hit"]


class Writing(BaseCallbackHandler):
    """Writes into the store while the queries are being searched with."""

    def __init__(self, into: InMemoryVectorStore) -> None:
        self._into = into
        self._count = 0

    def on_retriever_start(self, serialized: Any, query: str, **kwargs: Any) -> None:
        if kwargs.get("parent_run_id") is not None:
            self._count += 1
            late = Document(id=f"late{self._count}", page_content=query, metadata={"late": True})
            self._into.add_documents([late])


async def test_a_store_that_changes_is_searched_anew(stub: StubOpenAI, fast: Accelerate) -> None:
    def build() -> tuple[MultiQueryRetriever, Writing]:
        into = store()
        return (
            MultiQueryRetriever.from_llm(
                into.as_retriever(search_kwargs={"k": 2}), chat(stub.base_url)
            ),
            Writing(into),
        )

    (original, one), (again, two) = build(), build()
    expected = await made(original, "invoke", stub, handlers=(one,))
    seen = await made(fast(again), "invoke", stub, handlers=(two,))
    assert "late3" in str(expected.result)
    assert_same(expected, seen)


async def test_results_belong_to_the_caller(stub: StubOpenAI, fast: Accelerate) -> None:
    accelerated = fast(with_llm(chat(stub.base_url)))
    first = accelerated.invoke("of rivers")
    for document in first:
        document.metadata["mine"] = True
    assert not any("mine" in document.metadata for document in accelerated.invoke("of rivers"))


async def test_a_retriever_inside_a_function_is_followed(
    stub: StubOpenAI, fast: Accelerate
) -> None:
    inner = with_llm(chat(stub.base_url))

    def both(question: str, config: RunnableConfig) -> Any:
        return [inner.invoke(question, config), inner.invoke("b", config)]

    original = RunnableLambda(both)
    accelerated = fast(original)
    expected = await made(original, "invoke", stub)
    assert_same(expected, await made(accelerated, "invoke", stub))
    assert stats(accelerated).hits > 9  # One of them makes nine calls.
    assert_mapped(accelerated, 2)


async def test_without_run_ahead_engines_only_schedule(stub: StubOpenAI) -> None:
    runtime = Runtime(run_ahead=False)
    accelerated = accelerate(with_llm(chat(stub.base_url)), runtime=runtime)
    expected = await made(with_llm(chat(stub.base_url)), "invoke", stub)
    assert_same(expected, await made(accelerated, "invoke", stub))
    assert stats(accelerated).hits == 0
    runtime.close()


def test_the_plain_chain_has_nothing_to_run_ahead(stub: StubOpenAI, fast: Accelerate) -> None:
    accelerated = fast(rag(store().as_retriever(), chat(stub.base_url)))
    for _ in range(10):
        accelerated.invoke("of rivers")
    assert stats(accelerated).hits == stats(accelerated).wasted == 0
    assert not [request for request in stub.requests if request.mark], "nor to prove"
    assert embeddings()._client is not None
