"""A module fits in the head, a function on a screen."""

import ast
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
FOLDERS = ("ayo_bridge", "adapters", "examples", "benchmarks", "tests")
FILE_LINES = 400
FUNCTION_LINES = 60
SOURCES = sorted(source for folder in FOLDERS for source in (REPOSITORY / folder).rglob("*.py"))
PENDING: set[str] = set()
"""Over a size today and being rewritten; what is within it again has to leave this set."""


def oversized(text: str) -> Iterator[str]:
    """What is too long, with its lines; a function counts from ``def``, without decorators."""
    if (lines := len(text.splitlines())) > FILE_LINES:
        yield f"{lines} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{node.name}: {lines} lines"


def test_no_file_and_no_function_is_too_long() -> None:
    found = {
        source.relative_to(REPOSITORY).as_posix(): too_long
        for source in SOURCES
        if (too_long := [*oversized(source.read_text("utf-8"))])
    }
    assert len(SOURCES) > 1000
    assert {name: too_long for name, too_long in found.items() if name not in PENDING} == {}
    assert found.keys() >= PENDING


def test_the_check_counts_methods_and_functions_in_functions_without_their_decorators() -> None:
    body = "        x = 1\n"
    method = "class A:\n    @decorated(\n        1\n    )\n    def f(self):\n"
    assert [*oversized(method + body * (FUNCTION_LINES - 1))] == []
    assert [*oversized(method + body * FUNCTION_LINES)] == [f"f: {FUNCTION_LINES + 1} lines"]
    assert [*oversized("async def g():\n    def h():\n" + body * FUNCTION_LINES)] == [
        f"g: {FUNCTION_LINES + 2} lines",
        f"h: {FUNCTION_LINES + 1} lines",
    ]
    assert [*oversized("x = 1\n" * (FILE_LINES + 1))] == [f"{FILE_LINES + 1} lines"]
