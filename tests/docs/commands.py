"""Whether a command line of a document would be understood by what it calls."""

import re
import shlex
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import typer.main

from ayo_bridge.cli import app
from tests.docs.blocks import REPOSITORY, Block

OTHERS: Final = frozenset(
    ("cd", "celery", "curl", "export", "git", "gunicorn", "pytest", "uvicorn", "vllm")
)
"""Programs that are not ours: only their names are checked."""
_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]*=")


class WrongCommandError(Exception):
    """A command of a document does not exist, or does not take what it is given."""


def commands_of(block: Block) -> Iterator[list[str]]:
    """The words of each command, without comments and without variables set for it."""
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and _VARIABLE.match(words[0]):
            words.pop(0)
        if words:
            yield words


def check(words: Sequence[str]) -> None:
    """Have a command's arguments parsed by what it calls; nothing is run.

    Raises:
        WrongCommandError: with what is wrong.
    """
    program, arguments = words[0], list(words[1:])
    if program == "ayo-bridge":
        _parse(arguments)
    elif program == "make":
        _make(arguments)
    elif program in ("python", "python3", ".venv/bin/python"):
        _python(arguments)
    elif program == "pip":
        _pip(arguments)
    elif program not in OTHERS and not (REPOSITORY / program).is_file():
        raise WrongCommandError(f"nobody knows {program}")


def _parse(arguments: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    name = "ayo-bridge"
    while hasattr(command, "commands") and arguments and not arguments[0].startswith("-"):
        name = arguments.pop(0)
        if name not in command.commands:
            raise WrongCommandError(f"ayo-bridge has no command {name}")
        command = command.commands[name]
    if hasattr(command, "commands") and arguments in (["--version"], ["--help"]):
        return
    try:
        context = command.make_context(name, arguments)
    except Exception as error:  # click's own class is typer's private copy of it
        raise WrongCommandError(f"ayo-bridge {name}: {error}") from error
    if name == "run" and not context.args:
        raise WrongCommandError("ayo-bridge run: no program is named")


def _make(arguments: Sequence[str]) -> None:
    targets = {word for word in arguments if not _VARIABLE.match(word)}
    known = set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    if unknown := targets - known:
        raise WrongCommandError(f"the Makefile has no target {unknown}")
    for word in arguments:
        variable = word.partition("=")[0]
        if "=" in word and f"$({variable})" not in (REPOSITORY / "Makefile").read_text():
            raise WrongCommandError(f"the Makefile does not read {variable}")


def _python(arguments: Sequence[str]) -> None:
    if arguments[0] != "-m":
        if not (REPOSITORY / arguments[0]).is_file():
            raise WrongCommandError(f"there is no {arguments[0]}")
        return
    module = arguments[1]
    if module in OTHERS:
        return
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise WrongCommandError(f"there is no module {module}")
    source = _source(Path(spec.origin))
    for word in arguments[2:]:
        option = word.strip("[]")
        if option.startswith("--") and not _takes(source, option):
            raise WrongCommandError(f"{module} takes no {option}")


@cache
def _source(origin: Path) -> str:
    """The text of a module; of a package, that of all its modules."""
    files = sorted(origin.parent.glob("*.py")) if origin.name == "__init__.py" else [origin]
    return "\n".join(each.read_text("utf-8") for each in files)


def _takes(source: str, option: str) -> bool:
    """Whether a source declares an option, by its name or as a parameter of that name."""
    parameter = option.removeprefix("--").replace("-", "_")
    return f'"{option}"' in source or re.search(rf"^    {parameter}: ", source, re.M) is not None


def _pip(arguments: Sequence[str]) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    for word in arguments:
        named = re.fullmatch(r"(?:\./)?ayo-bridge\[(.*)\]|\.\[(.*)\]", word)
        extras = (
            {one for group in named.groups() if group for one in group.split(",")} if named else ()
        )
        if unknown := set(extras) - set(project["optional-dependencies"]):
            raise WrongCommandError(f"there is no extra {unknown}")
