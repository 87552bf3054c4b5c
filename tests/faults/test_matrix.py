"""Every way in which a server fails, by every entry: as the original, to the caller and after.

``python -m tests.faults.matrix`` prints all cells as a table, which takes minutes. Here each fault
meets a quarter of the entries, and each entry a quarter of the faults.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.matrix.cells import cells, compared
from tests.faults.matrix.entries import Entry
from tests.faults.matrix.rows import FAULTS, Fault

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.timeout(60),
]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The frameworks log each failure."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def test_row_names_are_unique() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("fault", "entry"),
    [
        pytest.param(fault, entry, id=f"{fault.name}-{entry.name}")
        for number, (fault, entry) in enumerate(cells())
        if number % 4 == 0
    ],
)
def test_cell(fault: Fault, entry: Entry, tmp_path: Path) -> None:
    assert compared(entry, fault, tmp_path).differences() == []
