"""The entry points of accelerated runnables: open a scope, run the original, close it.

Everything else of a runnable (``transform``, ``astream_log``, ``with_config``, ``get_graph``, ...)
is the original's. ``astream_events`` and ``astream_log`` come to ``astream`` by themselves.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import aclosing
from functools import wraps
from typing import Any

from ayo_bridge.graph import Template
from ayo_bridge.lift.subclass import plain, state_of
from ayo_bridge.runahead import Scope, current_scope, open_scope
from ayo_bridge.runahead.home import Home
from ayo_bridge.runahead.state import AcceleratedState
from ayo_bridge.runahead.streams import scoped_async_stream, scoped_stream
from ayo_bridge.seam import entered
from ayo_langchain.guide import Guide
from ayo_langchain.lift import lift_chain
from ayo_langchain.lifter import Lifter

Method = Callable[..., Any]


class Entries:
    """The methods that are replaced on an accelerated runnable, and what they learn.

    Args:
        base: the runnable's class.
    """

    def __init__(self, base: type) -> None:
        self._base = base
        self._expected: dict[int, int] = {}

    def template(self, obj: Any, runtime: Home) -> Template:
        """What ``obj`` is lifted to before any call."""
        return lift_chain(obj, Lifter(runtime, self._expected, sync=True)).template

    def methods(self) -> dict[str, Method]:
        """The replaced methods, by name."""
        from langchain_core.runnables import Runnable

        methods = {
            "invoke": self._sync("invoke"),
            "ainvoke": self._async("ainvoke"),
            "stream": self._stream("stream"),
            "astream": self._astream("astream"),
        }
        # The default batch calls invoke() for each input, in threads or tasks of its own: there
        # every input gets a scope from that, and the engine schedulers fuse across scopes. A
        # sequence instead takes all inputs through one step after the other; its loop has to stay
        # whole for the events to stay as they are, so one scope serves all inputs of it.
        if getattr(self._base, "batch", None) is not Runnable.batch:
            methods["batch"] = self._sync("batch", many=True)
        if getattr(self._base, "abatch", None) is not Runnable.abatch:
            methods["abatch"] = self._async("abatch", many=True)
        if "__eq__" in {name for cls in self._base.__mro__[:-1] for name in vars(cls)}:
            methods["__eq__"] = self._equal()
        return methods

    # Scopes.

    def _open(self, obj: Any, entry: str, *, sync: bool, copies: int = 1) -> Scope | None:
        """Open the scope of one call; ``None`` inside another scope.

        A nested accelerated object shares the outer call's scope, and so its engines' queues.
        Anything that goes wrong leaves the original call as it is.
        """
        if current_scope() is not None:
            return None
        state = state_of(obj)
        if state is None:
            return None
        try:
            return self._opened(obj, state, entry, sync, copies)
        except Exception as error:
            state.switch_off(f"its scope could not be opened: {error!r}")
            return None

    def _opened(
        self, obj: Any, state: AcceleratedState, entry: str, sync: bool, copies: int
    ) -> Scope:
        runtime = state.runtime
        lifter = Lifter(runtime, self._expected, sync=sync)
        chain = lift_chain(obj, lifter, copies=copies)
        plan = runtime.planner.plan(chain.template, chain.makers if state.runs_ahead else {})
        scope = open_scope(state, entry, plan)
        if state.runs_ahead:
            scope.guide = Guide(scope, chain, lifter)
        for note in chain.template.notes:
            if note not in state.template.notes:  # It was not so when the object was accelerated.
                scope.note(note)
        scope.start({})
        return scope

    # Methods.

    def _sync(self, name: str, *, many: bool = False) -> Method:
        original = getattr(self._base, name)

        @wraps(original)
        def method(obj: Any, /, *args: Any, **kwargs: Any) -> Any:
            copies = _count(args, kwargs) if many else 1
            scope = self._open(obj, name, sync=True, copies=copies)
            if scope is None:
                return original(obj, *args, **kwargs)
            try:
                with entered(scope):
                    return original(obj, *args, **kwargs)
            except BaseException as error:
                scope.record.error = repr(error)
                raise
            finally:
                scope.close()

        return method

    def _async(self, name: str, *, many: bool = False) -> Method:
        original = getattr(self._base, name)

        @wraps(original)
        async def method(obj: Any, /, *args: Any, **kwargs: Any) -> Any:
            copies = _count(args, kwargs) if many else 1
            scope = self._open(obj, name, sync=False, copies=copies)
            if scope is None:
                return await original(obj, *args, **kwargs)
            try:
                with entered(scope):
                    return await original(obj, *args, **kwargs)
            except BaseException as error:
                scope.record.error = repr(error)
                raise
            finally:
                scope.close()

        return method

    def _stream(self, name: str) -> Method:
        original = getattr(self._base, name)

        @wraps(original)
        def method(obj: Any, /, *args: Any, **kwargs: Any) -> Iterator[Any]:
            # As in the original, nothing happens before the first step.
            stream = original(obj, *args, **kwargs)
            scope = self._open(obj, name, sync=True)
            if scope is None:
                yield from stream
            else:
                yield from scoped_stream(_generator(stream), scope)

        return method

    def _astream(self, name: str) -> Method:
        original = getattr(self._base, name)

        @wraps(original)
        async def method(obj: Any, /, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            stream = _async_generator(original(obj, *args, **kwargs))
            scope = self._open(obj, name, sync=False)
            if scope is not None:
                stream = scoped_async_stream(stream, scope)
            async with aclosing(stream):
                async for item in stream:
                    yield item

        return method

    def _equal(self) -> Method:
        """Equality of the plain objects: pydantic's own asks for the very same class."""
        original: Method = self._base.__eq__

        def equal(obj: Any, other: Any) -> Any:
            other = plain(other) if state_of(other) is not None else other
            return original(plain(obj), other)

        return equal


def _count(args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    inputs = args[0] if args else kwargs.get("inputs", ())
    return len(inputs) if hasattr(inputs, "__len__") else 1


def _generator(stream: Iterator[Any]) -> Generator[Any, Any, Any]:
    if isinstance(stream, Generator):
        return stream
    return (item for item in stream)


def _async_generator(stream: AsyncIterator[Any]) -> AsyncGenerator[Any, Any]:
    if isinstance(stream, AsyncGenerator):
        return stream
    return (item async for item in stream)


__all__ = ["Entries"]
