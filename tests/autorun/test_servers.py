"""A FastAPI service of two workers, and a notebook: unchanged, with and without."""

import json
import signal
import sys
from collections.abc import Sequence
from urllib.parse import quote

from tests.autorun.engines import server
from tests.autorun.running import PLAIN, RUN, asked, ended, started
from tests.autorun.serving import serving
from tests.stub_openai import StubOpenAI

QUESTION = quote("What is in the book?")
UVICORN = ["-m", "uvicorn", "web:app", "--fd", "{fd}", "--log-level", "warning"]


def test_a_service_of_two_workers_replies_the_same_and_reports_when_it_is_terminated() -> None:
    paths = [f"/{route}?question={QUESTION}" for route in ("ask", "aask", "stream")]
    with (
        serving([sys.executable, *UVICORN], workers=1) as plain,
        serving([*RUN, "--stats", *UVICORN, "--workers", "2"]) as fast,
    ):
        first = [service.get(paths[0]) for service in (plain, fast)]
        assert first[0] == first[1]
        assert [service.stub.max_in_flight > 1 for service in (plain, fast)] == [False, True]
        replies = [[service.get(path) for path in paths] for service in (plain, fast)]
        assert replies[0] == replies[1]
        assert "answer" in json.loads(replies[0][0])
        assert replies[0][2].count("data: ") > 3
        assert asked(plain.stub) == asked(fast.stub)
    assert plain.ended == (-signal.SIGTERM, "", "")
    assert fast.ended[:2] == (0, "")  # Of what watches over the workers.
    assert "RetrieverQueryEngine: " in fast.ended[2]


def test_a_notebook_that_loads_the_extension_puts_out_the_same() -> None:
    notebook_puts_out_the_same(["%load_ext ayo_bridge"])


def notebook_puts_out_the_same(cells: Sequence[str] = (), env: dict[str, str] = PLAIN) -> None:
    """With these cells before its own, or in this environment."""
    command = [sys.executable, "notebook.py"]
    with server(0.05) as stub, server(0.05) as other:
        as_it_is = started(command, env=PLAIN | {"LLM_URL": stub.base_url})
        run = started([*command, *cells], env=env | {"LLM_URL": other.base_url})
        plain, fast = ended(as_it_is, 110), ended(run, 110)
        assert plain[0] == 0, plain
        assert plain == fast
        assert asked(stub) == asked(other)
        # The second cell asks on its loop, all at once: the first one's calls are what differs.
        assert [_overlaps_at_first(each) for each in (stub, other)] == [False, True]


def _overlaps_at_first(stub: StubOpenAI) -> bool:
    """Whether the second call comes before the first one has its reply."""
    first, second = sorted(stub.calls, key=lambda call: call.arrived)[:2]
    return first.ended is None or second.arrived < first.ended
