"""`ayo-bridge templates` lists, shows and forgets what was learned, at 80 columns."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ayo_bridge.cli import app
from ayo_bridge.learn.disk.entry_id import EntryId
from ayo_bridge.learn.disk.kept import KeptTemplate, TemplateStore
from tests.learn.apps import Recorder, learned, words

GOLDEN = Path(__file__).parent / "golden"
WRITER = EntryId("reports.writing.ReportWriter.write", "00aa")


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def golden(name: str, text: str) -> None:
    """Compare text with a file; AYO_UPDATE_GOLDEN=1 writes the file instead."""
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("AYO_UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()
    assert max(map(len, text.splitlines())) <= 80


def writes(r: Recorder, query: str) -> None:
    plan = [words(f"{number} {query}") for number in range(3)]
    r.llm("plan", f"Name the parts [of a] report, one a line: {query}", "\n".join(plan))
    for part in plan:
        r.llm("part", f"Write {part}")
    r.llm("title", f"Find a title for {query}")


def kept(entry: EntryId = WRITER, at: float = 1.7e9) -> KeptTemplate:
    template = learned(writes)
    frames = {"plan": ("writing.py:ask, line 12", "writing.py:ReportWriter.write, line 30")}
    versions = {"python": "cpython 3.11", "llama-index-core": "0.14.25"}
    every = frozenset[str]()
    return KeptTemplate(entry, versions, at, 4, 0.512, 0.305, 0.007, every, every, template, frames)


def ran(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["templates", *arguments, "--directory", str(directory)])


def test_templates_are_listed_the_latest_first(tmp_path: Path) -> None:
    store = TemplateStore(tmp_path)
    store.save(kept())
    store.save(kept(EntryId("answers.answer", "00"), at=1.8e9))
    long = "research.deep." + "Researcher." * 4 + "follow_every_question"
    store.save(replace(kept(EntryId(long, "00"), at=1.75e9), calls=6))
    result = ran(tmp_path, "list")
    assert result.exit_code == 0
    golden("templates_list", result.output)


def test_a_template_is_shown_with_its_sites_in_words(tmp_path: Path) -> None:
    TemplateStore(tmp_path).save(kept())
    result = ran(tmp_path, "show", WRITER.name)
    assert result.exit_code == 0
    golden("templates_show", result.output)


def test_a_template_is_forgotten_by_its_name_and_no_other_is(tmp_path: Path) -> None:
    store = TemplateStore(tmp_path)
    for entry in (WRITER, replace(WRITER, code="00bb"), EntryId("answers.answer", "00")):
        store.save(kept(entry))
    assert ran(tmp_path, "forget", WRITER.name).output == "2 learned templates forgotten.\n"
    assert [path.name[:14] for path in store.files()] == ["answers.answer"]
    assert ran(tmp_path, "forget", "--all").output == "1 learned template forgotten.\n"
    assert store.files() == []
    assert ran(tmp_path, "forget").exit_code == 2
    assert ran(tmp_path, "forget", "x", "--all").exit_code == 2


def test_an_empty_or_missing_directory_is_said_in_a_sentence(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "none"):
        result = ran(directory, "list")
        assert result.exit_code == 0
        assert " ".join(result.output.split()) == f"There are no learned templates in {directory}."


def test_an_unknown_entry_is_said_in_a_sentence(tmp_path: Path) -> None:
    TemplateStore(tmp_path).save(kept())
    for command in ("show", "forget"):
        result = ran(tmp_path, command, "answers.answer")
        assert result.exit_code == 1
        assert result.output == f"There is no learned template of answers.answer in {tmp_path}.\n"
    assert len(TemplateStore(tmp_path).files()) == 1


def test_a_damaged_file_is_said_in_a_sentence_and_does_not_hide_the_others(tmp_path: Path) -> None:
    store = TemplateStore(tmp_path)
    store.save(kept())
    store.save(kept(EntryId("answers.answer", "00")))
    path = store.path(kept(EntryId("answers.answer", "00")))
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "calls": 5}))
    result = ran(tmp_path, "list")
    assert result.exit_code == 0
    assert "reports.writing" in result.output
    said = " ".join(result.output.split())
    assert f"{path.name} is ignored: it is damaged; " in said
    assert "answers.answer │" not in result.output
    assert ran(tmp_path, "show", WRITER.name).exit_code == 0
    assert ran(tmp_path, "forget", "--all").exit_code == 0
    assert store.files() == []
