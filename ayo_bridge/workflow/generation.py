"""LLM calls: from a prefilling's prompt parts to a request, and from its text to values.

A prefilling and its decodings are one call of a stock engine. It starts with the prefilling; the
decodings end with it, or, item by item, while its text grows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ayo_bridge.graph import (
    Contextualising,
    Op,
    PromptPart,
    QueryExpansion,
    Synthesis,
    SynthesisMode,
)
from ayo_bridge.runahead.plan import index_of
from ayo_bridge.schedule import MISSING, items_of
from ayo_bridge.seam import Call
from ayo_bridge.workflow.requests import Generate, Segment, text_of
from ayo_bridge.workflow.work import Handler, Outputs, Work

Parse = Callable[[str, bool], Sequence[object]]
"""The items of an answer. While it has not ended (``False``): those that can no longer change."""

NEIGHBOURS = 2
"""Chunks on either side from which a chunk's context is written (paper: 4 in all)."""

_CHUNKED = frozenset({SynthesisMode.TREE, SynthesisMode.REFINE, SynthesisMode.ACCUMULATE})


def lines(text: str, ended: bool) -> list[object]:
    """Items that stand one a line; empty lines are none."""
    found = text.split("\n")
    return [line.strip() for line in (found if ended else found[:-1]) if line.strip()]


class LanguageModel(Handler):
    """Writes prompts out of their parts and makes values of the answers.

    ``instruction`` stands for the first literal part of a prompt, or before a prompt that has
    none. ``parse`` finds the items of an answer that is a list. ``options`` are passed on to the
    engine with each request that is no warm (:attr:`Generate.options`).
    """

    def __init__(
        self,
        instruction: str | Callable[[Work], str] | None = None,
        parse: Parse = lines,
        options: Mapping[str, object] | None = None,
    ) -> None:
        self._instruction = instruction
        self._parse = parse
        self._options = tuple((options or {}).items())

    def with_options(self, options: Mapping[str, object]) -> LanguageModel:
        """The same with these options over its own."""
        return LanguageModel(self._instruction, self._parse, {**dict(self._options), **options})

    def calls(self, work: Work) -> list[Call]:
        """One call, a prefix warm for a partial prefilling; none if there is nothing to ask."""
        prompt = self.prompt(work)
        if not prompt:
            return []
        if work.primitive.op is Op.PARTIAL_PREFILLING:
            warm = Generate(prompt, 1)
            return [work.call(warm, items=warm.prompt_tokens, warm=True)]
        decode = work.root_decode
        tokens, items = (decode.tokens, decode.items) if decode is not None else (0, 1)
        request = Generate(prompt, max(tokens, 1), items, self._options, work.on_text)
        return [work.call(request, items=max(request.prompt_tokens + tokens, 1))]

    def outputs(self, work: Work, results: Sequence[object]) -> Outputs:
        """The prefilling has ended, and so have its decodings, with the text or its items."""
        values: dict[str, object] = dict.fromkeys(work.primitive.outputs, True)
        if work.root_decode is None:
            return values
        if not results:
            draft = _draft(work)
            return {**values, **_named(work, [] if _is_list(work) else draft)}
        text = str(getattr(results[0], "text", results[0]))
        if _is_list(work):
            return {**values, **_named(work, list(self._parse(text, True)))}
        return {**values, **_named(work, _with_chunk(work, text))}

    def items_so_far(self, work: Work, text: str) -> Sequence[object]:
        """What the parser is sure of."""
        return self._parse(text, False)

    def prompt(self, work: Work) -> tuple[Segment, ...]:
        """The prompt, as far as the primitive prefills it; empty if there is nothing to do."""
        parts = work.root.prompt
        shown = len(parts)
        if work.primitive.op is Op.PARTIAL_PREFILLING:
            shown = len(work.primitive.prompt)
            if any(part.value not in (None, *work.values) for part in parts[:shown]):
                return ()
        chunk = _chunk(work)
        if chunk is None:
            return ()
        instruction = self._first(work)
        segments: list[Segment] = []
        if parts and parts[0].value is not None and self._instruction is not None:
            segments.append(Segment(instruction, 0))
        for part in parts[:shown]:
            if part.value is None:
                segments.append(Segment(instruction, part.tokens))
                instruction = ""
            else:
                segments.append(Segment(_written(work, part, chunk), part.tokens))
        if isinstance(work.component, Contextualising) and shown == len(parts):
            segments.append(Segment(f"The chunk:\n{text_of(chunk[''])}", 0))
        return tuple(segment for segment in segments if segment.text)

    def _first(self, work: Work) -> str:
        if isinstance(self._instruction, str):
            return self._instruction
        if self._instruction is not None:
            return self._instruction(work)
        match work.component:
            case QueryExpansion():
                wanted = work.component.queries
                return f"Write {wanted} different search queries for the question, one a line."
            case Contextualising():
                return "Say in a sentence what the chunk is about, within this part of a document."
            case Synthesis() if _drafts(work):
                return "Improve the answer with the context, as far as it helps."
            case Synthesis(mode=SynthesisMode.GENERATION):
                return "Answer the question."
            case Synthesis():
                return "Answer the question from the context."
        return ""


def _is_list(work: Work) -> bool:
    decode = work.root_decode
    return decode is not None and (decode.splittable or decode.items > 1)


def _named(work: Work, value: object) -> dict[str, object]:
    """The answer under the names of the decodings; the last part takes what is left of a list."""
    decodes = work.decodes
    if decodes and decodes[0].op is not Op.PARTIAL_DECODING:
        return {name: value for decode in decodes for name in decode.outputs}
    items = items_of(value)
    last = len(decodes) - 1
    parts = [items[i : i + 1] if i < last else items[i:] for i in range(len(decodes))]
    return {decode.outputs[0]: part or MISSING for decode, part in zip(decodes, parts, strict=True)}


def _own(work: Work, name: str) -> bool:
    """Whether a value is made by the component itself, by an earlier call of it."""
    maker = work.made_by(name)
    return maker is not None and maker.component == work.root.component


def _drafts(work: Work) -> list[str]:
    """The answers so far that a refine step starts from."""
    component = work.component
    if not isinstance(component, Synthesis) or component.mode is not SynthesisMode.REFINE:
        return []
    return [name for name in work.root.inputs if _own(work, name)]


def _draft(work: Work) -> object:
    """What is answered without a call: the answer so far, if there is one."""
    return next((work.value(name) for name in _drafts(work)), MISSING)


def _contexts(work: Work) -> list[str]:
    question = "question" if "question" in work.root.inputs else work.root.inputs[0]
    values = [part.value for part in work.root.prompt if part.value is not None]
    return [value for value in values if value != question and not _own(work, value)]


def _chunk(work: Work) -> dict[str, list[object]] | None:
    """What a call sees of values that it sees in part; ``None`` if nothing is left for it.

    A call of a tree, a refine chain or an accumulation sees its share of the contexts: one each,
    or, if there are more of them than calls, as many. Fewer contexts leave calls without: these
    are not made, but for the first, which has to answer. Under ``""`` stands the chunk that a
    context is written for.
    """
    component, index = work.component, index_of(work.root)
    if isinstance(component, Contextualising):
        name = work.root.inputs[0]
        documents = items_of(work.value(name))
        if index >= len(documents):
            return None
        near = documents[max(index - NEIGHBOURS, 0) : index]
        near += documents[index + 1 : index + NEIGHBOURS + 1]
        return {name: near, "": documents[index : index + 1]}
    if not isinstance(component, Synthesis) or component.mode not in _CHUNKED:
        return {}
    names, calls = _contexts(work), component.chunks or 1
    if calls < 2 or not names:
        return {}
    items = [(name, item) for name in names for item in items_of(work.value(name))]
    count = len(items)
    first, last = (index, index + 1) if count <= calls else _share(index, calls, count)
    if not items[first:last] and index:
        return None
    seen: dict[str, list[object]] = {name: [] for name in names}
    for name, item in items[first:last]:
        seen[name].append(item)
    return seen


def _share(index: int, calls: int, count: int) -> tuple[int, int]:
    return index * count // calls, (index + 1) * count // calls


def _written(work: Work, part: PromptPart, chunk: dict[str, list[object]]) -> str:
    name = part.value or ""
    text = text_of(chunk.get(name, work.value(name)))
    if not text or not isinstance(work.component, Synthesis):
        return text
    if name in _drafts(work):
        return f"Answer so far: {text}"
    return f"Context:\n{text}" if name in _contexts(work) else f"Question: {text}"


def _with_chunk(work: Work, text: str) -> object:
    """A written context stands before its chunk; chunks beyond the expected ones are kept."""
    component = work.component
    if not isinstance(component, Contextualising):
        return text
    index, documents = index_of(work.root), items_of(work.value(work.root.inputs[0]))
    rest = documents[index + 1 :] if index == component.items - 1 else []
    return [f"{text}\n{text_of(documents[index])}", *rest]
