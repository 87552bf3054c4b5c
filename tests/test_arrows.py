"""Inside the core imports go down the layers only, and no two modules need each other."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
CORE = REPOSITORY / "ayo_bridge"
LAYERS = (
    *("errors", "events", "seam", "graph", "passes", "schedule", "engines", "bindings", "record"),
    *(
        "profile",
        "simulate",
        "runahead",
        "telemetry",
        "arguments",
        "runtime",
        "lift",
        "learn",
        "observe",
        "serving",
    ),
    *("workflow", "adapter", "autorun", "api", "doctor", "verify", "pages", "bench", "top", "cli"),
    "__main__",
)
"""From the bottom to the top: a module may import its own layer and those before it."""


IN_LEARNING = {
    "tracing": set[str](),
    "induction": set[str](),
    "certain": {"tracing"},
    "disk": {"tracing"},
    "live": {"tracing", "induction", "certain", "disk"},
}
"""Which packages of learning each one imports, beside what they all stand on."""


def module_name(source: Path) -> str:
    parts = source.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(source): source for source in CORE.rglob("*.py")}


def imported(source: Path) -> Iterator[str]:
    """The core's modules that `source` imports: also in functions, also for types alone."""
    for node in ast.walk(ast.parse(source.read_text(), str(source))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name for name in names if name in MODULES)
            if any(name not in MODULES for name in names):
                yield node.module


def layer(module: str) -> int:
    parts = module.split(".")
    return len(LAYERS) if len(parts) == 1 else LAYERS.index(parts[1])


def test_every_module_belongs_to_a_layer() -> None:
    assert {module.split(".")[1] for module in MODULES if "." in module} <= set(LAYERS)


def test_no_import_goes_up() -> None:
    up = [
        f"{module} -> {other}"
        for module, source in MODULES.items()
        for other in imported(source)
        if layer(other) > layer(module)
    ]
    assert not up


def test_what_is_traced_what_is_induced_and_what_is_kept_know_nothing_of_one_another() -> None:
    def package(module: str) -> str:
        parts = module.split(".")
        return parts[2] if parts[:2] == ["ayo_bridge", "learn"] and len(parts) > 2 else ""

    wrong = [
        f"{module} -> {other}"
        for module, source in MODULES.items()
        if module.startswith("ayo_bridge.learn.")
        for other in imported(source)
        if (own := package(module)) != (its := package(other)) and its in IN_LEARNING
        if its not in IN_LEARNING.get(own, set())
    ]
    assert not wrong


def test_no_modules_import_each_other_in_a_circle() -> None:
    # A package's __init__ hands out what its modules hold: importing it is importing those.
    arrows = {
        module: {other for other in imported(source) if not module.startswith(f"{other}.")}
        for module, source in MODULES.items()
    }
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise AssertionError(circle) from None


def test_the_check_sees_an_import_in_a_function_and_one_for_types(tmp_path: Path) -> None:
    source = tmp_path / "lazy.py"
    source.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from ayo_bridge.runtime import Runtime\n"
        "def f():\n    from ayo_bridge import api\n"
    )
    assert set(imported(source)) == {"ayo_bridge.runtime", "ayo_bridge.api"}
