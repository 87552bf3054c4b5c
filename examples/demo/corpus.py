"""Real text that every machine has: the documentation of the running Python's standard library.

Sources are parsed, never imported. What is found is kept as JSON lines, one for each module, class
and function.
"""

from __future__ import annotations

import ast
import json
import os
import platform
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

_SKIPPED = {"test", "tests", "idlelib", "lib2to3", "turtledemo", "antigravity", "this"}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Entry:
    """The documentation of one module, class or function; ``text`` starts with its signature."""

    module: str
    name: str
    text: str


def sources() -> list[tuple[str, Path]]:
    """Names and files of all public modules of the standard library, sorted by name."""
    library = Path(sysconfig.get_path("stdlib"))
    found: dict[str, Path] = {}
    for top in sys.stdlib_module_names:
        if _private(top):
            continue
        if (library / f"{top}.py").is_file():
            found[top] = library / f"{top}.py"
        for path in (library / top).rglob("*.py"):
            parts = path.relative_to(library).with_suffix("").parts
            if parts[-1] == "__init__":
                parts = parts[:-1]
            if not any(map(_private, parts)):
                found[".".join(parts)] = path
    return sorted(found.items())


def _private(part: str) -> bool:
    return part.startswith("_") or part in _SKIPPED


def entries(module: str, path: Path) -> Iterator[Entry]:
    """What a module documents, the module itself first; nothing if it cannot be parsed."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return
    if text := ast.get_docstring(tree):
        yield Entry(module, module, f"Module {module}\n{text}")
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _class(module, node)
        elif isinstance(node, _FUNCTIONS):
            yield from _function(module, f"{module}.", node)


def _class(module: str, node: ast.ClassDef) -> Iterator[Entry]:
    bases = ", ".join(map(ast.unparse, node.bases))
    name = f"{module}.{node.name}"
    if text := ast.get_docstring(node):
        yield Entry(module, name, f"class {name}({bases})\n{text}")
    for member in node.body:
        if isinstance(member, _FUNCTIONS):
            yield from _function(module, f"{name}.", member)


def _function(
    module: str, prefix: str, node: ast.FunctionDef | ast.AsyncFunctionDef
) -> Iterator[Entry]:
    text = ast.get_docstring(node)
    if text and not node.name.startswith("_"):
        keyword = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        signature = f"{keyword} {prefix}{node.name}({ast.unparse(node.args)}){returns}"
        yield Entry(module, f"{prefix}{node.name}", f"{signature}\n{text}")


def cache_file(directory: Path) -> Path:
    """Where the documentation of this Python is kept."""
    return directory / f"stdlib-{platform.python_version()}.jsonl"


def load(path: Path) -> list[Entry] | None:
    """The entries kept at ``path``; ``None`` if there are none."""
    if not path.is_file():
        return None
    with path.open(encoding="utf-8") as lines:
        return [Entry(**json.loads(line)) for line in lines]


def save(path: Path, found: list[Entry]) -> None:
    """Keep entries at ``path``, complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    building = path.with_suffix(f".{os.getpid()}")
    with building.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(asdict(entry)) + "\n" for entry in found)
    building.replace(path)
