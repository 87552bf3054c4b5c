"""Conditions: what is not chosen does not run, and whoever takes its values sees that."""

import asyncio
import gc
from collections.abc import Hashable
from dataclasses import replace

import pytest

from ayo_bridge.errors import GraphError, PrimitiveError
from ayo_bridge.graph import (
    Choice,
    Condition,
    Flow,
    Graph,
    Op,
    Opaque,
    Primitive,
    Synthesis,
    SynthesisMode,
    Template,
    choose,
)
from ayo_bridge.passes import PIPELINE, Pass
from ayo_bridge.seam import Call, EngineKind
from ayo_bridge.simulate import run_virtual
from ayo_bridge.workflow import MISSING, Generate, LanguageModel, Result
from tests.workflow.engines import Engine, Engines
from tests.workflow.workflows import EXPAND, INDEX, RERANK, SEARCH

JUDGE = Synthesis(name="judge", llm="llm", mode=SynthesisMode.GENERATION, tokens=1)
NEEDED = Condition(name="needed", inputs=("judge.answer",))
LAST = Synthesis(
    name="answer",
    llm="llm",
    mode=SynthesisMode.ONE_SHOT,
    chunks=1,
    inputs=("question", "rerank.ranked"),
)
JUDGED = JUDGE >> choose(NEEDED, {"yes": EXPAND >> SEARCH >> RERANK, "no": None}) >> LAST
"""Retrieval only where a judge finds that it is needed."""

both = pytest.mark.parametrize("passes", [(), PIPELINE], ids=["as it is", "optimised"])


def run(
    says: str,
    passes: tuple[Pass, ...],
    workflow: Flow | Template = JUDGED,
    choices: tuple[Choice, ...] = (),
) -> tuple[Result, Engines]:
    async def main() -> tuple[Result, Engines]:
        handlers = {("judge", Op.PREFILLING): LanguageModel("Is a search needed?")}
        engines = Engines(passes=passes, handlers=handlers)
        engines.llm.answers = {"Is a search needed?": says}
        result = await engines.app.submit({"question": "why?"}, workflow, choices=choices)
        return result, engines

    return run_virtual(main())


@both
@pytest.mark.parametrize("given", [False, True], ids=["the template's", "the query's"])
def test_the_choices_of_a_template_hold_whoever_gives_them(
    passes: tuple[Pass, ...], given: bool
) -> None:
    template = JUDGED.template(("question",))
    choices = template.choices if given else ()
    template = replace(template, choices=()) if given else template
    for says, searched in (("yes", True), ("no", False)):
        result, engines = run(says, passes, template, choices)
        flow, of_flow = run(says, passes)
        assert result.output == flow.output
        assert bool(engines.reranker.served) is searched
        assert engines.embedding.served == of_flow.embedding.served


@both
def test_the_chosen_branch_runs(passes: tuple[Pass, ...]) -> None:
    result, engines = run("yes", passes)
    assert result["needed.branch"] == "yes"
    assert len(result["rerank.ranked"]) == 3  # type: ignore[arg-type]
    assert not result.skipped
    assert engines.reranker.served
    assert "Context:" in _last_prompt(engines)


@both
def test_a_branch_that_is_not_chosen_is_skipped_and_its_values_are_missing(
    passes: tuple[Pass, ...],
) -> None:
    result, engines = run("no\n", passes)
    assert result["needed.branch"] == "no"
    for name in ("expand.queries", "search.hits", "rerank.ranked"):
        assert result.values.get(name, MISSING) is MISSING
    assert {result.e_graph[name].component for name in result.skipped} == {
        *("expand", "search", "rerank")
    }
    assert not result.skipped & result.timings.keys()
    assert [*engines.embedding.served, *engines.store.served, *engines.reranker.served] == []
    assert len(engines.llm.served) == 2
    assert "Context:" not in _last_prompt(engines)
    assert str(result.output).startswith("answer ")


@both
def test_a_value_that_names_no_branch_is_an_error_of_the_condition(
    passes: tuple[Pass, ...],
) -> None:
    with pytest.raises(PrimitiveError, match=r"needed.condition.*'maybe'.*'yes', 'no'"):
        run("maybe", passes)


@both
def test_conditions_within_a_branch_are_skipped_with_it(passes: tuple[Pass, ...]) -> None:
    inner = choose(
        Condition(name="inner", inputs=("question",)),
        {"why?": Opaque(name="one", pure=True), "how?": Opaque(name="two", pure=True)},
    )
    workflow = JUDGE >> choose(NEEDED, {"yes": inner, "no": Opaque(name="other", pure=True)})
    result, _ = run("no", passes, workflow)
    assert {"inner.condition", "one.host", "two.host"} == result.skipped
    result, _ = run("yes", passes, workflow)
    assert {"two.host", "other.host"} == result.skipped


def test_a_function_decides_and_functions_see_what_is_missing() -> None:
    graph = Graph(
        [
            Primitive("size", Op.CONDITION, "size", inputs=("number",), outputs=("branch",)),
            Primitive("a", Op.HOST, "small", inputs=("number",), outputs=("x",)),
            Primitive("b", Op.HOST, "large", inputs=("number",), outputs=("y",)),
            Primitive("end", Op.HOST, "end", inputs=("x", "y"), outputs=("seen",)),
        ],
        inputs=["number"],
        order=[("size", "a"), ("size", "b")],
    )
    choice = Choice("size", ((True, ("small",)), (False, ("large",))))

    async def halved(number: int) -> int:
        await asyncio.sleep(1)
        return number // 2

    async def main() -> list[object]:
        app = Engines().app
        app.handle("size", lambda number: number < 10)
        app.handle("small", lambda number: number + 1)
        app.handle("large", halved)
        app.handle("end", lambda x, y: (x, y))
        submitted = [app.submit({"number": n}, graph, choices=(choice,)) for n in (4, 40)]
        return [result.output for result in await asyncio.gather(*submitted)]

    assert run_virtual(main()) == [(5, MISSING), (MISSING, 20)]


def test_cancelling_ends_a_coroutine_of_the_users_own() -> None:
    ended: list[str] = []

    async def forever(_: object) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("ended")

    async def main() -> None:
        app = Engines(handlers={"slow": forever}).app
        template = Template((Opaque(name="slow", inputs=("question",)),))
        with pytest.raises(TimeoutError):
            await app.submit({"question": ""}, template, timeout=1)
        await asyncio.sleep(0.001)

    run_virtual(main())
    assert ended == ["ended"]


def test_a_function_that_raises_is_named_by_its_primitive() -> None:
    def fails(_: object) -> None:
        raise ZeroDivisionError("none of it")

    async def main() -> None:
        app = Engines(handlers={"own": fails}).app
        with pytest.raises(PrimitiveError, match=r"own.host.*none of it") as failed:
            await app.submit({"question": ""}, Opaque(name="own", inputs=("question",)))
        assert isinstance(failed.value.__cause__, ZeroDivisionError)

    run_virtual(main())


def test_a_choice_of_a_component_that_is_not_there_is_refused() -> None:
    app = Engines().app
    with pytest.raises(GraphError, match="'nobody'"):
        app.plan({"question": ""}, JUDGE, choices=(Choice("nobody", (("yes", ()),)),))


def _last_prompt(engines: Engines) -> str:
    return [request.text for request in engines.llm.served if isinstance(request, Generate)][-1]


# Branches that start before their condition is decided.


def early(judge_tokens: int) -> Flow:
    """JUDGED, with a judge that takes its time."""
    judge = replace(JUDGE, tokens=judge_tokens)
    branches: dict[Hashable, Flow | None] = {"yes": EXPAND >> SEARCH >> RERANK, "no": None}
    return judge >> choose(NEEDED, branches, speculate=True) >> LAST


def started(result: Result, name: str) -> float:
    return result.timings[name].started - result.submitted


@pytest.mark.parametrize("tokens", [1, 400], ids=["decided at once", "decided late"])
@pytest.mark.parametrize("says", ["yes", "no"])
def test_speculation_changes_nothing_but_when_a_branch_starts(says: str, tokens: int) -> None:
    before, _ = run(says, (), early(tokens))
    result, engines = run(says, PIPELINE, early(tokens))
    assert result.output == before.output
    ranked = result.values.get("rerank.ranked", MISSING)
    assert ranked == before.values.get("rerank.ranked", MISSING)
    assert (ranked is MISSING) is (says == "no")
    decided = result.timings["needed.condition"].ended
    assert decided is not None
    assert result.timings["expand.prefill"].started == result.submitted
    assert result.timings["answer.prefill[0]"].started >= decided
    branch = {"expand", "search", "rerank"}
    skipped = {result.e_graph[name].component for name in result.skipped}
    assert skipped == (branch if says == "no" else set())
    if says == "no":
        assert all(
            timing.ended is not None and timing.ended <= decided
            for name, timing in result.timings.items()
            if name in result.skipped
        )
    if (says, tokens) == ("no", 1):
        assert len(engines.llm.cancelled) == 1, "the expansion"
        assert not engines.embedding.running
    assert not engines.running


def test_a_late_condition_costs_no_time_where_the_branch_was_wanted() -> None:
    late, _ = run("yes", PIPELINE, JUDGED)
    soon, _ = run("yes", PIPELINE, early(1))
    assert soon.seconds < late.seconds


class Offline(Engine):
    """A reranker that nobody can reach."""

    async def answer(self, request: object, call: Call) -> object:
        raise ConnectionError("no route to host")


@pytest.mark.parametrize("tokens", [1, 400])
def test_an_error_ahead_of_a_condition_counts_if_the_branch_is_chosen(tokens: int) -> None:
    async def main(says: str) -> Result:
        engines = Engines(handlers={("judge", Op.PREFILLING): LanguageModel("Is a search needed?")})
        engines.llm.answers = {"Is a search needed?": says}
        engines.app.register(Offline("nowhere", EngineKind.RERANKER))
        branch = EXPAND >> SEARCH >> replace(RERANK, reranker="nowhere")
        flow = replace(JUDGE, tokens=tokens) >> choose(
            NEEDED, {"yes": branch, "no": None}, speculate=True
        )
        return await engines.app.submit({"question": "why?"}, flow >> LAST)

    expected, _ = run("no", ())
    assert run_virtual(main("no")).output == expected.output
    with pytest.raises(PrimitiveError, match=r"rerank\.rerank.*no route to host"):
        run_virtual(main("yes"))


def test_what_has_an_effect_waits_for_its_condition() -> None:
    flow = JUDGE >> choose(NEEDED, {"yes": INDEX, "no": EXPAND}, speculate=True)
    inputs = {"question": "why?", "documents": [f"passage {i}" for i in range(40)]}

    async def main(says: str) -> tuple[Result, Engines]:
        engines = Engines(handlers={("judge", Op.PREFILLING): LanguageModel("Is a search needed?")})
        engines.llm.answers = {"Is a search needed?": says}
        return await engines.app.submit(inputs, flow), engines

    result, engines = run_virtual(main("yes"))
    decided = result.timings["needed.condition"].ended
    assert decided is not None
    assert started(result, "index.embed[0]") == 0
    stored = [t.started for n, t in result.timings.items() if "index.ingest[" in n]
    assert min(stored) >= decided
    assert engines.store.documents
    _, engines = run_virtual(main("no"))
    assert not engines.store.documents


def test_what_one_branch_takes_from_another_waits_for_the_condition() -> None:
    one = Synthesis(name="one", llm="llm", mode=SynthesisMode.GENERATION, tokens=1)
    other = replace(LAST, name="other", inputs=("question", "one.answer"))
    flow = replace(JUDGE, tokens=40) >> choose(NEEDED, {"yes": one, "no": other}, speculate=True)
    for passes in ((), PIPELINE):
        result, _ = run("no", passes, flow)
        assert result.values["one.answer"] is MISSING
    decided = result.timings["needed.condition"].ended
    assert decided is not None
    assert result.timings["one.prefill[0]"].started == result.submitted
    assert result.timings["other.prefill[0]"].started >= decided
    assert result.output == run("no", (), flow)[0].output


def test_a_coroutine_that_is_revoked_may_fail_on_its_way_out() -> None:
    complaints: list[object] = []

    async def slow(_: object) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            raise OSError("cannot tidy up") from None

    async def main() -> Result:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
        engines = Engines(
            handlers={("judge", Op.PREFILLING): LanguageModel("Is it needed?"), "slow": slow}
        )
        engines.llm.answers = {"Is it needed?": "no"}
        own = Opaque(name="slow", inputs=("question",), pure=True)
        flow = JUDGE >> choose(NEEDED, {"yes": own, "no": EXPAND}, speculate=True)
        result = await engines.app.submit({"question": "why?"}, flow)
        gc.collect()
        return result

    result = run_virtual(main())
    assert "slow.host" in result.skipped
    assert not complaints
