"""The small examples give over a stub what their accelerated selves give."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ayo_bridge import accelerate
from tests.stub_openai import StubOpenAI

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def directory(tmp_path: Path) -> str:
    for number in range(4):
        (tmp_path / f"{number}.txt").write_text(f"Text {number} about things.\n" * 100)
    return str(tmp_path)


@pytest.mark.real
def test_the_llamaindex_example_answers_the_same(directory: str, minilm_path: Path) -> None:
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    embedding = HuggingFaceEmbedding(model_name=str(minilm_path), device="cpu")
    with StubOpenAI(latency=0.0) as stub:
        engine = load("llamaindex_rag").build(stub.base_url, "stub", directory, embedding)
        same_answers(engine.query, accelerate(engine).query, stub)


@pytest.mark.real
def test_the_langchain_example_answers_the_same(directory: str, minilm_path: Path) -> None:
    from langchain_huggingface import HuggingFaceEmbeddings

    embedding = HuggingFaceEmbeddings(model_name=str(minilm_path), model_kwargs={"device": "cpu"})
    with StubOpenAI(latency=0.0) as stub:
        chain = load("langchain_rag").build(stub.base_url, "stub", directory, embedding)
        same_answers(chain.invoke, accelerate(chain).invoke, stub)


def same_answers(original: Any, accelerated: Any, stub: StubOpenAI) -> None:
    first = str(original("What are the texts about?"))
    asked = prompts(stub)
    stub.reset()
    assert str(accelerated("What are the texts about?")) == first
    assert prompts(stub) == asked
    assert asked


def prompts(stub: StubOpenAI) -> list[str]:
    return sorted(request.prompt for request in stub.calls)
