"""Every Python block in the documents runs, on a stub server and small models."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ayo_bridge.profile import ProfileStore
from ayo_bridge.runtime import Runtime
from tests.docs.blocks import DOCUMENTS, blocks_of
from tests.docs.given import given
from tests.docs.running import run
from tests.stub_openai import StubOpenAI

WITH_PYTHON = [
    one for one in DOCUMENTS if any(block.language == "python" for block in blocks_of(one))
]
ASKING = {"README", "native-workflows", "performance", "quick-start"}
"""Documents whose blocks ask a server."""


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI(latency=0.0, model="my-model") as server:
        yield server


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    """The process-wide runtime of this test, in a directory with texts to read."""
    (tmp_path / "texts").mkdir()
    for number in range(3):
        (tmp_path / "texts" / f"{number}.txt").write_text(f"Sales rose by {number} %.\n" * 20)
    monkeypatch.chdir(tmp_path)
    made = Runtime(profiles=ProfileStore(tmp_path / "profiles"))
    monkeypatch.setattr("ayo_bridge.runtime._default", made)
    yield made
    made.close()


@pytest.mark.real
@pytest.mark.parametrize("document", WITH_PYTHON, ids=lambda path: path.stem)
def test_the_blocks_of_a_document_run(
    document: Path,
    stub: StubOpenAI,
    minilm_path: Path,
    cross_encoder_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    instead = {
        "http://localhost:8000/v1": stub.base_url,
        "http://127.0.0.1:8000/v1": stub.base_url,
        "sentence-transformers/all-MiniLM-L6-v2": str(minilm_path),
        "BAAI/bge-large-en-v1.5": str(minilm_path),
        "BAAI/bge-reranker-large": str(cross_encoder_path),
    }
    python = [block for block in blocks_of(document) if block.language == "python"]
    import ayo_bridge.workflow.engines as engines

    monkeypatch.setattr(engines, "PgVectorStore", lambda name, connect: engines.MemoryStore(name))
    names = given(document)(stub.base_url)
    stub.requests.clear()
    run(python, names, instead)
    assert bool(stub.calls) == (document.stem in ASKING)
