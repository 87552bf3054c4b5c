"""Reads a function's bytecode: which calls does every run make, and what may come before each?

All paths are followed at once, with the values that the stack and the locals hold on each; where
paths meet, what differs is unknown. An exception may leave each instruction for the handler that
is around it; one that leaves the function ends a run that owes nothing. A ``raise`` does not count
as such: there the function itself has decided to ask no more. A loop's body counts only where the
loop certainly has a first turn: over a literal, or over a ``range`` of literals.

The bytecode of CPython 3.11 is known; of other versions nothing is certain.
"""

from __future__ import annotations

import dis
import sys
import weakref
from collections.abc import Iterator
from dataclasses import replace
from functools import partial, reduce
from inspect import CO_ASYNC_GENERATOR
from itertools import accumulate
from operator import and_, or_
from types import CodeType
from typing import Any, Final

from ayo_bridge.learn.certain.facts import (
    NOTHING,
    Called,
    Constant,
    Facts,
    Mark,
    Path,
    Returned,
    Root,
    Value,
    met,
)
from ayo_bridge.learn.certain.stack import move, named
from ayo_bridge.learn.certain.states import Node, State

KNOWN: Final = sys.version_info[:2] == (3, 11)
MOST: Final = 800
"""Instructions of the longest body that is read."""
_ROUNDS: Final = 12
"""How often an instruction is gone through at most, on average: paths settle in a few."""
_OPENING: Final = frozenset(
    (
        *("STORE_GLOBAL", "STORE_ATTR", "STORE_SUBSCR", "STORE_NAME"),
        *("DELETE_GLOBAL", "DELETE_ATTR", "DELETE_SUBSCR", "DELETE_NAME"),
        *("IMPORT_NAME", "IMPORT_STAR", "LOAD_BUILD_CLASS", "SETUP_ANNOTATIONS"),
        *("BEFORE_WITH", "BEFORE_ASYNC_WITH", "GET_ANEXT", "GET_YIELD_FROM_ITER"),
    )
)
"""What may change for whom is asked, or hand over to who does."""
_RETURNS: Final = "RETURN_VALUE"
_LEAVES: Final = (_RETURNS, "RAISE_VARARGS")
_ALWAYS: Final = ("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT")
_AWAITING: Final = ("SEND", "YIELD_VALUE", "RESUME", "JUMP_BACKWARD_NO_INTERRUPT")


_facts: dict[tuple[int, bool], Facts] = {}
_held: dict[int, weakref.ref[CodeType]] = {}


def facts_of(code: CodeType, some: bool = False) -> Facts:
    """What a body does; :data:`NOTHING` is certain where it cannot be read.

    Args:
        some: whether the first argument, of a comprehension, certainly has a member.
    """
    key = (id(code), some)
    known = _facts.get(key)
    if known is None:
        known = _facts[key] = _read(code, some)
        if id(code) not in _held:
            _held[id(code)] = weakref.ref(code, partial(_forget, id(code)))
    return known


def _forget(code: int, _: object) -> None:
    """Told while the code is being freed, so before another one can have its id."""
    _held.pop(code, None)
    for some in (False, True):
        _facts.pop((code, some), None)


def _read(code: CodeType, some: bool) -> Facts:
    if not KNOWN or code.co_flags & CO_ASYNC_GENERATOR:
        return NOTHING
    instructions = [each for each in dis.get_instructions(code) if each.opname != "CACHE"]
    if len(instructions) > MOST:
        return NOTHING
    try:
        return _Reading(code, instructions, some).facts()
    except (_UnreadableError, ValueError, IndexError, KeyError):
        return NOTHING


class _UnreadableError(Exception):
    """A body is not read."""


class _Reading:
    """One body while it is read."""

    def __init__(self, code: CodeType, instructions: list[dis.Instruction], some: bool) -> None:
        self._code = code
        self._list = [each for each in instructions if each.opname != "EXTENDED_ARG"]
        # Whoever jumps to an instruction jumps to what lengthens its argument.
        before = accumulate(each.opname != "EXTENDED_ARG" for each in instructions[:-1])
        self._index = dict(zip((e.offset for e in instructions), (0, *before), strict=True))
        body: Any = dis.Bytecode(code)
        self._handlers = list(body.exception_entries)
        count = code.co_argcount + code.co_kwonlyargcount
        self._parameters = code.co_varnames[:count]
        self._kept = frozenset(self._parameters) - frozenset(_set_in(code))
        self._some = some
        self._events: dict[int, Called | None] = {}
        """By the index of their instruction."""
        self._range = False

    def facts(self) -> Facts:
        """Go through all paths until nothing changes."""
        given = {name: Path(Root.PARAMETER, name) for name in self._parameters}
        first: dict[str, Value] = {**given, **({".0": Mark.SOME} if self._some else {})}
        states = {Node(0): State((), frozenset(first.items()))}
        todo, left = [Node(0)], _ROUNDS * len(self._list)
        while todo:
            left -= 1
            if left < 0:
                raise _UnreadableError
            node = todo.pop()
            for following, state in self._after(node, states[node]):
                before = states.get(following)
                merged = state if before is None else before.met(state)
                if merged != before:
                    states[following] = merged
                    todo.append(following)
        return self._summary(states)

    def _summary(self, states: dict[Node, State]) -> Facts:
        leaving = [s.must for n, s in states.items() if self._list[n.at].opname in _LEAVES]
        must = reduce(and_, leaving) if leaving else 0
        order = sorted(self._events)
        events: list[Called | None] = []
        for index in order:
            event = self._events[index]
            if event is not None:
                may = reduce(or_, (s.may for n, s in states.items() if n.at == index))
                before = sum(1 << place for place, i in enumerate(order) if may >> i & 1)
                event = replace(event, before=before, certain=bool(must >> index & 1))
            events.append(event)
        returned = [s.stack[-1] for n, s in states.items() if self._list[n.at].opname == _RETURNS]
        returns = reduce(met, returned) if returned else Mark.UNKNOWN
        return Facts(tuple(events), self._range, self._kept, returns)

    # One instruction.

    def _after(self, node: Node, state: State) -> Iterator[tuple[Node, State]]:
        """The instructions that may come next, and what holds there."""
        index = node.at
        instruction = self._list[index]
        for entry in self._handlers:
            if entry.start <= instruction.offset < entry.end:
                depth = entry.depth + int(entry.lasti) + 1
                begun = state.may | 1 << index
                handled = State((Mark.UNKNOWN,) * depth, state.names, state.must, begun)
                yield Node(self._index[entry.target]), handled
        name = instruction.opname
        if name == "RAISE_VARARGS":
            self._events[index] = None  # Nothing is certain after who may decide so, either.
        if name in _LEAVES or name == "RERAISE":
            return
        if name not in _ALWAYS:
            yield self._step(index, index + 1, state, False)
        if instruction.opcode in dis.hasjrel and not self._has_a_turn(node, state):
            yield self._step(index, self._index[instruction.argval], state, True)

    def _has_a_turn(self, node: Node, state: State) -> bool:
        """Whether a loop that begins here certainly goes through its body."""
        loops = self._list[node.at].opname == "FOR_ITER" and not node.again
        return loops and state.stack[-1] is Mark.SOME

    def _step(self, index: int, target: int, state: State, jump: bool) -> tuple[Node, State]:
        again = target < index and self._list[target].opname == "FOR_ITER"
        return Node(target, again), self._applied(index, state, jump)

    def _applied(self, index: int, state: State, jump: bool) -> State:
        instruction = self._list[index]
        name, stack, names = instruction.opname, list(state.stack), state.names
        happens = 0
        if name in ("CALL", "CALL_FUNCTION_EX"):
            self._events[index] = self._called(index, stack)
            happens = 1 << index
        elif self._opens(instruction) or self._waits_for_something_else(index):
            self._events[index] = None
            happens = 1 << index
        if name in ("STORE_FAST", "DELETE_FAST"):
            value = named(stack.pop()) if name == "STORE_FAST" else Mark.UNKNOWN
            names = frozenset(each for each in names if each[0] != instruction.argval)
            if not isinstance(value, Mark):
                names |= {(instruction.argval, value)}
        elif name == "LOAD_FAST":
            stack.append(dict(names).get(instruction.argval, Mark.UNKNOWN))
        elif name in ("LOAD_DEREF", "LOAD_CLASSDEREF"):
            stack.append(self._cell(instruction.argval))
        elif name == "CALL":
            del stack[-(instruction.arg or 0) - 2 :]
            stack.append(self._returned(self._events[index]))
        else:
            move(instruction, stack, jump)
        return State(tuple(stack), names, state.must | happens, state.may | happens)

    def _cell(self, name: str) -> Value:
        """What is read of a cell: one of the function's own is known if it is a parameter."""
        if name in self._code.co_freevars:
            return Path(Root.CELL, name)
        return Path(Root.PARAMETER, name) if name in self._kept else Mark.UNKNOWN

    def _opens(self, instruction: dis.Instruction) -> bool:
        """Whether an instruction may change anything; a cell of the body's own is its own."""
        name = instruction.opname
        if name in ("STORE_DEREF", "DELETE_DEREF"):
            return instruction.argval in self._code.co_freevars
        return name in _OPENING

    def _waits_for_something_else(self, index: int) -> bool:
        """Whether something is awaited that was not made by the call just before."""
        return (
            self._list[index].opname == "GET_AWAITABLE" and self._list[index - 1].opname != "CALL"
        )

    # Calls.

    def _called(self, index: int, stack: list[Value]) -> Called:
        instruction = self._list[index]
        args: tuple[Value, ...] | None = None
        if instruction.opname == "CALL":
            count = instruction.arg or 0
            below, callee, *rest = stack[-count - 2 :]
            args = tuple(rest)
            if below is not Mark.NULL:
                callee, args = below, (callee, *args)
        else:
            callee = stack[-2 - ((instruction.arg or 0) & 1)]
        following = self._list[index + 1 : index + 7]
        awaited = bool(following) and following[0].opname == "GET_AWAITABLE"
        also = [each.offset for each in following if awaited and each.opname in _AWAITING]
        return Called(
            at=instruction.offset,
            also=tuple(also),
            before=0,
            callee=callee,
            args=args,
            names=self._given_by_name(index),
            awaited=awaited,
            certain=False,
        )

    def _given_by_name(self, index: int) -> tuple[str, ...]:
        for instruction in reversed(self._list[:index]):
            if instruction.opname == "KW_NAMES":
                names: tuple[str, ...] = self._code.co_consts[instruction.arg or 0]
                return names
            if instruction.opname != "PRECALL":
                break
        return ()

    def _returned(self, event: Called | None) -> Value:
        """What a call returns; of a ``range`` it is known whether it has a member."""
        assert event is not None, "a call is an event"
        if event.callee != Path(Root.GLOBAL, "range") or event.names or not event.args:
            return Returned(event.at)
        numbers = [each.value for each in event.args if isinstance(each, Constant)]
        if len(numbers) != len(event.args) or not all(type(each) is int for each in numbers):
            return Mark.UNKNOWN
        turns: Any = numbers
        self._range = self._range or bool(range(*turns))
        return Mark.SOME if range(*turns) else Mark.UNKNOWN


def _set_in(code: CodeType) -> Iterator[str]:
    """The cells that a body or a function in it sets."""
    for each in dis.get_instructions(code):
        if each.opname in ("STORE_DEREF", "DELETE_DEREF"):
            yield each.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _set_in(constant)
