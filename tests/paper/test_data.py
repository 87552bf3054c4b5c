"""The parameter file, the paper's figures and the trace, as they are committed."""

from __future__ import annotations

import itertools
import tomllib

import pytest

from benchmarks.paper.parameters import FILE, parameters, parse
from benchmarks.paper.published import fig8
from benchmarks.paper.ragpulse import arrivals, requests, workload
from benchmarks.paper.run import poisson


def test_every_panel_of_the_paper_is_here() -> None:
    ours = {(p.workload.app, p.workload.dataset, p.core) for p in parameters().panels}
    assert {key[:3] for key in fig8()} <= ours


def test_all_rates_of_the_paper_are_run() -> None:
    for curve in fig8().values():
        assert tuple(curve) == parameters().runs.rates


def test_a_size_that_does_not_exist_is_an_error() -> None:
    data = tomllib.loads(FILE.read_text())
    data["apps"]["naive"]["datasets"]["Finqabench"]["chunk"] = 3
    with pytest.raises(KeyError, match="chunk"):
        parse(data)


def test_the_trace_is_complete_and_in_order() -> None:
    found = requests(10**6)
    assert len(found) == 7106
    assert all(a.at <= b.at for a, b in itertools.pairwise(found))
    assert sum(each.output for each in found) / len(found) == pytest.approx(283.2, abs=0.1)
    first = found[0]
    assert (first.instruction, first.question, first.contexts, first.output) == (
        *(512, 949 + 11 + 7),
        *(1437, 154),
    )


def test_a_request_of_the_trace_keeps_its_lengths() -> None:
    given = parameters()
    request = requests(1)[0]
    sizes = workload(given, request).sizes
    assert sizes.answer_tokens == request.output
    assert request.contexts - sizes.top_n < sizes.top_n * sizes.chunk_tokens <= request.contexts


def test_scaling_the_trace_scales_its_gaps() -> None:
    given = parameters()
    whole, tenth = arrivals(given, 1.0), arrivals(given, 0.1)
    assert len(whole) == given.trace["queries"]
    assert [a.at / 10 for a in whole] == pytest.approx([a.at for a in tenth])


def test_arrivals_of_a_seed_differ_between_rates_in_scale_only() -> None:
    load = parameters().workload("naive", "TruthfulQA")
    slow, fast = poisson(load, 1.0, 20, 3), poisson(load, 4.0, 20, 3)
    assert [a.at / 4 for a in slow] == pytest.approx([a.at for a in fast])
    assert [a.at for a in poisson(load, 1.0, 20, 4)] != [a.at for a in slow]
