"""Servers and workers: uvicorn, gunicorn; and pytest. Celery: see test_servers.py."""

import os
import re
import sys

import pytest

from tests.autorun.engines import server
from tests.autorun.running import PLAIN, RUN, asked, ended, started
from tests.autorun.serving import serving
from tests.autorun.test_servers import FASTAPI, GUNICORN, QUESTIONS

UVICORN = ["-k", "uvicorn.workers.UvicornWorker"]
SERVERS = {
    "gunicorn, sync": [*GUNICORN, "wsgi:app"],
    "gunicorn, sync, preloaded": [*GUNICORN, "--preload", "wsgi:app"],
    "gunicorn, threads": [*GUNICORN, "-k", "gthread", "--threads", "2", "wsgi:app"],
    "gunicorn, threads, preloaded": [
        *(*GUNICORN, "-k", "gthread", "--threads", "2", "--preload", "wsgi:app")
    ],
    "gunicorn, fastapi": [*GUNICORN, *UVICORN, "web:app"],
    "gunicorn, fastapi, preloaded": [*GUNICORN, *FASTAPI],
    "uvicorn, fastapi": [
        *("-m", "uvicorn", "web:app", "--fd", "{fd}", "--log-level", "warning", "--workers", "2")
    ],
}


@pytest.mark.parametrize("how", SERVERS)
def test_a_service_of_two_workers(how: str) -> None:
    command = SERVERS[how]
    routes = ("ask?question=", "aask?question=", "stream?question=")
    paths = [f"/{route}{q}" for q in QUESTIONS for route in (routes if "fast" in how else ["?"])]
    with serving([sys.executable, *command]) as plain, serving([*RUN, "--stats", *command]) as fast:
        for service in (plain, fast):
            service.stub.max_in_flight = 0
        first = paths[0]
        assert plain.get(first) == fast.get(first)
        assert [service.stub.max_in_flight > 1 for service in (plain, fast)] == [False, True]
        assert [plain.get(path) for path in paths] == [fast.get(path) for path in paths]
        assert asked(plain.stub) == asked(fast.stub)
    assert plain.ended[:2] == fast.ended[:2]
    assert "RetrieverQueryEngine: " in fast.ended[2]


def test_pytest() -> None:
    apart = ["-c", os.devnull, "--rootdir", ".", "--noconftest", "-p", "no:cacheprovider"]
    command = ["-m", "pytest", *apart, "-q", "its_tests.py"]
    with server(0.05) as stub, server(0.05) as other:
        as_it_is = started([sys.executable, *command], env=PLAIN | {"LLM_URL": stub.base_url})
        run = started([*RUN, *command], env=PLAIN | {"LLM_URL": other.base_url})
        plain, fast = ended(as_it_is), ended(run)
        assert plain[0] == 1
        assert [_timeless(said) for said in plain[1:]] == [_timeless(said) for said in fast[1:]]
        assert asked(stub) == asked(other)
        assert [each.max_in_flight > 1 for each in (stub, other)] == [False, True]


def _timeless(said: str) -> str:
    """Without how long it took, and where objects are."""
    return re.sub(r"in [0-9.]+s|0x[0-9a-f]+", "...", said)
