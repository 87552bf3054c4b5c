"""Arguments of a call as one hashable value: equal ones ask for the same."""

from __future__ import annotations

import datetime
import enum
from array import array
from collections.abc import Hashable
from typing import Any, Final
from uuid import UUID

_ATOMS: Final = (str, int, float, bool, bytes, type(None), UUID)
_TIMES: Final = (datetime.date, datetime.datetime, datetime.timedelta)


def frozen(value: Any) -> Hashable:
    """A value's identity: its types and contents, down to the last container.

    Raises:
        ValueError: something in it has no identity but its own.
    """
    kind = type(value)
    if kind in _ATOMS:
        return kind, value  # 1, 1.0 and True are equal.
    if kind in _TIMES:
        return kind, repr(value)  # Those of two zones may be equal.
    if kind in (list, tuple):
        if value and set(map(type, value)) == {float}:
            return kind, array("d", value).tobytes()
        return kind, tuple(map(frozen, value))
    if kind is dict:
        return kind, tuple((frozen(key), frozen(item)) for key, item in value.items())
    if isinstance(value, enum.Enum):
        return kind, value.name
    if hasattr(value, "dtype") and hasattr(value, "tobytes"):
        return str(value.dtype), tuple(value.shape), value.tobytes()
    if hasattr(value, "model_fields_set"):
        return kind, frozen(vars(value)), frozen(getattr(value, "model_extra", None))
    raise ValueError(f"a {kind.__name__} has no identity")
