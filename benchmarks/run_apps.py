"""Unchanged applications as they are, under `ayo-bridge run`, and with `accelerate` in their code.

``python -m benchmarks.run_apps``. An LLM call takes 100 ms, an embedding 20 ms. The arms take
turns. What counts is the time between two answers, in the second half of a run: by then what is
learned has been learned, and start-up is over. Of the service it is the time of a request, of the
notebook that from the first request to the last reply.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Annotated, Final
from urllib.request import urlopen

import typer
from rich.console import Console
from rich.table import Table

from tests.autorun.engines import server
from tests.autorun.running import APPS, PLAIN, RUN, listening
from tests.stub_openai import StubOpenAI

LLM, EMBEDDING = 0.1, 0.02
PYTHON: Final = [sys.executable]
ARMS: Final = ("original", "run", "in code")
SCRIPTS: Final = (
    *("li_summary", "li_sub_questions", "li_workflow"),
    *("lc_compression", "lc_map_reduce", "lg_grading"),
)
Seconds = list[float]
Measure = Callable[[str, StubOpenAI, int], Seconds]


def environment(stub: StubOpenAI) -> dict[str, str]:
    """Nothing is learned from earlier runs."""
    here = {"LLM_URL": stub.base_url, "AYO_TEMPLATES": "0", "AYO_MEASURE": "0"}
    return PLAIN | here | {"HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}


def script(name: str) -> Measure:
    """Time from one answer that a script prints to the next."""

    def measured(arm: str, stub: StubOpenAI, questions: int) -> Seconds:
        words = [f"{name}.py", stub.base_url, str(questions)]
        if arm == "in code":
            words = ["in_code.py", name, *words[1:]]
        command = [*(RUN if arm == "run" else PYTHON), *words]
        with subprocess.Popen(
            command, cwd=APPS, env=environment(stub), stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            moments = [time.perf_counter() for _ in process.stdout][:questions]
        if process.returncode:
            raise RuntimeError(f"{name} has ended with {process.returncode}")
        return [after - before for before, after in pairwise(moments)]

    return measured


def service(arm: str, stub: StubOpenAI, questions: int) -> Seconds:
    """Time of each request to a service of two workers."""
    module = "web_accelerated" if arm == "in code" else "web"
    with listening() as (there, url):
        serve = ["-m", "uvicorn", f"{module}:app", "--fd", str(there.fileno()), "--workers", "2"]
        process = subprocess.Popen(
            [*(RUN if arm == "run" else PYTHON), *serve, "--log-level", "error"],
            cwd=APPS,
            env=environment(stub),
            pass_fds=[there.fileno()],
        )
        try:
            workers: set[bytes] = set()
            while len(workers) < 2 and process.poll() is None:
                with suppress(OSError):
                    workers.add(_got(f"{url}/worker"))
            seconds = []
            for number in range(questions):
                began = time.perf_counter()
                _got(f"{url}/ask?question={number}")
                seconds.append(time.perf_counter() - began)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
    return seconds


def _got(url: str) -> bytes:
    with urlopen(url, timeout=60) as reply:
        return bytes(reply.read())


def notebook(arm: str, stub: StubOpenAI, questions: int) -> Seconds:
    """Time from a notebook's first request to its last reply."""
    cells = {
        "original": [],
        "run": ["%load_ext ayo_bridge"],
        "in code": ["import ayo_bridge; engine = ayo_bridge.accelerate(engine)"],
    }
    command = [*PYTHON, "notebook.py", *cells[arm]]
    subprocess.run(command, cwd=APPS, env=environment(stub), stdout=subprocess.DEVNULL, check=True)
    ends = [request.ended for request in stub.calls if request.ended is not None]
    return [max(ends) - min(request.arrived for request in stub.calls)]


ALL: Final[dict[str, Measure]] = {name: script(name) for name in SCRIPTS} | {
    "FastAPI, 2 workers": service,
    "notebook": notebook,
}


def measure(how: Measure, rounds: int, questions: int) -> dict[str, float]:
    """Median seconds of each arm: of the second half of each run."""
    seconds: dict[str, Seconds] = {arm: [] for arm in ARMS}
    for turn in range(rounds):
        for arm in ARMS if turn % 2 == 0 else reversed(ARMS):
            with server(LLM, EMBEDDING) as stub:
                taken = how(arm, stub, questions)
            seconds[arm] += taken[len(taken) // 2 :]
    return {arm: statistics.median(taken) for arm, taken in seconds.items()}


def main(
    apps: Annotated[list[str] | None, typer.Argument(help="names; all by default")] = None,
    rounds: Annotated[int, typer.Option(help="runs of each arm")] = 3,
    questions: Annotated[int, typer.Option(help="that each run asks")] = 12,
) -> None:
    """Run each application in each arm, and show the ratios."""
    chosen: Sequence[str] = apps or [*ALL]
    table = Table(box=None)
    table.add_column("application")
    for name in (*ARMS, "run", "in code"):
        table.add_column(name, justify="right")
    for name in chosen:
        found = measure(ALL[name], rounds, questions)
        ratios = [f"{found['original'] / found[arm]:.2f}x" for arm in ("run", "in code")]
        table.add_row(name, *(f"{found[arm] * 1000:.0f} ms" for arm in ARMS), *ratios)
        print(name, *ratios, file=sys.stderr)
    console = Console()
    console.print(table)
    console.print(
        f"Medians of {rounds} runs of {questions} questions each; LLM {LLM * 1000:g} ms, "
        f"embedding {EMBEDDING * 1000:g} ms a call; load {os.getloadavg()[0]:.1f} "
        f"on {os.cpu_count()} cores."
    )


if __name__ == "__main__":
    typer.run(main)
