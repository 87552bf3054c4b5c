"""What boundaries say of results, as traces have it."""

from __future__ import annotations

from ayo_bridge.learn.trace import Item, Result, ToolCall, Vector, vector_name
from ayo_bridge.seam import Answer, BoundaryCall


def said(call: BoundaryCall, result: object) -> Result | None:
    """What a result says, if it can be read."""
    try:
        return result_of(call.answer(result))
    except ValueError:
        return None


def result_of(answer: Answer) -> Result:
    """An answer as a result."""
    items = answer.items
    return Result(
        text=answer.text,
        tool_calls=tuple(ToolCall(*tool) for tool in answer.tools),
        vectors=tuple(Vector(vector_name(numbers), numbers) for numbers in answer.vectors),
        items=None
        if items is None
        else tuple(Item(item.text, item.id, None, item.metadata) for item in items),
    )
