"""The tools of an agent: the library, its signatures, arithmetic."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Final

from ayo_bridge.workflow import text_of
from examples.apps.texts import library


def lookup(argument: str) -> str:
    """The documentation that fits best."""
    found = library().search(argument, 1)
    return found[0] if found else f"nothing is known about {argument!r}"


def signature(argument: str) -> str:
    """The signature of a function or class, by its name."""
    return library().signature(argument)


def calculate(argument: str) -> str:
    """The value of an arithmetic expression."""
    try:
        return f"{argument} = {_value(ast.parse(argument, mode='eval').body):g}"
    except (SyntaxError, ValueError, ArithmeticError) as error:
        return f"{argument!r} cannot be worked out: {error}"


BY_NAME: Final[Mapping[str, Callable[[str], str]]] = {
    tool.__name__: tool for tool in (lookup, signature, calculate)
}


def use_tool(step: object) -> str:
    """Carry out one step of a plan, ``tool: argument``; a line that names no tool is looked up.

    A step that cannot be carried out has that for its result: the model is to see it.
    """
    text = text_of(step)
    name, _, argument = text.partition(":")
    tool = BY_NAME.get(name.strip().lower())
    return tool(argument.strip()) if tool is not None else lookup(text)


_OPERATORS: Final[Mapping[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left), _value(right))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
    raise ValueError("only + - * / and numbers are known")
