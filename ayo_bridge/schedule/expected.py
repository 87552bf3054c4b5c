"""What may be expected of a request, by its graph and by what became of those like it. Pure.

Requests that one part of a program makes mostly begin with the same words: their prompts' first
chunk tells which part it is. Not always: what is filled into a template may stand in its first
line, and the leaves of a tree begin like its root. So those that stand in a graph are alike if they
stand in the same place there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ayo_bridge.schedule.prefixes import Chain
from ayo_bridge.schedule.recent import Recent
from ayo_bridge.schedule.routing import Prompt

_PARTS: Final = 1 << 12
_ENDS: Final = 1 << 14
_FEW: Final = 3
"""So many of a part are to have been sent before anything is said of the next one."""
_KEPT: Final = 0.8
"""Weight that earlier ones keep with each further one."""
_OFTEN: Final = 0.3
"""Share of a part that is gone on from, above which the next one is expected to be: what is kept in
vain in a cache costs less than what is computed twice."""
_PATIENCE: Final = 2.0
"""What goes on is waited for so many times as long as it has taken so far."""


@dataclass(slots=True)
class _Part:
    """Of those that are alike: tokens of their answers, how many went on, and how soon."""

    sent: int = 0
    output: float = 0.0
    resumed: float = 0.0
    gap: float = 0.0

    @property
    def known(self) -> bool:
        """Whether enough of them were sent before the one that is sent now."""
        return self.sent > _FEW

    @property
    def resumes(self) -> bool:
        """Whether they are gone on from."""
        return self.resumed > _OFTEN


@dataclass(slots=True)
class _End:
    parts: tuple[_Part, ...]
    when: float
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is expected; ``None`` where it is not known.

    ``output`` is tokens; ``resumes``: whether another request goes on from this one's prompt,
    within about so many ``seconds``.
    """

    output: int | None = None
    resumes: bool | None = None
    seconds: float | None = None


class Expected:
    """Learns from requests as they are sent and end. Not thread-safe."""

    def __init__(self) -> None:
        self._parts: Recent[_Part] = Recent(_PARTS)
        self._ends: Recent[_End] = Recent(_ENDS)

    def asks(self, prompt: Prompt, now: float) -> Expectation:
        """A request is sent: what is expected of it."""
        parts, begins = self._parts_of(prompt), self._parts.get(_beginning(prompt)) or _Part()
        self._goes_on(prompt.chain, now)
        if prompt.chain:
            self._ends.put(prompt.chain[-1], _End(parts, now))
        for part in parts:
            part.sent += 1
            part.resumed *= _KEPT
        resumes = _resumes(prompt, parts, begins)
        seconds = _seconds(prompt, parts, begins) if resumes else None
        return Expectation(_output(prompt, parts, begins), resumes, seconds)

    def ended(self, prompt: Prompt, output: int) -> None:
        """Its answer had so many tokens."""
        if not prompt.warm and output:
            for part in self._parts_of(prompt):
                part.output = _mean(part.output, output) if part.output else output

    def _goes_on(self, chain: Chain, now: float) -> None:
        """The longest of earlier prompts with which this one begins is gone on from."""
        for key in reversed(chain[:-1]):
            end = self._ends.get(key)
            if end is not None:
                if not end.resumed:
                    end.resumed = True
                    gap = now - end.when
                    for part in end.parts:
                        part.gap = _mean(part.gap, gap) if part.gap else gap
                        part.resumed += 1 - _KEPT  # It was counted as one that ends there.
                return

    def _parts_of(self, prompt: Prompt) -> tuple[_Part, ...]:
        """What a request belongs to: its place, with its beginning first, or its beginning."""
        begins = _beginning(prompt)
        if prompt.foreseen is None:
            return (self._part(begins),)
        place = hash(prompt.foreseen.place)
        return self._part(hash((place, begins))), self._part(place)

    def _part(self, key: int) -> _Part:
        part = self._parts.get(key)
        if part is None:
            part = _Part()
            self._parts.put(key, part)
        return part


def _beginning(prompt: Prompt) -> int:
    return prompt.chain[0] if prompt.chain else 0


# Of a request that stands in a graph those say most that have stood in its place. Then the graph
# does, which ends with its query; then those that begin alike, and stand in none.


def _output(prompt: Prompt, parts: tuple[_Part, ...], begins: _Part) -> int | None:
    if prompt.warm:
        return 1
    placed = [part.output for part in parts] if prompt.foreseen is not None else []
    means = (*placed, begins.output if begins.known else 0.0)
    found = next((round(mean) for mean in means if mean), None)
    return min(found, prompt.output) if found is not None and prompt.output else found


def _resumes(prompt: Prompt, parts: tuple[_Part, ...], begins: _Part) -> bool | None:
    said = None if prompt.foreseen is None else prompt.foreseen.resumes
    if prompt.warm or said:
        return True
    seen = [part.resumes for part in parts if part.known]
    if seen:
        return seen[0]
    return said if said is not None or not begins.known else begins.resumes


def _seconds(prompt: Prompt, parts: tuple[_Part, ...], begins: _Part) -> float | None:
    """Until it is gone on from, at most."""
    said = None if prompt.foreseen is None else prompt.foreseen.seconds
    gaps = (*(part.gap for part in parts), said, begins.gap)
    return next((_PATIENCE * gap for gap in gaps if gap), None)


def _mean(before: float, new: float) -> float:
    return _KEPT * before + (1 - _KEPT) * new


__all__ = ["Expectation", "Expected"]
