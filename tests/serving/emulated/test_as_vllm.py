"""The emulated server beside a real vLLM: to the same requests the same forms and counts."""

from __future__ import annotations

import json
import random
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from ayo_bridge.serving.emulated import EmulatedServer
from ayo_bridge.serving.vllm_server import VLLMServer
from ayo_bridge.simulate import LLMCosts
from tests.deadline import eventually

Body = dict[str, Any]

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

COSTS = LLMCosts(0.001, 0.0, 0.0, 0.001, 0.0, kv_tokens=65536)
MESSAGES = [{"role": "user", "content": "Hello there"}]
STREAMED = {"stream": True, "stream_options": {"include_usage": True}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
IDS = random.Random("emulated").choices(range(300, 3000), k=200)


@pytest.fixture
def emulated(vllm_server: VLLMServer) -> Iterator[EmulatedServer]:
    name = vllm_server.model_name
    with EmulatedServer(COSTS, model=name, block_size=32, max_model_len=8192) as server:
        yield server


def ask(root: str, path: str, body: Body | None = None) -> tuple[int, str]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(root + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def events(text: str) -> list[Any]:
    """The JSON of a reply; of a stream that of the first two and the last two events.

    Between them vLLM leaves out tokens that are not yet a character.
    """
    if not text.startswith("data: "):
        return [json.loads(text)]
    *found, last = text.strip().split("\n\n")
    assert last == "data: [DONE]"
    return [json.loads(event.removeprefix("data: ")) for event in found[:2] + found[-2:]]


def in_form_of(ours: Any, theirs: Any, where: str = "") -> None:
    """All that is said is said there too, and is of the same type where neither is null."""
    if ours is None or theirs is None:
        return
    if not (isinstance(ours, int | float) and isinstance(theirs, int | float)):
        assert type(ours) is type(theirs), where
    if isinstance(ours, dict):
        assert ours.keys() <= theirs.keys(), where
        for key, value in ours.items():
            in_form_of(value, theirs[key], f"{where}.{key}")
    if isinstance(ours, list):
        assert len(ours) == len(theirs), where
        for one, other in zip(ours, theirs, strict=True):
            in_form_of(one, other, f"{where}[]")


def test_replies_have_its_form(vllm_server: VLLMServer, emulated: EmulatedServer) -> None:
    common = {"model": vllm_server.model_name, "max_tokens": 4, "ignore_eos": True}
    for path, body in [
        ("/v1/completions", {"prompt": "Hello", **common}),
        ("/v1/completions", {"prompt": ["Hello", "there"], "n": 2, **common}),
        ("/v1/chat/completions", {"messages": MESSAGES, **common}),
        ("/v1/chat/completions", {"messages": MESSAGES, **common, **STREAMED}),
        ("/v1/completions", {"prompt": IDS, **common, **STREAMED}),
        ("/v1/models", None),
    ]:
        (ours, said), (theirs, real) = (
            ask(server.root_url, path, body) for server in (emulated, vllm_server)
        )
        assert (ours, theirs) == (200, 200), (said, real)
        in_form_of(events(said), events(real), path)


def test_refusals_are_its_own(vllm_server: VLLMServer, emulated: EmulatedServer) -> None:
    common: Body = {"model": vllm_server.model_name, "max_tokens": 4}
    asked: list[tuple[str, Body | None]] = [
        ("/v1/completions", {"prompt": "a", "model": "other"}),
        ("/v1/completions", {**common, "prompt": "a", "max_tokens": 0}),
        ("/v1/completions", {**common, "prompt": "a", "max_tokens": 9000}),
        ("/v1/completions", {**common, "prompt": "a", "temperature": -1.0}),
        ("/v1/completions", {**common, "prompt": [300] * 9000}),
        *(
            ("/v1/completions", {**common, "prompt": "a", **wrong})
            for wrong in (
                {"temperature": 2.5},
                {"top_p": 2},
                {"presence_penalty": 3},
                {"n": 0},
                {"n": 100_000},
                {"n": 2, "temperature": 0},
                {"stop": ""},
                {"min_tokens": -1},
                {"min_tokens": 5},
            )
        ),
        ("/v1/embeddings", {"model": common["model"], "input": "a"}),
        ("/nothing", None),
    ]
    for path, body in asked:
        ours, theirs = (ask(server.root_url, path, body) for server in (emulated, vllm_server))
        assert ours == theirs
    for field in ("model", "temperature", "seed", "priority", "stream", "tools"):
        wrong = {"model": common["model"], "messages": MESSAGES, field: {"a": 1}}
        for server in (emulated, vllm_server):
            assert ask(server.root_url, "/v1/chat/completions", wrong)[0] == 400, field
    for message in ({"content": "a"}, {"role": "user", "content": 5}, {"role": 5, "content": "a"}):
        body = {"model": common["model"], "messages": [message]}
        for server in (emulated, vllm_server):
            assert ask(server.root_url, "/v1/chat/completions", body)[0] == 400, message
    tools = {"model": common["model"], "messages": MESSAGES, "tools": [TOOL]}
    for server in (emulated, vllm_server):
        status, said = ask(server.root_url, "/v1/chat/completions", tools)
        assert status == 400
        assert "tool choice requires --enable-auto-tool-choice" in said


def test_steps_and_cached_tokens_are_its_own(
    vllm_server: VLLMServer, emulated: EmulatedServer
) -> None:
    prompt = random.Random("counted").choices(range(300, 3000), k=200)

    def counted(server: VLLMServer | EmulatedServer) -> list[object]:
        before = state(server.root_url)
        found: list[object] = []
        for tail in ([], [5, 6, 7]):
            body = {"prompt": [*prompt, *tail], "max_tokens": 5, "ignore_eos": True}
            body |= {"model": server.model_name}
            usage = json.loads(ask(server.root_url, "/v1/completions", body)[1])["usage"]
            found.append(usage["prompt_tokens_details"]["cached_tokens"])
        # vLLM counts after it has replied.
        tokens = before["generation_tokens_total"] + 10
        eventually(lambda: state(server.root_url)["generation_tokens_total"] == tokens, "the count")
        after = state(server.root_url)
        assert before.keys() == after.keys()
        names = ("iteration_tokens_total_count", "prefix_cache_queries_total")
        return [*found, *(after[name] - before[name] for name in names)]

    assert counted(emulated) == counted(vllm_server) == [0, 192, 10, 403]
    assert state(emulated.root_url).keys() <= state(vllm_server.root_url).keys()


def state(root: str) -> dict[str, float]:
    sample = re.compile(r"^vllm:(\w+)\{[^}]*\} (\S+)$", re.MULTILINE)
    return {name: float(value) for name, value in sample.findall(ask(root, "/metrics")[1])}
