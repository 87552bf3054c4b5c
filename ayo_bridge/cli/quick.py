"""`ayo-bridge run` without importing what reads command lines: each start would wait for it.

It knows the options of :func:`ayo_bridge.cli.run.run`, and understands only what needs no word.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_FLAGS = ("--explain", "--stats", "--no-learn", "--top")
_VALUED = ("--timeline", "--verify", "--log")
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def run_at_once(args: Sequence[str]) -> None:
    """Become the program; return if that is not all: help is asked for, or something is wrong."""
    if os.environ.get("AYO_ENGINES"):
        return  # What it names is to be read.
    options, at = {}, 0
    while at < len(args) and args[at] in (*_FLAGS, *_VALUED):
        name = args[at]
        at += 1
        if name in _FLAGS:
            options[name] = ""
        elif at < len(args):
            options[name] = args[at]
            at += 1
        else:
            return
    as_command = args[at : at + 1] == ["--"]
    program = args[at + as_command :]
    named = as_command or (program and (program[0][:1] != "-" or program[0][:2] == "-m"))
    if not (program and named and _are_well(options)):
        return
    from ayo_bridge.autorun.launch import launch
    from ayo_bridge.autorun.settings import variables

    told = variables(
        explain="--explain" in options,
        stats="--stats" in options,
        timeline=options.get("--timeline"),
        learn="--no-learn" not in options,
        top="--top" in options,
        log=options.get("--log"),
        verify=options.get("--verify"),
    )
    try:
        launch(program, told, as_command=as_command)
    except Exception:
        return  # The other one says it.


def _are_well(options: dict[str, str]) -> bool:
    """Whether each has a value that will do."""
    file, level = options.get("--timeline"), options.get("--log")
    return (
        (file is None or file.lower().endswith((".html", ".json")))
        and (level is None or level.upper() in _LEVELS)
        and is_share(options.get("--verify"))
    )


def is_share(text: str | None) -> bool:
    """Whether this is a share of calls, or nothing."""
    try:
        return text is None or 0 <= float(text) <= 1
    except ValueError:
        return False
