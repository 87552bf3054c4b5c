"""What LangChain's factories make: chains that a call joins, prompts, retrievers over stores.

Written for langchain-core 1.7.2. What is made asks by its parts (:mod:`.always_used`).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from ayo_bridge.learn.certain.reading import is_plain
from ayo_bridge.lift.asking import ABSENT, Given, Making, StandIn, stands_for
from ayo_bridge.lift.recognise import class_of, loaded
from ayo_langchain.always_used import searched
from ayo_langchain.composing import COMPOSING
from ayo_langchain.known import overridden, replaced

_PROMPTS: Final = "langchain_core.prompts"
_MADE: Final = {
    (f"{_PROMPTS}.chat", "ChatPromptTemplate"): ("from_template", "from_messages"),
    (f"{_PROMPTS}.prompt", "PromptTemplate"): ("from_template",),
    ("langchain_core.output_parsers.string", "StrOutputParser"): ("",),
}
"""Classes of runnables that ask nobody, and the class methods that make them of texts."""
_JOINS: Final = "__or__"


def makes(obj: Any, steps: Sequence[str], given: Given) -> Making | None:
    """What a call of a factory comes to; ``None``: that is not known."""
    if len(steps) > 1 or "langchain_core.runnables" not in sys.modules or not _is_tested():
        return None
    name = steps[0] if steps else ""
    if isinstance(obj, type):
        return _of_texts(obj, name, given)
    if name == _JOINS:
        return _joined(obj, *given.args)
    if name == "as_retriever" and not given.args:
        return _retriever(obj, given)
    return None


@cache
def _is_tested() -> bool:
    return COMPOSING.unsupported() is None


def _of_texts(cls: type, name: str, given: Given) -> Making | None:
    known = (cls.__module__, cls.__name__)
    if name not in _MADE.get(known, ()) or loaded(*known) is not cls:
        return None
    if name and replaced(cls, name) is not None:
        return None
    named = given.kwargs.values()
    texts = all(map(_is_text, (*given.args, *named))) and not any(v is ABSENT for v in named)
    return Making(StandIn(cls)) if texts else None


def _is_text(value: Any) -> bool:
    """Whether a value is a text, or a list of such: no function that a prompt would call."""
    if type(value) in (list, tuple):
        return all(map(_is_text, value))
    return type(value) is not dict and is_plain(value)


def _joined(left: Any, right: Any) -> Making | None:
    """``left | right``: the parts one after the other."""
    from langchain_core.runnables import Runnable, RunnableSequence

    parts = [*_parts(left, RunnableSequence), *_parts(right, RunnableSequence)]
    kinds = [stands_for(each) or type(each) for each in (left, right)]
    if not all(issubclass(kind, Runnable) for kind in kinds):
        return None
    if not (_is_own(left, kinds[0], _JOINS) and _is_own(right, kinds[1], "__ror__")):
        return None
    return Making(StandIn(RunnableSequence, steps=parts))


def _parts(runnable: Any, sequence: type) -> list[Any]:
    known = (stands_for(runnable) or class_of(runnable)) is sequence
    return list(runnable.steps) if known else [runnable]


def _is_own(obj: Any, cls: type, method: str) -> bool:
    """Whether an object has a method from LangChain, as that wrote it."""
    owner = next(base for base in cls.__mro__ if method in vars(base))
    made = stands_for(obj) is not None
    changed = replaced(cls, method) if made else overridden(obj, method)
    return owner.__module__.startswith("langchain_") and changed is None


def _retriever(store: Any, given: Given) -> Making | None:
    """A retriever over a store whose searches are known."""
    from langchain_core.vectorstores import VectorStoreRetriever

    if stands_for(store) is not None or searched(store) is None:
        return None
    plain = all(map(is_plain, given.kwargs.values()))
    if not plain or overridden(store, "as_retriever") is not None:
        return None
    return Making(StandIn(VectorStoreRetriever, vectorstore=store))
