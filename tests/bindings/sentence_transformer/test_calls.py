"""One model: calls alone, ahead, and of cross-encoders; names and versions."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentence_transformers
import torch

from ayo_bridge.bindings.sentence_transformer import BINDINGS
from ayo_bridge.engines.live_names import base_name
from ayo_bridge.engines.registered_models import cross_encoder_for, engine_for
from ayo_bridge.engines.sentence_transformer import (
    CrossEncoderModel,
    EmbeddingModel,
    embedding_call,
    rerank_call,
)
from ayo_bridge.runtime import Runtime
from ayo_bridge.seam import EngineKind, Outcome, entered
from tests.engines.sentence_transformer.together import (
    DEADLINE,
    PAIRS,
    SHORT,
    SHORT_PAIRS,
    TEXTS,
    TOLERANCE,
    Busy,
    close_to,
    run_together,
    same_kind,
    scope_with_ahead,
)
from tests.scopes import open_scope

pytestmark = pytest.mark.real


# Without and with a scope.


def test_without_a_scope_the_binding_is_a_pass_through(model: Any) -> None:
    assert model.encode("x").shape == (384,)
    assert model.encode(["x"], convert_to_tensor=True).shape == (1, 384)


def test_alone_under_a_scope_every_result_is_bit_equal_and_recorded(
    model: Any, runtime: Runtime
) -> None:
    variants: list[dict[str, Any]] = [
        {},
        {"convert_to_tensor": True},
        {"normalize_embeddings": True, "truncate_dim": 64},
        {"prompt": "query: "},
        {"precision": "int8"},
        {"precision": "binary"},
    ]
    several: list[Any] = [SHORT, "one text", tuple(SHORT), SHORT[:1]]
    for inputs, variant in [(TEXTS, {}), *product(several, variants)]:
        if variant.get("precision") == "int8" and inputs is not SHORT:
            continue  # Calibration wants more than one text.
        expected = model.encode(inputs, **variant)
        scope = open_scope(runtime)
        with entered(scope):
            got = model.encode(inputs, **variant)
        same_kind(got, expected)
        assert np.array_equal(np.asarray(got), np.asarray(expected))
        (record,) = scope.record.calls
        assert record.outcome is Outcome.DIRECT
        assert record.kind is EngineKind.EMBEDDING
        assert record.items == (1 if isinstance(inputs, str) else len(inputs))
        assert record.ended is not None


@pytest.mark.parametrize(
    ("inputs", "variant"),
    [
        (SHORT, {"output_value": "token_embeddings"}),
        (SHORT, {"output_value": None}),
        (SHORT, {"convert_to_numpy": False}),
        ([], {}),
        ([], {"convert_to_tensor": True}),
        (np.array(["an", "array"]), {}),
    ],
)
def test_unusual_calls_reach_the_original_as_they_are(
    model: Any, runtime: Runtime, inputs: Any, variant: dict[str, Any]
) -> None:
    expected = model.encode(inputs, **variant)
    scope = open_scope(runtime)
    with entered(scope):
        got = model.encode(inputs, **variant)
    assert type(got) is type(expected)
    assert len(got) == len(expected)
    flat, wanted = repr(got), repr(expected)
    assert flat == wanted
    assert len(scope.record.calls) == 1


def test_exceptions_are_the_originals(model: Any, runtime: Runtime) -> None:
    for arguments in ({"batch_size": "many"}, {"prompt_name": "unknown"}):
        with pytest.raises((ValueError, TypeError)) as original:
            model.encode("x", **arguments)
        scope = open_scope(runtime)
        with entered(scope), pytest.raises(original.type) as got:
            model.encode("x", **arguments)
        assert str(got.value) == str(original.value)
        assert scope.record.calls[0].error


def test_encode_on_an_event_loop_while_the_engine_is_busy(model: Any, runtime: Runtime) -> None:
    engine = engine_for(model, runtime)
    expected = model.encode("a text")

    async def main() -> Any:
        with entered(open_scope(runtime)):
            return model.encode("a text")

    with Busy(runtime, engine) as busy, ThreadPoolExecutor(1) as pool:
        result = pool.submit(asyncio.run, main())
        busy.wait_for_a_request()
        busy.release()
        assert np.array_equal(result.result(DEADLINE), expected)


# Ahead.


def test_a_result_made_ahead_serves_equal_calls_and_may_be_changed(
    model: Any, runtime: Runtime
) -> None:
    engine = engine_for(model, runtime)
    expected = model.encode(["a", "b"], prompt_name="query")
    call = embedding_call(engine, model, ["a", "b"], {"prompt_name": "query"})
    scope, maker = scope_with_ahead(runtime, call)
    with entered(scope):
        got = model.encode(["a", "b"], "query")
        assert np.array_equal(got, expected)
        got[:] = 0
        assert np.array_equal(model.encode(["a", "b"], "query"), expected)
    assert np.array_equal(maker.results[0], expected)
    assert [c.outcome for c in scope.record.calls] == [Outcome.HIT, Outcome.HIT]


def test_a_failure_ahead_leaves_the_call_to_the_original(
    model: Any, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_for(model, runtime)
    failing = embedding_call(engine, model, "x", {})
    monkeypatch.setattr(
        EmbeddingModel, "run", lambda self, calls: (_ for _ in ()).throw(RuntimeError("no"))
    )
    scope, _ = scope_with_ahead(runtime, failing)
    with entered(scope):
        assert model.encode("x").shape == (384,)
    assert [c.outcome for c in scope.record.calls] == [Outcome.DROPPED, Outcome.DIRECT]


def test_overridden_methods_are_left_to_the_original(model: Any, minilm_path: Path) -> None:
    class Own(sentence_transformers.SentenceTransformer):  # type: ignore[misc]
        def encode(self, *args: Any, **kwargs: Any) -> Any:
            return super().encode(*args, **kwargs) * 2

    own_model = Own(str(minilm_path), device="cpu")
    with pytest.raises(ValueError, match="not the library's own"):
        embedding_call("e", own_model, "x", {})
    with pytest.raises(ValueError, match="other inputs than text"):
        embedding_call("e", model, 3, {})  # type: ignore[arg-type]


# Cross-encoders.


def test_cross_encoders_fuse_pairs_of_many_queries(reranker: Any, runtime: Runtime) -> None:
    engine = cross_encoder_for(reranker, runtime)
    first, second, *_ = SHORT_PAIRS
    inputs: list[Any] = [SHORT_PAIRS, first, list(second), [list(first), list(second)]]
    expected = [reranker.predict(one) for one in inputs]
    done = run_together(runtime, engine, [partial(reranker.predict, one) for one in inputs])
    for (got, record), wanted in zip(done, expected, strict=True):
        close_to(got, wanted)
        assert record.batch == len(inputs)
        assert record.kind is EngineKind.RERANKER
    order = [int(i) for i in np.argsort(-np.asarray(done[0][0]))]
    assert order == [int(i) for i in np.argsort(-expected[0])]


def test_cross_encoders_with_softmax_and_an_activation_function(
    reranker: Any, runtime: Runtime
) -> None:
    engine = cross_encoder_for(reranker, runtime)
    variants: list[dict[str, Any]] = [
        {"convert_to_tensor": True},
        {"apply_softmax": True},
        {"activation_fn": torch.nn.Identity()},
    ]
    for variant in variants:
        expected = reranker.predict(SHORT_PAIRS, **variant)
        calls = [lambda v=variant: reranker.predict(SHORT_PAIRS, **v)] * 2
        for got, record in run_together(runtime, engine, calls):
            same_kind(got, expected)
            assert np.abs(np.asarray(got) - np.asarray(expected)).max() <= TOLERANCE
            assert record.batch == (1 if "activation_fn" in variant else 2)


def test_a_rerank_made_ahead_is_bit_equal(reranker: Any, runtime: Runtime) -> None:
    engine = cross_encoder_for(reranker, runtime)
    expected = reranker.predict(PAIRS)
    scope, _ = scope_with_ahead(runtime, rerank_call(engine, reranker, PAIRS, {}))
    with entered(scope):
        assert np.array_equal(reranker.predict([list(pair) for pair in PAIRS]), expected)
    assert scope.record.calls[0].outcome is Outcome.HIT


# Names and versions.


def test_engines_have_readable_names_of_their_own(
    model: Any, reranker: Any, minilm_path: Path, runtime: Runtime
) -> None:
    name = engine_for(model, runtime)
    assert name.startswith("embedding:")
    assert engine_for(model, runtime) == name
    second = sentence_transformers.SentenceTransformer(str(minilm_path), device="cpu")
    other = engine_for(second, runtime)
    assert other != name
    assert base_name(other) == base_name(name)
    assert base_name(cross_encoder_for(reranker, runtime)) == "reranker:random-cross-encoder"
    assert isinstance(runtime.scheduler(name).engine, EmbeddingModel)
    assert CrossEncoderModel.original().__name__ == "predict"


def test_taking_the_binding_off_restores_the_library(model: Any) -> None:
    (binding,) = BINDINGS
    function = EmbeddingModel.original()
    binding.uninstall()
    assert vars(sentence_transformers.SentenceTransformer)["encode"] is function
    assert EmbeddingModel.original() is function
