"""Timing an OpenAI-compatible LLM server, request by request, for its profile."""

from __future__ import annotations

import json
import random
import re
import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from ayo_bridge.errors import ArgumentError, EngineUnavailableError
from ayo_bridge.profile import DecodePoint, LLMProfile, fit_steps

Point = tuple[int, float]
Typical = Callable[[Iterable[float]], float]

_PREFILL_WORDS: Final = (8, 32, 128, 512, 1024)
_DECODE_TOKENS: Final = (4, 16, 64)
_GROUPS: Final = ((1, 8), (1, 256), (4, 8), (8, 8), (8, 64))
"""Requests side by side and words of their prompts, by which steps of several are measured."""
_SHORT, _LONG = 4, 36
"""Tokens decoded; what differs between the two is decoding alone."""
_CACHE: Final = re.compile(r"^vllm:cache_config_info\{(.*)\}", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="(\d+)"')
_TIMEOUT_SECONDS: Final = 120.0


def llm_profile_name(base_url: str, model: str) -> str:
    """The name of a served model's engine, under which its profile is kept."""
    return f"llm:{model}@{urlsplit(base_url).netloc}"


def require_base_url(url: str) -> None:
    """Refuse what is no base URL.

    Raises:
        ArgumentError: it is none; the message shows one.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return
    except ValueError:
        pass  # A port that is no number: said below.
    shown = url.rpartition("@")[2]  # Without a password.
    raise ArgumentError(
        f"{shown!r} is no base URL of a server: name it like http://localhost:8000/v1"
    )


def served_cache(base_url: str) -> tuple[int | None, int | None]:
    """Tokens in a server's KV cache and in its blocks, where it tells (vLLM's /metrics)."""
    url = base_url.rstrip("/").removesuffix("/v1") + "/metrics"
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as reply:
            found = _CACHE.search(reply.read().decode(errors="replace"))
    except OSError:
        return None, None
    labels = {name: int(value) for name, value in _LABEL.findall(found[1] if found else "")}
    block, blocks = labels.get("block_size"), labels.get("num_gpu_blocks")
    return (block * blocks if block and blocks else None), block


def measure_llm(
    base_url: str,
    model: str,
    *,
    api_key: str = "none",
    repeats: int = 3,
    on_step: Callable[[str], None] = lambda _: None,
    clock: Callable[[], float] = time.perf_counter,
    typical: Typical = statistics.median,
    steps: bool = False,
) -> tuple[LLMProfile, list[Point], list[Point]]:
    """Measure a server that is otherwise idle.

    With ``steps`` also requests side by side, for :attr:`LLMProfile.steps`. ``clock`` gives
    seconds, ``typical`` the one of the repeats that counts.

    Returns:
        The profile, and the points ``(tokens, seconds)`` of prefilling and of decoding.

    Raises:
        ArgumentError: that is no base URL.
        EngineUnavailableError: the server cannot be reached or refuses what is asked of it.
    """
    require_base_url(base_url)
    server = _Server(base_url, model, api_key, clock)
    server.time(_PREFILL_WORDS[0], 1)  # The first request of a server may compile.
    prefill = list(_points(server, [(w, 1) for w in _PREFILL_WORDS], 0, repeats, on_step, typical))
    decode = list(_points(server, [(8, t) for t in _DECODE_TOKENS], 1, repeats, on_step, typical))
    if not prefill or not decode:
        raise EngineUnavailableError(f"{base_url} refuses even the shortest prompt for {model!r}")
    profile = LLMProfile.from_points(prefill, decode)
    if steps:
        # One request alone was measured above, with more tokens; it steadies the fit.
        alone = DecodePoint(1, prefill[0][0] + max(_DECODE_TOKENS) / 2, profile.decode_per_token)
        groups = [alone, *_groups(server, repeats, on_step, typical)]
        kv_tokens, block = served_cache(base_url)
        profile = replace(
            profile, steps=fit_steps(prefill, groups, kv_tokens=kv_tokens, block=block)
        )
    return profile, prefill, decode


def _groups(
    server: _Server, repeats: int, on_step: Callable[[str], None], typical: Typical
) -> Iterator[DecodePoint]:
    for count, words in _GROUPS:
        on_step(f"{count} side by side, {words} words in")
        try:
            pairs = [
                (server.together(count, words, _SHORT), server.together(count, words, _LONG))
                for _ in range(repeats)
            ]
        except _TooLongError:
            continue
        taken = typical(long[1] for _, long in pairs) - typical(short[1] for short, _ in pairs)
        context = statistics.mean(long[0] for _, long in pairs) + (_SHORT + _LONG) / 2
        yield DecodePoint(count, context, max(taken, 0.0) / (_LONG - _SHORT))


def _points(
    server: _Server,
    sizes: list[tuple[int, int]],
    counted: int,
    repeats: int,
    on_step: Callable[[str], None],
    typical: Typical,
) -> Iterator[Point]:
    for words, tokens in sizes:
        on_step(f"{words} words in, {tokens} tokens out")
        try:
            taken = [server.time(words, tokens) for _ in range(repeats)]
        except _TooLongError:
            return
        yield taken[0][0][counted], typical(seconds for _, seconds in taken)


class _TooLongError(Exception):
    """The prompt is longer than the model takes."""


class _Server:
    def __init__(self, base_url: str, model: str, api_key: str, clock: Callable[[], float]) -> None:
        self._url = base_url.rstrip("/") + "/completions"
        self._model = model
        self._headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {api_key}",
        }
        self._clock = clock
        self._random = random.Random(0)

    def time(self, words: int, tokens: int) -> tuple[tuple[int, int], float]:
        """Prompt and decoded tokens, and seconds, of one request with a prompt never sent."""
        prompt = " ".join(f"{self._random.getrandbits(24):06x}" for _ in range(words))
        body: dict[str, Any] = {"model": self._model, "prompt": prompt, "max_tokens": tokens}
        # Without ``ignore_eos`` (an extension of vLLM's) a model may stop before it is timed.
        body |= {"temperature": 0, "ignore_eos": True}
        request = urllib.request.Request(self._url, json.dumps(body).encode(), self._headers)
        start = self._clock()
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as reply:
                usage = json.load(reply)["usage"]
        except urllib.error.HTTPError as error:
            text = error.read(500).decode(errors="replace")
            if error.code == 400 and words > _PREFILL_WORDS[0]:
                raise _TooLongError(text) from error
            raise EngineUnavailableError(f"{self._url} answered {error.code}: {text}") from error
        except (OSError, ValueError, KeyError) as error:
            raise EngineUnavailableError(
                f"{self._url} cannot be measured: {error!r}; is the server running?"
            ) from error
        seconds = self._clock() - start
        return (int(usage["prompt_tokens"]), int(usage["completion_tokens"])), seconds

    def together(self, count: int, words: int, tokens: int) -> tuple[float, float]:
        """Prompt tokens of each, and seconds of all, of requests that are sent at once."""
        with ThreadPoolExecutor(count) as threads:
            start = self._clock()
            sent = [threads.submit(self.time, words, tokens) for _ in range(count)]
            counts = [each.result()[0][0] for each in sent]
            return statistics.mean(counts), self._clock() - start
