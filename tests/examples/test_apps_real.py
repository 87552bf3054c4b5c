"""The apps on real engines, and on a stub of the LLM server with everything else real."""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ayo_bridge.errors import EngineUnavailableError, PrimitiveError, QueryTimeoutError
from ayo_bridge.workflow import MISSING, Result
from examples.apps import APPS
from examples.apps.arms import Arm, differences
from examples.apps.real import Engines, empty_prefix_cache, on_stage, real, small
from examples.apps.scripts import OPTIMISED, PLAIN, Script, Task
from examples.apps.texts import SUBJECTS
from tests.stub_openai import StubOpenAI

if TYPE_CHECKING:
    from ayo_bridge.serving.postgres import EmbeddedPostgres
    from ayo_bridge.serving.vllm_server import VLLMServer


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI(latency=0.02) as server:
        yield server


def ask(stub: StubOpenAI, name: str, script: Script, timeout: float | None = 30) -> Result:
    spec, sizes = APPS[name], small(APPS[name].sizes)
    engines = Engines(stub.base_url, "stub", profiles=False)
    with on_stage(spec, sizes, engines, lambda _: None) as stage:
        (result,) = stage.run(Task(spec, sizes, SUBJECTS[:1], timeout), script).results
    return result


both = pytest.mark.parametrize("script", [PLAIN, OPTIMISED], ids=["plain", "optimised"])


@both
@pytest.mark.parametrize("says", ["yes", "no", " No, it is not.", "who knows"])
def test_the_judge_decides_whether_the_search_engine_is_asked(
    stub: StubOpenAI, script: Script, says: str
) -> None:
    stub.reply_when("Say yes or no", text=says)
    result = ask(stub, "search", script)
    last = next(call for call in stub.calls if "Use the search results" in call.prompt)
    if "no" in says.lower().split(",")[0].split():
        assert result["needed.branch"] == "no"
        assert result["web.results"] is MISSING
        assert "Context:" not in last.prompt
    else:
        found = result["web.results"]
        assert isinstance(found, list)
        assert len(found) == small(APPS["search"].sizes).top_k
        assert all(text in last.prompt for text in found)
    assert result.output == result["answer.answer"]


@both
def test_the_steps_of_a_plan_are_carried_out_by_tools(stub: StubOpenAI, script: Script) -> None:
    steps = ["lookup: wait for tasks", "calculate: 6 * 7", "signature: csv.DictReader.fieldnames"]
    stub.reply_when("Plan how to answer", text="\n".join(steps))
    result = ask(stub, "agent", script)
    assert result["plan.steps"] == steps
    found = result["act.results"]
    assert isinstance(found, list)
    assert found[1] == "6 * 7 = 42"
    last = next(call for call in stub.calls if "results of the tools" in call.prompt)
    assert all(text in last.prompt for text in found)


def test_answers_are_held_to_their_forms_where_they_have_one(stub: StubOpenAI) -> None:
    ask(stub, "search", OPTIMISED)
    forms = {call.prompt[:5]: call.body.get("structured_outputs") for call in stub.calls}
    assert [form for form in forms.values() if form is not None] == [{"regex": "(yes|no)"}]


def test_a_query_that_is_too_late_is_aborted_in_the_server(stub: StubOpenAI) -> None:
    stub.reply_when("Say yes or no", latency=60.0, text="no")
    with pytest.raises(QueryTimeoutError, match=r"judge\.prefill"):
        ask(stub, "search", PLAIN, timeout=0.5)
    assert next(call for call in stub.calls if "Say yes or no" in call.prompt).aborted


@both
@pytest.mark.parametrize(
    ("name", "prompt", "primitive"),
    [
        ("search", "Say yes or no", "judge.prefill[0]"),
        ("search", "Use the search results", "answer.prefill[0]"),
        ("agent", "Plan how to answer", "plan.prefill"),
    ],
)
def test_what_the_server_refuses_is_named(
    stub: StubOpenAI, script: Script, name: str, prompt: str, primitive: str
) -> None:
    stub.reply_when(lambda r: prompt in r.prompt and r.mark is None, status=400)
    with pytest.raises(PrimitiveError) as failed:
        ask(stub, name, script)
    assert failed.value.primitive.removesuffix("[full]") == primitive


def test_the_search_engine_is_a_server_that_refuses_nonsense() -> None:
    from examples.apps.web import search_engine

    with search_engine() as url:
        asked = json.dumps({"q": "read a CSV file", "num": 2}).encode()
        with urllib.request.urlopen(urllib.request.Request(url, asked)) as reply:
            found = json.load(reply)["organic"]
        assert len(found) == 2
        assert any("csv" in hit["snippet"].lower() for hit in found)
        with pytest.raises(urllib.error.HTTPError, match="400"):
            urllib.request.urlopen(urllib.request.Request(url, b"{}"))


def test_a_server_that_is_not_there_is_said_to_be_so() -> None:
    spec = APPS["agent"]
    engines = Engines("http://127.0.0.1:9/v1", None, profiles=False)
    with (
        pytest.raises(EngineUnavailableError, match=r"127\.0\.0\.1:9"),
        real(spec, spec.sizes, engines, lambda _: None),
    ):
        pass


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", APPS)
def test_real_engines_give_both_scripts_the_same_values(
    name: str,
    vllm_server: "VLLMServer",
    postgres: "EmbeddedPostgres",
    minilm_path: Path,
    cross_encoder_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """vLLM, Postgres, MiniLM and a cross-encoder, once measured first; two queries at once."""
    monkeypatch.setenv("AYO_ENV_CACHE", str(tmp_path))  # Profiles are measured anew.
    spec = APPS[name]
    sizes = replace(small(spec.sizes), chunks=6, chunk_tokens=48, answer_tokens=8)
    engines = Engines(
        vllm_server.url,
        vllm_server.model_name,
        embedding=str(minilm_path),
        reranker=str(cross_encoder_path),
        store=postgres.url,
        profiles=name == "advanced",
    )
    task = Task(spec, sizes, SUBJECTS[:2], timeout=120)
    with on_stage(spec, sizes, engines, lambda _: None) as stage:
        plain, optimised = stage.run(task, PLAIN), stage.run(task, OPTIMISED)
    for before, after in zip(plain.results, optimised.results, strict=True):
        assert differences(before, after) == []
        assert isinstance(after.output, str)
        assert after.output
    check_values(name, optimised)
    assert not empty_prefix_cache(vllm_server.url)  # It is not in its development mode.


def check_values(name: str, arm: Arm) -> None:
    """What the real engines of an app must have made."""
    for result in arm.results:
        assert result.e_graph != result.p_graph
        match name:
            case "search":
                assert result["needed.branch"] in ("yes", "no")
            case "advanced":
                queries, ranked = result["expand.queries"], result["rerank.ranked"]
                assert isinstance(queries, list)
                assert isinstance(ranked, list)
                assert len(queries) == 3
                assert len(ranked) == 3
            case "contextual":
                contexts, documents = result["contextualise.contexts"], result["documents"]
                assert isinstance(contexts, list)
                assert isinstance(documents, list)
                for written, chunk in zip(contexts, documents, strict=True):
                    assert written.endswith(chunk)
                    assert len(written) > len(chunk) + 1
            case "agent":
                steps = result["plan.steps"]
                assert isinstance(steps, list)
                assert all(s.startswith(("lookup: ", "signature: ", "calculate: ")) for s in steps)
