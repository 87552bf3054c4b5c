"""The demo runs to its end, and ends with everything it started however it is stopped."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.processes import all_gone, descendants
from tests.serving.stand_in import stand_in_for_vllm

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]


class Demo:
    """A running `python -m examples.demo --quick`."""

    def __init__(
        self, results: Path, *options: str, environment: Mapping[str, str] | None = None
    ) -> None:
        command = [sys.executable, "-m", "examples.demo", "--quick", "--results", str(results)]
        self.process = subprocess.Popen(
            [*command, *options],
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "80", **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output: list[str] = []
        self._grown = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._grown:
                self.output.append(line)
                self._grown.notify_all()
        with self._grown:
            self.output.append("")
            self._grown.notify_all()

    def wait_for(self, text: str) -> None:
        with self._grown:
            assert self._grown.wait_for(
                lambda: any(text in line or not line for line in self.output), 120
            )
        assert text in self.all_output, self.all_output

    @property
    def all_output(self) -> str:
        return "".join(self.output)

    def ended(self) -> int:
        status = self.process.wait(120)
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


@pytest.fixture
def demos() -> Iterator[list[Demo]]:
    started: list[Demo] = []
    yield started
    for demo in started:
        if demo.process.poll() is None:
            demo.process.kill()
            demo.ended()


def test_the_quick_demo_finds_the_answers_identical(demos: list[Demo], tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    demo = Demo(tmp_path, "--json", str(figures), "--verbose")
    demos.append(demo)
    demo.wait_for("vLLM serves")
    children = descendants(demo.process.pid)
    assert children
    assert demo.ended() == 0, demo.all_output
    assert all_gone(children)
    assert "RetrieverQueryEngine, accelerated" in demo.all_output
    table, _, _ = demo.all_output.partition("Each engine as it is")[2].partition("Medians of")
    assert "tree_summarize" in table
    assert "identical." in table
    assert "…" not in table, "80 columns are enough"
    engines = json.loads(figures.read_text())["engines"]
    assert set(engines) == {"tree", "fusion", "refine"}
    for name, engine in engines.items():
        assert engine["identical"], name
        assert engine["stats"]["calls"] == 2, name
        assert (tmp_path / f"{name}-trace.html").stat().st_size > 0
    assert engines["tree"]["stats"]["hits"] > 0


@pytest.mark.parametrize("stage", ["untrained", "vLLM serves"])
def test_an_interrupted_demo_leaves_no_process(
    stage: str, demos: list[Demo], tmp_path: Path
) -> None:
    """While vLLM starts, and after it has: then a stand-in is quicker there."""
    serves = stage == "vLLM serves"
    environment = stand_in_for_vllm(tmp_path / "stand-in") if serves else {}
    demo = Demo(tmp_path, environment=environment)
    demos.append(demo)
    demo.wait_for(stage)
    threading.Event().wait(2)  # Into the step after the one that was printed.
    children = descendants(demo.process.pid)
    assert children
    demo.process.send_signal(signal.SIGINT)
    assert demo.ended() == 130, demo.all_output
    assert all_gone(children)
