"""A long list of texts is embedded batch by batch, by all cores."""

import asyncio
import threading
from typing import Any

import numpy as np
import pytest

from ayo_bridge.bindings import side_by_side
from ayo_bridge.runtime import Runtime
from ayo_bridge.seam import entered
from tests.engines.sentence_transformer.together import TOLERANCE
from tests.scopes import open_scope

pytestmark = pytest.mark.real
TEXTS = [f"{number} " + "and more " * (number % 5) for number in range(22)]


@pytest.fixture(autouse=True)
def _cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (side_by_side, "ayo_bridge.engines.sentence_transformer"):
        name = module if isinstance(module, str) else module.__name__
        monkeypatch.setattr(f"{name}.side_by_side", lambda: 2)


@pytest.fixture
def threads(model: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The thread and the number of texts of each batch that is computed."""
    seen: list[tuple[int, int]] = []
    tokenize = model.preprocess if hasattr(model, "preprocess") else model.tokenize
    name = "preprocess" if hasattr(model, "preprocess") else "tokenize"

    def watched(texts: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append((threading.get_ident(), len(texts)))
        return tokenize(texts, *args, **kwargs)

    monkeypatch.setattr(model, name, watched)
    return seen


def _under_scope(model: Any, runtime: Runtime, **arguments: Any) -> Any:
    scope = open_scope(runtime)
    with entered(scope):
        return model.encode(TEXTS, batch_size=4, **arguments)


def test_batches_are_computed_side_by_side(
    model: Any, runtime: Runtime, threads: list[tuple[int, int]]
) -> None:
    expected = model.encode(TEXTS, batch_size=4)
    threads.clear()
    got = _under_scope(model, runtime)
    assert got.dtype == expected.dtype
    assert np.abs(got - expected).max() < TOLERANCE
    assert sorted(size for _, size in threads) == [2, 4, 4, 4, 4, 4]
    assert len({thread for thread, _ in threads}) > 1


@pytest.mark.parametrize("arguments", [{"convert_to_tensor": True}, {"precision": "int8"}])
def test_other_results_are_left_to_one_call(
    model: Any, runtime: Runtime, threads: list[tuple[int, int]], arguments: dict[str, Any]
) -> None:
    _under_scope(model, runtime, **arguments)
    assert len({thread for thread, _ in threads}) == 1


def test_on_an_event_loop_it_is_one_call(
    model: Any, runtime: Runtime, threads: list[tuple[int, int]]
) -> None:
    async def embed() -> Any:
        return _under_scope(model, runtime)

    asyncio.run(embed())
    assert {thread for thread, _ in threads} == {threading.get_ident()}


def test_what_a_batch_raises_is_raised(
    model: Any, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(model, "_text_length", fails, raising=False)
    monkeypatch.setattr(model, "_input_length", fails, raising=False)
    with pytest.raises(RuntimeError, match="out of memory"):
        _under_scope(model, runtime)
