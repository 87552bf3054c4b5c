"""Response synthesizers: their components, and the calls of a fan-out once its chunks are known."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ayo_bridge.graph import Component, Opaque, Synthesis, SynthesisMode
from ayo_bridge.lift.witness import saw
from ayo_bridge.runahead import index_of
from ayo_bridge.runahead.home import Home
from ayo_bridge.schedule import Values, Work
from ayo_bridge.seam import Call
from ayo_llamaindex.exact import overridden
from ayo_llamaindex.llms import LiftedLLM, lift_llm, prompt_differs

NAME = "synthesis"


@dataclass(frozen=True, slots=True)
class LiftedSynthesis:
    """What a synthesizer contributes to a template; ``llm`` is ``None`` where it is opaque."""

    synthesizer: Any
    component: Component
    llm: LiftedLLM | None = None


class PredictMaker:
    """The calls of ``llm.predict(prompt, **arguments[i])`` for the i-th chunk."""

    def __init__(
        self,
        llm: LiftedLLM,
        prompt: Any,
        arguments: Sequence[Mapping[str, Any]],
        *,
        stream: bool = False,
    ) -> None:
        self._llm = llm
        self._prompt = prompt
        self._arguments = arguments
        self._stream = stream

    def calls(self, work: Work) -> Sequence[Call]:
        """The call of the chunk that the primitive stands for."""
        arguments = self._arguments[index_of(work.primitive)]
        return [self._llm.predict(self._prompt, arguments, stream=self._stream)]

    def outputs(self, work: Work, results: Sequence[object]) -> Values:
        """Nothing that the graph would need: the answers go to the original."""
        return {}


class WarmMaker:
    """Prefix warms of refine steps, made beforehand: all of the prompt but the answer so far."""

    def __init__(self, warms: Mapping[str, Call]) -> None:
        self._warms = warms

    def calls(self, work: Work) -> Sequence[Call]:
        """The warm of a partial prefilling; the full request is the original's."""
        warm = self._warms.get(work.primitive.id)
        return [warm] if warm is not None else []

    def outputs(self, work: Work, results: Sequence[object]) -> Values:
        """Nothing: a warm is never asked for."""
        return {}


@dataclass(frozen=True, slots=True)
class _Known:
    """A response synthesizer as it is in llama-index-core 0.14.25."""

    module: str
    mode: SynthesisMode
    templates: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()


_ACCUMULATE = ("_give_responses", "_make_prompt_kwargs")
_REFINE = ("_run_refine_loop", "_arun_refine_loop")
_KNOWN = {
    "TreeSummarize": _Known("tree_summarize", SynthesisMode.TREE, ("_summary_template",)),
    "Accumulate": _Known(
        "accumulate", SynthesisMode.ACCUMULATE, ("_text_qa_template",), _ACCUMULATE
    ),
    "CompactAndAccumulate": _Known(
        "compact_and_accumulate", SynthesisMode.ACCUMULATE, ("_text_qa_template",), _ACCUMULATE
    ),
    "Refine": _Known(
        "refine", SynthesisMode.REFINE, ("_text_qa_template", "_refine_template"), _REFINE
    ),
    "CompactAndRefine": _Known(
        "compact_and_refine",
        SynthesisMode.REFINE,
        ("_text_qa_template", "_refine_template"),
        (*_REFINE, "_make_compact_text_chunks"),
    ),
    "SimpleSummarize": _Known("simple_summarize", SynthesisMode.ONE_SHOT, ("_text_qa_template",)),
    "Generation": _Known("generation", SynthesisMode.GENERATION, ("_input_prompt",)),
    "NoText": _Known("no_text", SynthesisMode.NONE),
    "ContextOnly": _Known("context_only", SynthesisMode.NONE),
}


def lift_synthesizer(synthesizer: Any, runtime: Home, *, sync: bool) -> LiftedSynthesis:
    """Lift a response synthesizer; what is not known becomes opaque, with the reason."""
    known = _KNOWN.get(type(saw(synthesizer)).__name__)
    if known is None or type(synthesizer) is not _class(known, type(synthesizer).__name__):
        reason: str | None = f"{type(synthesizer).__name__} is not a known response synthesizer"
    else:
        methods = ("synthesize", "asynthesize", "get_response", "aget_response")
        reason = overridden(synthesizer, *methods, *known.methods)
        if reason is None and known.mode is SynthesisMode.NONE:
            component = Synthesis(name=NAME, llm="", mode=SynthesisMode.NONE)
            return LiftedSynthesis(synthesizer, component)
    # An LLM is lifted in any case: its calls are then seen, whoever makes them.
    llm = lift_llm(getattr(synthesizer, "_llm", None), runtime)
    reason = reason or _special(synthesizer) or (llm if isinstance(llm, str) else None)
    for attribute in known.templates if known is not None and reason is None else ():
        reason = reason or prompt_differs(getattr(synthesizer, attribute))
    if reason is not None or known is None or isinstance(llm, str):
        return LiftedSynthesis(synthesizer, Opaque(name=NAME, reason=reason or ""))
    if known.mode is SynthesisMode.REFINE and runtime.prefix_warming:
        llm.prove(runtime)
    single = known.mode in (SynthesisMode.ONE_SHOT, SynthesisMode.GENERATION)
    component = Synthesis(
        name=NAME,
        llm=llm.engine,
        mode=known.mode,
        chunks=1 if single else None,
        concurrent=not sync or bool(getattr(synthesizer, "_use_async", False)),
        early_context=llm.is_chat,
    )
    return LiftedSynthesis(synthesizer, component, llm)


def _class(known: _Known, name: str) -> type | None:
    package = "llama_index.core.response_synthesizers"
    module = sys.modules.get(f"{package}.{known.module}")
    return getattr(module, name, None)


def _special(synthesizer: Any) -> str | None:
    if getattr(synthesizer, "_output_cls", None) is not None:
        return "structured output runs as it is"
    if getattr(synthesizer, "_structured_answer_filtering", False):
        return "structured answer filtering runs as it is"
    if getattr(synthesizer, "_multimodal", False):
        return "multimodal synthesis runs as it is"
    return None
