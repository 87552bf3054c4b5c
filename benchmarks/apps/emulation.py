"""The engines of the measurements: all emulated, by published costs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from ayo_bridge.serving.emulated import EmulatedServer, Rule
from benchmarks.apps.settings import Settings
from benchmarks.apps.web import service

PROFILES: Final = ("llama-2-7b@1x3090", "llama-3.1-8b@1xh100")
"""The paper's LLM, and one of today."""
EMBEDDING: Final = "bge-large-en-v1.5@1x3090"
RERANKER: Final = "bge-reranker-large@1x3090"
ANSWERS: Final = (32, 80)
"""Tokens of an answer, drawn by its prompt; about the 56 that benchmarks/paper has fitted."""
RULES: Final = (
    Rule("Say yes or no.\nQuestion", text="yes"),
    Rule("generates multiple search queries", tokens=78),
    Rule("Write three search queries", tokens=78),
)
"""A judge who wants every search, and rewritten questions of 26 tokens each (the paper's logs)."""


@contextmanager
def engines(profile: str, speed: float) -> Iterator[Settings]:
    """Servers of everything that the programs ask; they end with the block."""
    server = EmulatedServer(
        profile,
        speed=speed,
        output_tokens=ANSWERS,
        rules=RULES,
        embedding=EMBEDDING,
        reranker=RERANKER,
    )
    with server, service(speed) as web:
        yield Settings(
            base_url=server.url,
            model=server.model_name,
            embedding=EMBEDDING,
            embedding_url=server.url,
            reranker=RERANKER,
            reranker_url=server.url,
            web=web,
        )


@contextmanager
def baselines(profile: str, speed: float) -> Iterator[Settings]:
    """:func:`engines`, and a second LLM server of equal costs without prefix caching."""
    uncached = EmulatedServer(
        profile, speed=speed, output_tokens=ANSWERS, rules=RULES, enable_prefix_caching=False
    )
    with engines(profile, speed) as settings, uncached:
        yield replace(settings, uncached_url=uncached.url)
