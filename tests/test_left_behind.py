"""What a test file leaves unclosed is an error of its own, and of no other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from langchain_openai.chat_models import _client_utils

from tests import kept_clients
from tests.differential.langchain_parts import chat
from tests.stub_openai import StubOpenAI

REPOSITORY = Path(__file__).resolve().parents[1]
FILES = {
    "pytest.ini": """
[pytest]
filterwarnings = error
asyncio_default_fixture_loop_scope = function
""",
    "conftest.py": "from tests.conftest import _leaves_nothing_to_others\n",
    "test_leaves.py": """
import gc, socket

class Kept:
    def __init__(self):
        self.itself, self.socket = self, socket.socket()

def test_it():
    gc.disable()
    Kept()
""",
    "test_ignores.py": """
import pytest
from test_leaves import Kept

def test_it():
    pass

@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_one():
    Kept()
""",
    "test_has_a_loop.py": """
import asyncio

def test_it():
    assert asyncio.get_event_loop_policy().get_event_loop()
""",
    "test_sets_another.py": """
import asyncio, gc

def test_it():
    with asyncio.Runner() as runner:
        runner.run(asyncio.sleep(0))
        gc.collect()
""",
    "test_next.py": "import gc\n\ndef test_it():\n    gc.collect()\n",
}


def run(folder: Path, *files: str) -> list[str]:
    """Which tests of these files end how."""
    for name, text in FILES.items():
        (folder / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", *files]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    _, _, summary = ended.stdout.partition("short test summary info")
    outcomes = ("PASSED", "FAILED", "ERROR")
    return [
        " ".join(line.split()[:2]) for line in summary.splitlines() if line.startswith(outcomes)
    ]


def test_what_a_file_leaves_unclosed_is_an_error_of_that_file(tmp_path: Path) -> None:
    assert run(tmp_path, "test_leaves.py", "test_next.py") == [
        "PASSED test_leaves.py::test_it",
        "PASSED test_next.py::test_it",
        "ERROR test_leaves.py::test_it",
    ]


def test_what_it_ignores_in_one_test_is_an_error_of_none(tmp_path: Path) -> None:
    assert run(tmp_path, "test_ignores.py", "test_next.py") == [
        "PASSED test_ignores.py::test_it",
        "PASSED test_ignores.py::test_one",
        "PASSED test_next.py::test_it",
    ]


def test_the_loop_that_a_library_has_made_for_it_is_closed(tmp_path: Path) -> None:
    assert run(tmp_path, "test_has_a_loop.py", "test_sets_another.py") == [
        "PASSED test_has_a_loop.py::test_it",
        "PASSED test_sets_another.py::test_it",
    ]


def test_clients_that_langchain_keeps_are_closed_and_forgotten() -> None:
    with StubOpenAI(latency=0.0) as stub:
        model = chat(stub.base_url)
        assert model.invoke("why?").content
        kept_clients.forget()
    assert model.root_client.is_closed()
    assert not kept_clients.made
    for kept in (_client_utils._cached_sync_httpx_client, _client_utils._cached_async_httpx_client):
        assert kept.cache_info().currsize == 0
