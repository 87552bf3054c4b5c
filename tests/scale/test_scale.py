"""The scale benchmark at small sizes, its routers, and the page that is committed."""

from __future__ import annotations

import re

import pytest

from ayo_bridge.schedule.loads import Loads
from ayo_bridge.seam import Usage
from benchmarks.scale.experiments import COMPARED, figures
from benchmarks.scale.page import PAGE, known_results, page
from benchmarks.scale.routers import (
    CACHE_AWARE,
    LEAST_OUTSTANDING,
    PREFIX,
    ROUND_ROBIN,
    Asked,
    CacheAware,
)
from benchmarks.scale.run import Outcome, Setup, simulate
from benchmarks.scale.tables import printed

SCRIPT = re.compile(r"(?<=<script>).*?(?=</script>\n<script>\nconst options)", re.DOTALL)
VEGA = "/* draws the charts */"
CALLS = {"refine": 3, "tree": 4, "one_shot": 1}


@pytest.fixture(scope="module")
def runs() -> dict[str, tuple[Setup, Outcome]]:
    """Four replicas at about 80 % of what they can do."""
    setups = {router: Setup(router, 4, 600, 0.85) for router in COMPARED}
    return {router: (setup, simulate(setup)) for router, setup in setups.items()}


def test_every_query_is_answered_once_and_makes_its_calls(
    runs: dict[str, tuple[Setup, Outcome]],
) -> None:
    for _, outcome in runs.values():
        answered = {shape: len(each) for shape, each in outcome.latencies.items()}
        assert answered == dict.fromkeys(CALLS, 200)
        assert sum(outcome.calls) == 200 * sum(CALLS.values())
        assert len(outcome.memory) == 10


def test_prefix_routing_is_the_fastest(runs: dict[str, tuple[Setup, Outcome]]) -> None:
    mean = {router: figures(*run)["mean"] for router, run in runs.items()}
    assert mean[ROUND_ROBIN] / mean[PREFIX] > 1.15
    assert mean[CACHE_AWARE] / mean[PREFIX] > 1.3
    assert mean[LEAST_OUTSTANDING] > mean[PREFIX]


def test_alone_more_prompts_are_continued_where_they_were_begun() -> None:
    outcome = simulate(Setup(PREFIX, 4, 30, 0.02))
    other = simulate(Setup(LEAST_OUTSTANDING, 4, 30, 0.02))
    assert outcome.begun_ahead == other.begun_ahead == 30
    assert outcome.found > other.found


def test_processes_that_see_only_their_own_balance_worse() -> None:
    one, many = (
        figures(setup, simulate(setup))["mean"]
        for setup in (Setup(LEAST_OUTSTANDING, 4, 240, 1.0, processes=n) for n in (1, 8))
    )
    assert many > one


def asked(prompt: tuple[tuple[int, int], ...]) -> Asked:
    return Asked(prompt, 1, warm=False)


def test_the_cache_aware_router_does_as_its_model() -> None:
    router = CacheAware(3, kv_tokens=1000)
    mine, other = asked(((1, 100), (2, 300))), asked(((1, 100), (3, 300)))
    first = router.choose(mine, 0.0)
    # A quarter of it is known there: not enough, and the others' trees are smaller.
    second = router.choose(other, 0.0)
    assert second != first
    assert router.choose(asked(((1, 100), (2, 300), (4, 100))), 0.0) == first
    # Far out of balance: the least loaded, whatever matches.
    for _ in range(40):
        router.choose(mine, 0.0)
    assert router.choose(mine, 0.0) not in (first, second)
    # Forgotten once a thousand other tokens have come, as the replica's cache forgets.
    for _ in range(42):
        router.ended(mine, first, 0.0, Usage())
    for number in range(20):
        router.choose(asked(((100 + number, 400),)), 0.0)
    assert sum(map(len, router._trees)) < 12


def test_loads_are_found_from_the_least_on() -> None:
    loads = Loads(4)
    for number, load in ((2, 3), (0, 1), (3, 1)):
        loads.put(number, load)
    assert list(loads.idlest()) == [1, 0, 3, 2]
    assert (loads.least, loads.most, loads[2]) == (0, 3, 3)
    loads.put(1, 3)
    loads.put(2, 0)
    assert list(loads.idlest()) == [2, 0, 3, 1]


def test_the_page_that_is_there_is_made_from_the_results_that_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ayo_bridge.pages.page.vega", lambda: VEGA)
    there, results = PAGE.read_text(encoding="utf-8"), known_results()
    scripts = SCRIPT.findall(there)
    same = page(results) == there.replace(scripts[0], VEGA)
    assert same, "make it anew: python -m benchmarks.scale page"
    assert all(printed(name, made) for name, made in results.items())


def test_prefix_routing_is_the_fastest_at_every_size_and_load() -> None:
    results = known_results()
    for name, over in (("sizes", "replicas"), ("loads", "utilisation")):
        runs = [run for run in results[name]["runs"] if run["replicas"] > 1]
        for at in {run[over] for run in runs}:
            mean = {run["router"]: run["mean"] for run in runs if run[over] == at}
            assert min(mean, key=lambda router: mean[router]) == PREFIX
