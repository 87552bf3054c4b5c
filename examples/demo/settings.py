"""What the demo is run with, and where it keeps what a second run can use again."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """One run. ``chunk_tokens`` and ``answer_tokens`` count in the served model's tokens."""

    model: str | None = None
    embedding: str | None = None
    reranker: str | None = None
    dtype: str = "float32"
    chunks: int = 600
    chunk_tokens: int = 256
    answer_tokens: int = 20
    rounds: int = 5
    warmups: int = 2
    results: Path = Path("out/demo")
    json_file: Path | None = None
    verbose: bool = False
    tiny: bool = False
    ray: bool = False

    def quick(self) -> Settings:
        """The same in the shortest time that still shows every step."""
        return replace(
            self, tiny=True, chunks=60, chunk_tokens=128, answer_tokens=8, rounds=1, warmups=1
        )

    @property
    def untrained(self) -> bool:
        """Whether the built-in model is served: its text is noise."""
        return self.model is None


def cache_directory() -> Path:
    """Where models, text and the database are kept."""
    named = os.environ.get("AYO_ENV_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "ayo-bridge"


def database_directory() -> Path:
    """Where the database is kept. Postgres does not run as root, and whoever it runs as instead
    cannot look into root's home."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path(tempfile.gettempdir()) / "ayo-bridge-demo" / "postgres"
    return cache_directory() / "demo" / "postgres"


def share_cores() -> tuple[list[int], list[int]]:
    """Cores for the LLM server, and for all the rest; this thread and those it starts are confined
    to the latter. The same for both arms. Empty where there is nothing to share out."""
    if sys.platform != "linux":
        return [], []
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return [], []
    servers, ours = cores[: len(cores) // 2], cores[len(cores) // 2 :]
    os.sched_setaffinity(0, ours)
    return servers, ours


def quiet_environment() -> None:
    """Must run before any engine library is imported."""
    os.environ["OMP_NUM_THREADS"] = "1"  # Spinning OpenMP threads on shared cores: 20 times slower.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
