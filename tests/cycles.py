"""What of a call waits for the collector: cycles of references that objects of ours are in."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import CoroutineType, FrameType, FunctionType, GeneratorType, MethodType

OURS = ("ayo_bridge", "adapters")


@contextmanager
def collected() -> Iterator[list[str]]:
    """Afterwards the list names what of ours, made inside, only the collector could have freed.

    What hangs on somebody else's cycle does not count.
    """
    found: list[str] = []
    enabled = gc.isenabled()
    gc.collect()
    gc.freeze()  # What is there already is not of this call; it stays so, as what imports made.
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        found += sorted(_in_cycles(gc.garbage))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        if enabled:
            gc.enable()


def _in_cycles(garbage: Sequence[object]) -> set[str]:
    places = {id(each): at for at, each in enumerate(garbage)}
    refers = [[places[id(r)] for r in gc.get_referents(o) if id(r) in places] for o in garbage]
    return {
        _name(each) for at, each in enumerate(garbage) if _is_ours(each) and _reaches(at, refers)
    }


def _reaches(start: int, refers: Sequence[Sequence[int]]) -> bool:
    """Whether one is in a cycle."""
    seen: set[int] = set()
    todo = list(refers[start])
    while todo:
        at = todo.pop()
        if at == start:
            return True
        if at not in seen:
            seen.add(at)
            todo += refers[at]
    return False


def _module(each: object) -> str:
    """Where it is of."""
    match each:
        case MethodType():
            return str(each.__func__.__module__)
        case FunctionType():
            return str(each.__module__)
        case FrameType():
            return str(each.f_globals.get("__name__"))
        case CoroutineType():
            return "" if each.cr_frame is None else _module(each.cr_frame)
        case GeneratorType():
            return "" if each.gi_frame is None else _module(each.gi_frame)
        case _:
            return type(each).__module__


def _is_ours(each: object) -> bool:
    return _module(each).partition(".")[0] in OURS


def _name(each: object) -> str:
    match each:
        case FunctionType() | MethodType():
            return each.__qualname__
        case FrameType():
            return each.f_code.co_name
        case _:
            return type(each).__qualname__
