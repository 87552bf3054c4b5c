"""Ingestion killed at random moments: ``python -m tests.faults.killed --moments 20``."""

from __future__ import annotations

import random
import statistics
import sys
from collections import Counter
from typing import Annotated

import typer

from ayo_bridge.serving.postgres import EmbeddedPostgres
from tests.faults.killed import moments as killed
from tests.faults.killed.programs import PROGRAMS
from tests.stub_openai import StubProcess


def main(
    moments: Annotated[int, typer.Option(help="Kills of each program, and of Postgres.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the moments.")] = 1,
) -> None:
    """Kill each program, and Postgres under it; 1 if something is left that may not be."""
    chance, failed = random.Random(seed), 0
    with EmbeddedPostgres() as server, StubProcess(latency=0.02) as stub:
        runner = killed.Runner(server, stub.base_url)
        for program in PROGRAMS:
            table = killed.table_name(program)
            assert runner.run(program, table, fast=False).status == 0, "the original fails"
            whole = killed.rows(server, program, table)
            lasts = statistics.median(
                runner.run(program, killed.table_name(program)).seconds for _ in range(3)
            )
            for victim in ("program", "postgres"):

                def kill(pid: int, victim: str = victim) -> None:
                    if victim == "program":
                        killed.kill_program(pid)
                    else:
                        killed.kill_postgres(server)

                left: Counter[int] = Counter()
                for number in range(moments):
                    # Every other one towards the end: that is where rows are written.
                    after = chance.uniform((number % 2) * 0.8 * lasts, 1.02 * lasts)
                    try:
                        found, _ = killed.check(runner, server, program, whole, kill, after)
                        left[found] += 1
                    except AssertionError as error:
                        failed += 1
                        print(f"{program}, {victim} killed after {after:.3f} s: {error}")
                seen = ", ".join(f"{n} rows {times} times" for n, times in sorted(left.items()))
                print(
                    f"{program}, {victim} killed {moments} times within {lasts:.2f} s, of "
                    f"{len(whole)} rows there were left: {seen}",
                    flush=True,
                )
        runner.close()
    sys.exit(int(failed > 0))


if __name__ == "__main__":
    typer.run(main)
