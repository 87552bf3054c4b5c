"""Runnables whose calls are learned: what they always use, and what is left to the original."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ayo_bridge.lift.recognise import class_of
from ayo_langchain.graph_nodes import always_run
from ayo_langchain.known import is_binding

_LIBRARIES: Final = ("langchain_core.", "langchain_openai.", "langchain_community.")
"""Packages whose models and stores ask by what stands in their fields, and by nothing else."""
_LIMIT: Final = "max_concurrency"
_CONFIGURABLE: Final = "configurable"


def limited(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a call says, or the one around it has said, how much may run at once.

    Calls made ahead would come on top of that.
    """
    from langchain_core.runnables.config import var_child_runnable_config

    given = args[1] if len(args) > 1 else kwargs.get("config")
    configs = given if isinstance(given, list | tuple) else (given,)
    around = var_child_runnable_config.get()
    return any(
        isinstance(config, Mapping) and config.get(_LIMIT) is not None
        for config in (*configs, around)
    )


def apart(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a call says of each of its inputs something else: of one tenant and another.

    One call learns by what it asks, not of whom: who used its client first would ask for all.
    """
    given = args[1] if len(args) > 1 else kwargs.get("config")
    if not isinstance(given, list | tuple):
        return False
    said = [config.get(_CONFIGURABLE) for config in given if isinstance(config, Mapping)]
    return any(each != said[0] for each in said)


def alone(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a call is left to the original."""
    return limited(args, kwargs) or apart(args, kwargs)


def always_used(runnable: Any) -> Iterator[object]:
    """The clients and stores that every call of a runnable uses, whatever its input is.

    They are read off the structure that does not choose: sequences, parallels, what is bound, and
    nodes of graphs to which plain edges lead.
    """
    from langchain_core.language_models import BaseLanguageModel
    from langchain_core.runnables import RunnableAssign, RunnableParallel, RunnableSequence
    from langchain_core.runnables.base import RunnableEach
    from langchain_core.vectorstores import VectorStoreRetriever

    cls = class_of(runnable)
    if cls is RunnableSequence:
        parts = runnable.steps
    elif cls is RunnableParallel:
        parts = list(runnable.steps__.values())
    elif cls is RunnableAssign:
        parts = [runnable.mapper]
    elif cls is RunnableEach or is_binding(runnable):
        parts = [runnable.bound]
    else:
        parts = list(always_run(runnable))
    for part in parts:
        yield from always_used(part)
    if isinstance(runnable, BaseLanguageModel) and cls.__module__.startswith(_LIBRARIES):
        yield from vars(runnable).values()
    elif cls is VectorStoreRetriever:
        yield runnable.vectorstore
