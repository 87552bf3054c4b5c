"""Applications run, answer as functions of their inputs, and make the calls they say.

A third of them here; ``python -m benchmarks.learned`` runs all, and compares what they answer.
"""

import gc
import warnings
from collections.abc import Iterator

import pytest

from benchmarks.learned.app import App
from benchmarks.learned.arms import asking
from benchmarks.learned.catalogue import APPS
from benchmarks.learned.engines import Engines, Latencies, cache_tokenizer, running_engines

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The apply_and_parse method is deprecated"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def engines() -> Iterator[Engines]:
    cache_tokenizer()
    with running_engines(Latencies(0.0, 0.0, 0.0)) as engines:
        yield engines
    # Clients that an application leaves to the collector close their connections with a warning.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.mark.parametrize("app", [*APPS.values()][::3], ids=str)
def test_an_application_answers_as_a_function_of_its_inputs_with_the_calls_it_says(
    app: App, engines: Engines
) -> None:
    program = app.build(engines)
    first, second = app.inputs(0), app.inputs(1)
    with asking(program) as ask:
        engines.server.taken()
        [answer] = ask(program.target, [first])
        seen = engines.server.taken()
        [again] = ask(program.target, [first])
        assert engines.server.taken() == seen
        [other] = ask(program.target, [second])
        others = engines.server.taken()
    assert seen.count in app.calls
    assert others.count in app.calls
    assert answer == again
    assert answer.text
    assert answer != other


@pytest.mark.parametrize("app", APPS.values(), ids=str)
def test_no_two_of_the_first_twenty_inputs_are_equal(app: App) -> None:
    assert len({app.inputs(number) for number in range(20)}) == 20
