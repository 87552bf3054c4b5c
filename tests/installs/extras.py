"""The extras of pyproject.toml, and the programs that show each of them at work."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement

REPOSITORY: Final = Path(__file__).resolve().parents[2]
PROJECT: Final[dict[str, Any]] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))[
    "project"
]
NONE: Final = "none"
"""No extra."""
MODELS: Final = "sentence-transformers"
"""Needs torch, of which most people want a certain build."""


@dataclass(frozen=True, slots=True)
class QuickStart:
    """A program that is given the stub's URL, and the URLs and paths it needs besides.

    Its exit status says whether it works, the last line it prints what was seen.
    """

    file: str
    """Below the repository."""
    postgres: bool = False
    """It is given the URL of a Postgres with pgvector."""
    embedding: bool = False
    """It is given the folder of an embedding model."""
    documents: bool = False
    """A published example: URL, model, folder of documents, question."""
    unchanged: bool = False
    """It knows nothing of ayo-bridge: it is run as it is and by ``ayo-bridge run``."""
    overlaps: bool = False
    """Accelerated, some of its requests are under way at once; none are as it is."""


def _program(name: str, **needs: bool) -> QuickStart:
    return QuickStart(f"tests/installs/programs/{name}.py", **needs)


_ALONE: Final = (_program("own_workflow"),)
_LLAMA_INDEX: Final = (
    _program("llama_index_engine", overlaps=True),
    QuickStart("tests/autorun/apps/llama_index_app.py", unchanged=True, overlaps=True),
)
_LANGCHAIN: Final = (
    _program("langchain_retriever"),
    QuickStart("tests/autorun/apps/langchain_app.py", unchanged=True, overlaps=True),
)
QUICK_STARTS: Final[dict[str, tuple[QuickStart, ...]]] = {
    NONE: _ALONE,
    "llama-index": _LLAMA_INDEX,
    "llama-index-embeddings": (
        QuickStart("examples/llamaindex_rag.py", embedding=True, documents=True),
    ),
    "llama-index-pgvector": (_program("llama_index_postgres", postgres=True),),
    "langchain": _LANGCHAIN,
    "langchain-embeddings": (
        QuickStart("examples/langchain_rag.py", embedding=True, documents=True),
    ),
    "langgraph": (_program("langgraph_graph", overlaps=True),),
    "embeddings": (_program("embedding_workflow", embedding=True),),
    "pgvector": (_program("postgres_workflow", postgres=True),),
    "embedded": (_program("embedded_postgres"),),
    "otel": (_program("spans"),),
    "metrics": (_program("metrics"),),
    "bench": (_program("bench_page"),),
}
"""By extra; one without any is installed and examined only. ``all`` runs every program."""
SKIPPED: Final = {"vllm": "depends on the machine: it wants a GPU, or a CPU build of vLLM"}
"""Extras that cannot be tried everywhere, with the reason."""


def extras() -> tuple[str, ...]:
    """What can be installed, no extra first."""
    return (NONE, *PROJECT["optional-dependencies"])


def quick_starts(extra: str) -> tuple[QuickStart, ...]:
    """The programs that have to run with an extra."""
    if extra == "all":
        return tuple(program for programs in QUICK_STARTS.values() for program in programs)
    return QUICK_STARTS.get(extra, _ALONE)


def requirements(extra: str) -> tuple[Requirement, ...]:
    """What an extra asks for, that of the extras it names included; without any, the core."""
    if extra == NONE:
        return tuple(map(Requirement, PROJECT["dependencies"]))
    found: dict[str, Requirement] = {}
    for requirement in map(Requirement, PROJECT["optional-dependencies"][extra]):
        if requirement.name == PROJECT["name"]:
            found |= {each.name: each for e in requirement.extras for each in requirements(e)}
        else:
            found[requirement.name] = requirement
    return tuple(found.values())


def floors(extra: str) -> tuple[str, ...]:
    """Pins on the oldest versions that are let in of what an extra and the core ask for themselves.

    Not of what the extras that it names ask for: langgraph may want a newer langchain-core than
    `langchain` does.
    """
    own = () if extra == NONE else map(Requirement, PROJECT["optional-dependencies"][extra])
    return tuple(
        f"{requirement.name}=={specifier.version}"
        for requirement in (*requirements(NONE), *own)
        for specifier in requirement.specifier
        if specifier.operator == ">="
    )
