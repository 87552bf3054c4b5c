"""Fixtures: real models, with the binding on."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sentence_transformers
import torch

from ayo_bridge.bindings.sentence_transformer import BINDINGS
from ayo_bridge.profile import ProfileStore
from ayo_bridge.runtime import Runtime


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
def bound() -> Iterator[None]:
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
