"""Response synthesizers: their components, and which of them are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ayo_bridge.graph import Op, Opaque, Synthesis, SynthesisMode
from ayo_bridge.lift.lifted import Asked, Draft
from ayo_bridge.lift.makers import IndexedMaker
from ayo_bridge.lift.recognise import loaded
from ayo_bridge.lift.witness import saw
from ayo_bridge.runahead.home import Home
from ayo_bridge.seam import Call
from ayo_llamaindex.known import differs, overridden
from ayo_llamaindex.llms import LiftedLLM, lift_llm, prompt_differs

NAME: Final = "synthesis"


@dataclass(frozen=True, slots=True)
class LiftedSynthesis:
    """The synthesizer of a template; without ``llm`` and ``component`` it is left as it is."""

    synthesizer: Any
    component: Synthesis | None
    llm: LiftedLLM | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """A response synthesizer as it is in llama-index-core 0.14.25."""

    module: str
    mode: SynthesisMode
    templates: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()


_ACCUMULATE: Final = ("_give_responses", "_make_prompt_kwargs")
_REFINE: Final = ("_run_refine_loop", "_arun_refine_loop")
_QA: Final = ("_text_qa_template",)
_BOTH: Final = (*_QA, "_refine_template")
_KNOWN: Final = {
    "TreeSummarize": _Known("tree_summarize", SynthesisMode.TREE, ("_summary_template",)),
    "Accumulate": _Known("accumulate", SynthesisMode.ACCUMULATE, _QA, _ACCUMULATE),
    "CompactAndAccumulate": _Known(
        "compact_and_accumulate", SynthesisMode.ACCUMULATE, _QA, _ACCUMULATE
    ),
    "Refine": _Known("refine", SynthesisMode.REFINE, _BOTH, _REFINE),
    "CompactAndRefine": _Known(
        "compact_and_refine", SynthesisMode.REFINE, _BOTH, (*_REFINE, "_make_compact_text_chunks")
    ),
    "SimpleSummarize": _Known("simple_summarize", SynthesisMode.ONE_SHOT, _QA),
    "Generation": _Known("generation", SynthesisMode.GENERATION, ("_input_prompt",)),
    "NoText": _Known("no_text", SynthesisMode.NONE),
    "ContextOnly": _Known("context_only", SynthesisMode.NONE),
}
_PACKING: Final = (SynthesisMode.TREE, SynthesisMode.ACCUMULATE, SynthesisMode.REFINE)
_PACKING_METHODS: Final = (
    *("repack", "get_text_splitter_given_prompt"),
    *("_get_available_context_size", "_get_available_chunk_size"),
)
_METHODS: Final = ("synthesize", "asynthesize", "get_response", "aget_response")


def lift_synthesizer(
    draft: Draft, synthesizer: Any, runtime: Home, asked: Asked
) -> LiftedSynthesis:
    """Lift a response synthesizer; what is not known becomes opaque, with the reason."""
    known, reason = _recognised(synthesizer)
    if known is not None and reason is None and known.mode is SynthesisMode.NONE:
        draft.then(Synthesis(name=NAME, llm="", mode=SynthesisMode.NONE))
        return LiftedSynthesis(synthesizer, None)
    # An LLM is lifted in any case: its calls are then seen, whoever makes them.
    llm = lift_llm(getattr(synthesizer, "_llm", None), runtime, sync=asked.sync)
    reason = reason or _special(synthesizer) or (llm if isinstance(llm, str) else None)
    if reason is None and known is not None:
        prompts = (getattr(synthesizer, name) for name in known.templates)
        reason = next(filter(None, map(prompt_differs, prompts)), None)
    if reason is not None or known is None or isinstance(llm, str):
        draft.then(Opaque(name=NAME, reason=reason or ""))
        draft.followed |= not isinstance(llm, str)
        return LiftedSynthesis(synthesizer, None)
    if known.mode is SynthesisMode.REFINE and runtime.prefix_warming:
        llm.prove()
    single = known.mode in (SynthesisMode.ONE_SHOT, SynthesisMode.GENERATION)
    component = Synthesis(
        name=NAME,
        llm=llm.engine,
        mode=known.mode,
        chunks=1 if single else None,
        concurrent=not asked.sync or bool(getattr(synthesizer, "_use_async", False)),
        early_context=llm.is_chat,
    )
    draft.then(component)
    # A refine chain asks one call after the other: at most its prefixes can be warmed.
    draft.leads |= known.mode in (SynthesisMode.TREE, SynthesisMode.ACCUMULATE)
    # What streams is asked for by whoever reads it, and nobody may.
    if known.mode is SynthesisMode.GENERATION and not synthesizer._streaming:
        draft.leads = True
        draft.makers[NAME, Op.PREFILLING] = lambda call: IndexedMaker(
            lambda _: _generation(llm, synthesizer, call)
        )
    return LiftedSynthesis(synthesizer, component, llm)


def _generation(llm: LiftedLLM, synthesizer: Any, asked: Asked) -> Call:
    return llm.predict(synthesizer._input_prompt, {"query_str": asked.values["question"]})


def _recognised(synthesizer: Any) -> tuple[_Known | None, str | None]:
    """The row of a synthesizer, and why it may not behave as that says."""
    name = type(saw(synthesizer)).__name__
    known = _KNOWN.get(name)
    package = "llama_index.core.response_synthesizers"
    if known is None or type(synthesizer) is not loaded(f"{package}.{known.module}", name):
        return None, f"{name} is not a known response synthesizer"
    reason = overridden(synthesizer, *_METHODS, *known.methods)
    if reason is None and known.mode in _PACKING:
        reason = _packing_differs(synthesizer._prompt_helper)
    return known, reason


def _packing_differs(helper: Any) -> str | None:
    """Why chunks may not be packed as the taps are told."""
    from llama_index.core.indices.prompt_helper import PromptHelper

    return differs(helper, PromptHelper, *_PACKING_METHODS)


def _special(synthesizer: Any) -> str | None:
    if getattr(synthesizer, "_output_cls", None) is not None:
        return "structured output runs as it is"
    if getattr(synthesizer, "_structured_answer_filtering", False):
        return "structured answer filtering runs as it is"
    if getattr(synthesizer, "_multimodal", False):
        return "multimodal synthesis runs as it is"
    return None
