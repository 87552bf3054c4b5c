"""What is compared: an arm is a name, and a way to make its object of the application's.

Another arm is another :class:`Arm`; the first of those that are measured is what all are held
against. An application's module may offer arms of its own: they are what it has as ``arms``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ayo_bridge.api import accelerate
from ayo_bridge.bench.places import Place, Spent
from ayo_bridge.bench.wrong import BenchError
from ayo_bridge.errors import NotAcceleratedWarning
from ayo_bridge.lift.functions import function_state
from ayo_bridge.lift.subclass import state_of
from ayo_bridge.passes import PIPELINE, Pass
from ayo_bridge.runahead import AcceleratedState
from ayo_bridge.runtime import Runtime
from ayo_bridge.verify.target import Loaded


@dataclass(frozen=True, slots=True)
class Made:
    """An arm's object. ``runtime`` is closed with it, and ``closing`` is called then."""

    obj: Any
    runtime: Runtime | None = None
    closing: Callable[[], object] | None = None

    @property
    def state(self) -> AcceleratedState | None:
        """What is known of its calls; ``None``: it is not accelerated."""
        if isinstance(self.obj, Place):
            return self.obj.state
        return state_of(self.obj) or function_state(self.obj)

    @property
    def spent(self) -> Spent | None:
        """What its last run took, without what was done for that before and after."""
        return self.obj.spent if isinstance(self.obj, Place) else None

    def close(self) -> None:
        """Nothing more is asked of it."""
        if self.runtime is not None:
            self.runtime.close()
        if self.closing is not None:
            self.closing()


@dataclass(frozen=True, slots=True)
class Arm:
    """``make`` is given the application's object, and the most calls that a round has."""

    name: str
    make: Callable[[Loaded, int], Made]


ORIGINAL: Final = Arm("original", lambda loaded, calls: Made(loaded.obj))


ACCELERATED: Final = "ayo"
LEFT_OUT: Final = "no "
"""How the names of arms begin that lack a pass."""


def accelerated(passes: tuple[Pass, ...] = PIPELINE, name: str = ACCELERATED) -> Arm:
    """What ``accelerate`` makes, with these passes.

    It begins knowing nothing that earlier processes have learned, so that runs can be compared.
    """

    def make(loaded: Loaded, calls: int) -> Made:
        runtime = Runtime(passes=passes, templates=False, verify=0.0, history=max(32, calls))
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", NotAcceleratedWarning)
            made = Made(_faster(loaded.obj, runtime), runtime)
        if made.state is None:
            runtime.close()
            why = next((str(each.message) for each in said), "nothing can be done for it")
            raise BenchError(f"there is nothing to compare: {why}")
        for each in said:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
        return made

    return Arm(name, make)


def _faster(obj: Any, runtime: Runtime) -> Any:
    return obj.by(runtime) if isinstance(obj, Place) else accelerate(obj, runtime=runtime)


def ablated() -> list[Arm]:
    """The accelerated arm without each of its passes in turn."""
    return [
        replace(accelerated(_but(each)), name=f"{LEFT_OUT}{each.name.replace('_', ' ')}")
        for each in PIPELINE
    ]


def _but(left_out: Pass) -> tuple[Pass, ...]:
    return tuple(each for each in PIPELINE if each is not left_out)


def offered(module: object) -> Sequence[Arm]:
    """The arms that an application's module has as ``arms``.

    Raises:
        BenchError: they cannot be made, or it has something else under that name.
    """
    name = getattr(module, "__name__", "the module")
    try:
        found = getattr(module, "arms", ())
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise BenchError(f"`arms` of {name} could not be made: {what}") from error
    if not (isinstance(found, Sequence) and all(isinstance(each, Arm) for each in found)):
        raise BenchError(f"`arms` of {name} is to be a list of ayo_bridge.bench.Arm")
    return found


def chosen(text: str, module: object) -> list[Arm]:
    """``original,tuned,ayo`` as arms, by name: the two of this module, and those that are offered.

    The first is what all are held against; of the rest the accelerated one comes first. An
    application's module is asked only for what is not known here.

    Raises:
        BenchError: there is no such arm, or it is one alone.
    """
    known = {ORIGINAL.name: ORIGINAL, ACCELERATED: accelerated()}
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    if len(names) < 2 or not known.keys() >= set(names):
        known = {each.name: each for each in offered(module)} | known
    if unknown := [name for name in names if name not in known]:
        raise BenchError(f"no arm is called {', '.join(unknown)}: there are {', '.join(known)}")
    if len(names) < 2:
        raise BenchError(f"--arms names two at least, of {', '.join(known)}; not {text}")
    baseline, *rest = names
    return [known[name] for name in (baseline, *sorted(rest, key=lambda it: it != ACCELERATED))]


__all__ = [
    "ACCELERATED",
    "LEFT_OUT",
    "ORIGINAL",
    "Arm",
    "Made",
    "ablated",
    "accelerated",
    "chosen",
    "offered",
]
