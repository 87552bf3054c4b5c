"""In: a synthesis component and its number of chunks. Out: the LLM calls that make the answer."""

from __future__ import annotations

from collections.abc import Sequence

from ayo_bridge.errors import GraphError
from ayo_bridge.graph.graph import Graph
from ayo_bridge.graph.primitive import Op, Primitive, PromptPart
from ayo_bridge.graph.template import Synthesis, SynthesisMode

Order = list[tuple[str, str]]


def expand_synthesis(component: Synthesis, chunks: int, *, prefix: str = "") -> Graph:
    """Return the primitives that replace ``<name>.expand`` once ``chunks`` is known.

    ``component.inputs`` names the question first and then the contexts. The fragment's graph
    inputs are these values; its result is ``component.outputs`` or ``<name>.answer``.

    A tree is expanded one level at a time: more than one chunk gives a call a chunk, with outputs
    ``<name>.summary[i]``, and a ``Host`` primitive ``<name>.repack`` whose output
    ``<name>.repacked`` is the next level's context; one chunk gives the call that makes the answer.

    A refine chain takes the chunks one by one: step ``i`` has ``<contexts>[i]`` for its context,
    which are graph inputs of the fragment.

    Ids and values carry ``prefix`` so that levels can coexist: ``prefix="L1"`` gives
    ``<name>.L1.prefill[0]``.

    Raises:
        GraphError: ``chunks`` is less than one.
    """
    if chunks < 1:
        raise GraphError(f"{component.name!r} cannot be expanded into {chunks} chunks")
    base = f"{component.name}.{prefix}." if prefix else f"{component.name}."
    calls = _Calls(component, base)
    if component.mode is SynthesisMode.REFINE:
        calls.refine_chunks(chunks)
    elif component.mode is SynthesisMode.TREE:
        calls.tree_level(chunks)
    else:
        calls.known(chunks)
    return Graph(calls.primitives, inputs=calls.inputs, order=calls.order)


def synthesis_primitives(component: Synthesis) -> tuple[list[Primitive], Order]:
    """Return the primitives of a component with known ``inputs``, and the order of its calls."""
    calls = _Calls(component, f"{component.name}.")
    if component.chunks is None and component.mode not in _WITHOUT_CHUNKS:
        calls.unknown()
    else:
        calls.known(1 if component.chunks is None else max(component.chunks, 1))
    return calls.primitives, calls.order


_WITHOUT_CHUNKS = frozenset({SynthesisMode.GENERATION, SynthesisMode.NONE})


class _Calls:
    """Writes the (prefilling, decoding) pairs of one synthesis component."""

    def __init__(self, component: Synthesis, base: str) -> None:
        self.component = component
        self.base = base
        self.inputs = component.inputs or ("question",)
        self.outputs = component.outputs or (f"{component.name}.answer",)
        self.primitives: list[Primitive] = []
        self.order: Order = []
        lone_context = len(self.inputs) < 2 and component.mode is not SynthesisMode.GENERATION
        if "question" in self.inputs:
            self.question: str | None = "question"
        else:
            self.question = None if lone_context else self.inputs[0]
        self.contexts = tuple(value for value in self.inputs if value != self.question)
        # Calls share the parts that are the same in all of them. A refine step asks for something
        # else than the call that makes the first draft.
        tokens, asked = component.instruction_tokens, component.question_tokens
        self._asks_first = (PromptPart(tokens),) if tokens else ()
        self._asks_further = (PromptPart(tokens, chunk=1),) if tokens else ()
        self._question = (PromptPart(asked, self.question),) if self.question is not None else ()

    def unknown(self) -> None:
        """One primitive that stands for calls whose number depends on data."""
        self._add("expand", Op.EXPAND, self.inputs, self.outputs, engine=self.component.llm)

    def known(self, chunks: int) -> None:
        """All calls over ``chunks`` chunks."""
        component = self.component
        match component.mode:
            case SynthesisMode.NONE:
                self._add("host", Op.HOST, self.inputs, self.outputs)
            case SynthesisMode.GENERATION:
                self._call("[0]", (), 0, self.outputs)
            case SynthesisMode.ONE_SHOT:
                self._call("[0]", self.contexts, chunks * component.context_tokens, self.outputs)
            case SynthesisMode.REFINE:
                self._refine(chunks)
            case SynthesisMode.ACCUMULATE:
                answers = self._fan("", chunks, "answer")
                self._add("join", Op.AGGREGATE, answers, self.outputs)
            case SynthesisMode.TREE if chunks == 1:
                self._call("[0][0]", self.contexts, component.context_tokens, self.outputs)
            case SynthesisMode.TREE:
                summaries = self._fan("[0]", chunks, "summary")
                self._call("[1][0]", summaries, chunks * component.tokens, self.outputs)

    def tree_level(self, chunks: int) -> None:
        """One level of a tree; the number of calls of the next depends on how these pack."""
        if chunks == 1:
            self._call("[0]", self.contexts, self.component.context_tokens, self.outputs)
            return
        summaries = self._fan("", chunks, "summary")
        self._add("repack", Op.HOST, summaries, (f"{self.base}repacked",))

    def _fan(self, level: str, chunks: int, value: str) -> tuple[str, ...]:
        """Independent calls, one a chunk; the original may still make one after another."""
        values = tuple(f"{self.base}{value}{level}[{i}]" for i in range(chunks))
        for i, output in enumerate(values):
            index = f"{level}[{i}]"
            tokens = self.component.context_tokens
            self._call(index, self.contexts, tokens, (output,), chunk=i)
            if i and not self.component.concurrent:
                before = f"{self.base}decode{level}[{i - 1}]"
                self.order.append((before, f"{self.base}prefill{index}"))
        return values

    def refine_chunks(self, chunks: int) -> None:
        """A refine chain in which each step has a value of its own for its chunk."""
        steps = [tuple(f"{value}[{i}]" for value in self.contexts) for i in range(chunks)]
        if self.contexts:
            known = [value for value in self.inputs if value not in self.contexts]
            self.inputs = (*known, *(value for step in steps for value in step))
        self._refine(chunks, steps)

    def _refine(self, chunks: int, steps: Sequence[tuple[str, ...]] | None = None) -> None:
        draft: str | None = None
        for i in range(chunks):
            output = self.outputs if i == chunks - 1 else (f"{self.base}draft[{i}]",)
            contexts, chunk = (self.contexts, i) if steps is None else (steps[i], None)
            tokens = self.component.context_tokens
            self._call(f"[{i}]", contexts, tokens, output, draft, chunk)
            draft = output[0]

    def _call(
        self,
        index: str,
        contexts: tuple[str, ...],
        context_tokens: int,
        outputs: tuple[str, ...],
        draft: str | None = None,
        chunk: int | None = None,
    ) -> None:
        """One call; it takes only ``chunk`` of the contexts if these are not its own."""
        component = self.component
        prompt = self._prompt(contexts, context_tokens, draft, chunk)
        prefilled = f"{self.base}prefilled{index}"
        values = (self.question, *contexts, draft)
        self._add(
            f"prefill{index}",
            Op.PREFILLING,
            tuple([value for value in values if value is not None]),
            (prefilled,),
            engine=component.llm,
            prompt=prompt,
        )
        self._add(
            f"decode{index}",
            Op.DECODING,
            (prefilled,),
            outputs,
            engine=component.llm,
            tokens=component.tokens,
        )

    def _prompt(
        self,
        contexts: tuple[str, ...],
        context_tokens: int,
        draft: str | None,
        chunk: int | None,
    ) -> tuple[PromptPart, ...]:
        """The parts of a prompt in prompt order."""
        component, question = self.component, self._question
        asks = self._asks_first if draft is None else self._asks_further
        share = max(context_tokens // len(contexts), 1) if contexts else 0
        context = tuple([PromptPart(share, value, chunk) for value in contexts])
        so_far = () if draft is None else (PromptPart(component.tokens, draft),)
        if draft is not None and not component.early_context:
            return asks + question + so_far + context
        if component.context_first:
            return asks + context + question + so_far
        return asks + question + context + so_far

    def _add(
        self,
        name: str,
        op: Op,
        inputs: tuple[str, ...],
        outputs: tuple[str, ...],
        *,
        engine: str = "",
        tokens: int = 0,
        prompt: tuple[PromptPart, ...] = (),
    ) -> None:
        self.primitives.append(
            Primitive(
                id=self.base + name,
                op=op,
                component=self.component.name,
                engine=engine,
                inputs=inputs,
                outputs=outputs,
                tokens=tokens,
                prompt=prompt,
            )
        )
