"""What may be expected of a request, by what became of those that began like it. Pure.

Requests that one part of a program makes begin with the same words: their prompts' first chunk
tells which part it is.
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
    """Of those that began alike: tokens of their answers, how many went on, and how soon."""

    sent: int = 0
    output: float = 0.0
    resumed: float = 0.0
    gap: float = 0.0


@dataclass(slots=True)
class _End:
    part: _Part
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
        part = self._part(prompt.chain)
        self._goes_on(prompt.chain, now)
        if prompt.chain:
            self._ends.put(prompt.chain[-1], _End(part, now))
        part.sent += 1
        part.resumed *= _KEPT
        known = part.sent > _FEW
        output = round(part.output) if known and part.output else None
        if prompt.warm:
            output = 1
        elif prompt.output and output is not None:
            output = min(output, prompt.output)
        resumes = True if prompt.warm else part.resumed > _OFTEN if known else None
        seconds = _PATIENCE * part.gap if resumes and part.gap else None
        return Expectation(output, resumes, seconds)

    def ended(self, prompt: Prompt, output: int) -> None:
        """Its answer had so many tokens."""
        if not prompt.warm and output:
            part = self._part(prompt.chain)
            part.output = _mean(part.output, output) if part.output else output

    def _goes_on(self, chain: Chain, now: float) -> None:
        """The longest of earlier prompts with which this one begins is gone on from."""
        for key in reversed(chain[:-1]):
            end = self._ends.get(key)
            if end is not None:
                if not end.resumed:
                    end.resumed = True
                    gap = now - end.when
                    end.part.gap = _mean(end.part.gap, gap) if end.part.gap else gap
                    end.part.resumed += 1 - _KEPT  # It was counted as one that ends there.
                return

    def _part(self, chain: Chain) -> _Part:
        key = chain[0] if chain else 0
        part = self._parts.get(key)
        if part is None:
            part = _Part()
            self._parts.put(key, part)
        return part


def _mean(before: float, new: float) -> float:
    return _KEPT * before + (1 - _KEPT) * new


__all__ = ["Expectation", "Expected"]
