"""Runs the Python blocks of a document one after another, as a reader would."""

import ast
import asyncio
import gc
import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence, Set
from types import CodeType, ModuleType
from typing import Any, Final

from tests.docs.blocks import Block

_TOP_LEVEL_AWAIT: Final = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


Afterwards = Callable[[ModuleType], Coroutine[Any, Any, None]]
"""Uses what the blocks have made, on their loop."""


def run(
    blocks: Sequence[Block],
    names: Mapping[str, Any],
    instead: Mapping[str, str],
    afterwards: Afterwards | None = None,
    others: Sequence[object] = (),
) -> ModuleType:
    """Run the blocks in one module and on one loop; they may await outside of functions.

    Args:
        names: what the module has at first.
        instead: texts that stand in for others in the sources: URLs, paths of models.
        afterwards: what else is done with the module before the loop ends.
        others: clients of the SDK that are not the reader's, and stay as they are.

    Returns:
        the module, with what the blocks have made.
    """
    module = ModuleType("document")
    vars(module).update(names)
    with asyncio.Runner() as runner:
        for block in blocks:
            code = _compiled(block, instead)
            if code.co_flags & inspect.CO_COROUTINE:
                runner.run(eval(code, vars(module)))
            else:
                exec(code, vars(module))
        if afterwards is not None:
            runner.run(afterwards(module))
        runner.run(_close_clients({id(each) for each in others}))
    return module


def clients() -> list[Any]:
    """The clients of the SDK that there are."""
    from openai import AsyncOpenAI, OpenAI

    return [found for found in gc.get_objects() if type(found) in (AsyncOpenAI, OpenAI)]


async def _close_clients(others: Set[int]) -> None:
    """What the end of a reader's process would close: clients belong to this loop.

    Those of another test do not: what it has used on a loop of its own is only torn here.
    """
    for found in clients():
        if id(found) not in others:
            closing = found.close()
            if closing is not None:
                await closing


def _compiled(block: Block, instead: Mapping[str, str]) -> CodeType:
    """The code of a block, whose tracebacks name the document and its lines."""
    source = block.text
    for shown, real in instead.items():
        source = source.replace(shown, real)
    padded = "\n" * (block.line - 1) + source
    code = compile(padded, str(block.document), "exec", flags=_TOP_LEVEL_AWAIT)
    assert isinstance(code, CodeType)
    return code
