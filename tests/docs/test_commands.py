"""Every command in the documents is one that exists, with arguments that it takes."""

import re

import pytest

from tests.docs.blocks import DOCUMENTS, PAGES, blocks, blocks_of
from tests.docs.commands import WrongCommandError, check, commands_of

LANGUAGES = {"python", "sh", "text", "toml", "json", "html", "yaml"}


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
    import shlex

    with pytest.raises(WrongCommandError):
        check(shlex.split(line))


def test_every_option_that_the_page_of_commands_names_is_one() -> None:
    text = (PAGES / "cli.md").read_text("utf-8")
    sections = re.split(r"^## `ayo-bridge ([\w -]+)`$", text, flags=re.MULTILINE)[1:]
    named = dict(zip(sections[::2], sections[1::2], strict=True))
    assert {"run", "doctor", "serve-llm", "profile"} <= set(named)
    for command, section in named.items():
        for option in re.findall(r"^\| `(--[\w-]+)", section, re.MULTILINE):
            known = _options(command)
            assert option in known, f"{command} {option}"


def _options(command: str) -> set[str]:
    from typing import Any

    import typer.main

    from ayo_bridge.cli import app

    found: Any = typer.main.get_command(app)
    for name in command.split():
        found = found.commands[name]
    nested = getattr(found, "commands", {}).values()
    return {name for one in (found, *nested) for each in one.params for name in each.opts}
