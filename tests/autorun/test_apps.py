"""Unchanged applications of both frameworks: the same with and without, and requests overlap."""

import sys
from contextlib import ExitStack

import pytest

from tests.autorun.engines import server
from tests.autorun.running import RUN, asked, ended, started

LATENCY = 0.05
APPS = {
    "llama_index": {"li_summary": 2, "li_sub_questions": 8, "li_workflow": 8},
    "langchain": {"lc_compression": 8, "lc_map_reduce": 8, "lg_grading": 8},
}
"""How many questions each asks: calls are learned from before they run ahead."""
ARMS = {"plain": [sys.executable], "run": RUN}


@pytest.mark.parametrize("framework", APPS)
def test_applications_say_and_ask_the_same_and_only_under_run_do_their_requests_overlap(
    framework: str,
) -> None:
    apps = APPS[framework]
    with ExitStack() as stack:
        processes, stubs = {}, {}
        for arm, command in ARMS.items():
            stubs[arm] = {app: stack.enter_context(server(LATENCY)) for app in apps}
            told = [f"{app}:{n}={stubs[arm][app].base_url}" for app, n in apps.items()]
            processes[arm] = started([*command, "together.py", *told])
        plain, fast = (ended(process, 110) for process in processes.values())
        assert plain[0] == 0, plain
        assert plain == fast
        for app in apps:
            at_once = [stubs[arm][app].max_in_flight > 1 for arm in ARMS]
            assert at_once == [False, True], app
            assert asked(stubs["plain"][app]) == asked(stubs["run"][app]), app
