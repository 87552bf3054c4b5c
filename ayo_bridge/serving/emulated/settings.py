"""What a server emulates, and how it takes requests."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self, TypedDict

from ayo_bridge.errors import ArgumentError
from ayo_bridge.profile import EngineProfile
from ayo_bridge.serving.emulated.tokens import pieces
from ayo_bridge.simulate import Batching, LLMCosts, load_profiles

POLICIES = ("priority", "fcfs")


def batch_profiles(kind: str) -> dict[str, EngineProfile]:
    """The published profiles of a kind of engine that runs batches, by name."""
    found = load_profiles().batches.items()
    return {name: profile for name, profile in found if profile.kind == kind}


@dataclass(frozen=True, slots=True)
class Rule:
    """What is answered to prompts that contain ``when``: this text, or so many tokens of noise."""

    when: str
    text: str | None = None
    tokens: int | None = None


class Options(TypedDict, total=False):
    """What can be set beside the profile; :class:`Settings` says what each is.

    A ``block_size`` of 0 is the profile's, or 16.
    """

    model: str
    speed: float
    kv_blocks: int | None
    block_size: int
    max_model_len: int | None
    max_num_seqs: int
    max_num_batched_tokens: int
    scheduling_policy: str
    enable_prefix_caching: bool
    output_tokens: int | tuple[int, int]
    rules: tuple[Rule, ...]
    embedding: str
    reranker: str


@dataclass(frozen=True, slots=True)
class Settings:
    """A served LLM with known costs.

    Args:
        name: of the profile; every reply and the start of the server name it.
        costs: seconds of a step, in the time of the model.
        model: the name to request it by; the profile's by default.
        speed: model seconds that pass in a second. Costs, waiting and metrics shrink alike.
        kv_blocks: blocks of the KV cache; None takes the profile's tokens.
        block_size: tokens of a block.
        max_model_len: tokens of a prompt with its answer; None: what the KV cache holds.
        max_num_seqs: sequences that run at once.
        max_num_batched_tokens: tokens of a step.
        scheduling_policy: "priority" obeys the field of requests, "fcfs" ignores it.
        enable_prefix_caching: whether blocks of prompts sent before are found in the KV cache.
        output_tokens: tokens of an answer that nothing else decides, or the fewest and the most;
            the prompt decides how many of them.
        rules: answers to prompts; the first that fits counts.
        embedding: the published profile of an embedding model that is served beside it, by that
            name; empty: none is.
        reranker: that of a reranker.

    Raises:
        ArgumentError: with these values nothing could be served.
    """

    name: str
    costs: LLMCosts
    model: str = ""
    speed: float = 1.0
    kv_blocks: int | None = None
    block_size: int = 16
    max_model_len: int | None = None
    max_num_seqs: int = 256
    max_num_batched_tokens: int = 2048
    scheduling_policy: str = "priority"
    enable_prefix_caching: bool = True
    output_tokens: int | tuple[int, int] = 128
    rules: tuple[Rule, ...] = field(default=())
    embedding: str = ""
    reranker: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.speed) and self.speed > 0):
            raise ArgumentError(f"the speed is a number above 0, not {self.speed}")
        counts = {
            "kv_blocks": self.kv_blocks,
            "block_size": self.block_size,
            "max_model_len": self.max_model_len,
            "max_num_seqs": self.max_num_seqs,
            "max_num_batched_tokens": self.max_num_batched_tokens,
        }
        for name, count in counts.items():
            if count is not None and count < 1:
                raise ArgumentError(f"{name} is a number from 1 on, not {count}")
        least, most = self.output_range
        if not 1 <= least <= most:
            raise ArgumentError(
                f"output_tokens is a number from 1 on, or a range like 64-192, not {least}-{most}"
            )
        if self.scheduling_policy not in POLICIES:
            raise ArgumentError(
                f"no policy is called {self.scheduling_policy!r}: take {' or '.join(POLICIES)}"
            )
        for kind, name in (("embedding", self.embedding), ("reranker", self.reranker)):
            if name and name not in (known := batch_profiles(kind)):
                raise ArgumentError(f"no {kind} is called {name!r}: take {' or '.join(known)}")
        if self.kv_tokens < 2:
            raise ArgumentError(f"{self.name} has room for {self.kv_tokens} tokens: set kv_blocks")
        if self.context > self.kv_tokens:
            raise ArgumentError(
                f"max_model_len {self.context} is more than the KV cache of {self.name} holds: "
                f"{self.kv_tokens} tokens; lower it or raise kv_blocks"
            )

    @property
    def output_range(self) -> tuple[int, int]:
        """The fewest and the most tokens of an answer that nothing else decides."""
        given = self.output_tokens
        return (given, given) if isinstance(given, int) else given

    @property
    def kv_tokens(self) -> int:
        """Tokens in the KV cache, in whole blocks."""
        blocks = self.kv_blocks or self.costs.kv_tokens // self.block_size
        return blocks * self.block_size

    @property
    def context(self) -> int:
        """The longest prompt with its answer, in tokens."""
        return self.max_model_len or self.kv_tokens

    @property
    def served_model(self) -> str:
        """The name to request it by."""
        return self.model or self.name

    @property
    def label(self) -> str:
        """What every reply is marked with."""
        return f"emulated:{self.name}@{self.speed:g}x"

    @property
    def instance_costs(self) -> LLMCosts:
        """The costs, with the KV cache that was asked for."""
        return replace(self.costs, kv_tokens=self.kv_tokens)

    @property
    def batching(self) -> Batching:
        """How steps are formed: as in vLLM's engine of today."""
        return Batching(
            step_tokens=self.max_num_batched_tokens,
            max_sequences=self.max_num_seqs,
            prefix_cache=self.enable_prefix_caching,
            block=self.block_size,
            found_at_once=True,
        )

    def to_json(self) -> str:
        """All of it as text, for a process of its own."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What :meth:`to_json` has written."""
        data: dict[str, Any] = json.loads(text)
        data["costs"] = LLMCosts(**data["costs"])
        data["rules"] = tuple(Rule(**rule) for rule in data["rules"])
        if isinstance(data["output_tokens"], list):
            data["output_tokens"] = tuple(data["output_tokens"])
        return cls(**data)


def read_rules(path: Path) -> tuple[Rule, ...]:
    """The rules in a file: a JSON list of objects with ``when``, and ``text`` or ``tokens``.

    Raises:
        ArgumentError: it cannot be read, or holds something else; the message says where.
    """
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArgumentError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ArgumentError(f"{path} is no JSON: {error}") from error
    if not isinstance(listed, list):
        raise ArgumentError(f"{path} is to be a JSON list of answers, not {_kind(listed)}")
    return tuple(_rule(each, f"answer {number} in {path}") for number, each in enumerate(listed, 1))


def _rule(given: object, where: str) -> Rule:
    if not isinstance(given, dict):
        raise ArgumentError(f"{where} is to be an object, not {_kind(given)}")
    if unknown := given.keys() - {"when", "text", "tokens"}:
        raise ArgumentError(f"{where} has {', '.join(sorted(unknown))}: take when, text, tokens")
    when, text, tokens = given.get("when"), given.get("text"), given.get("tokens")
    if not isinstance(when, str):
        raise ArgumentError(f"{where} needs `when`, a text that its prompts contain")
    if isinstance(text, str) and tokens is None and pieces(text):
        return Rule(when, text=text)
    if text is None and isinstance(tokens, int) and not isinstance(tokens, bool) and tokens > 0:
        return Rule(when, tokens=tokens)
    raise ArgumentError(f"{where} needs `text`, or `tokens`, a number from 1 on; not both")


def _kind(value: object) -> str:
    return {dict: "an object", str: "a text", type(None): "null"}.get(type(value), repr(value))
