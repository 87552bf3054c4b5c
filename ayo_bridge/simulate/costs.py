"""What a step of an LLM costs, by what it prefills and how many sequences it decodes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ayo_bridge.profile import LLMProfile, max_efficient_batch

Chunk = tuple[int, int]
"""``(new, context)``: tokens to prefill, and tokens that their sequence has in the cache."""

_MEASURED = 13
"""Powers of two over which :meth:`LLMCosts.profile` looks for b*: 1 to 4,096 tokens."""


@dataclass(frozen=True, slots=True)
class LLMCosts:
    """Seconds of one step of one instance. Token counts are of the model's own tokens.

    A prefill of ``n`` tokens on ``c`` cached ones takes ``base + n * per_token + n * (c + n/2) *
    per_pair``; the base is paid once a step. Decoding is bound by memory: ``decode_base`` reads the
    weights, each further sequence adds ``decode_per_sequence`` for its own cache, and only a very
    large batch is bound by computing ``prefill_per_token`` each. ``decode_per_context`` is added
    for each token that the sequences decoded have in the cache, where that was measured; one
    that they share counts once.

    ``scaled`` is the rule by which the figures were made from another model's; empty if measured.
    """

    prefill_base: float
    prefill_per_token: float
    prefill_per_pair: float
    decode_base: float
    decode_per_sequence: float
    kv_tokens: int
    source: str = ""
    scaled: str = ""
    decode_per_context: float = 0.0

    @classmethod
    def from_profile(
        cls, profile: LLMProfile, *, kv_tokens: int, decode_per_sequence: float = 0.0
    ) -> LLMCosts:
        """Take over a profile measured on a real engine.

        One without :attr:`~ayo_bridge.profile.LLMProfile.steps` knows no cost of attention, and
        nothing of several sequences.
        """
        if (steps := profile.steps) is not None:
            return cls(
                steps.prefill_base,
                steps.prefill_per_token,
                steps.prefill_per_pair,
                steps.decode_base,
                steps.decode_per_sequence,
                kv_tokens,
                source="measured profile",
                decode_per_context=steps.decode_per_context,
            )
        return cls(
            profile.prefill_base,
            profile.prefill_per_token,
            0.0,
            profile.decode_per_token,
            decode_per_sequence,
            kv_tokens,
            source="measured profile",
        )

    def prefill(self, chunks: Iterable[Chunk]) -> float:
        """Seconds of a step that prefills these chunks and nothing else."""
        seconds = self.prefill_base
        for new, context in chunks:
            seconds += new * self.prefill_per_token
            seconds += new * (context + new / 2) * self.prefill_per_pair
        return seconds

    def decode(self, sequences: int, context: float = 0.0) -> float:
        """Seconds of a step that decodes one token of each of ``sequences`` (at least one).

        ``context`` is the tokens that all of them together have in the cache.
        """
        weights = max(self.decode_base, sequences * self.prefill_per_token)
        further = (sequences - 1) * self.decode_per_sequence
        return weights + further + context * self.decode_per_context

    def mixed(self, chunks: Iterable[Chunk], sequences: int, context: float = 0.0) -> float:
        """Seconds of a step that does both: the weights are read once."""
        each = self.prefill_per_token + self.decode_per_sequence
        return self.prefill(chunks) + sequences * each + context * self.decode_per_context

    def profile(self) -> LLMProfile:
        """The profile that passes and estimates use: a straight line through these costs."""
        points = [(1 << k, self.prefill([(1 << k, 0)])) for k in range(_MEASURED)]
        line = LLMProfile.from_points(points[:-1], [(1, self.decode_base)])
        return LLMProfile(
            line.prefill_base,
            line.prefill_per_token,
            self.decode_base,
            max_efficient_batch(points),
        )
