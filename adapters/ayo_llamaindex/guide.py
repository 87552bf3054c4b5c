"""What the taps tell the graph of a running call, and what they hand to the original."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ayo_bridge.graph import Op, Primitive
from ayo_bridge.learn.live.opaque import LearnedPart, parts_of
from ayo_bridge.lift.growth import SynthesisGrowth
from ayo_bridge.lift.makers import IndexedMaker, WarmMaker, item_values
from ayo_bridge.runahead import AcceleratedState, Maker, Scope, index_of
from ayo_bridge.schedule import ComponentOp
from ayo_bridge.seam import Hit
from ayo_llamaindex.always_used import AlwaysUsed
from ayo_llamaindex.retrieval import QUERIES, QUESTION
from ayo_llamaindex.synthesis import NAME, LiftedSynthesis


class Guide:
    """Follows one call of a query engine. Lives as long as its scope.

    ``asking`` are the opaque parts that ask an LLM: they are learned inside of the call.
    """

    def __init__(
        self,
        scope: Scope,
        state: AcceleratedState,
        fusion: Any,
        synthesis: LiftedSynthesis,
        asking: Sequence[object],
    ) -> None:
        self._scope = scope
        self._state = state
        self._asking = asking
        self._fusion = fusion
        self._synthesis = synthesis
        self._grown: SynthesisGrowth | None = None
        self._tree: Mapping[str, Any] | None = None
        self._warms: list[Primitive] = []

    # Opaque parts.

    def learned(self, part: object, method: str) -> LearnedPart | None:
        """What is learned of a part that is called; ``None``: it is none of the opaque ones."""
        if not any(each is part for each in self._asking):
            return None
        return parts_of(self._state, AlwaysUsed).learned(part, method)

    # Retrieval.

    def generated(self, retriever: Any, queries: Sequence[Any]) -> None:
        """The framework has parsed the generated queries."""
        if retriever is self._fusion:
            self._scope.feed(item_values(QUERIES, [bundle.query_str for bundle in queries]))

    # Synthesis.

    def _follows(self, synthesizer: Any) -> bool:
        """Whether this is the synthesizer of the call, with an LLM that could be lifted."""
        known = self._synthesis
        return synthesizer is known.synthesizer and known.llm is not None

    def tree_level(self, synthesizer: Any, arguments: Mapping[str, Any]) -> None:
        """A level of a tree begins: its chunks are what is packed next."""
        if self._follows(synthesizer):
            self._tree = _rest(arguments, "query_str", "text_chunks")

    def packed(self, helper: Any, prompt: Any, chunks: Sequence[str]) -> None:
        """Chunks have been packed; if they are those of a tree level, its calls are known."""
        if "existing_answer" in getattr(prompt, "kwargs", {}):
            self.next_step()
        arguments, self._tree = self._tree, None
        if arguments is None or helper is not self._synthesis.synthesizer._prompt_helper:
            return
        streams = self._synthesis.synthesizer._streaming and len(chunks) == 1
        calls = [{**arguments, "context_str": chunk} for chunk in chunks]
        # What streams is asked for by whoever reads it, and nobody may.
        self._expand(calls, None if streams else prompt)

    def accumulate(self, synthesizer: Any, arguments: Mapping[str, Any]) -> None:
        """Independent calls begin.

        The original packs each chunk just before its call; here all are packed now, in the calling
        thread, and handed over when it comes to them. Where nothing would run ahead that is left
        to the original.
        """
        component, chunks = self._synthesis.component, arguments["text_chunks"]
        if not self._follows(synthesizer) or synthesizer._streaming:
            return  # The original raises before its first call, if it should stream.
        if component is None or not chunks:
            return
        least = max(2, len(chunks))  # Packing may cut one into several.
        if component.concurrent or not self._growth().pays(least):
            self._expand([{} for _ in chunks], None)
            return
        template = synthesizer._text_qa_template.partial_format(query_str=arguments["query_str"])
        splitter = synthesizer._prompt_helper.get_text_splitter_given_prompt(
            template, llm=synthesizer._llm
        )
        packed = [text for chunk in chunks for text in self._pack(splitter, chunk)]
        rest = _rest(arguments, "query_str", "text_chunks", "separator")
        calls = [{**rest, **synthesizer._make_prompt_kwargs(text)} for text in packed]
        self._expand(calls, template)

    def _pack(self, splitter: Any, chunk: str) -> Sequence[str]:
        """What ``PromptHelper.repack(prompt, [chunk])`` returns (llama-index-core 0.14.25)."""
        text = "\n\n".join([chunk.strip()] if chunk.strip() else [])
        if not text:
            return [text]
        size = splitter.chunk_size
        splits = splitter._split(text, size)
        chunks: list[str] = splitter._merge(splits, size)
        self._scope.hand_over(_split_key(splitter, text, size), splits)
        self._scope.hand_over(_merge_key(splitter, splits, size), chunks)
        return chunks

    def split(self, splitter: Any, text: str, size: int) -> Hit | None:
        """Splits of a text that was packed ahead."""
        return self._scope.handed(_split_key(splitter, text, size))

    def merge(self, splitter: Any, splits: Sequence[str], size: int) -> Hit | None:
        """Chunks of splits that were packed ahead."""
        return self._scope.handed(_merge_key(splitter, splits, size))

    def refine(self, synthesizer: Any, arguments: Mapping[str, Any]) -> None:
        """A refine chain over these chunks begins."""
        component, llm = self._synthesis.component, self._synthesis.llm
        chunks = arguments["text_chunks"]
        if not self._follows(synthesizer) or component is None or llm is None or not chunks:
            return
        makers: dict[ComponentOp, Maker] = {}
        fragment = self._growth().grow(len(chunks), makers)
        self._warms = [p for p in fragment if p.op is Op.PARTIAL_PREFILLING]
        if not self._warms:
            return
        # Made here, in the calling thread: no prompt is formatted on the runtime's loop.
        prompt = synthesizer._refine_template.partial_format(query_str=arguments["query_str"])
        rest = _rest(arguments, "query_str", "text_chunks", "prev_response")
        warms = {
            primitive.id: llm.warm(
                prompt,
                {**rest, "context_msg": chunks[index_of(primitive)].strip()},
                "existing_answer",
            )
            for primitive in self._warms
        }
        self._scope.add_makers({(NAME, Op.PREFILLING): WarmMaker(warms)})
        self.next_step()

    def next_step(self) -> None:
        """A call of a refine chain is about to be made: the next one's prefix may be warmed."""
        if not self._warms:
            return
        self._growth().warm_later(self._warms.pop(0).id)

    # Both.

    def _expand(self, calls: Sequence[Mapping[str, Any]], prompt: Any) -> None:
        component, llm = self._synthesis.component, self._synthesis.llm
        if component is None or llm is None or not calls:
            return
        makers: dict[ComponentOp, Maker] = {}
        if prompt is not None:
            makers[NAME, Op.PREFILLING] = IndexedMaker(lambda i: llm.predict(prompt, calls[i]))
        self._growth().grow(len(calls), makers)

    def _growth(self) -> SynthesisGrowth:
        component = self._synthesis.component
        assert component is not None
        self._grown = self._grown or SynthesisGrowth(self._scope, component, QUESTION)
        return self._grown


def _split_key(splitter: Any, text: str, size: int) -> tuple[object, ...]:
    return ("split", id(splitter._tokenizer), splitter.separator, size, text)


def _merge_key(splitter: Any, splits: Sequence[str], size: int) -> tuple[object, ...]:
    return ("merge", id(splitter._tokenizer), splitter.chunk_overlap, size, tuple(splits))


def _rest(arguments: Mapping[str, Any], *taken: str) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name not in taken}


__all__ = ["Guide"]
