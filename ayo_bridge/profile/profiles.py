"""What engines cost: one profile an engine, looked up by the engine's name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ayo_bridge.graph.primitive import CONTROL_OPS, DECODES, LLM_OPS, Op, Primitive
from ayo_bridge.profile.curve import Curve, max_efficient_batch
from ayo_bridge.profile.steps import StepCosts


@dataclass(frozen=True, slots=True)
class EngineProfile:
    """An engine that runs batches to completion. ``curve`` is seconds by items.

    ``kind`` is what the engine serves (``embedding``, ``reranker``, ``vector_store``, ...).
    ``best_batch`` is b*; ``None`` while throughput was still rising at the largest batch measured.
    """

    kind: str
    curve: Curve
    best_batch: int | None = None

    @classmethod
    def measured(cls, kind: str, curve: Curve, min_gain: float = 0.05) -> EngineProfile:
        """Build the profile of a measured curve, with the b* that it shows."""
        return cls(kind, curve, max_efficient_batch(curve.points, min_gain))

    def seconds(self, primitive: Primitive) -> float | None:
        """Time of the primitive as one batch of its own; ``None`` for an LLM's operation."""
        return None if primitive.op in LLM_OPS else self.curve.seconds(primitive.items)


@dataclass(frozen=True, slots=True)
class LLMProfile:
    """An LLM: a prefill of ``n`` tokens takes ``prefill_base + n * prefill_per_token`` seconds.

    ``decode_per_token`` is seconds a token of one sequence. ``best_batch`` is the number of prompt
    tokens beyond which prefill throughput does not rise. ``steps`` is what an emulation needs to
    know beyond that straight line, if it was measured.
    """

    prefill_base: float
    prefill_per_token: float
    decode_per_token: float
    best_batch: int | None = None
    steps: StepCosts | None = None

    kind = "llm"

    @classmethod
    def from_points(
        cls,
        prefill: Iterable[tuple[int, float]],
        decode: Iterable[tuple[int, float]],
        min_gain: float = 0.05,
    ) -> LLMProfile:
        """Fit measured points: prompt tokens to seconds, and decoded tokens to seconds.

        Raises:
            ValueError: there is not a single point of each.
        """
        prefill, decode = sorted(prefill), sorted(decode)
        base, per_token = _line(prefill)
        _, decode_per_token = _line(decode)
        return cls(base, per_token, decode_per_token, max_efficient_batch(prefill, min_gain))

    def seconds(self, primitive: Primitive) -> float | None:
        """Time of the primitive alone; ``None`` for what an LLM does not do, or not in one go."""
        if primitive.op in DECODES:
            return primitive.tokens * self.decode_per_token
        if primitive.op in LLM_OPS:
            return self.prefill_base + primitive.prompt_tokens * self.prefill_per_token
        return None


Profile = EngineProfile | LLMProfile


class Profiles(Mapping[str, Profile]):
    """The profiles known, by engine name. Immutable."""

    __slots__ = ("_profiles",)

    def __init__(self, profiles: Mapping[str, Profile] | None = None) -> None:
        self._profiles = dict(profiles or {})

    def __getitem__(self, engine: str) -> Profile:
        return self._profiles[engine]

    def __iter__(self) -> Iterator[str]:
        return iter(self._profiles)

    def __len__(self) -> int:
        return len(self._profiles)

    def seconds(self, primitive: Primitive) -> float | None:
        """Estimate a primitive; what runs on no engine is free, ``None`` is unknown."""
        if primitive.op in CONTROL_OPS:
            return None if primitive.op is Op.EXPAND else 0.0
        profile = self._profiles.get(primitive.engine)
        return None if profile is None else profile.seconds(primitive)

    def best_batch(self, engine: str) -> int | None:
        """b* of an engine; ``None`` if it is unknown."""
        profile = self._profiles.get(engine)
        return None if profile is None else profile.best_batch


def _line(points: Sequence[tuple[int, float]]) -> tuple[float, float]:
    """Least squares ``(intercept, slope)``, neither negative; one point is taken as all slope."""
    if not points:
        raise ValueError("a profile needs at least one point")
    count = len(points)
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if spread == 0:
        return 0.0, mean_y / mean_x
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    intercept = mean_y - slope * mean_x
    if intercept < 0:
        through_zero = sum(x * y for x, y in points) / sum(x * x for x, _ in points)
        return 0.0, through_zero
    return (intercept, slope) if slope > 0 else (mean_y, 0.0)
