"""The clients and stores that every call of a runnable uses, whatever its input is.

They are read off the structure that does not choose: sequences, parallels and what is bound; and of
functions in it off their bodies.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter, itemgetter
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any, Final

from ayo_bridge.adapter import KNOWN
from ayo_bridge.learn.certain.reading import cells_of, global_of, innermost
from ayo_bridge.learn.certain.running import Certain, run_of
from ayo_bridge.learn.live.clients import OTHERS
from ayo_bridge.lift.asking import ABSENT, Asking, stands_for
from ayo_bridge.lift.recognise import class_of, loaded
from ayo_langchain.embeddings import clients_of
from ayo_langchain.graph_nodes import always_run, first_steps, is_graph
from ayo_langchain.known import differs, is_binding, overridden, replaced
from ayo_langchain.store_rows import known as store_row
from ayo_langchain.stores import store_differs

_LIBRARIES: Final = ("langchain_core.", "langchain_openai.", "langchain_community.")
"""Packages whose models and stores ask by what stands in their fields, and by nothing else."""
_PLAIN: Final = (
    *("langchain_core.prompts.", "langchain_core.output_parsers."),
    "langchain_core.runnables.passthrough",
)
"""Modules of runnables that ask nobody."""
_SIMPLE: Final = (str, bytes, int, float, bool, type(None), type, ModuleType, BuiltinFunctionType)
_SEARCHES: Final = ("similarity_search", "similarity_search_with_score")


def always_used(runnable: Any) -> Iterator[object]:
    """The clients and stores that every call of a runnable uses.

    Those that a function in it certainly uses count where it uses them. :data:`OTHERS` is among
    them if such a function may choose or make others.
    """
    used = _used(runnable)
    yield from used.owners
    yield from used.certain
    if used.chooses:
        yield OTHERS


def asks_by(obj: Any, steps: Sequence[str], awaited: bool) -> Asking | None:
    """What ``runnable.invoke()``, and a search of a store, ask by."""
    if len(steps) != 1 or "langchain_core.runnables" not in sys.modules:
        return None
    from langchain_core.runnables import Runnable

    (name,), made = steps, stands_for(obj)
    if name in ("invoke", "ainvoke") and issubclass(made or type(obj), Runnable):
        changed = overridden(obj, name) if made is None else replaced(made, name)
        used = _used(obj) if changed is None else _Used()
        owners = (*used.owners, *used.certain)
        if not owners or not (awaited or name == "invoke"):
            return None
        return Asking(owners, used.plain and used.single, used.plain)
    asked = searched(obj) if name in _SEARCHES else None
    return None if asked is None else Asking((asked,), True)


def searched(store: Any) -> object | None:
    """What the searches of a store are made by: itself, or its client."""
    row = store_row(store)
    if row is not None:
        return row.client_of(store) if row.refusal(store, differs) is None else None
    vectorstores = sys.modules.get("langchain_core.vectorstores")
    known = vectorstores is not None and type(store) is vectorstores.InMemoryVectorStore
    return store if known and store_differs(store) is None else None


@dataclass(slots=True)
class _Used:
    """What was found.

    Args:
        owners: that every call uses, in all of its tasks and jobs.
        certain: those that functions use.
        chooses: whether some function may choose others.
        plain: whether nothing in it changes for whom is asked.
        single: whether it is one model or store.
    """

    owners: list[object] = field(default_factory=list)
    certain: list[Certain] = field(default_factory=list)
    chooses: bool = False
    plain: bool = False
    single: bool = False


def _used(runnable: Any) -> _Used:
    from langchain_core.language_models import BaseLanguageModel
    from langchain_core.runnables import (
        RunnableAssign,
        RunnableLambda,
        RunnableParallel,
        RunnableSequence,
        RunnableWithFallbacks,
    )
    from langchain_core.runnables.base import RunnableEach
    from langchain_core.runnables.retry import RunnableRetry
    from langchain_core.vectorstores import VectorStoreRetriever

    cls = stands_for(runnable) or class_of(runnable)
    if cls is RunnableSequence:
        return _one_by_one(runnable.steps)
    if cls is RunnableParallel:
        return _side_by_side(runnable.steps__.values())
    if cls is RunnableAssign:
        return _used(runnable.mapper)
    if cls in (RunnableEach, RunnableRetry) or is_binding(runnable):
        return _used(runnable.bound)
    if cls is RunnableWithFallbacks:  # It begins with the first, whatever comes after that.
        used = _used(runnable.runnable)
        return _Used(used.owners, used.certain, chooses=True)
    if cls is RunnableLambda or cls is loaded("langgraph._internal._runnable", "RunnableCallable"):
        return _by_function(runnable)
    if is_graph(runnable):
        return _by_nodes(runnable)
    if isinstance(runnable, BaseLanguageModel) and cls.__module__.startswith(_LIBRARIES):
        held = [each for each in vars(runnable).values() if not isinstance(each, _SIMPLE)]
        return _Used(held, plain=True, single=True)
    if cls is VectorStoreRetriever:
        asked = searched(runnable.vectorstore)
        if asked is None:
            return _Used([runnable.vectorstore], single=True)
        embedding = clients_of(runnable.vectorstore.embeddings)
        return _Used([asked, *embedding], plain=True, single=True)
    return _Used(plain=cls.__module__.startswith(_PLAIN) and not vars(runnable).get("func"))


def _one_by_one(parts: Iterable[Any]) -> _Used:
    """What functions use is certain as long as nothing before them may have changed it."""
    whole = _Used(plain=True)
    for part in parts:
        used = _used(part)
        whole.certain += used.certain if whole.plain else []
        _join(whole, used)
    return whole


def _side_by_side(parts: Iterable[Any]) -> _Used:
    """Of several at once nobody may change anything for the others."""
    whole = _Used(plain=True)
    found = [_used(part) for part in parts]
    for used in found:
        whole.certain += used.certain if all(o.plain for o in found if o is not used) else []
        _join(whole, used)
    return whole


def _by_nodes(graph: Any) -> _Used:
    """What functions of the first step use is certain; of later ones if none changes anything.

    Which nodes run beside those may be said by any of them.
    """
    whole = _Used(plain=True)
    paths = [each.path for named in graph.builder.branches.values() for each in named.values()]
    for part in (*(node.bound for node in graph.nodes.values()), *paths):
        _join(whole, replace(_used(part), owners=[]))
    for at, step in enumerate(first_steps(graph)):
        whole.certain += _side_by_side(step).certain if at == 0 or whole.plain else []
    whole.owners = [owner for part in always_run(graph) for owner in _used(part).owners]
    return whole


def _join(whole: _Used, part: _Used) -> None:
    whole.owners += part.owners
    whole.chooses |= part.chooses
    whole.plain &= part.plain


def _by_function(runnable: Any) -> _Used:
    """What a lambda's function uses, or its asynchronous one: they differ in their sites."""
    functions = [f for name in ("func", "afunc") if (f := vars(runnable).get(name)) is not None]
    whole = _Used(plain=True)
    for function in functions:
        if type(function) in (itemgetter, attrgetter):
            continue
        run = run_of(function, (ABSENT,), {}, KNOWN, outermost=False, whole=False)
        whole.certain += run.asks
        whole.plain &= run.harmless
        whole.chooses |= not run.harmless or _holds_objects(function)
    return whole


def _holds_objects(function: Any) -> bool:
    """Whether a function can hand out a runnable, which is then called: one of several, perhaps."""
    inner, args, kwargs = innermost(function)
    if args or kwargs or type(inner) is not FunctionType:
        return True
    held = [*cells_of(inner).values(), *(inner.__defaults__ or ())]
    held += [global_of(inner.__globals__, name) for name in _names_in(inner.__code__)]
    return not all(
        each is ABSENT or isinstance(each, _SIMPLE) or type(each) is FunctionType for each in held
    )


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)
