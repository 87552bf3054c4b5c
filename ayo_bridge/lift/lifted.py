"""What lifting an object gives, and the draft that lifters write."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field

from ayo_bridge.graph import Component, Opaque, Template
from ayo_bridge.runahead import Maker, Scope
from ayo_bridge.schedule import ComponentOp


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of an entry point, as far as lifting depends on it.

    Args:
        sync: whether it is one that blocks: frameworks' sync and async paths differ.
        values: what the graph starts with.
        predictable: whether requests can be made from these values alone.
        copies: how many inputs one call takes through the object, side by side.
    """

    sync: bool
    values: Mapping[str, object] = field(default_factory=dict)
    predictable: bool = True
    copies: int = 1

    @property
    def shape(self) -> Hashable:
        """What a template depends on: calls of one shape are lifted once."""
        return self.sync, self.copies


MakerOf = Callable[[Asked], Maker]
"""Makes the maker of one call."""


@dataclass(frozen=True, slots=True)
class Lifted:
    """A template with what is needed to follow calls of it.

    ``guide`` makes what the taps of a framework talk to while one call runs. ``covers`` are the ids
    of the objects that the template describes: these need no scope of their own inside of it.
    ``followed`` says that calls of some engine in it can be followed, ``leads``
    that some may be made ahead, now or once the original has made more of it known.
    """

    template: Template
    makers: Mapping[ComponentOp, MakerOf]
    guide: Callable[[Scope, Asked], object]
    covers: frozenset[int] = frozenset()
    followed: bool = True
    leads: bool = False


@dataclass(slots=True)
class Draft:
    """A template in the making. ``prefix`` keeps the names of several in one graph apart."""

    prefix: str = ""
    components: list[Component] = field(default_factory=list)
    edges: list[tuple[str, str]] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    makers: dict[ComponentOp, MakerOf] = field(default_factory=dict)
    covers: set[int] = field(default_factory=set)
    followed: bool = False
    leads: bool = False
    asking: list[object] = field(default_factory=list)
    """Opaque parts that ask an LLM."""
    _names: dict[str, int] = field(default_factory=dict)

    def name(self, kind: str) -> str:
        """A component name that is not taken: ``search``, ``search2``, ..."""
        number = self._names[kind] = self._names.get(kind, 0) + 1
        return f"{self.prefix}{kind}{number if number > 1 else ''}"

    def input(self, value: str) -> str:
        """Declare a value that comes from outside the graph."""
        if value not in self.inputs:
            self.inputs.append(value)
        return value

    def add(self, component: Component, after: Iterable[str] = ()) -> None:
        """Append a component that runs after these."""
        self.components.append(component)
        self.followed |= not isinstance(component, Opaque)
        self.edges.extend((before, component.name) for before in after)

    def then(self, component: Component) -> None:
        """Append a component that runs after the last one."""
        self.add(component, [self.components[-1].name] if self.components else [])

    def note(self, text: str) -> None:
        """Say something of a component, for ``explain``."""
        self.notes.append(text.removeprefix(self.prefix))

    def take(self, other: Draft) -> None:
        """Put another draft beside this one."""
        self.components += other.components
        self.edges += other.edges
        self.inputs += other.inputs
        self.notes += [note for note in other.notes if note not in self.notes]
        self.makers |= other.makers
        self.covers |= other.covers
        self.followed |= other.followed
        self.leads |= other.leads
        self.asking += other.asking

    def template(self, name: str) -> Template:
        """The template, called like the class that it describes.

        Raises:
            GraphError: two components have one name.
        """
        return Template(
            tuple(self.components), tuple(self.edges), tuple(self.inputs), name, tuple(self.notes)
        )

    def lifted(self, name: str, guide: Callable[[Scope, Asked], object]) -> Lifted:
        """The template with its makers."""
        covers = frozenset(self.covers)
        return Lifted(self.template(name), self.makers, guide, covers, self.followed, self.leads)


__all__ = ["Asked", "Draft", "Lifted", "MakerOf"]
