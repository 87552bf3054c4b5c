"""What was learned is there for later processes, without anything of a user or a client."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ayo_bridge.learn.count import Fixed, Length
from ayo_bridge.learn.disk import kept as kept_module
from ayo_bridge.learn.disk.entry_id import EntryId, entry_of, entry_of_method
from ayo_bridge.learn.disk.kept import (
    MOST_BYTES,
    KeptTemplate,
    TemplateStore,
    versions,
)
from ayo_bridge.learn.learned_site import LearnedClass, LearnedSite, Selector, Status
from ayo_bridge.learn.live.reach import shape_of
from ayo_bridge.learn.program import Program, Ref, Row, Table, Term
from ayo_bridge.learn.template import Template
from ayo_bridge.learn.trace import Kind
from tests.learn.apps import App, Recorder, learned, question, words

ENTRY = EntryId("app.answer", "0011")


def plain(r: Recorder, query: str) -> None:
    r.llm("first", f"Causes of {query}")
    r.llm("second", f"Effects of {query}")


def kept(app: App = plain, calls: int = 4, entry: EntryId = ENTRY, at: float = 1.0) -> KeptTemplate:
    template = learned(app, calls)
    sites = frozenset(each.site for each in template.sites)
    frames = {site: (f"app.py:answer, line {len(site)}",) for site in sites}
    return KeptTemplate(
        entry, versions(), at, calls, 0.3, 0.1, 0.01, sites, frozenset(), template, frames
    )


def written(app: App, directory: Path, calls: int = 4) -> str:
    store = TemplateStore(directory)
    assert store.save(kept(app, calls))
    return store.path(kept(app, calls)).read_text()


def found(store: TemplateStore, entry: EntryId = ENTRY) -> list[KeptTemplate]:
    return store.load(entry)[0]


# The file.


def test_all_that_is_needed_to_use_a_template_again_is_in_its_file(tmp_path: Path) -> None:
    store = TemplateStore(tmp_path / "new")
    assert store.save(kept())
    assert found(store) == [kept()]
    path = store.path(kept())
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert store.files() == [path]


def test_another_function_code_python_or_framework_is_given_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TemplateStore(tmp_path)
    store.save(kept())
    assert found(store, replace(ENTRY, name="app.other")) == []
    assert found(store, replace(ENTRY, code="0012")) == []
    store.save(replace(kept(), versions={**versions(), "llama-index-core": "0.0.1"}))
    assert found(store) == []
    store.save(replace(kept(), versions={"python": "cpython 2.7"}))
    assert found(store) == []


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "list", "huge"])
def test_a_damaged_file_is_ignored_with_a_warning_and_overwritten(
    tmp_path: Path, damage: str
) -> None:
    store = TemplateStore(tmp_path)
    store.save(kept())
    text = store.path(kept()).read_text()
    damaged = {
        "cut": text[: len(text) // 2],
        "changed": text.replace("Causes", "Reasons"),
        "empty": "",
        "list": "[]",
        "huge": text + " " * MOST_BYTES,
    }
    assert damaged[damage] != text
    store.path(kept()).write_text(damaged[damage])
    there, problems = store.load(ENTRY)
    assert there == []
    assert [str(store.path(kept())) in problem for problem in problems] == [True]
    assert store.load(ENTRY) == ([], [])
    store.save(kept())
    assert found(store) == [kept()]


def other(r: Recorder, query: str) -> None:
    r.llm("first", f"Reasons for {query}")
    r.llm("second", f"Effects of {query}")


def test_objects_of_one_class_that_ask_otherwise_have_each_their_own(tmp_path: Path) -> None:
    store, one, two = TemplateStore(tmp_path), kept(), kept(other, at=2.0)
    store.save(one)
    store.save(two)
    os.utime(store.path(one), (1, 1))
    assert found(store) == [two, one]
    store.used(one)
    assert found(store) == [one, two]
    store.save(kept(calls=5, at=3.0))
    assert [each.learned for each in found(store)] == [3.0, 2.0]
    store.discard(two)
    assert [each.learned for each in found(store)] == [3.0]


def test_of_one_entry_only_those_used_last_are_kept_and_no_more_is_read_than_a_file_may_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_module, "MOST_OF_ENTRY", 2)
    store = TemplateStore(tmp_path)
    all_three = [
        kept(lambda r, query, word=word: plain(r, f"{word} {query}"))  # type: ignore[misc]
        for word in ("a", "b", "c")
    ]
    for number, each in enumerate(all_three):
        store.save(each)
        os.utime(store.path(each), (number, number))
    store.save(all_three[2])
    assert found(store) == [all_three[2], all_three[1]]
    monkeypatch.setattr(kept_module, "MOST_BYTES", store.path(all_three[2]).stat().st_size)
    assert found(store) == [all_three[2]]


def test_what_another_version_or_user_has_written_is_ignored_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TemplateStore(tmp_path)
    store.save(kept(other))
    path = store.path(kept(other))
    newer = json.dumps({"format": 99, "what": "nobody knows"})
    path.write_text(newer)
    assert "format 99" in store.load(ENTRY)[1][0]
    store.save(kept())
    assert path.read_text() == newer
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    there, problems = store.load(ENTRY)
    assert there == []
    assert "belongs to another user" in problems[0]
    assert len(store.files()) == 2


def test_a_file_that_only_may_be_read_is_used_and_replaced(tmp_path: Path) -> None:
    store = TemplateStore(tmp_path)
    store.save(kept())
    store.path(kept()).chmod(0o400)
    assert found(store) == [kept()]
    store.save(kept(at=2.0))
    assert found(store) == [kept(at=2.0)]


def test_a_failed_write_leaves_the_old_template_and_no_debris(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TemplateStore(tmp_path)
    store.save(kept())

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        store.save(kept(at=2.0))
    assert found(store) == [kept()]
    assert [*tmp_path.iterdir()] == [store.path(kept())]


def test_a_reader_never_sees_a_part_of_what_several_write(tmp_path: Path) -> None:
    store, both = TemplateStore(tmp_path), (kept(at=1.0), kept(at=2.0))
    store.save(both[0])

    def write(which: KeptTemplate) -> None:
        for _ in range(30):
            assert TemplateStore(tmp_path).save(which)

    with ThreadPoolExecutor(2) as pool:
        writing = [pool.submit(write, each) for each in both]
        while not all(each.done() for each in writing):
            assert found(store)[0] in both
    for each in writing:
        each.result()
    assert store.files() == [store.path(kept())]
    assert len([*tmp_path.iterdir()]) == 1


def test_what_another_process_has_written_since_is_not_deleted(tmp_path: Path) -> None:
    store = TemplateStore(tmp_path)
    store.save(kept(at=1.0))
    store.save(kept(at=2.0))
    store.discard(kept(at=1.0))
    assert found(store) == [kept(at=2.0)]
    store.discard(kept(at=2.0))
    store.discard(kept(at=2.0))
    assert found(store) == []


def test_templates_not_used_for_longest_go_and_so_does_what_a_dead_process_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_module, "MOST_FILES", 3)
    store = TemplateStore(tmp_path)
    entries = [EntryId(f"app.f{number}", "00") for number in range(4)]
    for number, entry in enumerate(entries[:3]):
        store.save(kept(entry=entry))
        os.utime(store.path(kept(entry=entry)), (number, number))
    store.used(found(store, entries[0])[0])
    left, being_written = tmp_path / ".new-left.json", tmp_path / ".new-now.json"
    left.write_text("{")
    os.utime(left, (1, 1))
    being_written.write_text("{")
    store.save(kept(entry=entries[3]))
    assert [bool(found(store, entry)) for entry in entries] == [True, False, True, True]
    assert not left.exists()
    assert being_written.exists()
    assert store.clear() == 3
    assert [*tmp_path.iterdir()] == []


def test_a_template_that_is_too_large_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TemplateStore(tmp_path)
    store.save(kept())
    monkeypatch.setattr(kept_module, "MOST_BYTES", 100)
    assert not store.save(kept())
    assert store.files() == []


def test_the_directory_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AYO_TEMPLATE_DIR", "/own")
    assert TemplateStore().directory == Path("/own")
    monkeypatch.delenv("AYO_TEMPLATE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert TemplateStore().directory == Path("/cache/ayo-bridge/templates")


# Privacy: what is really written.


def test_text_of_a_user_is_not_in_the_file_wherever_a_few_calls_had_it(tmp_path: Path) -> None:
    secret = "my mother is ill"

    def varies(r: Recorder, query: str) -> None:
        said = r.llm("a", f"Causes of {query} for one who says {secret} {query[:9]}", "x" + query)
        r.llm("b", f"Effects of {query}")
        if query in (question(0), question(1)):
            r.llm("c", f"Only these two hear: {secret}, {said}")
        more = secret if query == question(0) else "nothing"
        r.llm("d", f"Once: {more}. {query}")

    def fixed(r: Recorder, query: str) -> None:
        r.llm("a", f"Effects of {query}")

    template = learned(varies, 5)
    assert secret in str(template)
    text = written(varies, tmp_path, 5)
    # Five calls had it in the first prompt: that is how its author begins all of them.
    assert secret in text
    assert "Only these two" not in text
    assert "Once" not in text
    assert secret not in written(fixed, tmp_path)


@pytest.mark.parametrize(
    "planted",
    [
        "jane.roe@example.org",
        "sk-proj-0123456789abcdef",
        "Bearer 0123456789abcdef",
        "ghp_0123456789abcdefghij",
        '{"api_key": "0123456789abcdef"}',
        "postgresql://jane:secret@db.internal/app",
        "-----BEGIN PRIVATE KEY-----",
    ],
)
def test_addresses_and_keys_are_never_kept_however_often_they_were_seen(
    tmp_path: Path, planted: str
) -> None:
    def always(r: Recorder, query: str) -> None:
        r.llm("a", f"You help {planted}. Causes of {query}")
        r.llm("b", f"Effects of {query}")
        said = [words(f"{query}{number}") for number in range(2 + int(query[-2]) % 2)]
        r.llm("c", f"Ask {query}", json.dumps({planted: said}))
        r.llm("d", f"Say {said[0]}")
        for number in range(len(said)):
            r.llm("e", f"Again, {number}: {query}")

    template = learned(always, 5)
    assert json.dumps(planted)[1:-1] in json.dumps(str(template))
    text = written(always, tmp_path, 5)
    assert "Effects of" in text
    for part in (planted, json.dumps(planted)[1:-1], json.dumps(json.dumps(planted)[1:-1])[1:-1]):
        assert part not in text


def test_texts_of_tables_are_kept_only_if_short_and_seen_with_three_inputs(tmp_path: Path) -> None:
    def of(*rows: Row) -> KeptTemplate:
        program = Program((Table(Term(("in", "kind")), rows), Ref((Term(("in", "query")),))))
        classes = (LearnedClass(Selector(0, 0), program, 9, 9),)
        site = LearnedSite("a", Kind.LLM, classes, Fixed(1), Status.LEARNED)
        return replace(kept(), template=Template((site,)))

    store = TemplateStore(tmp_path)
    good = Row("left", "L" * 60, 3)
    for bad in (Row("right", "R" * 61, 3), Row("right", "R" * 20, 2), Row("r@example.org", "R", 3)):
        store.save(of(good, bad))
        text = store.path(of(good, bad)).read_text()
        assert f'"{bad.text}"' not in text
        assert bad.key not in text
    counted = replace(of(good).template.sites[0], count=Length(("at", "b", 0, "json", "j@d.org")))
    personal = replace(kept(), template=Template((counted,)))
    store.save(personal)
    assert "j@d.org" not in store.path(personal).read_text()
    store.save(of(good))
    assert good.text in store.path(of(good)).read_text()


# Entries.


def made(text: str) -> Any:
    space: dict[str, Any] = {"__name__": "tests.learn.test_kept"}
    exec(compile(text, "<made>", "exec"), space)
    return space["f"]


def test_a_changed_function_is_another_entry_but_not_one_that_has_moved_within_its_file() -> None:
    first = entry_of(made("def f(x):\n    return x + 1"))
    assert first.name == "tests.learn.test_kept.f"
    assert entry_of(partial(made("def f(x):\n    return x + 1"), 1)) == first
    assert entry_of(made("\n\n# text\ndef f(x):\n    return x + 1")) == first
    assert entry_of(made("def f(x):\n    return x + 2")).code != first.code


def test_a_method_is_named_by_its_class_and_told_apart_by_the_shape_of_its_object() -> None:
    class Engine:
        def query(self, text: str) -> str:
            return text

    class Own(Engine):
        def __init__(self, *parts: object) -> None:
            self.parts = [*parts]

    def shaped(*parts: object) -> EntryId:
        return entry_of_method(Own, "query", shape_of(Own(*parts)))

    assert entry_of(Engine().query).name.endswith("Engine.query")
    assert shaped(Engine()).name.endswith("<locals>.Own.query")
    assert shaped(Engine(), Engine()) == shaped(Engine()) != shaped()
