"""A library's own function, found below the wrappers that our bindings have put on it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def original(cls: type, name: str) -> Callable[..., Any]:
    """The function ``name`` of ``cls`` below the lowest wrapper of ours, if there is one."""
    function: Any = inspect.getattr_static(cls, name)
    below = function
    while below is not None:
        wrapper = getattr(below, "_self_wrapper", None)
        below = getattr(below, "__wrapped__", None)
        if wrapper is not None and is_ours(wrapper):
            function = below
    found: Callable[..., Any] = function
    return found


def is_ours(wrapper: Any) -> bool:
    """Whether a wrapper function is one of ayo-bridge, its adapters' included."""
    wrapper = getattr(wrapper, "func", wrapper)  # a partial
    return (getattr(wrapper, "__module__", None) or "").partition(".")[0].startswith("ayo_")
