"""Metadata extractors: which LLM calls they make for nodes, and what metadata comes of the answers.

Written for llama-index-core 0.14.25. Nothing of an extractor is called but what reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ayo_bridge.seam import Call
from ayo_llamaindex.llms import LiftedLLM

WORKERS: Final = 4
"""Jobs that ``run_jobs`` has in flight unless it is told otherwise."""

Metadata = Mapping[str, Any]
Nodes = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Job:
    """One call of a transformation.

    Args:
        make: the call that the original makes. Call it on the original's thread and loop.
        told: takes the text of the answer; ``None``: nothing is made of it.
        order: of two jobs of one extractor the original comes to the smaller first.
        lost: is called where there is no answer.
    """

    make: Callable[[], Call]
    told: Callable[[str], None] | None = None
    order: int = 0
    lost: Callable[[], None] = lambda: None


class Run(Protocol):
    """What an extractor's calls know of the run that they are a part of."""

    def node(self, step: Step, index: int) -> Any:
        """The node as it will be when the extractor comes to it. Read only."""

    def ask(self, step: Step, job: Job) -> None:
        """Have a call made ahead, as soon as there is room."""

    def know(self, step: Step, index: int, metadata: Metadata) -> None:
        """What the extractor will write into a node."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A class of extractors: how it asks, and what it writes."""

    name: str
    step: type[Asking]
    key: str = ""
    number: tuple[str, str] | None = None
    """A number in its prompt, and the field that has it."""
    methods: tuple[str, ...] = ()
    module: str = "llama_index.core.extractors.metadata_extractors"


@dataclass(frozen=True, slots=True)
class LiftedExtractor:
    """An extractor whose calls can be made ahead. ``name`` is that of its component."""

    extractor: Any
    llm: LiftedLLM
    kind: Kind
    name: str

    @property
    def engine(self) -> str:
        """What it asks."""
        return self.llm.engine

    def step(self, run: Run, nodes: Nodes) -> Step:
        """Its calls in one run."""
        return self.kind.step(self, run, nodes)


class Lifted(Protocol):
    """A transformation whose calls can be made ahead."""

    @property
    def extractor(self) -> Any:
        """The framework's object."""

    @property
    def name(self) -> str:
        """Of its component."""

    @property
    def engine(self) -> str:
        """What it asks."""

    def step(self, run: Run, nodes: Nodes) -> Step:
        """Its calls in one run."""


class Step:
    """One transformation in one run: knows which calls it makes for each node.

    Args:
        run: of which it is a part.
        nodes: what it is going to be given, or nodes that stand for it: only what no extractor
            changes is read of them.
    """

    def __init__(self, run: Run, nodes: Nodes) -> None:
        self.run = run
        self.count = len(nodes)
        self.asked = bytearray(self.count)
        """Which nodes have been come to."""

    @property
    def waits(self) -> bool:
        """Whether what it asks holds metadata that others write."""
        return True

    def amount(self) -> tuple[int, int]:
        """How many LLM calls it makes, and how often the original waits for some of them."""
        return 0, 0

    def come_to(self, index: int) -> None:
        """All that a node's prompt is made of is known: ask for what belongs to the node."""
        if not self.asked[index]:
            self.asked[index] = 1
            self._come_to(index)

    def _come_to(self, index: int) -> None:
        raise NotImplementedError


class Asking(Step):
    """An extractor that asks an LLM."""

    def __init__(self, lifted: LiftedExtractor, run: Run, nodes: Nodes) -> None:
        super().__init__(run, nodes)
        self.lifted = lifted

    @property
    def waits(self) -> bool:
        """Whether its prompts hold metadata that others write."""
        return str(self.lifted.extractor.metadata_mode.value) != "none"

    def amount(self) -> tuple[int, int]:
        """A call for each node, a few at a time."""
        return self.count, math.ceil(self.count / max(1, self.lifted.extractor.num_workers))

    def _ask(
        self, template: str, told: Callable[[str], None], order: int, arguments: _Arguments
    ) -> None:
        lifted = self.lifted

        def make() -> Call:
            from llama_index.core.prompts import PromptTemplate

            return lifted.llm.predict(PromptTemplate(template=template), arguments())

        self.run.ask(self, Job(make, told, order))


_Arguments = Callable[[], Mapping[str, Any]]


class PerNode(Asking):
    """Asks once for each node, with its content: keywords and questions."""

    def _come_to(self, index: int) -> None:
        extractor, run = self.lifted.extractor, self.run
        if extractor.is_text_node_only and not is_text(run.node(self, index)):
            self._answered(index, None)
            return

        def arguments() -> Mapping[str, Any]:
            content = run.node(self, index).get_content(metadata_mode=extractor.metadata_mode)
            return {**self._numbers(), "context_str": content}

        self._ask(
            extractor.prompt_template, lambda text: self._answered(index, text), index, arguments
        )

    def _numbers(self) -> Mapping[str, int]:
        number = self.lifted.kind.number
        if number is None:
            return {}
        name, field = number
        return {name: getattr(self.lifted.extractor, field)}

    def _answered(self, index: int, text: str | None) -> None:
        metadata = {} if text is None else {self.lifted.kind.key: text.strip()}
        self.run.know(self, index, metadata)


class Summaries(PerNode):
    """Asks once for each node; a node gets the summaries of its neighbours, too."""

    def __init__(self, lifted: LiftedExtractor, run: Run, nodes: Nodes) -> None:
        super().__init__(lifted, run, nodes)
        self._texts: dict[int, str] = {}
        extractor = lifted.extractor
        self._wanted = tuple(
            (offset, key)
            for wanted, offset, key in (
                (extractor._prev_summary, -1, "prev_section_summary"),
                (extractor._next_summary, 1, "next_section_summary"),
                (extractor._self_summary, 0, "section_summary"),
            )
            if wanted
        )
        """In the order in which they are written."""
        self._sound = all(map(is_text, nodes))  # Else it raises.

    def _come_to(self, index: int) -> None:
        if self._sound:
            super()._come_to(index)

    def _answered(self, index: int, text: str | None) -> None:
        self._texts[index] = (text or "").strip()
        for near in {index - offset for offset, _ in self._wanted} or {index}:
            if 0 <= near < self.count and all(map(self._has, self._sources(near))):
                self.run.know(self, near, self._metadata(near))

    def _sources(self, index: int) -> list[int]:
        near = [index + offset for offset, _ in self._wanted] or [index]
        return [each for each in near if 0 <= each < self.count]

    def _has(self, index: int) -> bool:
        return index in self._texts

    def _metadata(self, index: int) -> Metadata:
        found = {key: self._texts.get(index + offset, "") for offset, key in self._wanted}
        return {key: text for key, text in found.items() if text}


class Titles(Asking):
    """Asks for candidates, by the first nodes of each document, and then to combine these."""

    def __init__(self, lifted: LiftedExtractor, run: Run, nodes: Nodes) -> None:
        super().__init__(lifted, run, nodes)
        self._members: dict[Any, list[int]] = {}
        for index, node in enumerate(nodes):
            self._members.setdefault(node.ref_doc_id, []).append(index)
        self._candidates: dict[Any, dict[int, str]] = {}
        self._document = [node.ref_doc_id for node in nodes]

    @property
    def waits(self) -> bool:
        """It reads nothing but the text."""
        return False

    def amount(self) -> tuple[int, int]:
        """Those of a document are made one after the other, of four documents at a time."""
        most = self.lifted.extractor.nodes
        calls = [min(len(members), most) + 1 for members in self._members.values()]
        return sum(calls), max([*calls, math.ceil(sum(calls) / WORKERS)])

    def _come_to(self, index: int) -> None:
        document = self._document[index]
        first = self._members[document][: self.lifted.extractor.nodes]
        if index in first:
            self._ask(
                self.lifted.extractor.node_template,
                lambda text: self._candidate(document, index, len(first), text),
                index,
                lambda: {"context_str": self.run.node(self, index).text},
            )

    def _candidate(self, document: Any, index: int, wanted: int, text: str) -> None:
        found = self._candidates.setdefault(document, {})
        found[index] = text
        if len(found) == wanted:
            combined = ", ".join(found[each] for each in sorted(found))
            self._ask(
                self.lifted.extractor.combine_template,
                lambda title: self._titled(document, title),
                -1,  # A whole document waits for it.
                lambda: {"context_str": combined},
            )

    def _titled(self, document: Any, title: str) -> None:
        for index in self._members[document]:
            self.run.know(self, index, {"document_title": title})


def is_text(node: Any) -> bool:
    """Whether an extractor takes it for a text."""
    from llama_index.core.schema import TextNode

    return isinstance(node, TextNode)
