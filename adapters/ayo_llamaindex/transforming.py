"""Transformations that run inside of another accelerated call: ``VectorStoreIndex.from_documents``,
``index.insert``, a pipeline in a function of the user's.

They get a scope of their own, in which they run ahead as those of an accelerated pipeline do.
Written for llama-index-core 0.14.25.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ayo_bridge.runahead import AcceleratedState, Scope, begin, current_scope, open_scope, within
from ayo_llamaindex.ingestion import DOCUMENTS, IngestionGuide, is_fresh, lift_transformations

_NAMES = ("nodes", "transformations", "in_place", "cache")


def transformed(
    wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Wraps ``run_transformations``."""
    scope = _opened(args, kwargs)
    if scope is None:
        return wrapped(*args, **kwargs)
    with within(scope):
        return wrapped(*args, **kwargs)


async def transformed_async(
    wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Wraps ``arun_transformations``."""
    scope = _opened(args, kwargs)
    if scope is None:
        return await wrapped(*args, **kwargs)
    with within(scope):
        return await wrapped(*args, **kwargs)


def _opened(args: Sequence[Any], kwargs: dict[str, Any]) -> Scope | None:
    """A scope for transformations that the one around them knows nothing of."""
    outer = current_scope()
    if outer is None or isinstance(outer.guide, IngestionGuide) or not outer.runtime.run_ahead:
        return None
    try:
        return _open(outer, {**dict(zip(_NAMES, args, strict=False)), **kwargs})
    except Exception as error:
        outer.note(f"transformations run as they are: {error!r}")
        return None


def _open(outer: Scope, given: dict[str, Any]) -> Scope | None:
    if given.keys() & {"excluded_embed_metadata_keys", "excluded_llm_metadata_keys"}:
        return None
    found = lift_transformations(given["transformations"], outer.runtime)
    if found is None:
        return None
    draft, asking = found
    template = draft.template("transformations")
    state = AcceleratedState("llama-index", template.name, outer.runtime, template, _itself)
    plan = outer.runtime.planner.plan(template, {})
    scope = open_scope(state, "run_transformations", plan, outer=outer)
    cache = given.get("cache")
    scope.guide = IngestionGuide(scope, asking, fresh=cache is None or is_fresh(cache))

    def started() -> None:
        scope.start({DOCUMENTS: True})
        outer.helps("transformations ran ahead")

    return begin(scope, started)


def _itself(obj: Any, runtime: object = None) -> Any:
    return obj
