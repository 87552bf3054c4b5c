"""Workers that gunicorn and Celery fork, and a notebook: unchanged, with and without."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import pytest

from tests.autorun.engines import server
from tests.autorun.running import APPS, PLAIN, RUN, asked, asked_by, ended, reported, started
from tests.autorun.serving import serving
from tests.deadline import eventually
from tests.stub_openai import StubOpenAI, StubRequest

QUESTION = quote("What is in the book?")
# The clients that the applications leave open are not closed on the loop that they were used on.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
T = TypeVar("T")
GUNICORN = ["-m", "gunicorn", "--workers", "2", "--bind", "fd://{fd}", "--log-level", "warning"]
FASTAPI = ["-k", "uvicorn.workers.UvicornWorker", "--preload", "web:app"]
CELERY = [
    *("-m", "celery", "-A", "tasks", "worker", "-P", "prefork", "-c", "2", "-l", "error"),
    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
]
QUESTIONS = ("one", "two", "three", "four")


@pytest.fixture
def plain_server() -> Iterator[StubOpenAI]:
    with server(0.05) as stub:
        yield stub


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """Imports an application into this process, which keeps none, nor the clients that it has."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(APPS)
    yield import_module
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "").is_relative_to(APPS):
            del sys.modules[name]


async def replies(app: object, paths: Sequence[str]) -> list[str]:
    """What an application replies that runs in this process, as it is."""
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        return [(await client.get(path)).text for path in paths]


def test_fastapi_in_two_workers_of_gunicorn_replies_the_same_and_reports_when_it_is_terminated(
    plain_server: StubOpenAI,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    application: Callable[[str], Any],
) -> None:
    page = tmp_path / "calls.html"
    wanted = ["--stats", "--timeline", str(page)]
    paths = [f"/{route}?question={QUESTION}" for route in ("ask", "aask", "stream")]
    monkeypatch.setenv("LLM_URL", plain_server.base_url)
    app = application("web").app
    plain = asyncio.run(replies(app, paths[:1]))
    assert plain_server.max_in_flight == 1
    plain += asyncio.run(replies(app, paths[1:]))
    with serving([*RUN, *wanted, "--", sys.executable, *GUNICORN, *FASTAPI]) as fast:
        assert fast.get(paths[0]) == plain[0]
        assert fast.stub.max_in_flight > 1
        assert [fast.get(path) for path in paths[1:]] == plain[1:]
        assert "answer" in json.loads(plain[0])
        assert plain[-1].count("data: ") > 3
        assert asked(plain_server) == asked(fast.stub)
        eventually(lambda: reported(page), "a report while it runs")
    assert fast.ended[:2] == (0, "")  # Of what watches over the workers.
    assert "RetrieverQueryEngine: " in fast.ended[2]


def test_workers_that_celery_forks_answer_the_same_and_report_when_it_is_terminated(
    plain_server: StubOpenAI, tmp_path: Path, application: Callable[[str], Any]
) -> None:
    """The application has asked once before it forks: as it is, its two workers would share the
    socket that was opened for that and might read each other's replies, so it is asked here."""
    engine = application("book").engine(plain_server.base_url)
    answers = [f"{engine.query(question)}\n" for question in ("warming up", *QUESTIONS)]
    for name in ("queue", "control", "results"):
        (tmp_path / name).mkdir()
    page = tmp_path / "calls.html"
    wanted = ["--stats", "--timeline", str(page)]
    with server(0.05) as stub:
        env = PLAIN | {"LLM_URL": stub.base_url, "CELERY_FOLDER": str(tmp_path)}
        worker = started([*RUN, *wanted, "--", sys.executable, *CELERY], env=env)
        try:
            client = ended(started([sys.executable, "tasks.py", *QUESTIONS], env=env), 100)
            eventually(lambda: reported(page), "a report while it runs")
            worker.send_signal(signal.SIGTERM)
            code, _, err = ended(worker)
        finally:
            worker.kill()
        assert (client[:2], code) == ((0, "".join(answers[1:])), 0), (client, err)
        assert asked(plain_server) == asked(stub)
        assert stub.max_in_flight > 2  # Of two workers.
        assert "RetrieverQueryEngine: " in err


def test_a_notebook_that_loads_the_extension_puts_out_the_same_from_then_on() -> None:
    """In one kernel: its cells, the magic, and its cells again."""
    with server(0.05) as stub:
        command = [sys.executable, "notebook.py", "again", "%load_ext ayo_bridge"]
        code, out, err = ended(started(command, env=PLAIN | {"LLM_URL": stub.base_url}), 110)
        assert code == 0, err
        plain, fast = halves(out.splitlines())
        assert plain == fast
        assert len(plain) > 4, out
        calls = halves(sorted(stub.calls, key=lambda call: call.arrived))
        assert asked_by(calls[0]) == asked_by(calls[1])
        assert [overlap_at_first(each) for each in calls] == [False, True]


def halves(of: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    """The first and the second half."""
    middle = len(of) // 2
    return of[:middle], of[middle:]


def overlap_at_first(calls: Sequence[StubRequest]) -> bool:
    """Whether the second call comes before the first one has its reply.

    The second cell asks on its loop, all at once: the first one's calls are what differs.
    """
    first, second = sorted(calls, key=lambda call: call.arrived)[:2]
    return first.ended is None or second.arrived < first.ended
