"""Real engines on a CPU: a vLLM on a core of its own, models and the program on the others.

The LLM is an untrained Llama in float32: its answers are noise, and the same noise for all arms. So
the judge of a search wants it, and a question is rewritten as often as noise has lines. Embeddings
are those of MiniLM; a cross-encoder of its size with random weights ranks. Both are in this
process, as a program has them that is given no server.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final

from benchmarks.apps.settings import Settings
from benchmarks.apps.web import service
from benchmarks.cores import share_cores

REAL: Final = "vLLM"
"""Its name among the profiles."""
USERS: Final = (1, 4, 8)
ANSWER: Final = 64
"""Tokens of an answer at most: an untrained model hardly ever ends one by itself."""
CHARACTERS: Final = 6000
"""Of a document, six or seven chunks: a question then takes a few seconds on these cores."""
_core = cache(share_cores)


@contextmanager
def engines() -> Iterator[tuple[Settings, Callable[[], None]]]:
    """What the programs ask, and what makes the LLM's server forget the prompts it has read."""
    from ayo_bridge.serving.random_llama import make_random_cross_encoder
    from benchmarks.slow_engines import minilm
    from benchmarks.untrained import untrained_server
    from examples.demo.engines import ServerGauge
    from examples.demo.settings import cache_directory

    _one_thread()
    core = _core()
    reranker = make_random_cross_encoder(cache_directory() / "models" / "random-cross-encoder")
    server = untrained_server(
        served_name="untrained",
        cores=[] if core is None else [core],
        extra_args=["--override-generation-config", json.dumps({"max_new_tokens": ANSWER})],
    )
    with server, service(1.0) as web:
        gauge = ServerGauge(server)

        def forget() -> None:
            gauge.settled_requests()
            gauge.empty_prefix_cache()

        settings = Settings(
            base_url=server.url,
            model=server.model_name,
            embedding=minilm(),
            reranker=str(reranker),
            web=web,
        )
        yield settings, forget


def _one_thread() -> None:
    """Models in this process are to take no more than its core."""
    os.environ.update(OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1")
    import torch

    torch.set_num_threads(1)
