"""Every Python block in the documents runs, on a stub server and small models."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from ayo_bridge import runtime as runtimes
from ayo_bridge.profile import ProfileStore
from tests.docs.blocks import DOCUMENTS, blocks_of, name_of
from tests.docs.given import AFTERWARDS, given
from tests.docs.running import clients, run
from tests.stub_openai import StubOpenAI

WITH_PYTHON: Final = [
    one for one in DOCUMENTS if any(block.language == "python" for block in blocks_of(one))
]
ASKING: Final = {
    *("README.md", "examples/apps/README.md"),
    *("bench", "ingestion", "native-workflows", "performance", "quick-start", "verify"),
}
"""Documents whose blocks ask a server."""
SAID: Final = {
    "bench": ("at 1 user", "4 of 4 calls the same, 8 requests compared"),
    "observability": ("ayo_bridge.retrieve", "ayo_bridge_calls_total{"),
    "performance": (" ms -> ",),
    "verify": ("5 of 5 calls the same", "verified, 0 differed"),
}
"""What the blocks of a document print."""


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubOpenAI]:
    """Answers at once, also the clients that take their server from the environment."""
    with StubOpenAI(latency=0.0, model="my-model") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        yield server


@pytest.fixture(autouse=True)
def _process_of_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A directory with texts to read; what blocks set for the whole process is put back."""
    (tmp_path / "texts").mkdir()
    for number in range(3):
        (tmp_path / "texts" / f"{number}.txt").write_text(f"Sales rose by {number} %.\n" * 20)
    monkeypatch.chdir(tmp_path)
    logger = logging.getLogger("ayo_bridge")
    handlers, level = logger.handlers[:], logger.level
    before = set(runtimes._runtimes)
    made = runtimes.Runtime(profiles=ProfileStore(tmp_path / "profiles"))
    monkeypatch.setattr(runtimes, "_default", made)
    yield
    for each in set(runtimes._runtimes) - before:
        each.close()
    logger.handlers, logger.level = handlers, level


@pytest.fixture
def instead(
    stub: StubOpenAI, minilm_path: Path, cross_encoder_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """What stands in for a reader's servers and models."""
    import opentelemetry.trace

    from ayo_bridge.workflow import engines

    def set_provider(provider: Any) -> None:
        monkeypatch.setattr(opentelemetry.trace, "_TRACER_PROVIDER", provider)

    monkeypatch.setattr(opentelemetry.trace, "set_tracer_provider", set_provider)
    monkeypatch.setattr(engines, "PgVectorStore", lambda name, connect: engines.MemoryStore(name))
    return {
        "http://localhost:8000/v1": stub.base_url,
        "http://127.0.0.1:8000/v1": stub.base_url,
        "sentence-transformers/all-MiniLM-L6-v2": str(minilm_path),
        '"all-MiniLM-L6-v2"': f'"{minilm_path}"',
        "BAAI/bge-large-en-v1.5": str(minilm_path),
        "BAAI/bge-reranker-large": str(cross_encoder_path),
    }


@pytest.mark.real
@pytest.mark.parametrize("document", WITH_PYTHON, ids=name_of)
def test_the_blocks_of_a_document_run(
    document: Path, stub: StubOpenAI, instead: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    python = [block for block in blocks_of(document) if block.language == "python"]
    others = clients()
    names = given(document)(stub.base_url)
    stub.requests.clear()
    run(python, names, instead, AFTERWARDS.get(name_of(document)), others)
    assert bool(stub.calls) == (name_of(document) in ASKING)
    said = capsys.readouterr().out
    for words in SAID.get(name_of(document), ()):
        assert words in said
