"""Contextual retrieval: an LLM is shown a whole document, and says where each of its chunks stands.

All prompts of a document begin with the document. Where the server keeps prefixes, that is
prefilled once, by a warm, before the chunks are asked for. Written for llama-index-core 0.14.25.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from ayo_bridge.lift.recognise import class_of, loaded
from ayo_bridge.lift.witness import saw
from ayo_bridge.seam import Call
from ayo_llamaindex.extractors import Asking, Job, LiftedExtractor, Nodes, Run

_DOCSTORE: Final = "llama_index.core.storage.docstore.simple_docstore"
_HEADERS: Final = {"anthropic-beta": "prompt-caching-2024-07-31"}
_LEAD: Final = 16
"""A document is prefilled so many chunks before the first of its own is asked for."""
_KEPT: Final = 8
"""So many documents are held; chunks come in the order of documents."""


def contexts_differ(extractor: Any) -> str | None:
    """Why an extractor's documents cannot be read early, or ``None``."""
    cls = class_of(saw(extractor.docstore))
    if loaded(_DOCSTORE, "SimpleDocumentStore") is not cls:
        return f"reading a {cls.__name__} may do more than read"
    if extractor.oversized_document_strategy == "error":
        return "it raises for a document that is too large"
    return None


class Contexts(Asking):
    """Asks once for each node that has a document and no context yet."""

    def __init__(self, lifted: LiftedExtractor, run: Run, nodes: Nodes) -> None:
        super().__init__(lifted, run, nodes)
        self._sources = [_source(node) for node in nodes]
        ranked = sorted(range(self.count), key=lambda index: self._sources[index] or "")
        self._rank = {index: rank for rank, index in enumerate(ranked)}
        self._documents: dict[str, Any] = {}
        self._chunks: dict[str, list[int]] = {}
        """Of each document, those that wait for its prefix."""
        self._warmed: set[str] = set()

    @property
    def waits(self) -> bool:
        """It reads no metadata; that a node has a context already is seen when it comes to it."""
        return False

    def _come_to(self, index: int) -> None:
        source, node = self._sources[index], self.run.node(self, index)
        if source is None or self.lifted.extractor.key in node.metadata:
            self.run.know(self, index, {})
            return
        if source in self._warmed or not self._keeps_prefixes():
            self._ask_for(index, source)
            return
        waiting = self._chunks.setdefault(source, [])
        waiting.append(index)
        if len(waiting) == 1:
            self.run.ask(
                self,
                Job(
                    lambda: self._warm(source),
                    lambda _: self._warmed_up(source),
                    self._rank[index] - _LEAD,
                    lambda: self._warmed_up(source),
                ),
            )

    def _ask_for(self, index: int, source: str) -> None:
        def make() -> Call:
            return self.lifted.llm.chat(self._messages(index, source), self._options())

        key = self.lifted.extractor.key
        told = partial(self._answered, index, key)
        self.run.ask(self, Job(make, told, self._rank[index]))

    def _answered(self, index: int, key: str, text: str) -> None:
        self.run.know(self, index, {key: text})

    # Prefixes.

    def _keeps_prefixes(self) -> bool:
        return self.lifted.llm.engine in self.lifted.llm.runtime.can_warm()

    def _warm(self, source: str) -> Call:
        return self.lifted.llm.warm_chat(self._messages(None, source), self._options())

    def _warmed_up(self, source: str) -> None:
        self._warmed.add(source)
        for index in self._chunks.pop(source, ()):
            self._ask_for(index, source)

    # What is asked.

    def _options(self) -> dict[str, Any]:
        return {
            "max_tokens": self.lifted.extractor.max_output_tokens,
            "extra_headers": dict(_HEADERS),
        }

    def _messages(self, index: int | None, source: str) -> list[Any]:
        """Those of the original for a chunk, or what those of all chunks begin with.

        Raises:
            ValueError: there is no such document.
        """
        from llama_index.core.llms import ChatMessage, TextBlock

        whole = f"<document>{self._document(source).get_content()}</document>"
        document = ChatMessage(
            role="user",
            content=[TextBlock(text=whole)],
            additional_kwargs={"cache_control": {"type": "ephemeral"}},
        )
        if index is None:
            return [document]
        chunk, prompt = self.run.node(self, index).get_content(), self.lifted.extractor.prompt
        text = (
            "Here is the chunk we want to situate within the whole document:\n"
            f"<chunk>{chunk}</chunk>\n{prompt}"
        )
        return [document, ChatMessage(role="user", content=[TextBlock(text=text)])]

    def _document(self, source: str) -> Any:
        found = self._documents.get(source)
        if found is None:
            found = self.lifted.extractor.docstore.get_document(source)
            while len(self._documents) >= _KEPT:
                self._documents.pop(next(iter(self._documents)))
            self._documents[source] = found
        return found


def _source(node: Any) -> str | None:
    """The document of a node that is asked for."""
    from llama_index.core.schema import Node, TextNode

    if not isinstance(node, Node | TextNode) or node.source_node is None:
        return None
    return str(node.source_node.node_id)
