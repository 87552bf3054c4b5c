"""What would be published: what the files hold, and that the wheel works on its own."""

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.installs.environments import Environment, build_wheel, make
from tests.installs.extras import NONE, REPOSITORY, requirements
from tests.stub_openai import StubOpenAI


@dataclass(frozen=True, slots=True)
class Built:
    wheel: Path
    source: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("built")
    wheel = build_wheel(folder)
    [source] = folder.glob("*.tar.gz")
    return Built(wheel, source)


def files(*folders: Path) -> set[str]:
    """What stands below the folders, each by its path from the folder's parent."""
    return {
        path.relative_to(folder.parent).as_posix()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".log" and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_packages_and_nothing_else(built: Built) -> None:
    packages = [REPOSITORY / "ayo_bridge", *sorted((REPOSITORY / "adapters").glob("ayo_*"))]
    with zipfile.ZipFile(built.wheel) as wheel:
        held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == files(*packages) | {"ayo_bridge_start.pth"}
    assert {"ayo_bridge/py.typed", "ayo_langchain/__init__.py"} <= held


def test_the_source_distribution_holds_what_a_test_run_needs_and_nothing_that_was_built(
    built: Built,
) -> None:
    with tarfile.open(built.source) as source:
        held = {name.partition("/")[2] for name in source.getnames()}
    folders = [REPOSITORY / name for name in ("ayo_bridge", "adapters", "tests", "docs")]
    assert held >= files(*folders)
    assert held >= {"README.md", "LICENSE", "CHANGELOG.md", "Makefile", ".ci/requirements.txt"}
    assert not {name for name in held if name.startswith((".venv", "dist", ".git/"))}
    assert not {name for name in held if "__pycache__" in name}


def closure(wanted: Iterable[Requirement]) -> set[str]:
    """The distributions that are asked for, and those that these ask for."""
    found: set[str] = set()
    pending = list(wanted)
    while pending:
        requirement = pending.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        if requirement.name not in found:
            found.add(requirement.name)
            pending += map(Requirement, distribution(requirement.name).requires or ())
    return found


def link(name: str, site_packages: Path) -> None:
    """Have an environment see one distribution of ours."""
    held = distribution(name)
    for top in {file.parts[0] for file in held.files or () if file.parts[0] != ".."}:
        if not (site_packages / top).exists():
            (site_packages / top).symlink_to(Path(str(held.locate_file(top))))


@pytest.fixture(scope="module")
def alone(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel in an environment that has what the core asks for, and no more."""
    python = Path(sys.executable)
    environment = make(python, tmp_path_factory.mktemp("alone"))
    for name in closure(requirements(NONE)):
        link(name, environment.site_packages)
    pip = [python, "-m", "pip", "--python", environment.python, "install", "-qq", "--no-index"]
    environment.must(*pip, "--no-deps", "--disable-pip-version-check", built.wheel)
    return environment


def test_alone_the_wheel_runs_a_workflow_and_a_function(alone: Environment) -> None:
    program = REPOSITORY / "tests" / "installs" / "programs" / "own_workflow.py"
    with StubOpenAI(latency=0.0) as stub:
        alone.must(alone.python, "-I", program, stub.base_url)
        assert {request.path for request in stub.calls} == {"/v1/completions"}
    assert alone.must(alone.command, "--version").startswith("ayo-bridge ")


@pytest.mark.parametrize(("value", "started"), [("0", False), ("1", True)])
def test_the_installed_line_starts_it_where_it_is_wanted(
    alone: Environment, value: str, started: bool
) -> None:
    code = "import sys; print('ayo_bridge.autorun.start' in sys.modules)"
    ran = subprocess.run(
        [alone.python, "-c", code], env={"AYO_BRIDGE": value}, capture_output=True, text=True
    )
    assert (ran.stdout, ran.stderr) == (f"{started}\n", "")


def test_make_alone_tells_every_target_that_can_be_made() -> None:
    made = subprocess.run(["make", "-s"], cwd=REPOSITORY, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    told = {line.split()[1] for line in made.stdout.splitlines()}
    text = (REPOSITORY / "Makefile").read_text("utf-8")
    [phony] = [line for line in text.splitlines() if line.startswith(".PHONY:")]
    assert told == {*phony.split()[1:]}


def test_a_tag_of_another_version_makes_no_release() -> None:
    command = [sys.executable, ".ci/release_notes", "v0.0.0"]
    made = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert made.returncode == 1
    assert made.stderr.startswith("the tag names 0.0.0, pyproject.toml ")
