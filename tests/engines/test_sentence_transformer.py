"""One model, many queries: fused calls give each what it would have got alone."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
sentence_transformers = pytest.importorskip("sentence_transformers")

from ayo_bridge.engines import Call, EngineKind  # noqa: E402
from ayo_bridge.engines.live_names import base_name  # noqa: E402
from ayo_bridge.engines.sentence_transformer import (  # noqa: E402
    BINDINGS,
    CrossEncoderModel,
    EmbeddingModel,
    cross_encoder_for,
    embedding_call,
    engine_for,
    rerank_call,
)
from ayo_bridge.graph import Graph, Op, Primitive, Template  # noqa: E402
from ayo_bridge.observe.record import CallRecord, EngineCall, Outcome  # noqa: E402
from ayo_bridge.profile import Curve, EngineProfile, ProfileStore  # noqa: E402
from ayo_bridge.runahead import Plan, Scope, entered  # noqa: E402
from ayo_bridge.runtime import Runtime  # noqa: E402

pytestmark = pytest.mark.real

TOLERANCE = 1e-6
DEADLINE = 30.0
TEXTS = [
    "What is the capital of France?",
    "Ferries of the northern islands run twice a day in summer and once in winter.",
    "",
    "naïve café — ünïcödé 🚢",
    "The council met on Tuesday. " * 40,
    "x",
]
SHORT = [text for text in TEXTS if len(text) < 100]
PAIRS = [("capital of France", text) for text in TEXTS if text]
SHORT_PAIRS = [pair for pair in PAIRS if len(pair[1]) < 100]


@pytest.fixture(scope="module")
def model(minilm_path: Path) -> Any:
    return sentence_transformers.SentenceTransformer(str(minilm_path), device="cpu")


@pytest.fixture(scope="module")
def reranker(cross_encoder_path: Path) -> Any:
    """Untrained, with weights as small as a trained one has: wide ones magnify rounding."""
    untrained = sentence_transformers.CrossEncoder(str(cross_encoder_path), device="cpu")
    with torch.no_grad():
        for name, parameter in untrained.named_parameters():
            if "LayerNorm" not in name:
                parameter.mul_(0.25)
    return untrained


@pytest.fixture(autouse=True)
def _bound() -> Iterator[None]:
    (binding,) = BINDINGS
    assert binding.install()
    yield
    binding.uninstall()


@pytest.fixture
def make_runtime(tmp_path: Path) -> Iterator[Callable[..., Runtime]]:
    made: list[Runtime] = []

    def make(**options: Any) -> Runtime:
        made.append(Runtime(profiles=ProfileStore(tmp_path), **options))
        return made[-1]

    yield make
    for runtime in made:
        runtime.close()


@pytest.fixture
def runtime(make_runtime: Callable[..., Runtime]) -> Runtime:
    return make_runtime()


def open_scope(runtime: Runtime, plan: Plan | None = None) -> Scope:
    plan = plan or Plan(Template(()), Graph([]), Graph([]))
    return Scope(runtime, plan, CallRecord("query", 0.0, plan.template, plan.p_graph, plan.e_graph))


class Ahead:
    """A maker of one primitive with given calls, whose value is the list of their results."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self._calls = calls
        self.results: list[object] = []

    def calls(self, primitive: Primitive, values: object, feed: object) -> Sequence[Call]:
        return self._calls

    def outputs(self, primitive: Primitive, results: Sequence[object]) -> dict[str, object]:
        self.results = list(results)
        return {"made": list(results)}


def scope_with_ahead(runtime: Runtime, *calls: Call) -> tuple[Scope, Ahead]:
    made = Primitive("made", Op.EMBEDDING, "c", calls[0].engine, outputs=("made",))
    graph, maker = Graph([made]), Ahead(calls)
    plan = Plan(
        Template(()),
        graph,
        graph,
        ahead=frozenset({"made"}),
        makers={("c", Op.EMBEDDING): maker},
    )
    scope = open_scope(runtime, plan)
    scope.start({})
    return scope, maker


class Busy:
    """Keeps an engine's only instance busy until told otherwise."""

    def __init__(self, runtime: Runtime, engine: str) -> None:
        self._scheduler = runtime.scheduler(engine)
        self._running, self._release = threading.Event(), threading.Event()
        self._queued = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._hold, daemon=True)

    def _hold(self) -> None:
        def block() -> None:
            self._running.set()
            assert self._release.wait(DEADLINE)

        here, _ = self._scheduler.run_here(Call(self._scheduler.engine.name, "busy", None), block)
        assert here

    def __enter__(self) -> "Busy":
        submit = self._scheduler.submit

        def counted(*args: Any, **kwargs: Any) -> Any:
            request = submit(*args, **kwargs)
            self._queued.release()
            return request

        self._scheduler.submit = counted  # type: ignore[method-assign]
        self._thread.start()
        assert self._running.wait(DEADLINE)
        return self

    def wait_for_a_request(self) -> None:
        assert self._queued.acquire(timeout=DEADLINE)

    def release(self) -> None:
        self._release.set()

    def __exit__(self, *exc: object) -> None:
        self._release.set()
        self._thread.join(DEADLINE)
        del self._scheduler.submit  # type: ignore[method-assign]


def run_together(
    runtime: Runtime, engine: str, calls: Sequence[Callable[[], Any]]
) -> list[tuple[Any, EngineCall]]:
    """Make each call under a scope of its own, all of them queued before any is served."""

    def make(call: Callable[[], Any]) -> tuple[Any, EngineCall]:
        scope = open_scope(runtime)
        with entered(scope):
            try:
                result = call()
            except Exception as error:
                result = error
        scope.close()
        (record,) = scope.record.calls
        return result, record

    with ThreadPoolExecutor(len(calls)) as pool, Busy(runtime, engine) as busy:
        made = []
        for call in calls:  # One after another: the order is known.
            made.append(pool.submit(make, call))
            busy.wait_for_a_request()
        busy.release()
        wait(made, DEADLINE)
    return [future.result(0) for future in made]


def same_kind(got: Any, expected: Any) -> None:
    assert type(got) is type(expected)
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape


def close_to(got: Any, expected: Any) -> None:
    same_kind(got, expected)
    assert np.abs(np.asarray(got) - np.asarray(expected)).max() <= TOLERANCE


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
    for inputs in (TEXTS, "one text", tuple(TEXTS), [TEXTS[0]]):
        for variant in variants:
            if variant.get("precision") == "int8" and inputs != TEXTS:
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
        (TEXTS, {"output_value": "token_embeddings"}),
        (TEXTS, {"output_value": None}),
        (TEXTS, {"convert_to_numpy": False}),
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


# Fusing.


def test_sixteen_threads_share_batches_and_get_what_they_asked_for(
    model: Any, runtime: Runtime
) -> None:
    engine = engine_for(model, runtime)
    inputs: list[Any] = [f"question number {i} about ferries" for i in range(8)]
    inputs += [[f"list {i}", SHORT[1], SHORT[i % 5]] for i in range(8)]
    expected = [model.encode(one) for one in inputs]
    done = run_together(runtime, engine, [lambda one=one: model.encode(one) for one in inputs])
    for (got, record), wanted in zip(done, expected, strict=True):
        close_to(got, wanted)
        assert record.fused
        assert record.batch == 16
    scheduler = runtime.scheduler(engine)
    assert scheduler.batches == 2  # the busy one, and all sixteen


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


def test_long_texts_fuse_with_long_ones_only(model: Any, runtime: Runtime) -> None:
    engine = engine_for(model, runtime)
    inputs: list[Any] = [TEXTS, SHORT[0], TEXTS[4], SHORT[1]]
    expected = [model.encode(one) for one in inputs]
    done = run_together(runtime, engine, [lambda one=one: model.encode(one) for one in inputs])
    for (got, record), wanted in zip(done, expected, strict=True):
        close_to(got, wanted)
        assert record.batch == 2


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
    done = run_together(runtime, engine, [lambda one=one: model.encode(one) for one in inputs])
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


# Ahead.


def test_a_result_made_ahead_is_taken_once_and_may_be_changed(model: Any, runtime: Runtime) -> None:
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
    assert [c.outcome for c in scope.record.calls] == [Outcome.HIT, Outcome.DIRECT]


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
    class Own(sentence_transformers.SentenceTransformer):  # type: ignore[misc, name-defined]
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
    done = run_together(runtime, engine, [lambda one=one: reranker.predict(one) for one in inputs])
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
        expected = reranker.predict(PAIRS, **variant)
        calls = [lambda v=variant: reranker.predict(PAIRS, **v)] * 2
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
