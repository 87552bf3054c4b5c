"""In: functions and callable objects of a program. Out: the same, learned from their calls."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from types import FunctionType, MethodType
from typing import Any, ClassVar, Final

from ayo_bridge.adapter import KNOWN, adapters
from ayo_bridge.bindings.binding import Binding
from ayo_bridge.bindings.engines import BINDINGS as ENGINE_BINDINGS
from ayo_bridge.graph import Template
from ayo_bridge.learn.certain.running import Certain, run_of
from ayo_bridge.learn.live.entry import FunctionKind, followed, kind_of, signature_of
from ayo_bridge.learn.live.kept import kept_of
from ayo_bridge.learn.live.learned import Learned
from ayo_bridge.learn.live.words import learning
from ayo_bridge.lift.adapter import Again
from ayo_bridge.lift.asking import ABSENT, Asking, Given, Making
from ayo_bridge.lift.entries import Base
from ayo_bridge.lift.functions import cached, keep
from ayo_bridge.lift.ingests import Ingests
from ayo_bridge.lift.shows import Shows
from ayo_bridge.lift.subclass import Methods
from ayo_bridge.runahead import AcceleratedState
from ayo_bridge.runahead.home import Home
from ayo_python.called import followed_object, is_called, object_like
from ayo_python.unheard import FunctionShows

_NOT_LEARNED: Final = "nothing is learned of it: AYO_LEARN=0 is set"
_STREAMS: Final = "a generator is passed through: its calls are made while it is read"


class PythonAdapter:
    """Learns what is called like a function. Nothing of it is known beforehand.

    That is functions, methods, partials, functions with a cache (``functools.lru_cache``), and
    objects of a program's own classes.
    """

    name: ClassVar[str] = "python"
    stores: ClassVar[Sequence[Binding]] = ()
    helpers: ClassVar[Sequence[Binding]] = ()
    bases: ClassVar[Sequence[Base]] = ()
    shows: ClassVar[Shows] = FunctionShows()
    ingests: ClassVar[Ingests] = Ingests()

    def accepts(self, obj: object) -> bool:
        """Whether ``obj`` is written in Python and called like a function."""
        if isinstance(obj, functools.partial):
            return self.accepts(obj.func)
        if isinstance(obj, functools._lru_cache_wrapper):
            return self.accepts(obj.__wrapped__)
        return isinstance(obj, FunctionType | MethodType) or is_called(obj, self._frameworks)

    @functools.cached_property
    def _frameworks(self) -> tuple[str, ...]:
        others = (each.shows for each in adapters() if each is not self)
        return tuple(name for shows in others for name in shows.packages)

    def accelerate(self, obj: Any, runtime: Home, again: Again, *, quiet: bool = False) -> Any:
        """A function of the same name, signature and kind, or an object of the same class.

        As a decorator a function takes the place of the original; else ``pickle``, which knows
        functions by their names only, finds the original under this name and refuses.

        Raises:
            NotAccelerableError: it is an object, of which there can be no other like it.
        """
        if isinstance(obj, functools._lru_cache_wrapper):
            return cached(self.accelerate(obj.__wrapped__, runtime, again), obj)
        if isinstance(obj, functools.partial) and is_called(obj.func, self._frameworks):
            fast = self.accelerate(obj.func, runtime, again)
            return functools.partial(fast, *obj.args, **obj.keywords)
        notes = (_STREAMS,) if kind_of(obj) is FunctionKind.STREAM else ()
        if os.environ.get("AYO_LEARN") == "0":
            notes = (_NOT_LEARNED,)
        name = _name(obj)
        template = Template((), inputs=(), name=name, notes=notes)
        state = AcceleratedState(self.name, name, runtime, template, again)
        state.shows = self.shows
        self._install()
        if is_called(obj, self._frameworks):
            return object_like(obj, state) if notes else followed_object(obj, state, _certain)
        if notes:
            fast = _copied(obj)
        else:
            learned = Learned(state, name, signature_of(obj), kept_of(obj, runtime))
            state.learning = lambda: learning(learned)
            fast = followed(obj, learned, _certain)
        keep(fast, state)
        return fast

    def attach(self, obj: Any, runtime: Home) -> tuple[AcceleratedState, Methods] | str:
        """A function is accelerated where its program says so."""
        return "functions are accelerated by accelerate() only"

    def followed(self) -> Sequence[Binding]:
        """All that it puts on."""
        known = [each for adapter in adapters() for each in (*adapter.stores, *adapter.helpers)]
        return (*ENGINE_BINDINGS, *known)

    def asks(self, obj: Any, steps: Sequence[str], awaited: bool) -> Asking | None:
        """Nothing: functions are read."""
        return None

    def makes(self, obj: Any, steps: Sequence[str], given: Given) -> Making | None:
        """Nothing either."""
        return None

    def reads(self, obj: Any, name: str) -> Any:
        """Properties are not asked."""
        return ABSENT

    def _install(self) -> None:
        for binding in self.followed():
            binding.install()


def _certain(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[Certain]:
    """What every run of this call asks by; found out only where it is wanted."""
    yield from run_of(function, args, kwargs, KNOWN).asks


def _copied(function: Any) -> Any:
    """A function that does the same, to have a state of its own."""
    if isinstance(function, functools.partial):
        return functools.partial(_copied(function.func), *function.args, **function.keywords)
    if isinstance(function, MethodType):
        return MethodType(_copied(function.__func__), function.__self__)
    if isinstance(function, functools._lru_cache_wrapper):
        return cached(_copied(function.__wrapped__), function)
    copy = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return functools.update_wrapper(copy, function)


def _name(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    named = function if isinstance(function, FunctionType | MethodType) else type(function)
    return str(getattr(named, "__qualname__", "")).rpartition("<locals>.")[2]


adapter = PythonAdapter()

__all__ = ["PythonAdapter", "adapter"]
