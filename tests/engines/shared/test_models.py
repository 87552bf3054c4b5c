"""Real models, shared: the application's own objects, and what they would have answered."""

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentence_transformers

from ayo_bridge import Runtime
from ayo_bridge.engines.declared_models import Embedding, Reranker, SharedModel
from ayo_bridge.engines.model_requests import ModelRequest
from ayo_bridge.engines.sentence_transformer import EmbeddingModel
from ayo_bridge.engines.shared.hosted_model import TIMES_BEST, host
from ayo_bridge.engines.shared.identity import fingerprint, state_of
from ayo_bridge.engines.shared.model_calls import as_sent, unwired, wired
from ayo_bridge.engines.shared.place import SharedProcess
from ayo_bridge.errors import ArgumentError, NotAcceleratedWarning
from ayo_bridge.profile import Curve, EngineProfile
from ayo_bridge.seam import Call, entered
from ayo_bridge.workflow.requests import Embed, Rerank
from tests.deadline import eventually
from tests.engines.sentence_transformer.models import bound, make_runtime
from tests.engines.sentence_transformer.together import PAIRS, TEXTS, close_to
from tests.engines.shared.conftest import serving
from tests.scopes import open_scope

__all__ = ["bound", "make_runtime"]
pytestmark = pytest.mark.real
PLACED = SharedProcess(grace=0.2)


def engine_of(runtime: Runtime, kind: str) -> SharedModel:
    (found,) = [
        scheduler.engine
        for scheduler in runtime.schedulers
        if isinstance(scheduler.engine, SharedModel) and scheduler.engine.kind == kind
    ]
    return found


def under(runtime: Runtime, call: Callable[[], Any]) -> Any:
    """Make a call as an accelerated object makes it."""
    scope = open_scope(runtime)
    try:
        with entered(scope):
            return call()
    finally:
        scope.close()


def by_name(runtime: Runtime, engine: Embedding | Reranker, request: object) -> Any:
    call = engine.to_request(Call(engine.name, object(), request))
    future = runtime.scheduler(engine.name).submit(call, query=0, node="n").future
    return engine.to_value(call, future.result(60))


@pytest.fixture
def loaded(minilm_path: Path, cross_encoder_path: Path) -> tuple[Any, Any]:
    """As an application loads them, with settings of its own."""
    model = sentence_transformers.SentenceTransformer(
        str(minilm_path), device="cpu", prompts={"query": "", "passage": "passage: "}
    )
    model.max_seq_length = 128
    reranker = sentence_transformers.CrossEncoder(
        str(cross_encoder_path), device="cpu", max_length=64
    )
    return model, reranker


def test_both_kinds_of_models_answer_from_one_process_as_they_would_have_here(
    loaded: tuple[Any, Any],
    minilm_path: Path,
    cross_encoder_path: Path,
    make_runtime: Callable[..., Runtime],
    sockets: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, reranker = loaded
    # The shared process has this variable too, and is to send no call on.
    monkeypatch.setenv("AYO_ENGINES", str(engines_file(tmp_path, minilm_path, cross_encoder_path)))
    runtime = make_runtime()
    declared: list[Any] = [scheduler.engine for scheduler in runtime.schedulers]
    calls: list[Callable[[], Any]] = [
        lambda: model.encode(TEXTS),
        lambda: model.encode(TEXTS[0], normalize_embeddings=True),
        lambda: model.encode(TEXTS, prompt_name="passage", batch_size=2),
        lambda: model.encode([TEXTS[4] * 3]),
        lambda: model.encode([]),
        lambda: reranker.predict(PAIRS),
        lambda: reranker.predict(PAIRS[0]),
    ]
    # Not understood there, so made here: tensors, other precisions, progress, what fails.
    here: list[Callable[[], Any]] = [
        lambda: model.encode(TEXTS, precision="int8"),
        lambda: model.encode(TEXTS, convert_to_tensor=True),
        lambda: model.encode(TEXTS, output_value="token_embeddings")[0],
        lambda: model.encode(["\ud800"]),
        lambda: model.encode(TEXTS, prompt_name="unknown"),
    ]
    expected = [outcome(call) for call in (*calls, *here)]
    for call in (calls[0], calls[5]):  # The process starts; meanwhile they run here.
        close_to(under(runtime, call), call())
    engines = [engine_of(runtime, "embedding"), engine_of(runtime, "reranker")]
    eventually(lambda: all(engine.elsewhere for engine in engines), "the shared models", 200)
    for call, wanted in zip((*calls, *here), expected, strict=True):
        same(outcome(partial(under, runtime, call)), wanted)
    assert len(serving(sockets)) == 1
    assert [engine.shared for engine in engines] == ["runs elsewhere, shared"] * 2

    with entered(scope := open_scope(runtime)):
        model.encode("a ferry")
    scope.close()
    assert scope.record.helped  # Such calls are never let through unseen.

    # A native workflow asks by name, and has no object.
    found = by_name(runtime, declared[0], Embed(("x", "a ferry")))
    close_to(np.asarray(found), model.encode(["x", "a ferry"]))
    question, text = PAIRS[1]
    found = by_name(runtime, declared[1], Rerank(question, (text, "x")))
    assert np.allclose(found, reranker.predict([(question, text), (question, "x")]), atol=1e-6)

    model.prompts["passage"] = "other: "
    with pytest.warns(NotAcceleratedWarning, match="was changed since"):
        close_to(under(runtime, calls[2]), calls[2]())
    assert not engines[0].elsewhere


def engines_file(folder: Path, embedding: Path, reranker: Path) -> Path:
    file = folder / "engines.toml"
    file.write_text(
        "".join(
            f"[[{kind}]]\nmodel = '{path}'\nplacement.shared_process.grace = 0.2\n"
            for kind, path in (("embedding", embedding), ("reranker", reranker))
        )
    )
    return file


def outcome(call: Callable[[], Any]) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return call()
    except Exception as error:
        return type(error), str(error)


def same(got: Any, wanted: Any) -> None:
    if isinstance(wanted, tuple):
        assert got == wanted
    elif len(np.shape(wanted)) == 0 or len(wanted):
        close_to(got, wanted)
    else:
        assert (type(got), np.shape(got)) == (type(wanted), np.shape(wanted))


def test_models_that_differ_in_anything_are_told_apart(loaded: tuple[Any, Any]) -> None:
    model, reranker = loaded
    known = fingerprint(model), state_of(model)
    model.encode(TEXTS)  # The tokenizer keeps the padding of its last call.
    assert (fingerprint(model), state_of(model)) == known
    seen = {known[0], fingerprint(reranker)}
    states = {known[1]}
    for change in (
        lambda: setattr(model, "max_seq_length", 64),
        lambda: model.prompts.update(query="query: "),
        lambda: setattr(model, "default_prompt_name", "query"),
        lambda: next(model.parameters()).detach()[0, 0].add_(1e-7),
    ):
        change()
        seen.add(fingerprint(model))
        states.add(state_of(model))
    assert len(seen) == 6
    assert len(states) == 5


def test_batches_of_several_processes_may_be_larger_than_the_best(
    minilm_path: Path, make_runtime: Callable[..., Runtime]
) -> None:
    runtime = make_runtime()
    asked = {"cls": "SentenceTransformer", "source": str(minilm_path), "load": {}}
    name = host({**asked, "settings": {}, "fingerprint": ""}, runtime).name
    engine = runtime.scheduler(name).engine
    assert engine.limits.max_items is None
    runtime.profiles.publish(name, EngineProfile("embedding", Curve.of([(1, 1.0)]), best_batch=8))
    assert engine.limits.max_items == 8 * TIMES_BEST


def test_what_is_declared_is_checked_at_once() -> None:
    with pytest.raises(ArgumentError, match="a path or a name"):
        Embedding("", placement=PLACED)
    with pytest.raises(ArgumentError, match="SharedProcess"):
        Embedding("minilm", placement="shared")  # type: ignore[arg-type]


def test_calls_that_were_sent_may_share_a_batch_there(loaded: tuple[Any, Any]) -> None:
    model, _ = loaded
    asked = ModelRequest(model, ["a ferry"], True, {"show_progress_bar": False})
    sent = wired(EmbeddingModel, asked)
    assert sent is not None
    made = [unwired(EmbeddingModel, "there", model, {**sent, "id": n}) for n in range(2)]
    assert made[0].group is not None
    assert made[0].group == made[1].group
    again = made[0].payload
    assert isinstance(again, ModelRequest)
    assert as_sent(again) == sent  # On to a replica.
    for wrong in ({}, {**sent, "inputs": "a ferry"}, {**sent, "inputs": ["a", "b"]}):
        with pytest.raises(ValueError, match="input"):
            unwired(EmbeddingModel, "there", model, wrong)
