"""``python -m tests.faults.matrix [--all] [WORD ...]``: the table of the cells that tests try.

With ``--all`` of all there are, with words of those whose row or entry contains one of them. The
exit status is 1 if a cell differs.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
import warnings
from pathlib import Path

from tests import conftest  # noqa: F401  # Sets the environment before anything heavy is imported.
from tests.faults.matrix.cells import Cell, cells, compared
from tests.faults.matrix.entries import ENTRIES
from tests.faults.matrix.rows import FAULTS


def main(words: list[str]) -> int:
    """Run the cells and print them; the number of those that differ."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    wanted = [word for word in words if not word.startswith("--")]
    started = time.monotonic()
    found: dict[tuple[str, str], Cell] = {}
    with tempfile.TemporaryDirectory() as directory:
        for fault, entry in cells(every="--all" in words):
            names = fault.name, entry.name
            if not wanted or any(word in name for word in wanted for name in names):
                found[names] = compared(entry, fault, Path(directory))
    _print_table(found)
    wrong = {names: cell for names, cell in found.items() if cell.differences()}
    for (fault_name, entry_name), cell in wrong.items():
        for difference in cell.differences():
            print(f"{fault_name} / {entry_name}: {difference[:400]}")
    if "--slow" in words:
        for names, cell in sorted(found.items(), key=lambda item: -item[1].original.seconds)[:20]:
            print(names, f"{cell.original.seconds:.2f} {cell.accelerated.seconds:.2f}")
    took = time.monotonic() - started
    print(f"{len(found)} cells, {len(wrong)} differ, {took:.0f} s")
    return len(wrong)


def _print_table(found: dict[tuple[str, str], Cell]) -> None:
    rows = [fault.name for fault in FAULTS if any(row == fault.name for row, _ in found)]
    columns = [entry.name for entry in ENTRIES if any(name == entry.name for _, name in found)]
    width = max(map(len, rows), default=0)
    print("= same   + answered where the original failed   X differs   . not tried")
    for number, name in enumerate(columns):
        print(" " * (width + 1) + "|  " * number + name)
    for row in rows:
        marks = [_mark(found.get((row, name))) for name in columns]
        print(f"{row:{width}} ", *(f"{mark} " for mark in marks))


def _mark(cell: Cell | None) -> str:
    if cell is None:
        return "."
    if cell.differences():
        return "X"
    return "+" if cell.healed else "="


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
