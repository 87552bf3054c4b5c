"""What is learned is measured on traces that it was not learned from."""

import gc
import io
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from ayo_bridge.learn.trace import Kind, Result, Trace
from benchmarks.learned.app import App
from benchmarks.learned.catalogue import APPS
from benchmarks.learned.engines import Engines, Latencies
from benchmarks.learned.held_out import Figures, choices, ideal, mean, measure, predicting
from benchmarks.learned.offline import table
from benchmarks.learned.recording import read, record, timed, write
from benchmarks.learned.server import ServerProcess
from tests.learn.apps import Recorder, canonical, learned, question
from tests.learn.apps import record as traced

LATENCIES = Latencies(0.1, 0.02, 0.01)


def independent(run: Recorder, query: str) -> object:
    """Two calls of which neither needs the other, and one that needs both."""
    causes = run.llm("causes", f"List the causes of {query}")
    effects = run.llm("effects", f"List the effects of {query}")
    return run.llm("both", f"Causes: {causes} Effects: {effects}")


def traces_of(app: Callable[[Recorder, str], object], count: int = 6) -> list[Trace]:
    return [timed(traced(app, question(number)), LATENCIES) for number in range(count)]


def test_what_follows_from_the_inputs_is_exact_and_gains_what_the_ideal_would() -> None:
    figures = measure(traces_of(independent))
    assert (figures.calls, figures.share, figures.false) == (3.0, 1.0, 0.0)
    assert figures.before == pytest.approx(0.3)
    assert figures.ideal == pytest.approx(0.2)
    assert 1.45 < figures.gain <= figures.ideal_gain == pytest.approx(1.5)


def test_a_call_with_a_random_part_is_not_exact_and_the_ideal_knows_nothing_of_its_cause() -> None:
    def dated(run: Recorder, query: str) -> None:
        run.llm("first", f"Say: {query}")
        run.llm("dated", f"At {hash(query) % 9_999_991}, say: {query}")

    figures = measure(traces_of(dated))
    assert figures.share == 0.5
    assert figures.gain == 1.0
    assert figures.ideal_gain == pytest.approx(2.0)


def test_no_trace_is_both_learned_from_and_held_out() -> None:
    traces = traces_of(independent)
    for own, rest in choices(traces, 4, 3):
        assert len(own) == 4
        assert sorted(map(id, [*own, *rest])) == sorted(map(id, traces))


def test_too_few_traces_are_refused() -> None:
    with pytest.raises(ValueError, match="4 traces are too few to learn from 4"):
        measure(traces_of(independent, 4))


def test_predicting_is_paid_for_in_cpu_time_only() -> None:
    template = learned(independent)
    assert 0.0 < predicting(template, traced(independent, question(50))) < 1.0


def test_the_ideal_takes_the_first_of_two_results_that_say_the_same() -> None:
    run = Recorder({"query": "Tell me of the harbour"})
    text = run.llm("first", "Tell me of the harbour", "The harbour froze in the winter of 1709.")
    run.llm("echo", f"Repeat: {text}", text)
    run.llm("last", f"Translate: {text}")
    assert ideal(timed(run.trace(), LATENCIES)) == pytest.approx(0.2)


def test_times_of_calls_are_those_of_their_kinds() -> None:
    run = Recorder({"query": "q"})
    run.search("s", run.embed("e", "text"))
    run.helper("h", ["text"])
    run.call("l", Kind.LLM, canonical({}), Result(text="text"))
    assert [call.seconds for call in timed(run.trace(), LATENCIES).calls] == [0.02, 0.01, 0.0, 0.1]


def test_the_table_has_a_line_for_each_application_and_one_for_all() -> None:
    one = Figures(4, 4, 0, 0.4, 0.2, 0.2, 0.01, 0.001, 1000)
    other = Figures(2, 1, 0.5, 0.2, 0.2, 0.1, 0.03, 0.001, 1000)
    console = Console(file=io.StringIO(), width=120)
    console.print(table({"one": one, "other": other}))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines[-1].split()[:4] == ["all", "2", "3.0", "75.0"]
    assert mean([one, other]).induction == 0.03


@pytest.fixture(scope="module")
def engines() -> Iterator[Engines]:
    with ServerProcess(0.0) as server:
        yield Engines(server.base_url, "", LATENCIES, server)
    with warnings.catch_warnings():  # Clients that are left to the collector complain.
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("name", ["py_plain", "py_gather", "row_assign2"])
def test_functions_coroutines_and_objects_of_frameworks_are_traced(
    name: str, engines: Engines, tmp_path: Path
) -> None:
    app: App = APPS[name]
    traces = record(app, engines, 5)
    assert [trace.inputs["query"] for trace in traces] == [app.inputs(n).query for n in range(5)]
    assert all(len(trace.calls) in app.calls for trace in traces)
    assert measure([timed(trace, LATENCIES) for trace in traces]).share == 1.0
    write({name: traces}, tmp_path / "traces.json")
    assert read(tmp_path / "traces.json") == {name: traces}
