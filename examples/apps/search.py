"""Search-engine-empowered generation: a judge decides whether the web is asked (paper, Fig. 2)."""

import re
from collections.abc import Mapping

from ayo_bridge.graph import Condition, Flow, Op, SearchApi, Synthesis, SynthesisMode, choose
from ayo_bridge.workflow import Function, Handler, HandlerKey, LanguageModel
from examples.apps.spec import ASSISTANT, LLM, WEB, AppSpec, Form, Sizes


def workflow(sizes: Sizes) -> Flow:
    """A proxy answers from memory, a judge reads that, the core LLM answers with what was found.

    Where the judge finds no need, the search is skipped and the core LLM has the question alone.
    The search may start before that is known: one that was not needed costs the search engine only.
    """
    proxy = Synthesis(
        name="proxy",
        llm=ASSISTANT,
        mode=SynthesisMode.GENERATION,
        instruction_tokens=sizes.instruction_tokens,
        question_tokens=sizes.question_tokens,
        tokens=sizes.note_tokens,
    )
    judge = Synthesis(
        name="judge",
        llm=ASSISTANT,
        mode=SynthesisMode.ONE_SHOT,
        chunks=1,
        inputs=("question", "proxy.answer"),
        instruction_tokens=sizes.instruction_tokens,
        question_tokens=sizes.question_tokens,
        context_tokens=sizes.note_tokens,
        tokens=sizes.verdict_tokens,
        context_first=False,
    )
    needed = Condition(name="needed", inputs=("judge.answer",))
    web = SearchApi(name="web", api=WEB)
    answer = Synthesis(
        name="answer",
        llm=LLM,
        mode=SynthesisMode.ONE_SHOT,
        chunks=sizes.top_k,
        inputs=("question", "web.results"),
        instruction_tokens=sizes.instruction_tokens,
        question_tokens=sizes.question_tokens,
        context_tokens=sizes.result_tokens,
        tokens=sizes.answer_tokens,
        context_first=False,
    )
    return proxy >> judge >> choose(needed, {"yes": web, "no": None}, speculate=True) >> answer


def verdict(text: str) -> str:
    """The branch that a judge's text names; whoever does not say no wants a search."""
    word = re.search(r"[a-z]+", text.lower())
    return "no" if word is not None and word.group() == "no" else "yes"


def handlers(sizes: Sizes) -> Mapping[HandlerKey, Handler | Function]:
    """What the assistant is asked, and how its verdict is read."""
    judges = (
        "Below are a question and an answer to it that was written from memory. Would a web search "
        "be needed to answer it well? Say yes or no."
    )
    answers = "Answer the question. Use the search results, if there are any."
    return {
        ("proxy", Op.PREFILLING): LanguageModel("Answer the question in a sentence, from memory."),
        ("judge", Op.PREFILLING): LanguageModel(judges),
        "needed": verdict,
        ("answer", Op.PREFILLING): LanguageModel(answers),
    }


SEARCH = AppSpec(
    name="search",
    what="search-engine-empowered generation",
    source="paper, Fig. 8 row 1: proxy and judge of 7B, top 4 of a search engine, core LLM",
    workflow=workflow,
    roles=(LLM, ASSISTANT, WEB),
    sizes=Sizes(top_k=4),
    handlers=handlers,
    forms=lambda sizes: {"judge": Form(choices=("yes", "no"))},
)
