"""A site is one place in the program: in every process, and whatever is edited around it."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from ayo_bridge.learn.tracing import sites
from ayo_bridge.learn.tracing.sites import PLUMBING, Site, site_here

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = """
import functools, sys
from ayo_bridge.learn.tracing.sites import site_here
SEEN, ENTRY = [], []
def boundary(_=None):
    SEEN.append(site_here(ENTRY[0]))
# 0
def retried(function):
    @functools.wraps(function)
    def again(*args):
        return function(*args)
    return again
# 1
@retried
def decorated(question):
    if question in {"a", "b", "c", "d", "e", "f", "g"}:
        return None
    return boundary(question)
# 2
class App:
    def answer(self, question, depth=2):
        if depth:
            return self.answer(question, depth - 1)
        boundary(question); boundary(question)
        return [boundary(part) for part in question.split()]
# 3
def generated(question):
    for part in question.split():
        yield boundary(part)
# 4
short = lambda question: boundary(question)
code = "def executed(question):\\n    return boundary(question)\\nexecuted(question)"
# 5
def main(question):
    ENTRY.append(sys._getframe())
    decorated(question)
    App().answer(question)
    list(generated(question))
    short(question)
    exec(code, {"boundary": boundary, "question": question})
# 6
main("why though")
for site in SEEN:
    print(site.id, *site.frames, sep="|")
"""


def seen_by(program: str, folder: Path, seed: int = 0) -> list[list[str]]:
    """The sites of a program that runs in a process of its own: id and frames."""
    folder.mkdir()
    (folder / "app.py").write_text(program)
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "PYTHONHASHSEED": str(seed)}
    command = [sys.executable, "app.py"]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return [line.split("|") for line in run.stdout.splitlines()]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    return seen_by(PROGRAM, tmp_path_factory.mktemp("program") / "plain")


def ids(seen: list[list[str]]) -> list[str]:
    return [line[0] for line in seen]


def test_sites_are_equal_in_two_processes_with_lines_inserted_between_functions(
    plain: list[list[str]], tmp_path: Path
) -> None:
    edited = PROGRAM
    for number in range(7):
        edited = edited.replace(f"# {number}\n", "\n" * (number + 1) + "UNUSED = 1\n\n")
    other = seen_by(edited, tmp_path / "elsewhere", seed=7)
    assert len(ids(plain)) == 9
    assert ids(other) == ids(plain)
    assert other != plain  # The lines that people are shown are those of the file as it is.


def test_each_place_of_the_program_is_a_site_of_its_own(plain: list[list[str]]) -> None:
    decorated, first, second, part, next_part, item, next_item, short, executed = ids(plain)
    assert (part, item) == (next_part, next_item)  # Visits of one place.
    assert len({decorated, first, second, part, item, short, executed}) == 7


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ("        return function(*args)", "        args = args; return function(*args)", [0]),
        ('"f", "g"', '"f", "h"', [0]),
        ("lambda question: boundary(question)", "lambda question: boundary(question) or 1", [7]),
    ],
)
def test_a_changed_function_changes_its_sites_only(
    plain: list[list[str]], tmp_path: Path, before: str, after: str, changed: list[int]
) -> None:
    assert PROGRAM.count(before) == 1
    edited = ids(seen_by(PROGRAM.replace(before, after), tmp_path / "edited"))
    differ = [
        at for at, pair in enumerate(zip(edited, ids(plain), strict=True)) if len({*pair}) > 1
    ]
    assert differ == changed


def test_people_are_shown_files_and_functions_without_folders(plain: list[list[str]]) -> None:
    frames = plain[0][1:]
    assert [frame.rpartition(",")[0] for frame in frames] == [
        "app.py:boundary",
        "app.py:decorated",
        "app.py:retried.<locals>.again",
        "app.py:main",
    ]
    lines = PROGRAM.splitlines()
    assert [lines[int(frame.split()[-1]) - 1].strip() for frame in frames] == [
        "SEEN.append(site_here(ENTRY[0]))",
        "return boundary(question)",
        "return function(*args)",
        "decorated(question)",
    ]


def boundary(end: FrameType | None = None) -> Site:
    return site_here(end or sys._getframe(1))


def test_an_instruction_that_is_specialised_stays_one_site() -> None:
    def asked(function: Callable[[], Site]) -> Site:
        return function()

    class Of:
        def method(self) -> Site:
            return site_here(entry)

    entry = sys._getframe()
    seen = set()
    for _ in range(2000):
        seen.add(asked(Of().method).id)  # A call, and a method's call, of Python by Python.
    assert len(seen) == 1


def test_each_depth_of_a_recursion_is_a_site_of_its_own() -> None:
    entry = sys._getframe()

    def down(depth: int) -> list[str]:
        return [site_here(entry).id, *(down(depth - 1) if depth else [])]

    first, second = (down(5) for _ in range(2))
    assert first == second
    assert len(set(first)) == 6


def test_the_stack_is_cut_at_the_very_frame_and_not_at_another_of_the_same_function() -> None:
    def entry(inner: Callable[[FrameType], Site]) -> Site:
        return inner(sys._getframe())

    def around(cut: Callable[[FrameType, FrameType], FrameType]) -> Site:
        return entry(lambda outer: entry(lambda inner: boundary(cut(outer, inner))))

    inner, outer = around(lambda _, inner: inner), around(lambda outer, _: outer)
    names = [frame.rpartition(".")[2].partition(",")[0] for frame in outer.frames]
    assert names.count("entry") == 2
    assert [n.rpartition(".")[2].partition(",")[0] for n in inner.frames].count("entry") == 1
    assert outer.frames[: len(inner.frames)] == inner.frames


def test_a_code_as_the_end_is_its_innermost_frame() -> None:
    def entry(depth: int) -> Site:
        return entry(depth - 1) if depth else site_here(entry.__code__)

    assert len(entry(3).frames) == 1
    assert entry(3).id == entry(3).id != site_here(None).id


@pytest.mark.parametrize("package", PLUMBING)
def test_frames_of_plumbing_are_left_out(package: str) -> None:
    entry = sys._getframe()
    source = "def through(function):\n    return function()"

    def through(module: str) -> Site:
        names: dict[str, Any] = {"__name__": module}
        exec(source, names)
        return names["through"](lambda: site_here(entry))  # type: ignore[no-any-return]

    assert len(through(package).frames) == len(through(f"{package}.inner").frames) == 3
    assert len(through(f"{package}s").frames) == 4
    first, same, other = (through(module).id for module in (package, "openai.client", "app"))
    assert first == same != other


def test_the_standard_library_s_own_plumbing_is_left_out() -> None:
    entry = sys._getframe()

    @contextlib.contextmanager
    def asking() -> Any:
        yield site_here(entry)

    with asking() as site:
        assert all(frame.startswith("test_sites.py:") for frame in site.frames)
        assert len(site.frames) == 2


def test_a_site_is_another_one_where_its_task_was_made_elsewhere() -> None:
    entry = sys._getframe()
    here, there = site_here(entry), site_here(entry)
    child, other = (site_here(entry, maker) for maker in (here, there))
    assert child.id != other.id
    assert child.frames[-1] == here.frames[-1]
    assert len(child.frames) == len(other.frames) > len(here.frames)


def test_functions_that_are_gone_are_forgotten() -> None:
    def ask(number: int) -> str:
        names: dict[str, Any] = {"site_here": site_here, "number": number}
        exec("site = site_here(None)", names)
        return names["site"].id  # type: ignore[no-any-return]

    assert len({ask(number) for number in range(3)}) == 1
    gc.collect()
    before = len(sites._codes)
    for number in range(100):
        ask(number)
    gc.collect()
    assert len(sites._codes) <= before


def test_a_partial_and_a_cache_in_between_are_no_frames() -> None:
    entry = sys._getframe()

    def asked() -> tuple[str, ...]:
        return site_here(entry).frames

    direct = asked()
    cached = functools.partial(functools.lru_cache(asked))()
    assert [frame.partition(",")[0] for frame in direct] == [
        frame.partition(",")[0] for frame in cached
    ]
