"""What a function certainly asks by in one call: what its body says, with the names as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import CO_COROUTINE, CO_GENERATOR
from types import CodeType, FunctionType, MethodType
from typing import Any, Final

from ayo_bridge.learn.certain.bytecode import facts_of
from ayo_bridge.learn.certain.facts import (
    Called,
    Constant,
    Facts,
    Mark,
    Method,
    Nested,
    Path,
    Root,
    Value,
)
from ayo_bridge.learn.certain.reading import (
    ABSENT,
    SAFE_METHODS,
    attribute,
    cells_of,
    global_of,
    has_harmless,
    innermost,
    is_harmless,
    is_plain,
    parameters_of,
)
from ayo_bridge.learn.tracing.sites import call_at
from ayo_bridge.lift.asking import Asked, Asking

DEEPEST: Final = 5
"""Functions that are followed into each other."""


@dataclass(frozen=True, slots=True)
class Certain:
    """A client, model or store by which every run of a call asks, and where.

    Args:
        owner: it.
        chain: the calls in the program that lead there, the outermost first; each of them as the
            digests of the instructions at which it may stand. It counts at sites that they lead to.
        plain: whether only this is asked there.
        outermost: whether the chain begins where the site's stack does.
    """

    owner: object
    chain: tuple[frozenset[bytes], ...]
    plain: bool = True
    outermost: bool = True

    def leads_to(self, calls: Sequence[bytes]) -> bool:
        """Whether a site lies behind the chain.

        Args:
            calls: those of its stack, the innermost first.
        """
        outside_in, length = calls[::-1], len(self.chain)
        last = 0 if self.outermost else len(outside_in) - length
        return length > 0 and any(
            all(call in step for call, step in zip(outside_in[at:], self.chain, strict=False))
            for at in range(last + 1)
            if len(outside_in) - at >= length
        )


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of a function comes to.

    Args:
        asks: what it certainly asks by.
        harmless: whether it changes nothing for those who ask after it.
    """

    asks: tuple[Certain, ...] = ()
    harmless: bool = False


OPAQUE: Final = Run()
HARMLESS: Final = Run((), True)


def run_of(
    function: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    asked: Asked,
    *,
    outermost: bool = True,
    whole: bool = True,
) -> Run:
    """What a call of a function, a method or a partial comes to.

    Names are looked up as they are now; the body is read once. What could change them, or for whom
    is asked, before a call makes that call uncertain.

    Args:
        asked: knows what asks engines.
        outermost: whether sites begin at this function.
        whole: whether these are all arguments.
    """
    inner, first, named = innermost(function)
    if type(inner) is not FunctionType:
        return OPAQUE
    given = parameters_of(inner, (*first, *args), {**named, **kwargs}, whole=whole)
    return _Walk(asked, outermost).function(inner, given, (), frozenset(), True)


Chain = tuple[frozenset[bytes], ...]


@dataclass(frozen=True, slots=True)
class _Walk:
    """Goes through a function and those that it calls."""

    asked: Asked
    outermost: bool

    def function(
        self,
        function: FunctionType,
        given: Mapping[str, Any],
        chain: Chain,
        around: frozenset[CodeType],
        awaited: bool,
    ) -> Run:
        """A function of the user's that is called."""
        code, facts = function.__code__, facts_of(function.__code__)
        names = _Names(function.__globals__, cells_of(function), given, facts.kept)
        return self.body(code, facts, names, chain, around, awaited)

    def body(
        self,
        code: CodeType,
        facts: Facts,
        names: _Names,
        chain: Chain,
        around: frozenset[CodeType],
        awaited: bool,
    ) -> Run:
        """One body, with what its names stand for."""
        if code in around or len(around) >= DEEPEST:
            return OPAQUE
        if facts.counts_on_range and global_of(names.space, "range") is not range:
            return OPAQUE
        runs = [
            OPAQUE if event is None else self._call(code, event, names, chain, around | {code})
            for event in facts.events
        ]
        harmful = sum(1 << place for place, run in enumerate(runs) if not run.harmless)
        if code.co_flags & (CO_GENERATOR if awaited else CO_GENERATOR | CO_COROUTINE):
            return Run((), not harmful)  # Calling it runs nothing of it.
        asks = tuple(
            ask
            for event, run in zip(facts.events, runs, strict=True)
            if event is not None and event.certain and not event.before & harmful
            for ask in run.asks
        )
        return Run(asks, not harmful)

    def _call(
        self,
        code: CodeType,
        event: Called,
        names: _Names,
        chain: Chain,
        around: frozenset[CodeType],
    ) -> Run:
        """One call of a body."""
        callee = event.callee
        if isinstance(callee, Method):
            return HARMLESS if callee.name in SAFE_METHODS else OPAQUE
        step = self._step(code, event, names)
        longer = (*chain, step) if step else chain
        if isinstance(callee, Nested):
            some = bool(event.args) and (event.args or ())[0] is Mark.SOME
            facts = facts_of(callee.code, some)
            inner = names.inside(callee.code, event, facts)
            return self.body(callee.code, facts, inner, longer, around, event.awaited)
        if not isinstance(callee, Path):
            return OPAQUE
        obj = names.root(callee)
        for place, name in enumerate(callee.steps):
            if obj is not ABSENT and (asking := self._asks(obj, callee.steps[place:], event)):
                return self._run(asking, longer)
            if place == len(callee.steps) - 1 and has_harmless(obj, name):
                return HARMLESS
            obj = ABSENT if obj is ABSENT else attribute(obj, name)
        return self._value(obj, event, names, longer, around)

    def _value(
        self, value: Any, event: Called, names: _Names, chain: Chain, around: frozenset[CodeType]
    ) -> Run:
        """A call of what has been read."""
        if is_harmless(value, named=bool(event.names) or event.args is None):
            passed = (each for each in event.args or () if isinstance(each, Path | Nested))
            return OPAQUE if any(names.may_act(each) for each in passed) else HARMLESS
        if type(value) is MethodType:
            name = getattr(value.__func__, "__name__", "")
            if attribute(value.__self__, name) == value and (
                asking := self._asks(value.__self__, (name,), event)
            ):
                return self._run(asking, chain)
        inner, first, named = innermost(value)
        if type(inner) is not FunctionType:
            return OPAQUE
        if event.args is None:
            given = parameters_of(inner, first, {}, whole=False)
        else:
            positional = len(event.args) - len(event.names)
            args = [names.value(each) for each in event.args]
            by_name = dict(zip(event.names, args[positional:], strict=True))
            given = parameters_of(inner, (*first, *args[:positional]), {**named, **by_name})
        return self.function(inner, given, chain, around, event.awaited)

    def _asks(self, obj: Any, steps: Sequence[str], event: Called) -> Asking | None:
        return self.asked(obj, steps, event.awaited)

    def _run(self, asking: Asking, chain: Chain) -> Run:
        asks = (
            each
            if isinstance(each, Certain)
            else Certain(each, chain, asking.plain, self.outermost)
            for each in asking.owners
        )
        return Run(tuple(asks), asking.plain)

    def _step(self, code: CodeType, event: Called, names: _Names) -> frozenset[bytes]:
        """Where the call stands in a site; nothing if sites leave such frames out."""
        module = names.space.get("__name__") or ""
        found = (call_at(code, module, each) for each in (event.at, *event.also))
        return frozenset(each for each in found if each is not None)


@dataclass(frozen=True, slots=True)
class _Names:
    """What the names of a body stand for in a call."""

    space: Mapping[str, Any]
    cells: Mapping[str, Any]
    given: Mapping[str, Any]
    kept: frozenset[str]
    """The parameters that stand for that throughout."""

    def root(self, path: Path) -> Any:
        """What the name of a path stands for; :data:`ABSENT` if that is not known."""
        if path.root is Root.GLOBAL:
            return global_of(self.space, path.name)
        return (self.cells if path.root is Root.CELL else self.given).get(path.name, ABSENT)

    def value(self, value: Value) -> Any:
        """What a value is, as far as that can be read."""
        if isinstance(value, Constant):
            return value.value
        if not isinstance(value, Path):
            return ABSENT
        obj = self.root(value)
        for name in value.steps:
            obj = ABSENT if obj is ABSENT else attribute(obj, name)
        return obj

    def may_act(self, value: Path | Nested) -> bool:
        """Whether code of a value may run where it is given to a builtin."""
        return isinstance(value, Nested) or not is_plain(self.value(value))

    def inside(self, code: CodeType, event: Called, facts: Facts) -> _Names:
        """The names of a function that this body has made, when it calls that."""
        own = {name: value for name, value in self.given.items() if name in self.kept}
        held = {**own, **self.cells}
        cells = {name: held.get(name, ABSENT) for name in code.co_freevars}
        names = code.co_varnames[: code.co_argcount]
        args = () if event.names else tuple(self.value(each) for each in event.args or ())
        return _Names(self.space, cells, dict(zip(names, args, strict=False)), facts.kept)
