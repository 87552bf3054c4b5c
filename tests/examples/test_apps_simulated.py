"""All five apps in virtual time: equal values, earlier; cancelled, too late, and failing."""

import asyncio
from dataclasses import replace

import pytest

from ayo_bridge.errors import PrimitiveError, QueryTimeoutError
from ayo_bridge.graph import Op
from ayo_bridge.passes import PIPELINE, Pass
from ayo_bridge.seam import Call
from ayo_bridge.simulate import run_virtual
from ayo_bridge.workflow import MISSING, Scored
from examples.apps import APPS, AppSpec
from examples.apps.arms import Arm, differences, inputs, run, same
from examples.apps.backend import Backend
from examples.apps.scripts import OPTIMISED, PLAIN, Stage, Task, simulation
from examples.apps.simulated import simulated
from examples.apps.texts import SUBJECTS

every_app = pytest.mark.parametrize("spec", APPS.values(), ids=APPS)
both = pytest.mark.parametrize("passes", [(), PIPELINE], ids=["plain", "optimised"])


def arms(spec: AppSpec, queries: int = len(SUBJECTS)) -> tuple[Arm, Arm]:
    task = Task(spec, spec.sizes, SUBJECTS[:queries])
    with simulation() as stage:
        return stage.run(task, PLAIN), stage.run(task, OPTIMISED)


@every_app
def test_both_scripts_give_the_same_values(spec: AppSpec) -> None:
    plain, optimised = arms(spec)
    for before, after in zip(plain.results, optimised.results, strict=True):
        assert differences(before, after) == []
        assert isinstance(after.output, str)
        assert after.output
        assert before.skipped == after.skipped
    assert len({result.output for result in optimised.results}) == len(SUBJECTS)


@pytest.mark.parametrize("name", ["naive", "advanced", "contextual"])
def test_a_single_query_is_earlier(name: str) -> None:
    plain, optimised = arms(APPS[name], queries=1)
    assert optimised.seconds < plain.seconds


def test_a_search_that_does_not_wait_for_its_judge_is_earlier() -> None:
    plain, optimised = arms(APPS["search"], queries=len(SUBJECTS))
    assert optimised.seconds < plain.seconds


@pytest.mark.parametrize("queries", [1, len(SUBJECTS)])
def test_a_chain_with_little_to_warm_is_not_later(queries: int) -> None:
    # Prefix warms are all that could be gained, and one block of a prompt is not worth a step.
    plain, optimised = arms(APPS["agent"], queries)
    assert optimised.seconds == pytest.approx(plain.seconds)


@pytest.mark.parametrize(
    ("name", "most"),
    [("naive", 0.60), ("advanced", 0.98), ("contextual", 0.6)],
)
def test_queries_that_come_at_once_are_earlier(name: str, most: float) -> None:
    plain, optimised = arms(APPS[name])
    assert optimised.seconds < most * plain.seconds


@every_app
def test_a_run_is_repeatable_to_the_last_digit(spec: AppSpec) -> None:
    (_, one), (_, two) = arms(spec, 2), arms(spec, 2)
    assert [result.seconds for result in one.results] == [result.seconds for result in two.results]


def test_a_difference_is_found_and_named() -> None:
    plain, optimised = arms(APPS["advanced"], queries=2)
    changed = dict(optimised.results[0].values)
    ranked = changed["rerank.ranked"]
    assert isinstance(ranked, list)
    changed["rerank.ranked"] = [replace(ranked[0], score=ranked[0].score + 0.01), *ranked[1:]]
    tampered = replace(optimised.results[0], values=changed)
    assert differences(plain.results[0], tampered) == ["rerank.ranked"]
    assert "answer.answer" in differences(plain.results[0], optimised.results[1])
    assert same(Scored("a", 0.5), Scored("a", 0.5 + 1e-8))
    assert not same([1.0], [1.0, 2.0])


@both
def test_naive_and_advanced_share_an_app(passes: tuple[Pass, ...]) -> None:
    naive, advanced = APPS["naive"], APPS["advanced"]

    async def apart(spec: AppSpec) -> object:
        backend = simulated(spec, spec.sizes)
        arm = await run("", backend, spec, spec.sizes, SUBJECTS[:1], passes=passes)
        return arm.results[0].output

    async def together() -> list[object]:
        app = simulated(naive, naive.sizes).app(advanced, advanced.sizes, passes=passes)
        submitted = [
            app.submit(inputs(spec, spec.sizes, SUBJECTS[0]), spec.workflow(spec.sizes))
            for spec in (naive, advanced)
        ]
        return [result.output for result in await asyncio.gather(*submitted)]

    assert run_virtual(together()) == [run_virtual(apart(spec)) for spec in (naive, advanced)]


@both
def test_the_judge_decides_whether_the_web_is_asked(passes: tuple[Pass, ...]) -> None:
    spec = APPS["search"]

    async def main() -> Arm:
        backend = simulated(spec, spec.sizes)
        return await run("", backend, spec, spec.sizes, SUBJECTS, passes=passes)

    results = run_virtual(main()).results
    assert {result["needed.branch"] for result in results} == {"yes", "no"}
    for result in results:
        asked = result["needed.branch"] == "yes"
        # The optimised one does not wait for the judge.
        assert ("web.call" in result.timings) == (asked or bool(passes))
        assert result.skipped == (frozenset() if asked else {"web.call"})
        found = result["web.results"]
        assert (found is MISSING) != asked
        if isinstance(found, list):
            assert len(found) == spec.sizes.top_k


@every_app
@both
def test_a_query_that_is_too_late_is_cancelled_everywhere(
    spec: AppSpec, passes: tuple[Pass, ...]
) -> None:
    async def main() -> None:
        app = simulated(spec, spec.sizes).app(spec, spec.sizes, passes=passes)
        asked = inputs(spec, spec.sizes, SUBJECTS[0])
        with pytest.raises(QueryTimeoutError) as late:
            await app.submit(asked, spec.workflow(spec.sizes), timeout=0.05)
        assert late.value.unfinished
        await asyncio.sleep(0.001)
        for role in spec.roles:
            # A batch that has started runs to its end; nothing waits behind it.
            assert app.scheduler(role).depth == 0
            if role in ("llm", "assistant"):
                assert app.scheduler(role).running == 0

    run_virtual(main())


@every_app
@both
def test_cancelling_a_query_leaves_the_others_alone(
    spec: AppSpec, passes: tuple[Pass, ...]
) -> None:
    async def main(cancelled: bool) -> object:
        app = simulated(spec, spec.sizes).app(spec, spec.sizes, passes=passes)
        one, two = (
            asyncio.ensure_future(
                app.submit(inputs(spec, spec.sizes, subject), spec.workflow(spec.sizes))
            )
            for subject in SUBJECTS[:2]
        )
        if cancelled:
            await asyncio.sleep(0.3)
            one.cancel()
            with pytest.raises(asyncio.CancelledError):
                await one
        return (await two).output

    assert run_virtual(main(True)) == run_virtual(main(False))


@pytest.mark.parametrize(
    ("name", "role", "op"),
    [
        *((name, role, None) for name, spec in APPS.items() for role in spec.roles),
        ("naive", "store", Op.SEARCHING),
    ],
)
@both
def test_an_engine_that_fails_is_named_with_its_primitive(
    name: str, role: str, op: Op | None, passes: tuple[Pass, ...]
) -> None:
    spec = APPS[name]

    async def main() -> None:
        backend = failing(simulated(spec, spec.sizes), role, op)
        app = backend.app(spec, spec.sizes, passes=passes)
        # Questions of which some need a search.
        submitted = [
            app.submit(inputs(spec, spec.sizes, each), spec.workflow(spec.sizes))
            for each in SUBJECTS
        ]
        ended = await asyncio.gather(*submitted, return_exceptions=True)
        failed = [error for error in ended if isinstance(error, BaseException)]
        assert failed
        for error in failed:
            assert isinstance(error, PrimitiveError)
            assert error.engine == role
            assert isinstance(error.__cause__, ConnectionError)
            made = app.plan(inputs(spec, spec.sizes, SUBJECTS[0]), spec.workflow(spec.sizes))
            assert made.e_graph[error.primitive].engine == role

    run_virtual(main())


def failing(backend: Backend, role: str, op: Op | None) -> Backend:
    """The backend with an engine that refuses what it is asked."""

    def ask(call: Call) -> object:
        group = str(call.key[1])  # type: ignore[index]
        if op is None or ".search" in group:
            raise ConnectionError("nobody is there")
        return next(each for each in backend.roles if each.engine.name == role).ask(call)  # type: ignore[misc]

    roles = [replace(r, ask=ask) if r.engine.name == role else r for r in backend.roles]
    return replace(backend, roles=roles)


@every_app
@both
def test_an_answer_can_be_streamed(spec: AppSpec, passes: tuple[Pass, ...]) -> None:
    pieces: list[str] = []
    task = Task(spec, spec.sizes, SUBJECTS[:1])
    stage = Stage(None, lambda _: None)
    stage.stream(task, ("", passes), pieces.append)
    assert len(pieces) > 1
    (result,) = stage.run(task, ("", passes)).results
    assert "".join(pieces) == result.output
