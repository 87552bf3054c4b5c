"""Profiles learned from live traffic, so that nobody has to measure before the first gain."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Final, Protocol

from ayo_bridge.profile.curve import Curve, max_efficient_batch
from ayo_bridge.profile.profiles import EngineProfile, LLMProfile, Profile, Profiles
from ayo_bridge.profile.store import ProfileStore

WINDOW: Final = 256
"""Observations kept of one engine."""
ENOUGH: Final = 8
"""Observations before anything is concluded."""
ENOUGH_OF_A_SIZE: Final = 3
"""Batches of one size before it changes what is known."""
QUANTILE: Final = 0.25
"""Contention only ever adds time, so a low quantile is near what the engine needs by itself."""
ROUNDS: Final = 8
PAUSE: Final = 0.1
"""Seconds between observations that are worth making, once enough were made."""
CHANGE: Final = 0.25
"""Relative change that makes a new profile worth publishing."""

Sample = tuple[float, float, float]


class Observed(Protocol):
    """An engine call that has ended. :class:`~ayo_bridge.record.record.EngineCall` is one."""

    engine: str
    batch: int
    items: int

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt."""

    @property
    def completion_tokens(self) -> int:
        """Tokens of the answer."""

    @property
    def kind(self) -> str:
        """What the engine serves."""

    @property
    def seconds(self) -> float:
        """How long the engine worked on the call."""


class LiveProfile:
    """Learns one engine. Safe to use from several threads; an observation is O(1).

    An LLM's three coefficients are fitted to the calls that took least for their size; the fit is
    refused while the calls are too alike to tell the coefficients apart.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._lock = threading.RLock()  # A stream may be collected, and observed, at any time.
        self._calls: deque[Sample] = deque(maxlen=WINDOW)
        self._batches: dict[int, deque[tuple[int, float]]] = {}
        """Seconds by size, each with the number of its observation."""
        self._count = 0
        self._last = 0.0

    def observe_call(self, prompt_tokens: int, completion_tokens: int, seconds: float) -> None:
        """Take in one LLM call."""
        if seconds > 0 and prompt_tokens > 0:
            with self._lock:
                self._calls.append((prompt_tokens, completion_tokens, seconds))
                self._count += 1

    def observe_batch(self, items: int, seconds: float) -> bool:
        """Take in one batch of another engine; returns whether its size has just become known."""
        if seconds <= 0 or items <= 0:
            return False
        size = _rounded(items)
        with self._lock:
            window = self._batches.setdefault(size, deque(maxlen=32))
            window.append((self._count, seconds * size / items if items >= 16 else seconds))
            self._count += 1
            return len(window) == ENOUGH_OF_A_SIZE

    def due(self, now: float) -> bool:
        """Whether a further observation at ``now`` would teach anything; claims the moment if so.

        Hundreds of calls a second say no more than ten do.
        """
        if self._count >= 2 * ENOUGH and now - self._last < PAUSE:
            return False
        self._last = now
        return True

    @property
    def observations(self) -> int:
        """How many calls or batches were taken in."""
        return self._count

    def typical(self) -> float | None:
        """Seconds of an LLM call that nothing delayed; ``None`` while too few were seen."""
        with self._lock:
            seconds = sorted(call[2] for call in self._calls)
        return _low(seconds) if len(seconds) >= ENOUGH else None

    def profile(self) -> Profile | None:
        """Return what has been learned, or ``None`` while that is not enough."""
        with self._lock:
            calls = tuple(self._calls)
            batches = self._recent()
        if self._count < ENOUGH:
            return None
        if self.kind == LLMProfile.kind:
            return _fit_calls(calls)
        curve = _rising({size: _low(sorted(window)) for size, window in batches.items()})
        return EngineProfile(self.kind, curve, _live_best_batch(curve))

    def _recent(self) -> dict[int, list[float]]:
        """What was seen lately, by size; a size that was seen once or twice may have been unlucky.

        Old observations go, so that a size which was slow once is tried again: the curve then says
        nothing of it.
        """
        oldest = self._count - WINDOW
        recent: dict[int, list[float]] = {}
        for size, window in self._batches.items():
            while window and window[0][0] < oldest:
                window.popleft()
            if window:
                recent[size] = [seconds for _, seconds in window]
        known = {n: seen for n, seen in recent.items() if len(seen) >= ENOUGH_OF_A_SIZE}
        return known or recent


class LiveProfiles:
    """The live profiles of all engines, over those a store knows.

    ``epoch`` changes when a profile has changed enough to matter, so that whoever plans can keep
    plans until then. A stored profile, or one that was ``known``, is used until live traffic has
    shown better.
    """

    def __init__(
        self,
        store: ProfileStore | None = None,
        *,
        device: str = "local",
        known: Profiles | None = None,
    ) -> None:
        self._store = store
        self._device = device
        self._lock = threading.RLock()  # A stream may be collected, and observed, at any time.
        self._live: dict[str, LiveProfile] = {}
        self._next: dict[str, int] = {}
        self._published = known if known is not None else Profiles()
        self._typical: dict[str, float] = {}
        self.epoch = 0

    def load(self, engine: str) -> None:
        """Publish what the store knows of ``engine``; nothing happens if that is nothing."""
        profile = None if self._store is None else self._store.load(engine, self._device)
        if profile is not None:
            with self._lock:
                self._publish(engine, profile)

    def save(self) -> None:
        """Write every published profile to the store.

        Raises:
            OSError: the store's directory cannot be written.
        """
        if self._store is not None:
            for engine, profile in self.profiles().items():
                self._store.save(engine, self._device, profile)

    def publish(self, engine: str, profile: Profile) -> None:
        """Take in a profile that was measured."""
        with self._lock:
            self._publish(engine, profile)

    def profiles(self) -> Profiles:
        """The profiles known now; an immutable snapshot."""
        return self._published

    def typical(self, engine: str) -> float | None:
        """Seconds of a whole call to an LLM, published with the last epoch."""
        return self._typical.get(engine)

    def due(self, engine: str) -> bool:
        """Whether observing a call to ``engine`` now would teach anything."""
        live = self._live.get(engine)
        return live is None or live.due(perf_counter())

    def observe(self, call: Observed) -> None:
        """Learn from one call. Calls that share a batch are taken to be of one size."""
        live = self._live.get(call.engine)
        if live is None:
            self.load(call.engine)
            with self._lock:
                live = self._live.setdefault(call.engine, LiveProfile(str(call.kind)))
        if live.kind == LLMProfile.kind:
            live.observe_call(call.prompt_tokens, call.completion_tokens, call.seconds)
        elif live.observe_batch(call.items * max(call.batch, 1), call.seconds):
            # What a new size takes was guessed until now, and plans were made by that.
            self._next[call.engine] = ENOUGH
        if live.observations >= self._next.get(call.engine, ENOUGH):
            self._learn(call.engine, live)

    def _learn(self, engine: str, live: LiveProfile) -> None:
        with self._lock:
            if live.observations < self._next.get(engine, ENOUGH):
                return
            self._next[engine] = live.observations + max(live.observations // 2, ENOUGH)
            self._next[engine] = min(self._next[engine], live.observations + WINDOW // 2)
        profile, typical = live.profile(), live.typical()
        with self._lock:
            if typical is not None and _apart(self._typical.get(engine, 0.0), typical):
                self._typical[engine] = typical
                self.epoch += 1
        if profile is None:
            return
        with self._lock:
            profile = _kept(self._published.get(engine), profile)
            if _differs(self._published.get(engine), profile):
                self._publish(engine, profile)

    def _publish(self, engine: str, profile: Profile) -> None:
        self._published = Profiles({**self._published, engine: profile})
        self.epoch += 1


def _rounded(items: int) -> int:
    """Keep sizes below 16 and powers of two exact; others share the power of two below."""
    return items if items < 16 else 1 << (items.bit_length() - 1)


def _low(ordered: Sequence[float]) -> float:
    return ordered[int((len(ordered) - 1) * QUANTILE)]


def _rising(seconds: Mapping[int, float]) -> Curve:
    """The curve of what sizes took, where a larger batch never takes less.

    Noise only adds time: what a larger one was done in, a smaller one could have been.
    """
    least = float("inf")
    points = []
    for size in sorted(seconds, reverse=True):
        least = min(least, seconds[size])
        points.append((size, least))
    return Curve.of(points)


def _live_best_batch(curve: Curve) -> int | None:
    """b* of what was seen: only sizes between the smallest and largest seen count."""
    sizes = [1 << k for k in range(12)]
    first, last = curve.points[0][0], curve.points[-1][0]
    return max_efficient_batch((n, curve.seconds(n)) for n in sizes if first <= n <= last)


def _fit_calls(calls: Sequence[Sample]) -> LLMProfile | None:
    """Fit ``seconds = base + a * prompt + b * completion`` to the quicker half of the calls.

    Which half that is follows from the fit: a few rounds settle it.
    """
    fitted = _least_squares(calls)
    for _ in range(ROUNDS):
        if fitted is None:
            return None
        base, prefill, decode = fitted
        by_excess = sorted(
            calls, key=lambda c: c[2] / max(base + prefill * c[0] + decode * c[1], 1e-9)
        )
        fitted = _least_squares(by_excess[: max(len(calls) // 2, ENOUGH)])
    return None if fitted is None else LLMProfile(*fitted)


def _least_squares(calls: Sequence[Sample]) -> tuple[float, float, float] | None:
    """Return the coefficients, none negative; ``None`` where the calls cannot tell them apart."""
    count = len(calls)
    mean_p = sum(call[0] for call in calls) / count
    mean_d = sum(call[1] for call in calls) / count
    mean_s = sum(call[2] for call in calls) / count
    pp = pd = dd = ps = ds = 0.0
    for p, d, s in calls:
        p, d, s = p - mean_p, d - mean_d, s - mean_s
        pp, pd, dd, ps, ds = pp + p * p, pd + p * d, dd + d * d, ps + p * s, ds + d * s
    if pp < count * (0.1 * mean_p) ** 2:
        return None
    if dd < count * (0.1 * mean_d) ** 2 or dd == 0:
        return _with_one_length(mean_p, mean_d, mean_s, ps / pp)
    determinant = pp * dd - pd * pd
    if determinant < 0.05 * pp * dd:
        return None
    prefill = (ps * dd - ds * pd) / determinant
    decode = (ds * pp - ps * pd) / determinant
    if prefill < 0:
        prefill, decode = 0.0, ds / dd
    if decode < 0:
        prefill, decode = max(ps / pp, 0.0), 0.0
    base = mean_s - prefill * mean_p - decode * mean_d
    if base <= 0 and prefill == decode == 0:
        return None
    return max(base, 0.0), prefill, decode


def _with_one_length(
    prompt: float, completion: float, seconds: float, slope: float
) -> tuple[float, float, float] | None:
    """Fit calls whose answers are all of one length: what no prompt token takes, decoding does.

    A call's fixed cost cannot be told from its decoding then; of answers this long it is small.
    """
    prefill = max(slope, 0.0)
    rest = seconds - prefill * prompt
    if completion < 1 or rest <= 0:
        return None
    return 0.0, prefill, rest / completion


def _kept(old: Profile | None, new: Profile) -> Profile:
    """What traffic has shown; b* stays as it was measured while no larger batch was seen."""
    if (
        isinstance(old, EngineProfile)
        and isinstance(new, EngineProfile)
        and new.best_batch is None
        and new.curve.points[-1][0] <= (old.best_batch or 0)
    ):
        return replace(new, best_batch=old.best_batch)
    return new


def _differs(old: Profile | None, new: Profile) -> bool:
    """Whether ``new`` would change a decision worth the planning."""
    if isinstance(old, LLMProfile) and isinstance(new, LLMProfile):
        return any(
            _apart(a, b)
            for a, b in (
                (old.prefill_base, new.prefill_base),
                (old.prefill_per_token, new.prefill_per_token),
                (old.decode_per_token, new.decode_per_token),
            )
        )
    if isinstance(old, EngineProfile) and isinstance(new, EngineProfile):
        sizes = [size for size, _ in new.curve.points]
        return old.best_batch != new.best_batch or any(
            _apart(old.curve.seconds(n), new.curve.seconds(n)) for n in sizes
        )
    return True


def _apart(old: float, new: float) -> bool:
    return abs(new - old) > CHANGE * max(old, new, 1e-6)
