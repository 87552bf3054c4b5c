"""Values that are cut into parts, put together again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ayo_bridge.schedule import Values, Work, items_of
from ayo_bridge.seam import Call


class _Joiner:
    """The items of all parts of a value."""

    def calls(self, work: Work) -> Sequence[Call]:
        return ()

    def outputs(self, work: Work, results: Sequence[object]) -> Values:
        primitive = work.primitive
        joined = [item for name in primitive.inputs for item in items_of(work.value(name))]
        return dict.fromkeys(primitive.outputs, joined)


JOINER: Final = _Joiner()
