"""Every command in the documents is one that exists, with arguments that it takes."""

import re
import shlex
from typing import Any

import pytest
import typer.main

from ayo_bridge.cli import app
from tests.docs.blocks import DOCUMENTS, PAGES, blocks, blocks_of
from tests.docs.commands import WrongCommandError, check, commands_of

LANGUAGES = {"mermaid", "python", "sh", "text", "toml", "json", "html", "yaml"}


def test_every_block_says_what_it_is() -> None:
    found = [block for document in DOCUMENTS for block in blocks_of(document)]
    assert len(found) > 40
    assert [str(block) for block in found if block.language not in LANGUAGES] == []


def test_every_command_of_the_documents_is_understood() -> None:
    checked, wrong = 0, []
    for block in blocks("sh"):
        for words in commands_of(block):
            checked += 1
            try:
                check(words)
            except WrongCommandError as error:
                wrong.append(f"{block}: {error}")
    assert wrong == []
    assert checked > 30


@pytest.mark.parametrize(
    "line",
    [
        "ayo-bridge dance",
        "ayo-bridge serve-llm model --prot 8000",
        "ayo-bridge serve-llm model --port many",
        "ayo-bridge run --explain",
        "make tea",
        "make demo SUGAR=1",
        "python -m benchmarks.tea",
        "python -m benchmarks.overhead --sugar 2",
        "python examples/tea.py",
        "pip install 'ayo-bridge[tea]'",
        "tea --now",
    ],
)
def test_a_command_that_nobody_understands_is_found(line: str) -> None:
    with pytest.raises(WrongCommandError):
        check(shlex.split(line))


def test_the_page_of_commands_has_all_commands_with_all_options() -> None:
    text = (PAGES / "cli.md").read_text("utf-8")
    sections = re.split(r"^## `ayo-bridge ([\w-]+)`$", text, flags=re.MULTILINE)[1:]
    named = dict(zip(sections[::2], sections[1::2], strict=True))
    commands: Any = typer.main.get_command(app)
    assert set(named) == set(commands.commands)
    for name, section in named.items():
        told = set(re.findall(r"^\| `(--[\w-]+)", section, re.MULTILINE))
        assert told == _options(commands.commands[name]), name


def _options(command: Any) -> set[str]:
    """The long options of a command and of those below it."""
    own = [option for each in command.params for option in each.opts]
    below = [_options(each) for each in getattr(command, "commands", {}).values()]
    return {option for option in own if option.startswith("--")}.union(*below)
