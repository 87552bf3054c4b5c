"""What a function certainly asks by in one call: what its body says, with the names as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from inspect import CO_COROUTINE, CO_GENERATOR
from types import CodeType, FunctionType, MethodType
from typing import Any, Final

from ayo_bridge.learn.certain.bytecode import facts_of
from ayo_bridge.learn.certain.facts import (
    Called,
    Constant,
    Facts,
    Item,
    Listed,
    Mark,
    Method,
    Nested,
    Path,
    Repeated,
    Returned,
    Root,
    Rooted,
    Value,
)
from ayo_bridge.learn.certain.reading import (
    SAFE_METHODS,
    attribute,
    cells_of,
    global_of,
    has_harmless,
    innermost,
    is_harmless,
    is_nobodys,
    is_plain,
    item,
    of_object,
    parameters_of,
)
from ayo_bridge.learn.tracing.sites import call_at
from ayo_bridge.lift.asking import ABSENT, Asking, Given, Known, Verdicts

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
        value: what it returns, as far as that is known.
    """

    asks: tuple[Certain, ...] = ()
    harmless: bool = False
    value: Any = field(default=ABSENT, compare=False)


OPAQUE: Final = Run()
HARMLESS: Final = Run((), True)


def run_of(
    function: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    known: Known,
    *,
    outermost: bool = True,
    whole: bool = True,
) -> Run:
    """What a call of a function, a method or a partial comes to.

    Names are looked up as they are now; the body is read once. What could change them, or for whom
    is asked, before a call makes that call uncertain.

    Args:
        known: of frameworks, whose objects ask engines.
        outermost: whether sites begin at this function.
        whole: whether these are all arguments.
    """
    inner, first, named = innermost(function)
    if type(inner) is not FunctionType:
        return OPAQUE
    given = parameters_of(inner, (*first, *args), {**named, **kwargs}, whole=whole)
    return _Walk(known, outermost).function(inner, given, (), frozenset(), True)


Chain = tuple[frozenset[bytes], ...]


@dataclass(frozen=True, slots=True)
class _Walk:
    """Goes through a function and those that it calls."""

    known: Known
    outermost: bool
    verdicts: Verdicts = field(default_factory=dict)

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
        cells = cells_of(function)
        names = _Names(function.__globals__, cells, given, facts.kept, self.known, self.verdicts)
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
        runs = []
        for event in facts.events:
            run = OPAQUE
            if event is not None:
                run = self._call(code, event, names, chain, around | {code})
                names.returned[event.at] = run.value
            runs.append(run)
        harmful = sum(1 << place for place, run in enumerate(runs) if not run.harmless)
        if code.co_flags & (CO_GENERATOR if awaited else CO_GENERATOR | CO_COROUTINE):
            return Run((), not harmful)  # Calling it runs nothing of it.
        asks = tuple(
            ask
            for event, run in zip(facts.events, runs, strict=True)
            if event is not None and event.certain and not event.before & harmful
            for ask in run.asks
        )
        return Run(asks, not harmful, names.value(facts.returns))

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
        step = self._step(code, event, names)
        longer = (*chain, step) if step else chain
        if isinstance(callee, Method):
            return HARMLESS if callee.name in SAFE_METHODS else OPAQUE
        if isinstance(callee, Nested):
            some = bool(event.args) and (event.args or ())[0] is Mark.SOME
            facts = facts_of(callee.code, some)
            inner = names.inside(callee.code, event, facts)
            return self.body(callee.code, facts, inner, longer, around, event.awaited)
        if not isinstance(callee, Rooted):
            return OPAQUE
        return self._attribute(names.root(callee), callee.steps, event, names, longer, around)

    def _attribute(
        self,
        obj: Any,
        steps: tuple[str, ...],
        event: Called,
        names: _Names,
        chain: Chain,
        around: frozenset[CodeType],
    ) -> Run:
        """A call of what is read of an object, over some steps."""
        for place, name in enumerate(steps):
            if (run := self._known(obj, steps[place:], event, names, chain)) is not None:
                return run
            if place == len(steps) - 1 and has_harmless(obj, name):
                return HARMLESS
            obj = names.attribute(obj, name)
        found = self._known(obj, (), event, names, chain)
        return self._value(obj, event, names, chain, around) if found is None else found

    def _value(
        self, value: Any, event: Called, names: _Names, chain: Chain, around: frozenset[CodeType]
    ) -> Run:
        """A call of what has been read."""
        if is_harmless(value, named=bool(event.names) or event.args is None):
            passed = (e for e in event.args or () if isinstance(e, Path | Nested | Returned))
            return OPAQUE if any(names.may_act(each) for each in passed) else HARMLESS
        if type(value) is MethodType:
            name = getattr(value.__func__, "__name__", "")
            owner = value.__self__
            found = self._known(owner, (name,), event, names, chain)
            if found is not None and attribute(owner, name) == value:
                return found
        inner, first, named = innermost(of_object(value))
        if type(inner) is not FunctionType:
            return OPAQUE
        if event.args is None:
            given = parameters_of(inner, first, {}, whole=False)
        else:
            args, by_name = names.given_to(event)
            given = parameters_of(inner, (*first, *args), {**named, **by_name})
        return self.function(inner, given, chain, around, event.awaited)

    def _known(
        self, obj: Any, steps: tuple[str, ...], event: Called, names: _Names, chain: Chain
    ) -> Run | None:
        """A call of what a framework is known to do by an object, or with it."""
        if is_nobodys(obj):
            return None
        asking = self.known.asks(obj, steps, event.awaited) if steps else None
        if asking is not None:
            return Run(self._asks(asking, chain), asking.harmless)
        if event.args is None or len(steps) > 1:
            return None
        given = Given(*names.given_to(event), event.awaited, self.verdicts)
        making = self.known.makes(obj, steps, given)
        if making is None:
            return None
        asks = self._asks(making.asking, chain) if making.asking is not None else ()
        return Run(asks, True, making.value)

    def _asks(self, asking: Asking, chain: Chain) -> tuple[Certain, ...]:
        return tuple(
            each
            if isinstance(each, Certain)
            else Certain(each, chain, asking.plain, self.outermost)
            for each in asking.owners
        )

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
    known: Known
    verdicts: Verdicts
    returned: dict[int, Any] = field(default_factory=dict)
    """What calls have returned, by where they stand."""

    def root(self, path: Rooted) -> Any:
        """What a path begins with; :data:`ABSENT` if that is not known."""
        if isinstance(path, Path):
            if path.root is Root.GLOBAL:
                return global_of(self.space, path.name)
            return (self.cells if path.root is Root.CELL else self.given).get(path.name, ABSENT)
        if isinstance(path, Returned):
            return self.returned.get(path.at, ABSENT)
        if isinstance(path, Item):
            return item(self.value(path.of), self.value(path.key))
        return self._joined(self.value(path.left), self.value(path.right))

    def value(self, value: Value) -> Any:
        """What a value is, as far as that can be read."""
        if isinstance(value, Constant):
            return value.value
        if isinstance(value, Rooted):
            return reduce(self.attribute, value.steps, self.root(value))
        if isinstance(value, Listed):
            return [self.value(each) for each in value.values]
        return [self.value(value.value)] if isinstance(value, Repeated) else ABSENT

    def attribute(self, obj: Any, name: str) -> Any:
        """An attribute of what has been read; :data:`ABSENT` if that is not known."""
        if obj is ABSENT:
            return ABSENT
        found = attribute(obj, name)
        return self.known.reads(obj, name) if found is ABSENT else found

    def _joined(self, left: Any, right: Any) -> Any:
        if left is ABSENT:
            return ABSENT
        making = self.known.makes(left, ("__or__",), Given([right], {}, False, self.verdicts))
        return ABSENT if making is None else making.value

    def given_to(self, event: Called) -> tuple[list[Any], dict[str, Any]]:
        """What a call is given by position, and by name. A function of the body's own is itself."""
        given = event.args or ()
        values = [e if isinstance(e, Nested) else self.value(e) for e in given]
        positional = len(values) - len(event.names)
        return values[:positional], dict(zip(event.names, values[positional:], strict=True))

    def may_act(self, value: Path | Nested | Returned) -> bool:
        """Whether code of a value may run where it is given to a builtin."""
        return isinstance(value, Nested) or not is_plain(self.value(value))

    def inside(self, code: CodeType, event: Called, facts: Facts) -> _Names:
        """The names of a function that this body has made, when it calls that."""
        own = {name: value for name, value in self.given.items() if name in self.kept}
        held = {**own, **self.cells}
        cells = {name: held.get(name, ABSENT) for name in code.co_freevars}
        names = code.co_varnames[: code.co_argcount]
        args = () if event.names else tuple(self.value(each) for each in event.args or ())
        given = dict(zip(names, args, strict=False))
        return _Names(self.space, cells, given, facts.kept, self.known, self.verdicts)
