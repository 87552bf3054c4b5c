"""Response synthesizers: their components, and the calls of a fan-out once its chunks are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ayo_bridge.engines import Call
from ayo_bridge.graph import Component, Op, Opaque, Primitive, Synthesis, SynthesisMode
from ayo_bridge.runahead import Feed, Values, index_of
from ayo_bridge.runtime import Runtime
from ayo_llamaindex.exact import differs
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

    def calls(self, primitive: Primitive, values: Values, feed: Feed) -> Sequence[Call]:
        arguments = self._arguments[index_of(primitive)]
        return [self._llm.predict(self._prompt, arguments, stream=self._stream)]

    def outputs(self, primitive: Primitive, results: Sequence[object]) -> Values:
        return {}


class WarmMaker:
    """Prefix warms of the refine steps: all of the prompt but the answer so far."""

    def __init__(
        self, llm: LiftedLLM, prompt: Any, arguments: Sequence[Mapping[str, Any]], runtime: Runtime
    ) -> None:
        self._llm = llm
        self._prompt = prompt
        self._arguments = arguments
        self._runtime = runtime

    def calls(self, primitive: Primitive, values: Values, feed: Feed) -> Sequence[Call]:
        if primitive.op is not Op.PARTIAL_PREFILLING:
            return []
        arguments = self._arguments[index_of(primitive)]
        return [self._llm.warm(self._prompt, arguments, "existing_answer", self._runtime)]

    def outputs(self, primitive: Primitive, results: Sequence[object]) -> Values:
        return {}


_TEMPLATES = {
    "TreeSummarize": ("_summary_template",),
    "Accumulate": ("_text_qa_template",),
    "CompactAndAccumulate": ("_text_qa_template",),
    "Refine": ("_text_qa_template", "_refine_template"),
    "CompactAndRefine": ("_text_qa_template", "_refine_template"),
    "SimpleSummarize": ("_text_qa_template",),
    "Generation": ("_input_prompt",),
}
_METHODS = {
    "TreeSummarize": ("get_response", "aget_response"),
    "Accumulate": ("get_response", "aget_response", "_give_responses", "_make_prompt_kwargs"),
    "CompactAndAccumulate": (
        "get_response",
        "aget_response",
        "_give_responses",
        "_make_prompt_kwargs",
    ),
    "Refine": ("get_response", "aget_response", "_run_refine_loop", "_arun_refine_loop"),
    "CompactAndRefine": (
        "get_response",
        "aget_response",
        "_run_refine_loop",
        "_arun_refine_loop",
        "_make_compact_text_chunks",
    ),
    "SimpleSummarize": ("get_response", "aget_response"),
    "Generation": ("get_response", "aget_response", "synthesize", "asynthesize"),
    "NoText": ("get_response", "aget_response"),
    "ContextOnly": ("get_response", "aget_response"),
}
_MODES = {
    "TreeSummarize": SynthesisMode.TREE,
    "Accumulate": SynthesisMode.ACCUMULATE,
    "CompactAndAccumulate": SynthesisMode.ACCUMULATE,
    "Refine": SynthesisMode.REFINE,
    "CompactAndRefine": SynthesisMode.REFINE,
    "SimpleSummarize": SynthesisMode.ONE_SHOT,
    "Generation": SynthesisMode.GENERATION,
}


def lift_synthesizer(synthesizer: Any, runtime: Runtime, *, sync: bool) -> LiftedSynthesis:
    """Lift a response synthesizer; what is not known becomes opaque, with the reason."""
    import llama_index.core.response_synthesizers as known

    name = type(synthesizer).__name__
    reason: str | None
    if name not in _METHODS or type(synthesizer) is not getattr(known, name, None):
        reason = f"{name} is not a known response synthesizer"
    else:
        methods = ("synthesize", "asynthesize", *_METHODS[name])
        reason = differs(synthesizer, type(synthesizer), *dict.fromkeys(methods))
    if reason is None and name in ("NoText", "ContextOnly"):
        component = Synthesis(name=NAME, llm="", mode=SynthesisMode.NONE)
        return LiftedSynthesis(synthesizer, component)
    if reason is None:
        reason = _special(synthesizer)
    llm: LiftedLLM | str = ""
    if reason is None:
        llm = lift_llm(synthesizer._llm, runtime)
        reason = llm if isinstance(llm, str) else None
    if reason is None:
        for attribute in _TEMPLATES[name]:
            reason = reason or prompt_differs(getattr(synthesizer, attribute), synthesizer._llm)
    if reason is not None or isinstance(llm, str):
        return LiftedSynthesis(synthesizer, Opaque(name=NAME, reason=reason or ""))
    mode = _MODES[name]
    concurrent = not sync or bool(getattr(synthesizer, "_use_async", False))
    single = mode in (SynthesisMode.ONE_SHOT, SynthesisMode.GENERATION)
    component = Synthesis(
        name=NAME,
        llm=llm.engine,
        mode=mode,
        chunks=1 if single else None,
        concurrent=concurrent,
        early_context=llm.is_chat,
    )
    return LiftedSynthesis(synthesizer, component, llm)


def _special(synthesizer: Any) -> str | None:
    if getattr(synthesizer, "_output_cls", None) is not None:
        return "structured output runs as it is"
    if getattr(synthesizer, "_structured_answer_filtering", False):
        return "structured answer filtering runs as it is"
    if synthesizer._multimodal:
        return "multimodal synthesis runs as it is"
    return None
