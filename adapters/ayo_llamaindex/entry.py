"""The entry points of accelerated LlamaIndex objects: open a scope, run the original, close it."""

from __future__ import annotations

import weakref
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, wraps
from time import perf_counter
from typing import Any

from ayo_bridge.graph import Op
from ayo_bridge.lift.subclass import state_of
from ayo_bridge.lift.witness import Witness, witnessed
from ayo_bridge.runahead import Maker, MakerKey, Scope, current_scope, open_scope
from ayo_bridge.runahead.state import AcceleratedState
from ayo_bridge.runahead.streams import scoped_async_stream, scoped_stream
from ayo_bridge.seam import entered
from ayo_llamaindex.guide import Guide
from ayo_llamaindex.lift import Lifted
from ayo_llamaindex.synthesis import NAME, PredictMaker

Lift = Callable[..., Lifted]

_PAUSE = 0.1
"""Seconds for which an object is taken to be as it was, as long as nothing runs ahead."""


def open_call(obj: Any, entry: str, query: Any, lift: Lift, *, sync: bool) -> Scope | None:
    """Open the scope of one call, with its run-ahead started; ``None`` inside another scope.

    A nested accelerated object shares the outer call's scope, and so its engines' queues. What is
    no query is left to the original, which raises its own error.
    """
    if current_scope() is not None:
        return None
    if type(query) is str:
        text, plain = query, True
    elif isinstance(query, _query_bundle()):
        text = query.query_str
        plain = query.embedding is None and not query.custom_embedding_strs
    else:
        return None
    state = state_of(obj)
    if state is None:
        return None
    lifted, doubtful = _lifted(obj, state, lift, sync=sync)
    makers = _Makers(lifted, text) if plain and not state.switched_off else {}
    plan = state.runtime.planner.plan(lifted.template, makers)
    if plan.ahead and doubtful is not None and doubtful():
        return open_call(obj, entry, query, lift, sync=sync)
    scope = open_scope(state, entry, plan, doubtful)
    if not state.switched_off:
        scope.guide = Guide(scope, lifted.retrieval, lifted.synthesis)
    scope.start({"question": text})
    return scope


@cache
def _query_bundle() -> Any:
    from llama_index.core.schema import QueryBundle

    return QueryBundle


def _lifted(
    obj: Any, state: AcceleratedState, lift: Lift, *, sync: bool
) -> tuple[Lifted, Callable[[], bool] | None]:
    """What ``obj`` is lifted to: as it was at an earlier call, if nothing has changed since.

    Whether it has is not asked more often than ten times a second. What is returned beside
    it has to be asked before anything runs ahead.
    """
    key = (lift, sync, state.runtime.generation)
    kept: _Kept | None = state.lifts.get(key)
    if kept is not None and kept.whose() is obj:
        now = perf_counter()
        if now - kept.asked < _PAUSE:
            return kept.lifted, kept.doubtful
        if not kept.doubtful():
            kept.asked = now
            return kept.lifted, None
    with witnessed() as witness:
        lifted = lift(obj, state.runtime, sync=sync)
    if not witness.wavers:
        state.lifts[key] = _Kept(weakref.ref(obj), witness, lifted, perf_counter())
    return lifted, None


@dataclass(slots=True)
class _Kept:
    """A lifted object, with what was looked at to lift it."""

    whose: Callable[[], Any]
    witness: Witness
    lifted: Lifted
    asked: float

    def doubtful(self) -> bool:
        """Whether something has changed, so that it may no longer be what the object does."""
        if self.witness.stands():
            return False
        self.asked = -_PAUSE
        return True


class _Makers(Mapping[MakerKey, Maker]):
    """The makers of one call, made once something is to run ahead."""

    def __init__(self, lifted: Lifted, question: str) -> None:
        self._lifted = lifted
        self._question = question

    @cached_property
    def _made(self) -> dict[MakerKey, Maker]:
        question, synthesis = self._question, self._lifted.synthesis
        makers = {key: of(question) for key, of in self._lifted.retrieval.makers.items()}
        if synthesis.llm is not None and type(synthesis.synthesizer).__name__ == "Generation":
            synthesizer = synthesis.synthesizer
            makers[NAME, Op.PREFILLING] = PredictMaker(
                synthesis.llm,
                synthesizer._input_prompt,
                [{"query_str": question}],
                stream=synthesizer._streaming,
            )
        return makers

    def __getitem__(self, key: MakerKey) -> Maker:
        return self._made[key]

    def __iter__(self) -> Iterator[MakerKey]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


def sync_entry(base: type, name: str, lift: Lift) -> Callable[..., Any]:
    """The method ``name`` of ``base``, run under a scope."""
    original = getattr(base, name)

    @wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        query = args[0] if args else next(iter(kwargs.values()), None)
        scope = _opened(self, name, query, lift, sync=True)
        call = original.__get__(self, base)  # unbound, wrapt would build a partial for each call
        if scope is None:
            return call(*args, **kwargs)
        try:
            with entered(scope):
                response = call(*args, **kwargs)
        except BaseException as error:
            scope.record.error = repr(error)
            scope.close()
            raise
        return _kept_open(response, scope)

    return method


def async_entry(base: type, name: str, lift: Lift) -> Callable[..., Any]:
    """The coroutine method ``name`` of ``base``, run under a scope."""
    original = getattr(base, name)

    @wraps(original)
    async def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        query = args[0] if args else next(iter(kwargs.values()), None)
        scope = _opened(self, name, query, lift, sync=False)
        call = original.__get__(self, base)
        if scope is None:
            return await call(*args, **kwargs)
        try:
            with entered(scope):
                response = await call(*args, **kwargs)
        except BaseException as error:
            scope.record.error = repr(error)
            scope.close()
            raise
        return _kept_open(response, scope)

    return method


def _opened(obj: Any, name: str, query: Any, lift: Lift, *, sync: bool) -> Scope | None:
    """Open a scope; anything that goes wrong in doing so leaves the original call as it is."""
    try:
        return open_call(obj, name, query, lift, sync=sync)
    except Exception as error:
        state = state_of(obj)
        if isinstance(state, AcceleratedState):
            state.switch_off(f"a call could not be planned: {error!r}")
        return None


def _kept_open(response: Any, scope: Scope) -> Any:
    """Close the scope, or let it live as long as the response still streams."""
    stream = getattr(response, "response_gen", None)
    if stream is None:
        scope.close()
    elif isinstance(stream, Generator):
        response.response_gen = scoped_stream(stream, scope)
    elif isinstance(stream, AsyncGenerator):
        response.response_gen = scoped_async_stream(stream, scope)
    else:
        scope.close()
    return response
