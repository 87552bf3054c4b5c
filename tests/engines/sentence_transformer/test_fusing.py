"""One model, many queries: fused calls give each what it would have got alone."""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentence_transformers
import torch

from ayo_bridge.engines import sentence_transformer
from ayo_bridge.engines.live_names import base_name
from ayo_bridge.engines.registered_models import engine_for
from ayo_bridge.engines.sentence_transformer import EmbeddingModel, embedding_call
from ayo_bridge.profile import Curve, EngineProfile, ProfileStore
from ayo_bridge.runtime import Runtime
from ayo_bridge.seam import entered
from tests.engines.sentence_transformer.together import (
    SHORT,
    TEXTS,
    Busy,
    close_to,
    run_together,
    same_kind,
)
from tests.scopes import open_scope

pytestmark = pytest.mark.real


def test_sixteen_threads_share_batches_and_get_what_they_asked_for(
    model: Any, runtime: Runtime
) -> None:
    engine = engine_for(model, runtime)
    inputs: list[Any] = [f"question number {i} about ferries" for i in range(8)]
    inputs += [[f"list {i}", SHORT[1], SHORT[i % 5]] for i in range(8)]
    expected = [model.encode(one) for one in inputs]
    done = run_together(runtime, engine, [partial(model.encode, one) for one in inputs])
    for (got, record), wanted in zip(done, expected, strict=True):
        close_to(got, wanted)
        assert record.fused
        assert record.batch == 16
    scheduler = runtime.scheduler(engine)
    assert scheduler.batches == scheduler.engine.limits.instances + 1  # the busy ones, and all


def test_a_process_has_its_share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    every = sentence_transformer.CORES
    for share, cores in (("1", 1), ("1000", every), ("0", every), ("", every)):
        monkeypatch.setenv("AYO_CORES", share)
        assert sentence_transformer._cores() == cores


def test_fused_results_share_no_memory(model: Any, runtime: Runtime) -> None:
    engine = engine_for(model, runtime)
    for variant in ({}, {"convert_to_tensor": True}):
        calls = [lambda v=variant: model.encode("same", **v) for _ in range(3)]
        calls += [lambda v=variant: model.encode(["same", "other"], **v)]
        results = [result for result, _ in run_together(runtime, engine, calls)]
        before = np.asarray(results[1]).copy()
        if variant:
            with torch.inference_mode():
                results[0].zero_()
            assert results[1].is_inference()
        else:
            results[0][:] = 0
            results[3][:] = 0
            assert results[1].flags.writeable
        assert np.array_equal(np.asarray(results[1]), before)


@pytest.mark.parametrize(
    "variant",
    [
        {"convert_to_tensor": True},
        {"normalize_embeddings": True},
        {"truncate_dim": 100},
        {"prompt": "query: ", "batch_size": 2},
        {"prompt_name": "query", "show_progress_bar": False},
    ],
)
def test_fused_arguments_stay_within_tolerance(
    model: Any, runtime: Runtime, variant: dict[str, Any]
) -> None:
    engine = engine_for(model, runtime)
    inputs: list[Any] = [*SHORT, SHORT, SHORT[:3]]
    expected = [model.encode(one, **variant) for one in inputs]
    calls = [lambda one=one: model.encode(one, **variant) for one in inputs]
    for (got, record), wanted in zip(run_together(runtime, engine, calls), expected, strict=True):
        close_to(got, wanted)
        assert record.batch == len(inputs)


@pytest.mark.parametrize(
    "variant",
    [
        {"precision": "binary"},
        {"output_value": "token_embeddings"},
        {"convert_to_numpy": False},
        {"prompt": "a ", "prompt_name": "query"},
        {"show_progress_bar": True},
    ],
)
def test_what_is_not_known_to_be_exact_runs_alone(
    model: Any, runtime: Runtime, variant: dict[str, Any]
) -> None:
    engine = engine_for(model, runtime)
    expected = model.encode(TEXTS[0], **variant)
    calls = [lambda: model.encode(TEXTS[0], **variant)] * 3
    for got, record in run_together(runtime, engine, calls):
        assert torch.equal(torch.as_tensor(got), torch.as_tensor(expected))
        assert record.batch == 1


def test_different_arguments_never_share_a_batch(model: Any, runtime: Runtime) -> None:
    engine = engine_for(model, runtime)
    calls = [
        lambda: model.encode("x"),
        lambda: model.encode("x", prompt="query: "),
        lambda: model.encode("y"),
    ]
    records = [record for _, record in run_together(runtime, engine, calls)]
    assert [record.batch for record in records] == [2, 1, 2]


def test_on_a_cpu_long_texts_run_alone_and_short_ones_together(
    model: Any, runtime: Runtime
) -> None:
    engine = engine_for(model, runtime)
    inputs: list[Any] = [TEXTS, SHORT[0], TEXTS[4], SHORT[1]]
    expected = [model.encode(one) for one in inputs]
    done = run_together(runtime, engine, [partial(model.encode, one) for one in inputs])
    for (got, _), wanted in zip(done, expected, strict=True):
        close_to(got, wanted)
    assert [record.batch for _, record in done] == [1, 2, 1, 2]


def test_positional_and_keyword_arguments_are_one_request(model: Any) -> None:
    name = "embedding:x"
    assert (
        embedding_call(name, model, "t", {}).key
        == embedding_call(name, model, "t", {"batch_size": 32, "prompt": None}).key
    )
    assert embedding_call(name, model, "t", {}).key != embedding_call(name, model, ["t"], {}).key
    assert embedding_call(name, model, ["t"], {}).group is not None


def test_a_strict_runtime_never_fuses_and_is_bit_equal(
    model: Any, make_runtime: Callable[..., Runtime]
) -> None:
    runtime = make_runtime(strict=True)
    engine = engine_for(model, runtime)
    inputs: list[Any] = [*TEXTS, TEXTS]
    expected = [model.encode(one) for one in inputs]
    done = run_together(runtime, engine, [partial(model.encode, one) for one in inputs])
    for (got, record), wanted in zip(done, expected, strict=True):
        same_kind(got, wanted)
        assert np.array_equal(got, wanted)
        assert record.batch == 1


def test_a_failing_request_fails_alone(
    model: Any, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_for(model, runtime)
    expected = model.encode("fine")
    name = "preprocess" if hasattr(type(model), "preprocess") else "tokenize"
    prepare = getattr(type(model), name)

    def picky(self: Any, inputs: list[str], **kwargs: Any) -> Any:
        if "poison" in inputs:
            raise RuntimeError("poisoned")
        return prepare(self, inputs, **kwargs)

    monkeypatch.setattr(type(model), name, picky)
    calls = [
        lambda: model.encode("fine"),
        lambda: model.encode(["fine", "poison"]),
        lambda: model.encode("fine"),
    ]
    first, poisoned, last = [result for result, _ in run_together(runtime, engine, calls)]
    assert isinstance(poisoned, RuntimeError)
    assert str(poisoned) == "poisoned"
    close_to(first, expected)
    close_to(last, expected)


def test_a_batch_holds_no_more_than_the_measured_best(
    model: Any, make_runtime: Callable[..., Runtime], tmp_path: Path
) -> None:
    names = base_name(engine_for(model, make_runtime()))
    profile = EngineProfile("embedding", Curve.of([(1, 1.0)]), best_batch=4)
    ProfileStore(tmp_path).save(names, "local", profile)
    runtime = make_runtime()
    engine = engine_for(model, runtime)
    assert runtime.scheduler(engine).engine.limits.max_items == 4
    calls = [lambda i=i: model.encode(f"text {i}") for i in range(8)]
    records = [record for _, record in run_together(runtime, engine, calls)]
    assert [record.batch for record in records] == [4] * 8
    # A measurement that was wrong does not stay for the engine's life.
    runtime.profiles.publish(engine, replace(profile, best_batch=8))
    records = [record for _, record in run_together(runtime, engine, calls)]
    assert [record.batch for record in records] == [8] * 8


def test_an_interrupted_wait_cancels_the_request(
    model: Any, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_for(model, runtime)
    scheduler = runtime.scheduler(engine)
    submit = type(scheduler).submit

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        request = submit(scheduler, *args, **kwargs)

        def result(timeout: float | None = None) -> Any:
            raise KeyboardInterrupt

        monkeypatch.setattr(request.future, "result", result)
        return request

    with Busy(runtime, engine):
        monkeypatch.setattr(scheduler, "submit", interrupted)
        with entered(open_scope(runtime)), pytest.raises(KeyboardInterrupt):
            model.encode("x")
        assert scheduler.depth == 0
        monkeypatch.undo()


def test_autocast_of_the_calling_thread_is_kept(model: Any, runtime: Runtime) -> None:
    engine = engine_for(model, runtime)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = model.encode("x", convert_to_tensor=True)
        with Busy(runtime, engine), entered(open_scope(runtime)):
            got = model.encode("x", convert_to_tensor=True)
    assert got.dtype == expected.dtype
    assert torch.equal(got, expected)


@pytest.mark.parametrize(
    ("change", "restore"),
    [
        (lambda m: m.half(), lambda m: m.float()),
        (
            lambda m: setattr(m.tokenizer, "padding_side", "left"),
            lambda m: setattr(m.tokenizer, "padding_side", "right"),
        ),
        (
            lambda m: torch.set_float32_matmul_precision("high"),
            lambda m: torch.set_float32_matmul_precision("highest"),
        ),
    ],
)
def test_models_that_round_or_shift_are_not_fused(
    minilm_path: Path, change: Callable[[Any], Any], restore: Callable[[Any], Any]
) -> None:
    own_model = sentence_transformers.SentenceTransformer(str(minilm_path), device="cpu")
    change(own_model)
    try:
        assert embedding_call("e", own_model, "x", {}).group is None
    finally:
        restore(own_model)


def test_a_progress_bar_by_log_level_is_not_fused(model: Any) -> None:
    logger = logging.getLogger(EmbeddingModel.original().__module__)
    before = logger.level
    logger.setLevel(logging.INFO)
    try:
        assert embedding_call("e", model, "x", {}).group is None
        assert embedding_call("e", model, "x", {"show_progress_bar": False}).group is not None
    finally:
        logger.setLevel(before)
