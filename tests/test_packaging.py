"""What pyproject.toml lets in is what the bindings were tested with, and what it says is so."""

import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

import ayo_bridge
import ayo_bridge.bindings
import ayo_langchain
import ayo_llamaindex
from ayo_bridge.bindings.binding import Binding
from tests.installs.extras import PROJECT, QUICK_STARTS, REPOSITORY, SKIPPED, requirements

EXTRAS = {
    extra: [Requirement(line) for line in lines]
    for extra, lines in PROJECT["optional-dependencies"].items()
}
BROUGHT_ALONG = {
    *("httpx", "httpx2", "openai", "langchain-text-splitters"),
    *("aiohttp", "requests", "urllib3"),
    "vllm",
}
"""Dependencies of the frameworks' own clients, which choose the version. As a server vLLM may
be of more versions than in process."""


def bindings_of(package: ModuleType) -> Iterator[Binding]:
    """The bindings that a package's modules hold, alone or in a tuple."""
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        for value in vars(import_module(found.name)).values():
            several = value if isinstance(value, tuple | list) else (value,)
            yield from (one for one in several if isinstance(one, Binding))


TESTED = {
    (binding.distribution, binding.tested)
    for package in (ayo_bridge.bindings, ayo_langchain, ayo_llamaindex)
    for binding in bindings_of(package)
    if binding.distribution not in BROUGHT_ALONG
}


def bound(requirement: Requirement, operator: str) -> Version | None:
    found = [one.version for one in requirement.specifier if one.operator == operator]
    return Version(found[0]) if found else None


def test_there_is_a_binding_for_each_framework_and_for_the_models() -> None:
    assert {distribution for distribution, _ in TESTED} >= {
        *("langchain-core", "langchain-classic", "langgraph"),
        *("llama-index-core", "sentence-transformers"),
    }


@pytest.mark.parametrize(("distribution", "tested"), sorted(TESTED))
def test_the_range_of_a_distribution_is_the_tested_one(
    distribution: str, tested: tuple[str, str]
) -> None:
    ranges = {
        (bound(requirement, ">="), bound(requirement, "<"))
        for requirements in EXTRAS.values()
        for requirement in requirements
        if requirement.name == distribution
    }
    assert ranges == {(Version(tested[0]), Version(tested[1]))}


def brought(extra: str) -> set[str]:
    """The distributions that an extra brings, those of the extras it names included."""
    return {requirement.name for requirement in requirements(extra)}


@pytest.mark.parametrize(
    ("extra", "lifted"),
    [
        ("langchain", {"langchain-classic", "langchain-openai", "numpy"}),
        ("langchain-embeddings", {"langchain-huggingface", "sentence-transformers"}),
        ("langgraph", {"langchain-openai", "langgraph"}),
        ("llama-index", {"llama-index-llms-openai-like"}),
        ("llama-index-embeddings", {"llama-index-embeddings-huggingface", "sentence-transformers"}),
        ("llama-index-pgvector", {"llama-index-vector-stores-postgres"}),
    ],
)
def test_an_extra_brings_what_it_lifts(extra: str, lifted: set[str]) -> None:
    assert brought(extra) >= lifted


def test_langchain_with_embeddings_lifts_its_embedding_models() -> None:
    together = brought("langchain") | brought("embeddings")
    assert together >= {"langchain-huggingface", "sentence-transformers"}


def test_all_is_every_extra_but_what_depends_on_the_machine_and_what_benchmarks_need() -> None:
    left_out = ("all", "vllm", "ray")
    every = {name for extra in EXTRAS if extra not in left_out for name in brought(extra)}
    assert brought("all") == every
    assert not every & {"vllm", "ray"}


def test_the_locked_versions_are_ones_that_the_extras_let_in() -> None:
    lock = (REPOSITORY / ".ci" / "requirements.txt").read_text()
    pinned = dict(line.split("==", 1) for line in lock.splitlines() if "==" in line)
    required = [one for lines in EXTRAS.values() for one in lines if one.name in pinned]
    assert {one.name for one in required} >= {distribution for distribution, _ in TESTED}
    assert not [str(one) for one in required if pinned[one.name] not in one.specifier]


def test_every_program_of_an_extra_is_there() -> None:
    assert {*QUICK_STARTS, *SKIPPED} - {"none"} <= {*EXTRAS}
    programs = [program.file for programs in QUICK_STARTS.values() for program in programs]
    assert not [file for file in programs if not (REPOSITORY / file).is_file()]


def test_the_pythons_that_are_named_are_those_that_are_let_in() -> None:
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert named == ["3.11", "3.12", "3.13"]
    let_in = SpecifierSet(PROJECT["requires-python"])
    assert all(version in let_in for version in named)
    assert "3.10" not in let_in


def test_the_package_has_the_version_of_the_project() -> None:
    assert ayo_bridge.__version__ == PROJECT["version"]


def test_the_readme_leads_somewhere_from_an_index_too() -> None:
    text = (REPOSITORY / "README.md").read_text("utf-8")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    assert not [link for link in links if not link.startswith(("https://", "#"))]
    ours = "https://github.com/ayo-bridge/ayo-bridge/blob/main/"
    files = [link.removeprefix(ours).partition("#")[0] for link in links if link.startswith(ours)]
    assert not [file for file in files if not (REPOSITORY / file).is_file()]
