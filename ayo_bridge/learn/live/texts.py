"""What boundaries say, as learning knows it: requests as texts, answers as results."""

from __future__ import annotations

import json
from typing import Any, Final

from ayo_bridge.learn.trace import Item, Result, ToolCall, Vector, vector_name
from ayo_bridge.seam import Answer, BoundaryCall, Fields

_VECTOR: Final = "vector"


class Texts:
    """The requests of one call. A text holds the name of a vector; its numbers are kept here.

    Adding to it is atomic.
    """

    def __init__(self) -> None:
        self._vectors: dict[str, tuple[float, ...]] = {}

    def of(self, fields: Fields) -> str:
        """A request as text."""
        plain = dict(fields)
        vector = plain.get(_VECTOR)
        if isinstance(vector, tuple):
            plain[_VECTOR] = vector_name(vector)
        return json.dumps(plain, sort_keys=True, ensure_ascii=False)

    def fields(self, request: str) -> dict[str, Any]:
        """A predicted request, with its vector.

        Raises:
            ValueError: it is no request, or its vector is not known.
        """
        fields = json.loads(request)
        if not isinstance(fields, dict):
            raise ValueError("no request")
        name = fields.get(_VECTOR)
        if isinstance(name, str):
            if name not in self._vectors:
                raise ValueError("its vector is not known")
            fields[_VECTOR] = self._vectors[name]
        return fields

    def read(self, answer: Answer) -> Result:
        """What a part of an answer says, whose vectors later requests may hold."""
        result = result_of(answer)
        self.keep(result)
        return result

    def keep(self, answer: Result) -> None:
        """Later requests may hold the vectors of an answer."""
        self._vectors.update((vector.name, vector.numbers) for vector in answer.vectors)


def said(call: BoundaryCall, result: object) -> Result | None:
    """What a result says, if it can be read."""
    try:
        return result_of(call.answer(result))
    except ValueError:
        return None


def result_of(answer: Answer) -> Result:
    """An answer as far as later requests may be made of it."""
    items = answer.items
    return Result(
        text=answer.text,
        tool_calls=tuple(ToolCall(*tool) for tool in answer.tools),
        vectors=tuple(Vector(vector_name(numbers), numbers) for numbers in answer.vectors),
        items=None
        if items is None
        else tuple(Item(item.text, item.id, None, item.metadata) for item in items),
    )
