"""What LangChain's own code is."""

from __future__ import annotations

from typing import Final

from ayo_bridge.lift.recognise import PLAIN, class_of

CORE: Final = ("1.2", "2")
CLASSIC: Final = ("1.0", "2")
"""Versions of langchain-core and langchain-classic that the lifters were written for, half open
(read and run with langchain-core 1.7.2 and langchain-classic 1.0.8)."""

differs: Final = PLAIN.differs
overridden: Final = PLAIN.overridden
replaced: Final = PLAIN.replaced


def is_binding(obj: object) -> bool:
    """Whether ``obj`` is a runnable with arguments bound to it, as ``bind`` makes it.

    Chat models make bindings of a class of their own, which only adds types.
    """
    from langchain_core.runnables import RunnableBinding

    cls = class_of(obj)
    return issubclass(cls, RunnableBinding) and cls.__module__.startswith("langchain_core.")
