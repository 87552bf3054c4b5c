"""What it costs a program to be started so that it may be accelerated: ``-m benchmarks.start_up``.

The program is empty: this is all that comes before a framework is imported. Each arm starts it in
turn; medians, and what they are more than the plain interpreter's. The target is one of the time
that the processor takes, which on an idle machine is that of the clock, and does not change much on
a busy one.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from ayo_bridge.autorun.launch import environment, pth_installed

MOST: Final = 0.030
"""Seconds more that a start may take."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to start the program, and how long each start took."""

    name: str
    command: Sequence[str]
    env: dict[str, str]
    clock: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Start the program and wait for its end."""
        began = time.perf_counter()
        process = subprocess.Popen(self.command, env=self.env)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{self.name} has ended with {process.returncode}")
        self.clock.append(time.perf_counter() - began)
        self.processor.append(used.ru_utime + used.ru_stime)

    @property
    def median(self) -> float:
        """Seconds of the processor."""
        return statistics.median(self.processor)


def arms(program: Path) -> list[Arm]:
    """The plain interpreter first."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith("AYO_")}
    python = [sys.executable, str(program)]
    script = str(Path(sys.executable).with_name("ayo-bridge"))
    on = plain | {"AYO_BRIDGE": "1"}
    without = environment({}, plain, pth=False)
    made = [Arm("python app.py", python, plain)]
    if pth_installed():
        made.append(Arm("AYO_BRIDGE=1 python app.py", python, on))
    made.append(Arm("the same, by PYTHONPATH", python, without))
    made.append(Arm("ayo-bridge run app.py", [script, "run", str(program)], plain))
    return made


def main(rounds: Annotated[int, typer.Option(help="starts of each arm")] = 31) -> None:
    """Start an empty program in each way, and say what each costs."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "app.py"
        program.write_text("")
        measured = arms(program)
        for arm in measured:  # Bytecode is written, files are in memory.
            arm.start()
            arm.clock.clear()
            arm.processor.clear()
        for turn in range(rounds):
            for arm in measured if turn % 2 == 0 else reversed(measured):
                arm.start()
    plain = measured[0].median
    table = Table(box=None)
    table.add_column("start")
    for name in ("clock", "processor", "more", "target", "met"):
        table.add_column(name, justify="right")
    missed = False
    for arm in measured:
        more = arm.median - plain
        missed |= more > MOST
        row = [arm.name, f"{statistics.median(arm.clock) * 1000:.1f} ms"]
        row += [f"{arm.median * 1000:.1f} ms"]
        if arm is not measured[0]:
            row += [f"{more * 1000:.1f} ms", f"at most {MOST * 1000:g} ms"]
            row += ["[green]yes[/]" if more <= MOST else "[red]NO[/]"]
        table.add_row(*row)
    Console().print(table)
    sys.exit(missed)


if __name__ == "__main__":
    typer.run(main)
