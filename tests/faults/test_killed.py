"""Ingestion is killed in the middle: what is left the original could have left.

``python -m tests.faults.killed`` does it at forty random moments.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ayo_bridge.serving.postgres import EmbeddedPostgres
from tests.faults.killed import moments as killed
from tests.stub_openai import StubProcess

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


@pytest.fixture(autouse=True)
def _leaves_nothing() -> None:
    """The children are those of the module's fixtures, and the server's connections too."""


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """One of our own: others would not like to see theirs killed."""
    with EmbeddedPostgres() as made:
        yield made


@pytest.fixture(scope="module")
def runner(server: EmbeddedPostgres) -> Iterator[killed.Runner]:
    with StubProcess(latency=0.01) as stub:
        made = killed.Runner(server, stub.base_url)
        yield made
        made.close()


@pytest.mark.parametrize(("program", "victim"), [("llama-index", "postgres"), ("langchain", "it")])
def test_what_is_left_the_original_could_have_left(
    server: EmbeddedPostgres, runner: killed.Runner, program: str, victim: str
) -> None:
    table = killed.table_name(program)
    whole_run = runner.run(program, table)
    assert whole_run.status == 0
    whole = killed.rows(server, program, table)

    def kill(pid: int) -> Any:
        killed.kill_program(pid) if victim == "it" else killed.kill_postgres(server)

    killed.check(runner, server, program, whole, kill, 0.8 * whole_run.seconds)


def test_half_a_batch_would_be_noticed() -> None:
    whole = [(number,) for number in range(96)]
    assert killed.could_be_left("llama-index", whole[:48], whole)
    assert not killed.could_be_left("llama-index", whole[:47], whole)
    assert not killed.could_be_left("langchain", whole[1:5], whole)
