"""The fields of a request's body, read as leniently as vLLM's models of a body do (0.32.0)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

Body = Mapping[str, Any]

_TRUE: Final = ("1", "on", "t", "true", "y", "yes")
_FALSE: Final = ("0", "off", "f", "false", "n", "no")
_INT64: Final = 2**63


class RefusedError(Exception):
    """A request that is not served; ``status`` and the error's fields as vLLM gives them."""

    def __init__(
        self, message: str, *, param: str | None = None, status: int = 400, kind: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.fields = {
            "message": message,
            "type": kind or "BadRequestError",
            "param": param,
            "code": status,
        }


def invalid(message: str, place: str) -> RefusedError:
    """As vLLM words what its models of a body refuse."""
    text = f"1 validation error:\n  {{'loc': {place!r}, 'msg': {message!r}}}"
    return RefusedError(text, param=place, kind="Bad Request")


def document(raw: bytes) -> Body:
    """The JSON object in a body.

    Raises:
        RefusedError: it holds none.
    """
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise invalid(f"JSON decode error: {error}", "body") from error
    except RecursionError as error:
        raise invalid("JSON decode error: nested too deeply", "body") from error
    if not isinstance(body, dict):
        raise invalid("Input should be a valid dictionary", "body")
    return body


def whole(body: Body, name: str, default: int) -> int:
    """A whole number of 64 bits; a text of digits is one.

    Raises:
        RefusedError: it is something else.
    """
    value = body.get(name)
    if value is None:
        return default
    try:
        number = int(value)
        if (isinstance(value, int | str) or number == value) and -_INT64 <= number < _INT64:
            return number
    except (ValueError, TypeError, OverflowError):
        pass
    raise invalid("Input should be a valid integer", f"body.{name}")


def real(body: Body, name: str, default: float) -> float:
    """A number; the text of one is one.

    Raises:
        RefusedError: it is something else.
    """
    value = body.get(name)
    if value is None:
        return default
    try:
        return float(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise invalid("Input should be a valid number", f"body.{name}") from error


def flag(body: Body, name: str, *, default: bool = False) -> bool:
    """Yes or no, also in words.

    Raises:
        RefusedError: it is something else.
    """
    value = body.get(name)
    if value is None:
        return default
    said = str(int(value) if isinstance(value, bool) else value).lower()
    if isinstance(value, bool | int | float | str) and said in (*_TRUE, *_FALSE):
        return said in _TRUE
    raise invalid("Input should be a valid boolean", f"body.{name}")
