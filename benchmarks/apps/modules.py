"""A program as the modules it is made of, for those who orchestrate them otherwise.

A program calls its modules one after the other. What a module takes says which of them need
nothing of each other: where LlamaDistPC runs modules side by side by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

LLM: Final = "llm"
EMBEDDING: Final = "embedding"
STORE: Final = "store"
RERANKER: Final = "reranker"
WEB: Final = "web"


@dataclass(frozen=True, slots=True)
class Module:
    """One step of a program.

    Args:
        name: by which later modules take its value.
        run: is given the values of ``takes`` in that order, and returns the module's value. Values
            are plain data or nodes, which can be pickled; ``run`` itself holds clients and models,
            which cannot: make the chain where its modules are to run.
        takes: names of inputs of the program and of modules before this one.
        engines: those that it asks.
        when: the name of a module; where that one's value is false, ``run`` is not called, and the
            value is ``otherwise``.
    """

    name: str
    run: Callable[..., Any]
    takes: tuple[str, ...]
    engines: tuple[str, ...] = ()
    when: str = ""
    otherwise: Any = None

    @property
    def needs(self) -> tuple[str, ...]:
        """All that has to be known before it can run."""
        return (*self.takes, self.when) if self.when else self.takes

    def __call__(self, known: dict[str, Any]) -> Any:
        """Its value, by the values of inputs and modules before it."""
        if self.when and not known[self.when]:
            return self.otherwise
        return self.run(*(known[name] for name in self.takes))


@dataclass(frozen=True, slots=True)
class Chain:
    """The modules of a program in its order; the value of the last one is the answer.

    Raises:
        ValueError: a module takes what no input and no module before it gives.
    """

    name: str
    inputs: tuple[str, ...]
    modules: tuple[Module, ...]

    def __post_init__(self) -> None:
        """Refuse an order that cannot be."""
        known = set(self.inputs)
        for module in self.modules:
            if unknown := set(module.needs) - known:
                raise ValueError(f"{module.name} of {self.name} takes {sorted(unknown)} too early")
            known.add(module.name)

    def __getitem__(self, name: str) -> Module:
        """A module by its name.

        Raises:
            KeyError: there is none.
        """
        return {module.name: module for module in self.modules}[name]

    def run(self, **given: Any) -> Any:
        """The answer, one module after the other."""
        known = dict(given)
        for module in self.modules:
            known[module.name] = module(known)
        return known[self.modules[-1].name]

    def stages(self) -> Iterator[tuple[Module, ...]]:
        """Modules that need nothing of each other, in the order in which they can run."""
        known, left = set(self.inputs), list(self.modules)
        while left:
            ready = tuple(module for module in left if known.issuperset(module.needs))
            yield ready
            known.update(module.name for module in ready)
            left = [module for module in left if module not in ready]
