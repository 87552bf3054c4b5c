"""How a question becomes the arguments of a function, and why it does not."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from ayo_bridge.errors import AyoBridgeError
from ayo_bridge.lift.functions import called_of
from ayo_bridge.lift.shows import Given

MODULE: Final = "__ayo_verified__"
"""The name under which a program is imported."""


class VerifyError(AyoBridgeError):
    """What is to be verified cannot be: the target, an entry, or the questions are wrong."""


def fitted(function: Callable[..., Any], question: object) -> Given:
    """The arguments of a question, which is a mapping of named inputs, or a first argument.

    What a parameter of a pydantic model or a dataclass gets as a mapping is made one of it, with
    what stands in it: enumerations and others of these. A function of one such parameter may be
    given the model's own fields, as the body of a request to FastAPI.

    Raises:
        VerifyError: the function does not take them.
    """
    name = getattr(function, "__name__", type(function).__name__)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        signature = inspect.Signature([_ANYTHING, _ANYTHING_NAMED])
    models = _models(function, signature)
    given = Given((), dict(question)) if isinstance(question, dict) else Given((question,), {})
    body = isinstance(question, dict) and not question.keys() & signature.parameters.keys()
    if body and len(models) == 1:
        given = Given((), dict.fromkeys(models, question))
    try:
        bound = signature.bind(*given.args, **given.kwargs)
    except TypeError as error:
        takes = f"{name}{signature}".replace(f"{MODULE}.", "")
        raise VerifyError(f"{takes} does not take {_inputs(question)}: {error}") from None
    for parameter, model in models.items():
        value = bound.arguments.get(parameter)
        if isinstance(value, str | dict):
            bound.arguments[parameter] = _made(model, value, name)
    return Given(bound.args, bound.kwargs)


_LINK: Final = "https://errors.pydantic.dev"
_ANYTHING: Final = inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL)
_ANYTHING_NAMED: Final = inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)


def _models(function: Callable[..., Any], signature: inspect.Signature) -> Mapping[str, Any]:
    """The parameters that are annotated with a pydantic model or a dataclass, and that."""
    try:
        hints = typing.get_type_hints(called_of(function))
    except Exception:  # An annotation names what is imported for type checkers only.
        return {}
    return {
        name: hints[name]
        for name in signature.parameters
        if isinstance(hints.get(name), type) and _is_model(hints[name])
    }


def _is_model(kind: type) -> bool:
    return callable(getattr(kind, "model_validate", 0)) or dataclasses.is_dataclass(kind)


def _made(model: Any, value: object, name: str) -> Any:
    try:
        if callable(getattr(model, "model_validate", 0)):
            return model.model_validate(value)
        adapter = _adapter(model)
        if adapter is not None:
            return adapter.validate_python(value)
        return model(**cast(Any, value))  # A text does not fit, which it says.
    except (TypeError, ValueError) as error:
        what = f"{name} takes a {model.__name__}: write JSON objects of its fields"
        lines = (line.strip() for line in str(error).splitlines() if _LINK not in line)
        raise VerifyError(f"{what}; {' '.join(lines)}") from None


def _adapter(model: Any) -> Any:
    """What makes a dataclass of data; ``None``: pydantic is not there, or knows not all of it."""
    try:
        return importlib.import_module("pydantic").TypeAdapter(model)
    except Exception:  # A field of any class at all.
        return None


def _inputs(question: object) -> str:
    """What was asked, for people."""
    if isinstance(question, dict):
        return f"the inputs {', '.join(question)}" if question else "no input"
    return "one text"


__all__ = ["MODULE", "VerifyError", "fitted"]
