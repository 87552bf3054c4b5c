"""Module templates: the workflow as components and the order in which they run.

They are written down as ``a >> b``, which runs b after a, and ``a | b``, side by side.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import TypeVar, cast

from ayo_bridge.errors import GraphError

T = TypeVar("T")


class Composable:
    """What can stand on either side of ``>>`` and ``|``: components and flows."""

    __slots__ = ()

    def __rshift__(self, after: Composable) -> Flow:
        """This, and then ``after``: its first components come after the last ones of this."""
        first, second = flow(self), flow(after)
        edges = tuple(product(first.tails, second.heads))
        return first._with(second, edges, first.heads, second.tails)

    def __or__(self, beside: Composable) -> Flow:
        """This and ``beside``, in no order. The original program would run this first."""
        first, second = flow(self), flow(beside)
        heads, tails = first.heads + second.heads, first.tails + second.tails
        return first._with(second, (), heads, tails)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a condition chooses between: for each of its values the components that run.

    A component that stands in no branch runs whatever is chosen. With ``speculate`` branches may
    start before the condition is decided.
    """

    condition: str
    branches: tuple[tuple[Hashable, tuple[str, ...]], ...]
    speculate: bool = False

    def unchosen(self, value: object) -> frozenset[str]:
        """The components that do not run.

        Raises:
            GraphError: no branch is called that.
        """
        chosen = [names for key, names in self.branches if key == value]
        if not chosen:
            known = ", ".join(repr(key) for key, _ in self.branches)
            raise GraphError(f"{self.condition!r} chose {value!r}; its branches are {known}")
        every = {name for _, names in self.branches for name in names}
        return frozenset(every.difference(*chosen))

    @property
    def optional(self) -> frozenset[str]:
        """The components that do not run for some value of the condition."""
        branches = [frozenset(names) for _, names in self.branches]
        always = frozenset.intersection(*branches) if branches else frozenset()
        return frozenset().union(*branches) - always


class SynthesisMode(enum.StrEnum):
    """How contexts become an answer."""

    ONE_SHOT = "one_shot"
    """One call over all contexts."""
    TREE = "tree"
    """One call a chunk, then the same over the answers until one is left."""
    REFINE = "refine"
    """A chain: each call sees one more chunk and the answer so far."""
    ACCUMULATE = "accumulate"
    """One call a chunk, answers joined as text."""
    GENERATION = "generation"
    """One call that uses no context."""
    NONE = "none"
    """No call at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component(Composable):
    """A module of the workflow. Subclasses say what it does.

    ``inputs`` and ``outputs`` name values of the query; a component with none listed takes what
    its kind implies (see :mod:`ayo_bridge.graph.decompose`).
    """

    name: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexing(Component):
    """Embed documents and write them to a store."""

    embedding: str
    store: str
    items: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryExpansion(Component):
    """Ask an LLM for further queries, one item each.

    ``queries`` is how many are wanted; ``splittable`` says that the output parser's items can be
    recognised while the text is still being decoded.
    """

    llm: str
    queries: int = 3
    prompt_tokens: int = 64
    tokens: int = 64
    splittable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Searching(Component):
    """Embed queries and search a store with them.

    The input values are single queries or lists of them; ``queries`` is the number in all.
    ``embedding=""`` means that the store takes text.
    """

    embedding: str
    store: str
    queries: int = 1
    top_k: int = 2
    concurrent: bool = False
    """The framework itself searches with all queries together (async fan-out)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reranking(Component):
    """Score candidates against the query with a cross-encoder."""

    reranker: str
    candidates: int = 10
    top_n: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthesis(Component):
    """Make the answer.

    ``chunks`` is the number of contexts after packing, or ``None`` while that depends on data:
    then the component becomes an ``Expand`` primitive, replaced once the number is known.
    ``instruction_tokens`` stand before everything, ``context_tokens`` are one chunk's; with
    ``context_first`` the contexts precede question and earlier answer in the prompt.
    ``early_context`` says that in a refine step the answer so far comes last.
    """

    llm: str
    mode: SynthesisMode
    chunks: int | None = None
    instruction_tokens: int = 20
    question_tokens: int = 20
    context_tokens: int = 256
    tokens: int = 128
    context_first: bool = True
    early_context: bool = True
    concurrent: bool = False
    """The framework itself issues independent calls together (async fan-out)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchApi(Component):
    """Call a web search engine or another remote tool.

    One call takes all input values. With ``calls`` given there is one for each item of them, side
    by side, ``calls`` of them as far as is known; the value is the list of their results.
    """

    api: str
    calls: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition(Component):
    """Decide by a value which components run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contextualising(Component):
    """Have an LLM write a context for each chunk (contextual retrieval)."""

    llm: str
    items: int = 1
    document_tokens: int = 1024
    tokens: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracting(Component):
    """Ask a model about each node of an ingestion. How many there are depends on the documents."""

    llm: str = ""
    embedding: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedCalls(Component):
    """The calls of one engine from one place of a program, as they were learned.

    One of ``llm``, ``embedding``, ``store`` and ``reranker`` is the engine's name, empty where it
    is not known yet. ``visits`` says in words how many calls there are, ``status`` whether they
    are predicted.
    """

    llm: str = ""
    embedding: str = ""
    store: str = ""
    reranker: str = ""
    visits: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opaque(Component):
    """Framework code that is run as it stands.

    ``pure`` glue only shapes data; anything else is a barrier. ``reason`` says why nothing more
    is known.
    """

    pure: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """Components and the edges ``(before, after)`` in which the original program runs them.

    ``inputs`` are the values known when a query is submitted.
    """

    components: tuple[Component, ...]
    edges: tuple[tuple[str, str], ...] = ()
    inputs: tuple[str, ...] = ("question",)
    name: str = ""
    notes: tuple[str, ...] = field(default=())
    """What the lifter found worth saying, for ``explain``."""
    choices: tuple[Choice, ...] = ()
    """What conditions choose between; one that is not told of may leave out all that follows."""

    def __post_init__(self) -> None:
        names = [component.name for component in self.components]
        if len(set(names)) != len(names):
            raise GraphError(f"component names are not unique: {', '.join(names)}")
        for before, after in self.edges:
            if before not in names or after not in names:
                raise GraphError(f"a template edge joins unknown components: {before} -> {after}")

    @classmethod
    def chain(
        cls, *components: Component, inputs: tuple[str, ...] = ("question",), name: str = ""
    ) -> Template:
        """Build the template of components that run one after another."""
        edges = tuple((before.name, after.name) for before, after in itertools.pairwise(components))
        return cls(components, edges, inputs, name)


@dataclass(frozen=True, slots=True)
class Flow(Composable):
    """Composed components. ``heads`` come first, ``tails`` last."""

    components: tuple[Component, ...]
    edges: tuple[tuple[str, str], ...]
    heads: tuple[str, ...]
    tails: tuple[str, ...]
    choices: tuple[Choice, ...] = ()

    def template(self, inputs: tuple[str, ...] = ("question",), name: str = "") -> Template:
        """The module template, for queries with these inputs.

        Raises:
            GraphError: two components have one name.
        """
        return Template(self.components, self.edges, inputs, name, choices=self.choices)

    def _with(
        self,
        other: Flow,
        edges: tuple[tuple[str, str], ...],
        heads: tuple[str, ...],
        tails: tuple[str, ...],
    ) -> Flow:
        """Both, where a component that is in both is one."""
        return Flow(
            _unique(self.components + other.components),
            _unique(self.edges + other.edges + edges),
            _unique(heads),
            _unique(tails),
            _unique(self.choices + other.choices),
        )


def flow(part: Composable) -> Flow:
    """The flow of a single component, or the flow itself."""
    if isinstance(part, Flow):
        return part
    component = cast("Component", part)
    return Flow((component,), (), (component.name,), (component.name,))


def choose(
    condition: Condition,
    branches: Mapping[Hashable, Composable | None],
    *,
    speculate: bool = False,
) -> Flow:
    """A condition and what it chooses between; ``None`` is a branch in which nothing runs.

    What comes after the choice comes after the branch that runs. Primitives of the others are
    skipped, and whoever takes their values sees ``MISSING``.

    With ``speculate`` the branches may start before the condition is decided, except for what has
    an effect. What is not chosen is cancelled and counts as skipped, errors included; calls that it
    has made by then were made in vain, so say it only where they cost nothing but time of an engine
    that has some.

    Raises:
        GraphError: there is no branch.
    """
    if not branches:
        raise GraphError(f"{condition.name!r} has nothing to choose between")
    start = flow(condition)
    flows = {key: flow(part) for key, part in branches.items() if part is not None}
    whole = start
    for part in flows.values():
        edges = tuple(product(start.tails, part.heads))
        whole = whole._with(part, edges, start.heads, ())
    tails = tuple(tail for part in flows.values() for tail in part.tails)
    if len(flows) < len(branches):
        tails += start.tails
    named = tuple(
        (key, tuple(c.name for c in flows[key].components) if key in flows else ())
        for key in branches
    )
    choice = Choice(condition.name, named, speculate)
    return Flow(whole.components, whole.edges, start.heads, tails, (*whole.choices, choice))


def _unique(values: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(values))
