"""Transformations that run inside of another accelerated call: ``VectorStoreIndex.from_documents``,
``index.insert``, a pipeline in a function of the user's.

They get a scope of their own, in which they run ahead as those of an accelerated pipeline do.
Written for llama-index-core 0.14.25.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ayo_bridge.runahead import AcceleratedState, Scope, begin, current_scope, open_scope, within
from ayo_llamaindex.extractors import Lifted
from ayo_llamaindex.ingestion import DOCUMENTS, IngestionGuide, is_fresh, lift_transformations

_NAMES: Final = ("nodes", "transformations", "in_place", "cache")
_CHANGING: Final = {"excluded_embed_metadata_keys", "excluded_llm_metadata_keys"}
"""Keyword arguments by which extractors change more of a node than its metadata."""
GuideOf = Callable[[Scope, Mapping[int, Lifted]], IngestionGuide]


def transformed(
    wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Wraps ``run_transformations``."""
    scope = opened(lambda outer: _open(outer, args, kwargs, sync=True))
    if scope is None:
        return wrapped(*args, **kwargs)
    with within(scope):
        return wrapped(*args, **kwargs)


async def transformed_async(
    wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Wraps ``arun_transformations``."""
    scope = opened(lambda outer: _open(outer, args, kwargs, sync=False))
    if scope is None:
        return await wrapped(*args, **kwargs)
    with within(scope):
        return await wrapped(*args, **kwargs)


def opened(open_in: Callable[[Scope], Scope | None]) -> Scope | None:
    """A scope for transformations that the one around them knows nothing of."""
    outer = current_scope()
    if outer is None or isinstance(outer.guide, IngestionGuide) or not outer.runtime.run_ahead:
        return None
    try:
        return open_in(outer)
    except Exception as error:
        outer.note(f"transformations run as they are: {error!r}")
        return None


def _open(
    outer: Scope, args: Sequence[Any], kwargs: Mapping[str, Any], *, sync: bool
) -> Scope | None:
    given = {**dict(zip(_NAMES, args, strict=False)), **kwargs}
    cache = given.get("cache")
    fresh = cache is None or is_fresh(cache)
    return open_for(
        outer,
        given["transformations"],
        lambda scope, asking: IngestionGuide(scope, asking, fresh=fresh),
        given,
        sync=sync,
    )


def open_for(
    outer: Scope,
    transformations: Sequence[Any],
    guide_of: GuideOf,
    given: Mapping[str, Any],
    *,
    sync: bool,
    part: int = 0,
) -> Scope | None:
    """A scope in which transformations run ahead; ``None``: nothing is won by it.

    Args:
        outer: the call inside of which they run.
        transformations: which follow each other.
        guide_of: makes what follows them.
        given: to each of them by name.
        sync, part: how embedding models are asked, and how many nodes they get at a time; 0: all.
    """
    found = None
    if not given.keys() & _CHANGING:
        found = lift_transformations(transformations, outer.runtime, sync=sync, part=part)
    if found is None:
        return None
    draft, asking = found
    template = draft.template("transformations")
    state = AcceleratedState("llama-index", template.name, outer.runtime, template, _itself)
    plan = outer.runtime.planner.plan(template, {})
    scope = open_scope(state, "run_transformations", plan, outer=outer)
    scope.guide = guide_of(scope, asking)

    def started() -> None:
        scope.start({DOCUMENTS: True})
        outer.helps("transformations ran ahead")

    return begin(scope, started)


def _itself(obj: Any, runtime: object = None) -> Any:
    return obj
