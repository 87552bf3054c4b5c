"""Native workflows on an OpenAI-compatible server: what is sent, told, refused and aborted."""

import asyncio
import json
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ayo_bridge import LLM
from ayo_bridge.errors import PrimitiveError, QueryTimeoutError
from ayo_bridge.graph import Op, Opaque, QueryExpansion, SearchApi, Synthesis, SynthesisMode
from ayo_bridge.passes import PIPELINE
from ayo_bridge.profile import LLMProfile, Profiles, ProfileStore
from ayo_bridge.runtime import Runtime
from ayo_bridge.workflow import App, LanguageModel
from ayo_bridge.workflow.engines import LLMServerError, ServedLLM, Tool
from tests.deadline import eventually
from tests.stub_openai import StubOpenAI

if TYPE_CHECKING:
    from ayo_bridge.serving.vllm_server import VLLMServer

ANSWER = Synthesis(name="answer", llm="llm", mode=SynthesisMode.GENERATION, tokens=30)
CHAIN = Synthesis(
    name="answer",
    llm="llm",
    mode=SynthesisMode.REFINE,
    chunks=3,
    tokens=8,
    context_tokens=100,
    inputs=("question", "found"),
)
FIND = Opaque(name="find", pure=True, inputs=("question",), outputs=("found",))
PLAN = QueryExpansion(name="plan", llm="llm", queries=3, tokens=30)
ACT = SearchApi(name="act", api="tools", inputs=("plan.queries",), calls=3)
PROFILES = Profiles({"llm": LLMProfile(0.01, 0.001, 0.01)})


async def one(llm: ServedLLM, **options: object) -> str:
    async with App() as app:
        app.register(llm)
        if options:
            app.handle(("answer", Op.PREFILLING), LanguageModel("Say it.", options=options))
        return str((await app.submit({"question": "why?"}, ANSWER)).output)


async def test_a_prompt_is_sent_as_text_with_the_options(stub_openai: StubOpenAI) -> None:
    stub_openai.latency = 0.0
    llm = ServedLLM("llm", stub_openai.base_url, "stub", api_key="secret", options={"seed": 7})
    text = await one(llm, stop=["\n"])
    (call,) = stub_openai.calls
    assert call.path == "/v1/completions"
    assert call.headers["authorization"] == "Bearer secret"
    assert call.body == {
        "model": "stub",
        "prompt": "Say it.\n\nQuestion: why?",
        "max_tokens": 30,
        "temperature": 0.0,
        "seed": 7,
        "stop": ["\n"],
    }
    assert text == stub_openai.text(call.body)


async def test_a_chat_model_gets_a_message(stub_openai: StubOpenAI) -> None:
    stub_openai.latency = 0.0
    text = await one(ServedLLM("llm", stub_openai.base_url, "stub", chat=True))
    (call,) = stub_openai.calls
    assert call.path == "/v1/chat/completions"
    content = "Answer the question.\n\nQuestion: why?"
    assert call.body["messages"] == [{"role": "user", "content": content}]
    assert text == stub_openai.text(call.body)


async def test_the_answer_is_streamed_as_it_grows(stub_openai: StubOpenAI) -> None:
    stub_openai.latency, stub_openai.token_interval = 0.0, 0.01
    async with App() as app:
        app.register(ServedLLM("llm", stub_openai.base_url, "stub"))
        pieces = [piece async for piece in app.stream({"question": "why?"}, ANSWER)]
    (call,) = stub_openai.calls
    assert len(pieces) > 3
    assert "".join(pieces) == stub_openai.text(call.body)


async def test_each_step_of_a_plan_starts_its_tool_while_the_rest_is_written(
    stub_openai: StubOpenAI,
) -> None:
    stub_openai.latency, stub_openai.token_interval = 0.0, 0.1
    stub_openai.reply_when("Write 3", text="first of all\nsecond of all\nthird and the last one")
    asked: dict[str, float] = {}

    async def tool(step: str) -> str:
        asked[step] = time.perf_counter()
        return step.upper()

    async with App() as app:
        app.register(ServedLLM("llm", stub_openai.base_url, "stub"))
        app.register(Tool("tools", tool))
        result = await app.submit({"question": "why?"}, PLAN >> ACT)
    assert result["plan.queries"] == ["first of all", "second of all", "third and the last one"]
    assert result["act.results"] == ["FIRST OF ALL", "SECOND OF ALL", "THIRD AND THE LAST ONE"]
    (call,) = stub_openai.calls
    eventually(lambda: call.ended is not None, "the end of the reply at the server")
    assert call.ended is not None
    assert asked["first of all"] < asked["second of all"] < call.ended


async def test_prefixes_are_warmed_where_the_server_caches_them(stub_openai: StubOpenAI) -> None:
    stub_openai.latency = 0.05
    llm = ServedLLM("llm", stub_openai.base_url, "stub", caches_prefixes=True)
    async with App(profiles=PROFILES) as app:
        app.register(llm)
        app.handle("find", lambda _: ["one " * 90, "two " * 90, "three " * 90])
        await app.submit({"question": "why?"}, FIND >> CHAIN)
    warms = [r for r in stub_openai.requests if r.mark == "warm"]
    assert len(warms) == 2
    assert [warm.body["max_tokens"] for warm in warms] == [1, 1]
    for warm in warms:
        (full,) = [call for call in stub_openai.calls if call.prompt.startswith(warm.prompt)]
        assert full.arrived > warm.arrived


async def test_probing_finds_out_whether_prefixes_are_cached(stub_openai: StubOpenAI) -> None:
    llm = ServedLLM("llm", stub_openai.base_url, "stub")
    before = llm.caches_prefixes
    await llm.probe()
    assert (before, llm.caches_prefixes) == (False, True)  # The stub speaks vLLM's dialect.
    await llm.aclose()


async def test_a_refusal_names_primitive_and_server(stub_openai: StubOpenAI) -> None:
    stub_openai.reply_when("why?", status=400)
    with pytest.raises(PrimitiveError, match=r"'answer.prefill\[0\]'.*'llm'.*400") as failed:
        await one(ServedLLM("llm", stub_openai.base_url, "stub"))
    assert isinstance(failed.value.__cause__, LLMServerError)
    assert failed.value.__cause__.status == 400
    assert "message" in json.loads(failed.value.__cause__.answer)["error"]


async def test_a_refused_stream_is_an_error_too(stub_openai: StubOpenAI) -> None:
    stub_openai.reply_when("why?", status=503)
    async with App() as app:
        app.register(ServedLLM("llm", stub_openai.base_url, "stub"))
        with pytest.raises(PrimitiveError, match="503"):
            async for _ in app.stream({"question": "why?"}, ANSWER):
                pass


@pytest.mark.parametrize("cut", [0, 2])
async def test_a_server_that_breaks_off_is_an_error_of_the_primitive(
    stub_openai: StubOpenAI, cut: int
) -> None:
    stub_openai.reply_when("why?", disconnect=cut)
    with pytest.raises(PrimitiveError, match=r"answer\.prefill"):
        await one(ServedLLM("llm", stub_openai.base_url, "stub"))


async def test_a_server_that_is_not_there_is_an_error_of_the_primitive() -> None:
    with pytest.raises(PrimitiveError, match=r"answer.prefill.*ConnectError"):
        await one(ServedLLM("llm", "http://127.0.0.1:9/v1", "none"))


async def test_a_runtime_serves_it_too(stub_openai: StubOpenAI) -> None:
    stub_openai.reply_when("Write 3", text="first\nsecond\nthird")
    runtime = Runtime()
    async with App(runtime) as app:
        app.register(ServedLLM("llm", stub_openai.base_url, "stub"))
        app.register(Tool("tools", str.upper))
        result = await app.submit({"question": "why?"}, PLAN >> ACT)
    runtime.close()
    assert result.output == ["FIRST", "SECOND", "THIRD"]


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_query_that_is_too_late_is_aborted_in_the_server(
    stub_openai: StubOpenAI, streamed: bool
) -> None:
    stub_openai.latency, stub_openai.token_interval = (0.0, 1.0) if streamed else (30.0, 0.0)
    async with App() as app:
        app.register(ServedLLM("llm", stub_openai.base_url, "stub"))
        app.register(Tool("tools", len))
        workflow = PLAN >> ACT if streamed else ANSWER
        with pytest.raises(QueryTimeoutError, match=r"prefill|decode"):
            await app.submit({"question": "why?"}, workflow, timeout=0.3)
        async with asyncio.timeout(10):
            while stub_openai.in_flight:
                await asyncio.sleep(0.01)
    (call,) = stub_openai.calls
    assert call.aborted


@pytest.mark.real
@pytest.mark.timeout(300)
@pytest.mark.parametrize("chat", [False, True])
async def test_a_warm_fills_the_cache_of_a_real_server(
    vllm_server: "VLLMServer", chat: bool
) -> None:
    """Both scripts read the same prompts; optimised, most of two of them is in the cache."""
    name = vllm_server.model_name
    profiles = Profiles({"llm": LLMProfile(0.01, 0.001, 0.1)})
    found: list[int] = []
    answers: list[object] = []
    for number, passes in enumerate([(), PIPELINE]):
        # Each script has texts of its own, so that it finds nothing of the other's.
        contexts = [f"{'even' if number else 'odd'} {i} " * 60 for i in range(3)]
        async with App(passes=passes, profiles=profiles) as app:
            llm = ServedLLM("llm", vllm_server.url, name, chat=chat, options={"ignore_eos": True})
            await llm.probe()
            assert llm.caches_prefixes
            app.register(llm)
            app.handle("find", lambda _, contexts=contexts: contexts)
            before = cached_tokens(vllm_server)
            result = await app.submit({"question": "why?"}, FIND >> CHAIN)
            found.append(cached_tokens(vllm_server) - before)
        answers.append(result.output)
        if passes:
            assert sum(p.op is Op.PARTIAL_PREFILLING for p in result.e_graph) == 2
            # The same without warms: the answer must not have changed.
            async with App(passes=()) as app:
                app.register(llm)
                app.handle("find", lambda _, contexts=contexts: contexts)
                again = await app.submit({"question": "why?"}, FIND >> CHAIN)
            assert again.output == result.output
    plain, optimised = found
    assert optimised >= plain + 2 * 64
    assert answers[0] != answers[1]


def cached_tokens(server: "VLLMServer") -> int:
    """Prompt tokens that a server has found in its prefix cache."""
    with urllib.request.urlopen(f"{server.root_url}/metrics") as reply:
        lines = reply.read().decode().splitlines()
    hits = [line for line in lines if line.startswith("vllm:prefix_cache_hits_total")]
    return int(sum(float(line.rsplit(" ", 1)[1]) for line in hits))


async def test_its_requests_go_to_the_replicas_that_are_declared_of_its_model(
    stub_openai: StubOpenAI,
) -> None:
    stub_openai.latency = 0.0
    with StubOpenAI(latency=0.0) as other:
        urls = [stub_openai.base_url, other.base_url]
        runtime = Runtime(engines=[LLM("stub", urls, "round_robin")])
        try:
            async with App(runtime) as app:
                app.register(ServedLLM("llm", stub_openai.base_url, "stub"))
                app.register(ServedLLM("another", stub_openai.base_url, "not declared"))
                asked = [app.submit({"question": f"why {n}?"}, ANSWER) for n in range(4)]
                given = [str(result.output) for result in await asyncio.gather(*asked)]
        finally:
            runtime.close()
        counts = len(stub_openai.calls), len(other.calls)
    assert all(given)
    assert counts == (2, 2)


async def test_a_router_is_told_what_its_graph_says_of_each_request(
    stub_openai: StubOpenAI, tmp_path: Path
) -> None:
    stub_openai.latency = 0.05
    router = LLM("stub", [stub_openai.base_url], "external", hints="agentic_context")
    runtime = Runtime(engines=[router], profiles=ProfileStore(tmp_path))
    runtime.profiles.publish("llm", LLMProfile(0.01, 0.001, 0.01))
    try:
        async with App(runtime) as app:
            app.register(ServedLLM("llm", router.urls[0], "stub", caches_prefixes=True))
            app.handle("find", lambda _: ["one " * 90, "two " * 90, "three " * 90])
            await app.submit({"question": "why?"}, FIND >> CHAIN)
    finally:
        runtime.close()
    said = [(r.mark, r.body["vllm_xargs"]["agentic_context"]) for r in stub_openai.requests]
    assert [each["expected_resume"] for mark, each in said if mark is None] == [False] * 3
    warms = [each for mark, each in said if mark == "warm"]
    assert [each["expected_resume"] for each in warms] == [True, True]
    assert all(each["kv_retention_ttl_seconds"] > 0 for each in warms)
