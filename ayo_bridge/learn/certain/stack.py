"""What the instructions of CPython 3.11 do to the stack, as far as values are followed."""

from __future__ import annotations

import dis
from types import CodeType
from typing import Final

from ayo_bridge.learn.certain.facts import (
    Constant,
    Item,
    Joined,
    Listed,
    Mark,
    Method,
    Nested,
    Path,
    Repeated,
    Returned,
    Root,
    Rooted,
    Value,
)

_ROWS: Final[dict[str, tuple[int, int, int]]] = {
    # How many values are taken: so many, and for each of the argument so many; how many are put.
    **dict.fromkeys(
        (
            *("NOP", "RESUME", "MAKE_CELL", "COPY_FREE_VARS", "PRECALL", "KW_NAMES"),
            *("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT"),
        ),
        (0, 0, 0),
    ),
    **dict.fromkeys(
        (
            *("POP_TOP", "POP_EXCEPT", "STORE_GLOBAL", "STORE_DEREF", "SET_UPDATE"),
            *("DICT_UPDATE", "DICT_MERGE", "SET_ADD", "DELETE_ATTR"),
            *("POP_JUMP_FORWARD_IF_FALSE", "POP_JUMP_FORWARD_IF_TRUE"),
            *("POP_JUMP_FORWARD_IF_NONE", "POP_JUMP_FORWARD_IF_NOT_NONE"),
            *("POP_JUMP_BACKWARD_IF_FALSE", "POP_JUMP_BACKWARD_IF_TRUE"),
            *("POP_JUMP_BACKWARD_IF_NONE", "POP_JUMP_BACKWARD_IF_NOT_NONE"),
        ),
        (1, 0, 0),
    ),
    **dict.fromkeys(("STORE_ATTR", "DELETE_SUBSCR", "MAP_ADD"), (2, 0, 0)),
    "STORE_SUBSCR": (3, 0, 0),
    **dict.fromkeys(
        (
            *("RETURN_GENERATOR", "LOAD_CLOSURE", "LOAD_ASSERTION_ERROR", "LOAD_BUILD_CLASS"),
            *("PUSH_EXC_INFO", "WITH_EXCEPT_START", "IMPORT_FROM"),
        ),
        (0, 0, 1),
    ),
    **dict.fromkeys(
        (
            *("YIELD_VALUE", "LIST_TO_TUPLE", "UNARY_NOT", "UNARY_NEGATIVE", "UNARY_POSITIVE"),
            "UNARY_INVERT",
        ),
        (1, 0, 1),
    ),
    **dict.fromkeys(
        ("COMPARE_OP", "IS_OP", "CONTAINS_OP", "IMPORT_NAME"),
        (2, 0, 1),
    ),
    "CHECK_EXC_MATCH": (1, 0, 1),
    "BEFORE_WITH": (1, 0, 2),
    **dict.fromkeys(("BUILD_STRING", "BUILD_SLICE"), (0, 1, 1)),
    "BUILD_MAP": (0, 2, 1),
    "BUILD_CONST_KEY_MAP": (1, 1, 1),
}


_OR: Final = 7
"""The argument of ``BINARY_OP`` for ``|``."""


def move(instruction: dis.Instruction, stack: list[Value], jump: bool) -> None:
    """Do to the stack what an instruction does; where that is not known, no value is known.

    Args:
        jump: whether it jumps.
    """
    name, count = instruction.opname, instruction.arg or 0
    if name in _ROWS:
        taken, each, put = _ROWS[name]
        _replace(stack, taken + each * count, [Mark.UNKNOWN] * put)
    elif not (_loaded(instruction, stack) or _made(instruction, stack, jump)):
        depth = len(stack) + dis.stack_effect(instruction.opcode, instruction.arg, jump=jump)
        stack[:] = [Mark.UNKNOWN] * depth


def _replace(stack: list[Value], taken: int, values: list[Value]) -> None:
    if taken > len(stack):
        raise ValueError("the stack does not hold so much")
    stack[len(stack) - taken :] = values


def _loaded(instruction: dis.Instruction, stack: list[Value]) -> bool:
    """Names, attributes, and where values lie on the stack."""
    name, count = instruction.opname, instruction.arg or 0
    if name == "LOAD_GLOBAL":
        stack += [Mark.NULL] * (count & 1) + [Path(Root.GLOBAL, instruction.argval)]
    elif name == "LOAD_CONST":
        stack.append(Constant(instruction.argval))
    elif name == "PUSH_NULL":
        stack.append(Mark.NULL)
    elif name in ("LOAD_ATTR", "LOAD_METHOD"):
        value, attribute = stack.pop(), instruction.argval
        read: Value = Mark.UNKNOWN if name == "LOAD_ATTR" else Method(attribute)
        if isinstance(value, Rooted):
            read = value.attribute(attribute)
        stack += [read] if name == "LOAD_ATTR" else [Mark.NULL, read]
    elif name == "COPY":
        stack[-count] = named(stack[-count])
        stack.append(stack[-count])
    elif name == "SWAP":
        stack[-1], stack[-count] = stack[-count], stack[-1]
    else:
        return False
    return True


def _made(instruction: dis.Instruction, stack: list[Value], jump: bool) -> bool:
    """What is made of values, loops, and expressions that end early."""
    name, count = instruction.opname, instruction.arg or 0
    if name == "MAKE_FUNCTION":
        code = stack[-1]
        is_code = isinstance(code, Constant) and isinstance(code.value, CodeType)
        made: Value = Nested(code.value) if is_code else Mark.UNKNOWN  # type: ignore[union-attr, arg-type]
        _replace(stack, 1 + count.bit_count(), [made])
    elif name in ("BUILD_TUPLE", "BUILD_LIST"):
        _replace(stack, count, [Listed(tuple(stack[len(stack) - count :]))])
    elif name == "BUILD_SET":
        _replace(stack, count, [Mark.SOME if count else Mark.UNKNOWN])
    elif name in ("LIST_APPEND", "LIST_EXTEND"):
        value = stack.pop()
        stack[-count] = _grown(stack[-count], value if name == "LIST_APPEND" else None)
    elif name == "GET_ITER":
        value = named(stack[-1])
        literal = isinstance(value, Constant) and isinstance(value.value, tuple | str)
        has = value is Mark.SOME or (literal and bool(value.value))  # type: ignore[union-attr]
        _replace(stack, 1, [Mark.SOME if has else Mark.UNKNOWN])
    elif name == "BINARY_OP":
        _replace(stack, 2, [Joined(stack[-2], stack[-1]) if count == _OR else Mark.UNKNOWN])
    elif name == "BINARY_SUBSCR":
        of, key = stack[-2:]
        known = isinstance(of, Rooted) and isinstance(key, Path | Constant)
        _replace(stack, 2, [Item(of, key) if known else Mark.UNKNOWN])  # type: ignore[arg-type]
    elif name == "GET_AWAITABLE":
        _replace(stack, 1, [_awaited(stack[-1])])
    elif name == "FOR_ITER":
        _replace(stack, int(jump), [] if jump else [Mark.UNKNOWN])
    elif name in ("JUMP_IF_TRUE_OR_POP", "JUMP_IF_FALSE_OR_POP"):
        _replace(stack, 0 if jump else 1, [])
    elif name == "SEND":
        _replace(stack, *((2, [_awaited(stack[-2])]) if jump else (1, [Mark.UNKNOWN])))
    elif name == "FORMAT_VALUE":
        _replace(stack, 2 if count & 4 else 1, [Mark.UNKNOWN])
    elif name == "UNPACK_SEQUENCE":
        _replace(stack, 1, [Mark.UNKNOWN] * count)
    elif name == "CALL_FUNCTION_EX":
        _replace(stack, 3 + (count & 1), [Mark.UNKNOWN])
    else:
        return False
    return True


def named(value: Value) -> Value:
    """What is known of a value once it can be reached by a name, too: a list may grow."""
    if isinstance(value, Listed):
        return Mark.SOME if value.values else Mark.UNKNOWN
    return Mark.UNKNOWN if isinstance(value, Repeated) else value


def _grown(held: Value, value: Value | None) -> Value:
    """A list of the body's own to which a value is appended, or something else."""
    if value is not None and held in (Listed(()), Repeated(value)):
        return Repeated(value)
    return named(held)


def _awaited(value: Value) -> Value:
    """What awaiting a value gives, if it is what a call has just returned."""
    return value if isinstance(value, Returned) and not value.steps else Mark.UNKNOWN
