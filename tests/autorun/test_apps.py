"""Unchanged applications of both frameworks: the same with and without, and requests overlap."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.autorun.engines import server
from tests.autorun.running import RUN, asked, ended, started
from tests.stub_openai import StubOpenAI

LATENCY = 0.05
APPS = {
    "llama_index": {"li_summary": 2, "li_sub_questions": 8, "li_workflow": 8},
    "langchain": {"lc_compression": 8, "lc_map_reduce": 8, "lg_grading": 8},
}
"""How many questions each asks: calls are learned from before they run ahead."""
LLAMA_INDEX = APPS["llama_index"] | {"llama_index_app": 1}
LANGCHAIN = APPS["langchain"] | {"langchain_app": 1}
Ended = tuple[int, str, str]


@contextmanager
def both_arms(
    apps: Mapping[str, int], options: Sequence[str] = ()
) -> Iterator[tuple[Ended, Ended, dict[str, StubOpenAI]]]:
    """How they end as they are and under ``run`` with these options, each arm in one process.

    All of them have asked the same by then, and only under ``run`` did their requests overlap.
    The servers are the accelerated ones'.
    """
    commands = {"plain": [sys.executable], "run": [*RUN, *options]}
    with ExitStack() as stack:
        processes, stubs = {}, {}
        for (arm, command), slower in zip(commands.items(), (1.0, 1.07), strict=True):
            stubs[arm] = {app: stack.enter_context(server(LATENCY, slower=slower)) for app in apps}
            told = [f"{app}:{n}={stubs[arm][app].base_url}" for app, n in apps.items()]
            processes[arm] = started([*command, "together.py", *told])
        plain, fast = (ended(process, 110) for process in processes.values())
        for app in apps:
            at_once = [stubs[arm][app].max_in_flight > 1 for arm in commands]
            assert at_once == [False, True], (app, plain, fast)
            assert asked(stubs["plain"][app]) == asked(stubs["run"][app]), app
        yield plain, fast, stubs["run"]


def test_langchain_applications_say_and_ask_the_same_and_the_last_one_fails_the_same() -> None:
    with both_arms(LANGCHAIN) as (plain, fast, _):
        assert plain[0] == 1
        assert plain[2].endswith("ValueError: what the application raises\n"), plain
        assert plain == fast


def test_so_do_those_of_llama_index_and_what_was_done_is_told_apart_from_it(
    tmp_path: Path,
) -> None:
    page = tmp_path / "calls.html"
    wanted = ["--explain", "--stats", "--timeline", str(page), "--log", "info"]
    with both_arms(LLAMA_INDEX, wanted) as (plain, fast, stubs):
        assert (plain[0], plain[2]) == (0, ""), plain
        assert fast[:2] == plain[:2]
        assert stubs["llama_index_app"].max_in_flight == 4
        assert "RetrieverQueryEngine is accelerated (query, aquery)" in fast[2]
        said = {line.split()[1]: line.split() for line in fast[2].splitlines() if " llm:" in line}
        engine = f"llm:stub@{stubs['llama_index_app'].root_url.removeprefix('http://')}"
        assert said[engine][:3] == ["LLM", engine, "4"], fast[2]
        pages = [each.read_text() for each in tmp_path.glob("calls*.html")]
        assert page.exists()
        assert any("RetrieverQueryEngine" in text for text in pages)
