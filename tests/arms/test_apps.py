"""The paper's apps in the baselines without Ray, over emulated engines: the original's answers."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from ayo_bridge.bench.loads import Closed
from ayo_bridge.cli import app
from ayo_bridge.verify.target import known
from benchmarks.apps import advanced, texts
from benchmarks.apps.arms import arms_of
from benchmarks.apps.arms.recorded import record
from benchmarks.apps.arms.schemes import AGENTS, BASELINES, twin
from benchmarks.apps.arms.virtual import mean_latency
from benchmarks.apps.cases import OURS
from benchmarks.apps.emulation import PROFILES, baselines
from benchmarks.apps.settings import Settings

pytestmark = [  # Clients of LlamaIndex are closed by nobody.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
VARIABLES = {
    "base_url": "OPENAI_BASE_URL",
    "uncached_url": "OPENAI_BASE_URL_UNCACHED",
    "model": "LLM_MODEL",
    "embedding": "EMBEDDING_MODEL",
    "embedding_url": "EMBEDDING_URL",
    "reranker": "RERANKER_MODEL",
    "reranker_url": "RERANKER_URL",
}
ASKED = [each | {"document": each["document"][:6000]} for each in texts.asked()[:2]]


@pytest.fixture(scope="module")
def engines() -> Iterator[Settings]:
    with baselines(PROFILES[0], speed=200.0) as settings:
        yield settings
        gc.collect()  # While nobody minds what LlamaIndex leaves open.


def cached(url: str) -> float:
    """Prompt tokens that a server has found in its prefix cache."""
    text = httpx.get(url.removesuffix("/v1") + "/metrics").text
    (line,) = (each for each in text.splitlines() if each.startswith("vllm:prefix_cache_hits"))
    return float(line.split()[-1])


def test_every_agent_holds_modules_of_its_app(engines: Settings) -> None:
    for name in ("search", "naive", "advanced", "contextual"):
        chain = import_module(f"benchmarks.apps.{name}").chain(engines)
        names = [each.name for each in chain.modules]
        assert [name for group in AGENTS[chain.name] for name in group] == names


@pytest.mark.parametrize("arm", ["llamadistpc-po", "autogen-to"])
def test_advanced_rag_is_answered_as_by_the_original(engines: Settings, arm: str) -> None:
    program: Any = advanced.make(engines)
    offered = {each.name: each for each in arms_of("benchmarks.apps.advanced", engines)}
    made = offered[twin(arm)].make(known(program, "answer"), 2)
    assert [made.obj(**each) for each in ASKED] == [program(**each) for each in ASKED]
    made.close()


def test_the_apps_module_offers_them_to_the_command(
    engines: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "benchmarks.apps.naive", raising=False)
    for name, variable in VARIABLES.items():
        monkeypatch.setenv(variable, asdict(engines)[name])
    questions, file = tmp_path / "questions.jsonl", tmp_path / "out.json"
    questions.write_text("\n".join(map(json.dumps, ASKED)))
    command = ["bench", "benchmarks.apps.naive:answer", "--questions", str(questions)]
    command += ["--rounds", "1", "--warm-up", "1", "--json", str(file), "--arms"]
    before = cached(engines.uncached_url)
    ran = CliRunner().invoke(app, [*command, "original,tuned,module-by-module"])
    assert ran.exit_code == 0, ran.output
    (load,) = json.loads(file.read_text())["loads"]
    assert [arm["arm"] for arm in load["arms"]] == ["original", "tuned", "module-by-module"]
    assert cached(engines.uncached_url) == before == 0
    monkeypatch.setitem(sys.modules, "ray", None)
    refused = CliRunner().invoke(app, [*command, "original,llamadist-to"])
    assert refused.exit_code == 2
    assert "pip install 'ayo-bridge[ray]', or take module-by-module" in refused.output


def test_the_same_schemes_run_in_virtual_time_at_the_sizes_of_the_app(engines: Settings) -> None:
    asked = [record("benchmarks.apps.advanced", engines, each) for each in ASKED]
    assert {*asked[0].written} == {"expand", "answer"}
    assert {*asked[0].items} == {"index", "embed", "rerank"}
    arms, load = (*BASELINES, OURS), Closed(2)
    seconds = {arm: mean_latency(arm, "advanced", asked, PROFILES[0], load) for arm in arms}
    assert seconds[OURS] < seconds["llamadistpc-to"] < seconds["llamadist-to"]
    assert seconds == {a: mean_latency(a, "advanced", asked, PROFILES[0], load) for a in arms}
