"""The arrows of the layout, held for every import statement, those inside functions included."""

import ast
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
CORE = REPOSITORY / "ayo_bridge"
ADAPTERS = REPOSITORY / "adapters"
ENGINE_LIBRARIES = frozenset(
    {
        *("torch", "vllm", "transformers", "sentence_transformers"),
        *("httpx", "httpx2", "openai", "psycopg"),
    }
)
ADAPTER_PACKAGES = frozenset({"ayo_llamaindex", "ayo_langchain", "ayo_python"})
TOUCH_ENGINES = ("engines", "bindings", "serving")
FRAMEWORK_OF = {"ayo_llamaindex": ("llama_index",), "ayo_langchain": ("langchain", "langgraph")}


def imported_roots(source: Path) -> frozenset[str]:
    """Top-level names that `source` imports, at module level or inside any function."""
    roots: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text(), str(source))):
        if isinstance(node, ast.Import):
            roots.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            roots.add(node.module.partition(".")[0])
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name | ast.Attribute)
            and (node.func.id if isinstance(node.func, ast.Name) else node.func.attr)
            in {"import_module", "__import__"}
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str)
        ):
            roots.add(node.args[0].value.partition(".")[0])
    return frozenset(roots)


def is_framework(root: str) -> bool:
    return root.startswith(("llama_index", "langchain", "langgraph"))


def forbidden(source: Path) -> frozenset[str]:
    """Which of the imports of `source` break the layering."""
    roots = imported_roots(source)
    if source.is_relative_to(CORE):
        allowed = any(source.is_relative_to(CORE / layer) for layer in TOUCH_ENGINES)
        banned = ADAPTER_PACKAGES if allowed else ADAPTER_PACKAGES | ENGINE_LIBRARIES
        return frozenset(root for root in roots if root in banned or is_framework(root))
    adapter = source.relative_to(ADAPTERS).parts[0]
    return frozenset(
        root
        for root in roots
        if (root in ADAPTER_PACKAGES and root != adapter)
        or (is_framework(root) and not root.startswith(FRAMEWORK_OF.get(adapter, ("none",))))
    )


SOURCES = sorted([*CORE.rglob("*.py"), *ADAPTERS.rglob("*.py")])


def test_imports_follow_the_arrows() -> None:
    assert len(SOURCES) > 400
    found = {source.relative_to(REPOSITORY).as_posix(): forbidden(source) for source in SOURCES}
    assert {name: banned for name, banned in found.items() if banned} == {}


def test_an_import_inside_a_function_is_seen(tmp_path: Path) -> None:
    module = tmp_path / "lazy.py"
    module.write_text("def f():\n    from llama_index.core import Settings\n    import torch.nn\n")
    assert imported_roots(module) == {"llama_index", "torch"}


def test_an_import_by_name_is_seen(tmp_path: Path) -> None:
    module = tmp_path / "by_name.py"
    module.write_text("import importlib\nx = importlib.import_module('vllm.engine')\n")
    assert imported_roots(module) == {"importlib", "vllm"}
