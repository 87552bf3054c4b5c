"""Both arms ingest the same documents, each run into a place of its own, and store the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.schema import Document, TextNode
from typer.testing import CliRunner

from ayo_bridge.bench import ORIGINAL, Arm, Bench, BenchError, Made, Report, Settings
from ayo_bridge.bench.documents import read_documents
from ayo_bridge.bench.ingesting import ingesting
from ayo_bridge.bench.text import as_text
from ayo_bridge.cli import app
from ayo_bridge.lift.ingests import Text
from tests import loaded_app
from tests.stub_openai import StubOpenAI

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
TEXTS = [Text(f"The {name} is closed. " * 40, {"n": name}, name) for name in ("gate", "mill")]
APP = """
from llama_index.core import MockEmbedding
from llama_index.core.extractors import KeywordExtractor, SummaryExtractor
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.llms.openai_like import OpenAILike
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore

llm = OpenAILike(model="stub", api_base={url!r}, api_key="key", is_chat_model=True, max_retries=0)
kept = SimpleVectorStore()


def pipeline(store=None):
    return IngestionPipeline(
        transformations=[
            SentenceSplitter(chunk_size=64, chunk_overlap=0),
            SummaryExtractor(llm=llm, show_progress=False),
            KeywordExtractor(llm=llm, show_progress=False),
            MockEmbedding(embed_dim=4),
        ],
        vector_store=store or SimpleVectorStore(),
    )


def same():
    return pipeline(kept)


def build(documents: list[Document]):
    return InMemoryVectorStore.from_documents(documents, DeterministicFakeEmbedding(size=4))


def broken():
    raise ConnectionError("no database")


def either(documents):
    return documents


async def later():
    return pipeline()


def nothing():
    return 3


one = pipeline()
bare = IngestionPipeline(transformations=[SentenceSplitter(), MockEmbedding(embed_dim=4)])
store = InMemoryVectorStore(DeterministicFakeEmbedding(size=4))
"""


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "app.py"
    with StubOpenAI(latency=0.005) as stub, loaded_app.loadable():
        path.write_text(APP.format(url=stub.base_url))
        yield path


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    path = tmp_path / "documents.jsonl"
    lines = [json.dumps({"text": each.text, "metadata": dict(each.metadata)}) for each in TEXTS]
    path.write_text("\n".join([*lines, "A line of text is a document."]))
    return path


def run(*args: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["bench", *map(str, args), "--ingest"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, " ".join(result.stderr.split())


def test_a_pipeline_made_anew_is_measured_and_what_it_stores_is_compared(
    program: Path, documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ayo_bridge.pages.page.vega", lambda: "")
    file, html = tmp_path / "out.json", tmp_path / "out.html"
    options = ["--questions", documents, "--rounds", 2, "--json", file, "--page", html]
    status, said, _ = run(f"{program}:pipeline", *options)
    assert status == 0, said
    found = json.loads(file.read_text())
    chunks = found["ingestion"]["chunks"]
    assert (found["ingestion"]["documents"], found["ingestion"]["notes"]) == (3, [])
    assert chunks > 3
    assert found["identity"]["line"] == (
        f"1 of 1 call the same, {2 * chunks + 1} requests compared; 3 timed answers the same"
    )
    assert "for 3 documents" in found["verdict"]
    (load,) = found["loads"]
    assert [arm["calls"] for arm in load["arms"]] == [2, 2]
    work = load["work"]
    assert work["needed"] == 2 * (2 * chunks + 1), "of two runs, each of a pipeline of its own"
    assert 0 < work["ahead"] <= 4 * chunks
    for arm in load["arms"]:
        rates = found["ingestion"]["arms"][arm["arm"]]
        assert rates["chunks_per_second"] == pytest.approx(
            rates["documents_per_second"] * chunks / 3
        )
    assert max(map(len, said.splitlines())) <= 80
    # A long path may be broken anywhere.
    assert f"pipeline(IngestionPipeline.run),3documents,{chunks}chunks" in "".join(said.split())
    assert "documents/s" in html.read_text()


@pytest.mark.parametrize(
    ("target", "options"), [("bare", ["--entry", "arun"]), ("build", [])], ids=["bare", "build"]
)
def test_a_pipeline_without_stores_and_a_function_are_measured_as_they_are(
    target: str, options: list[str], program: Path, documents: Path
) -> None:
    status, said, told = run(
        f"{program}:{target}", "--questions", documents, "--rounds", 1, *options
    )
    assert status == 0, (said, told)
    assert "1 of 1 call the same" in said
    assert "2 timed answers the same" in said, "of the warm-up and of a round"
    assert "chunks/s" in said


@pytest.mark.parametrize(
    ("target", "options", "sentence"),
    [
        ("one", [], "it writes to a SimpleVectorStore: name a function without arguments that"),
        ("store", [], "what it has stored stays: name a function without arguments that"),
        ("store.add_documents", [], "what it has stored stays: name a function"),
        ("broken", [], "could not make what ingests: ConnectionError: no database"),
        ("either", [], "may take documents of either framework: annotate its first parameter"),
        ("build", ["--entry", "run"], "is a function: it has no --entry"),
        ("pipeline", ["--entry", "query"], "has no entry query that ingests"),
        ("later", [], "is asynchronous and takes no documents"),
        ("nothing", [], "makes, an object of type int, which does not ingest: name a"),
        ("llm", [], "an object of type OpenAILike, which does not ingest: name a"),
        ("pipeline", ["--chat"], "leave out --chat, --concurrency, --rate, --trace"),
        ("pipeline", ["--concurrency", "4"], "leave out --chat, --concurrency, --rate, --trace"),
    ],
)
def test_what_cannot_be_ingested_is_one_sentence(
    target: str, options: list[str], sentence: str, program: Path, documents: Path
) -> None:
    status, said, told = run(f"{program}:{target}", "--questions", documents, *options)
    assert (status, said) == (2, "")
    assert told.startswith("BenchError: "), told
    assert sentence in told


def test_a_place_that_is_not_emptied_is_one_sentence(program: Path, documents: Path) -> None:
    status, said, told = run(f"{program}:same", "--questions", documents)
    assert (status, said) == (2, "")
    assert "the SimpleVectorStore that" in told
    assert "rows before anything is ingested: have it make an empty one each time" in told


# What is not the same.


def _stored(rows: Sequence[tuple[str, dict[str, str], list[float]]]) -> list[Any]:
    return [TextNode(text=text, metadata=data, embedding=vector) for text, data, vector in rows]


_ROWS = [("a", {"n": "1"}, [0.5, 1.0]), ("b", {"n": "2"}, [0.25, 2.0])]


def _measured(rows: Any) -> Report:
    def original(documents: list[str]) -> Any:
        return _stored(_ROWS)

    def other(documents: list[str]) -> Any:
        return _stored(rows)

    loaded, given = ingesting(original, "app.py:it", TEXTS)
    second, _ = ingesting(other, "other", TEXTS)
    arms = (ORIGINAL, Arm("other", lambda loaded, calls: Made(second.obj)))
    return Bench(loaded, [(given,)], Settings(rounds=2, warm_up=0), arms=arms).run()


@pytest.mark.parametrize(
    ("rows", "shown"),
    [
        (_ROWS[:1], "'a'"),
        (_ROWS[::-1], "'a'"),
        ([_ROWS[0], ("c", *_ROWS[1][1:])], "'c'"),
        ([_ROWS[0], ("b", {"n": "3"}, _ROWS[1][2])], "'3'"),
        ([_ROWS[0], ("b", {"n": "2"}, [0.25, 2.00001])], "2.00001"),
        ([_ROWS[0], ("b", {"n": "2"}, [0.25])], "a vector of 1: 0.25"),
    ],
    ids=["fewer", "order", "text", "metadata", "vector", "dimensions"],
)
def test_what_was_stored_otherwise_is_a_difference(rows: Any, shown: str) -> None:
    report = _measured(rows)
    assert report.differs
    (found,) = report.identity.differences
    assert found.question == "2 documents"
    assert shown in found.accelerated + found.original
    assert "2 documents" in as_text(report)


def test_ids_and_the_last_digits_of_vectors_may_differ() -> None:
    report = _measured([(text, data, [x, y + 5e-7]) for text, data, (x, y) in _ROWS])
    assert not report.differs
    assert report.identity.compared == 2


def test_every_run_gets_documents_of_its_own() -> None:
    def original(documents: list[Document]) -> list[Document]:
        for each in documents:
            each.metadata["n"] += "!"
        return documents

    loaded, given = ingesting(original, "app.py:it", TEXTS)
    arms = (ORIGINAL, Arm("other", ORIGINAL.make))
    report = Bench(loaded, [(given,)], Settings(rounds=3, warm_up=0), arms=arms).run()
    assert (report.identity.compared, report.identity.varied) == (3, 0)


def test_what_says_nothing_of_what_it_stored_is_said_to_be_unseen() -> None:
    def silent(documents: list[str]) -> None:
        return None

    loaded, given = ingesting(silent, "app.py:it", TEXTS)
    arms = (ORIGINAL, Arm("other", ORIGINAL.make))
    report = Bench(loaded, [(given,)], Settings(rounds=1, warm_up=0), arms=arms).run()
    assert "It returns nothing that shows what it stored" in as_text(report)


# What is ingested.


def test_documents_are_lines_objects_or_files_of_a_folder(tmp_path: Path, documents: Path) -> None:
    first, _, last = read_documents(documents)
    assert (first.text, first.metadata, first.given) == (TEXTS[0].text, {"n": "gate"}, False)
    assert (last.text, last.name) == ("A line of text is a document.", "documents.jsonl:3")
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "b.txt").write_text("two")
    (folder / "deep" / "a.md").write_text("one")
    (folder / "c.bin").write_bytes(b"\xff")
    (folder / "empty.txt").write_text(" ")
    assert [(each.text, each.name) for each in read_documents(folder)] == [
        ("two", "b.txt"),
        ("one", "deep/a.md"),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "holds no document: write one a line"),
        ("{text: 1}", "line 1 of .* is no JSON"),
        ('{"text": 1}', 'line 1 of .* is no document: write {"text"'),
        ('{"text": "a", "meta": {}}', "line 1 of .* is no document"),
        ('{"text": "a", "metadata": []}', "line 1 of .* is no document"),
        ('{"text": "a", "id": "x"}\n{"text": "b", "id": "x"}', "two documents of .* have the id x"),
    ],
)
def test_what_is_no_document_is_one_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "documents"
    path.write_text(text)
    with pytest.raises(BenchError, match=sentence):
        read_documents(path)
    with pytest.raises(BenchError, match=r"cannot be read|holds no document"):
        read_documents(tmp_path / "none")
