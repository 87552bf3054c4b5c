"""An agent with tools: plan, call the tools side by side, answer (paper, Fig. 2)."""

from collections.abc import Mapping

from ayo_bridge.graph import Flow, Op, QueryExpansion, SearchApi, Synthesis, SynthesisMode
from ayo_bridge.workflow import Function, Handler, HandlerKey, LanguageModel
from examples.apps import tools
from examples.apps.spec import LLM, TOOLS, AppSpec, Form, Sizes


def workflow(sizes: Sizes) -> Flow:
    """The core LLM writes a plan, a step a line; each step is a call of a tool.

    A plan may have more or fewer steps than expected: every step is carried out.
    """
    plan = QueryExpansion(
        name="plan",
        llm=LLM,
        queries=sizes.queries,
        prompt_tokens=sizes.instruction_tokens + sizes.question_tokens,
        tokens=sizes.queries * sizes.query_tokens,
        outputs=("plan.steps",),
    )
    act = SearchApi(name="act", api=TOOLS, inputs=("plan.steps",), calls=sizes.queries)
    answer = Synthesis(
        name="answer",
        llm=LLM,
        mode=SynthesisMode.ONE_SHOT,
        chunks=sizes.queries,
        inputs=("question", "act.results"),
        instruction_tokens=sizes.instruction_tokens,
        question_tokens=sizes.question_tokens,
        context_tokens=sizes.result_tokens,
        tokens=sizes.answer_tokens,
        context_first=False,
    )
    return plan >> act >> answer


def handlers(sizes: Sizes) -> Mapping[HandlerKey, Handler | Function]:
    """What the planner is asked."""
    plans = (
        f"Plan how to answer the question with these tools, in {sizes.queries} steps that do not "
        "need each other's results. Write one step a line as `tool: argument` and nothing else. "
        "Tools: `lookup` finds documentation, `signature` gives that of a function, `calculate` "
        "works out an arithmetic expression."
    )
    answers = "Answer the question with the results of the tools."
    return {
        ("plan", Op.PREFILLING): LanguageModel(plans),
        ("answer", Op.PREFILLING): LanguageModel(answers),
    }


AGENT = AppSpec(
    name="agent",
    what="an agent with tools",
    source="paper, Fig. 2: an LLM plans, tools are called, an LLM answers",
    workflow=workflow,
    roles=(LLM, TOOLS),
    handlers=handlers,
    forms=lambda sizes: {"plan": Form(lines=sizes.queries, starts=tuple(tools.BY_NAME))},
)
