"""Timing a model of sentence-transformers, batch by batch, for its profile."""

from __future__ import annotations

import importlib
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ayo_bridge.engines.sentence_transformer import CrossEncoderModel, Model
from ayo_bridge.errors import EngineUnavailableError

SHORT_WORDS: Final = 10
"""About a question: batching pays."""
LONG_WORDS: Final = 150
"""About a chunk of a document: on a CPU batching hardly pays."""
_WORDS: Final = ("harbour", "ferry", "winter", "island", "council", "letter", "stone", "market")


def measure(
    model: Any,
    engine: type[Model],
    *,
    words: int = SHORT_WORDS,
    clock: Callable[[], float] = time.perf_counter,
) -> Callable[[int], float]:
    """What :func:`ayo_bridge.profile.measure_batches` drives for a model.

    The returned function embeds (or reranks) ``size`` texts (or pairs) of ``words`` words in one
    call, as a fused batch runs, and returns the seconds that took. No two texts are equal.
    """
    pairs = engine is CrossEncoderModel
    original = engine.original()
    numbers = itertools.count()

    def text() -> str:
        number = next(numbers)
        return " ".join([str(number), *(_WORDS[(number + k) % len(_WORDS)] for k in range(words))])

    def run(size: int) -> float:
        inputs: list[Any] = [text() for _ in range(size)]
        if pairs:
            inputs = [("where does the ferry leave", one) for one in inputs]
        start = clock()
        original(model, inputs, batch_size=size, show_progress_bar=False)
        return clock() - start

    return run


def require_model(source: str) -> None:
    """Refuse at once what is meant as a directory and is none: the library takes seconds to load.

    Raises:
        EngineUnavailableError: there is no such directory.
    """
    path = Path(source).expanduser()
    if source.startswith(("/", ".", "~")) and not path.is_dir():
        raise EngineUnavailableError(f"there is no model directory {path}")


def load(cls: str, source: str) -> Any:
    """Load a ``SentenceTransformer`` or ``CrossEncoder`` by path or hub name.

    Raises:
        EngineUnavailableError: sentence-transformers is not installed, or there is no such model.
    """
    require_model(source)
    try:
        library = importlib.import_module("sentence_transformers")
    except ImportError as error:
        raise EngineUnavailableError(
            "measuring a model needs sentence-transformers: pip install 'ayo-bridge[embeddings]'"
        ) from error
    try:
        return getattr(library, cls)(source)
    except (OSError, ValueError) as error:
        raise EngineUnavailableError(f"no {cls} can be loaded from {source}: {error}") from error
