"""Module templates: the workflow as components and the order in which they run."""

from __future__ import annotations

import enum
import itertools
from dataclasses import dataclass, field

from ayo_bridge.errors import GraphError
from ayo_bridge.graph.compose import Choice, Composable


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
