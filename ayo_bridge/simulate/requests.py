"""What simulated engines are asked: sizes instead of texts, and results given in advance."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field

Segment = tuple[Hashable, int]
"""``(id, tokens)``: a stretch of a prompt. Equal ids stand for equal tokens from their start."""
Prompt = tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class LLMRequest:
    """One call of a simulated LLM; ``result`` is what it answers.

    ``tokens`` (at least one) are decoded; the first comes out of the prefill itself, so a prefix
    warm is a request for one token. ``output`` is the segment id of the answer: with it, a later
    prompt that continues this one by ``(output, n)`` finds both in the cache. A lower ``priority``
    goes first. ``marks`` are rising token counts; ``on_mark`` is called with the index of each when
    so many tokens are there (items of a pipelined decode; ``marks=(1,)`` is the first token).
    """

    prompt: Prompt
    tokens: int = 1
    result: object = None
    output: Hashable | None = None
    priority: int = 0
    marks: tuple[int, ...] = ()
    on_mark: Callable[[int], None] | None = field(default=None, compare=False)

    @property
    def whole(self) -> Prompt | None:
        """What the cache holds when it has ended; ``None``: of the answer nothing is found again.

        The last token decoded never gets there.
        """
        if self.output is None:
            return None
        return (*self.prompt, (self.output, self.tokens - 1))

    def __post_init__(self) -> None:
        if self.tokens < 1 or prompt_tokens(self.prompt) < 1:
            raise ValueError("an LLM request needs a prompt and decodes at least one token")
        if any(a >= b for a, b in itertools.pairwise((0, *self.marks, self.tokens + 1))):
            raise ValueError(f"marks must rise and lie within 1 to {self.tokens}: {self.marks}")

    @classmethod
    def of_text(
        cls,
        prompt: Iterable[tuple[str, int]],
        tokens: int,
        pieces: Sequence[str],
        *,
        on_text: Callable[[str], None] | None = None,
        priority: int = 0,
    ) -> LLMRequest:
        """A call that answers with the text of ``pieces``, which take equal shares of ``tokens``.

        A part of the prompt has at least one token, whatever was estimated. ``on_text``, if
        somebody listens, is told the text so far when a piece is there (of more pieces than tokens
        several are there at once).
        """
        ends = {(i + 1) * tokens // len(pieces): i + 1 for i in range(len(pieces))}
        ends.pop(0, None)
        told, counts = on_text, tuple(ends.values())
        return cls(
            tuple((text, max(length, 1)) for text, length in prompt),
            tokens,
            "".join(pieces),
            priority=priority,
            marks=tuple(ends) if told else (),
            on_mark=(lambda i: told("".join(pieces[: counts[i]]))) if told else None,
        )


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """One call of an engine that runs batches; ``operation`` names the curve that it costs."""

    operation: str = ""
    result: object = None


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One call of a remote API; ``result`` is what it answers."""

    result: object = None


def prompt_tokens(prompt: Prompt) -> int:
    """Length of a prompt."""
    return sum(tokens for _, tokens in prompt)


def block_hashes(prompt: Prompt, block: int) -> tuple[int, ...]:
    """A hash for each full block of ``block`` tokens, of its tokens and all before them.

    Two prompts share their first ``k`` hashes just if their first ``k * block`` tokens are equal
    (up to collisions of 64-bit hashes, as in vLLM).
    """
    hashes: list[int] = []
    pieces: list[tuple[Hashable, int, int]] = []
    parent, room = 0, block
    for segment, tokens in prompt:
        at = 0
        if pieces and tokens:  # The block that the segments before this one have begun.
            at = min(room, tokens)
            pieces.append((segment, 0, at))
            room -= at
            if room:
                continue
            parent = hash((parent, *pieces))
            hashes.append(parent)
            pieces, room = [], block
        for end in range(at + block, tokens + 1, block):
            parent = hash((parent, (segment, at, end)))
            hashes.append(parent)
            at = end
        if at < tokens:
            pieces.append((segment, at, tokens))
            room = block - (tokens - at)
    return tuple(hashes)
