"""A request on its way through an instance of a simulated LLM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ayo_bridge.simulate.kv_cache import Lease
from ayo_bridge.simulate.requests import LLMRequest, prompt_tokens


def _told(result: object) -> None:
    raise AssertionError("a generation ends once")


@dataclass(slots=True, eq=False)
class Generation:
    """A sequence of one instance. ``finish`` gets its result, or an exception.

    ``order`` is unique; the lowest goes first. ``hashes`` are those of the prompt's full blocks,
    ``computed`` the tokens of the prompt that are in the cache, ``cached`` those of them that were
    there when it was admitted. ``decoded`` is brought up to date when it reaches a stop, or leaves.
    """

    request: LLMRequest
    order: tuple[int, int, int]
    finish: Callable[[object], None]
    hashes: tuple[int, ...]
    length: int = 0
    computed: int = 0
    cached: int = 0
    decoded: int = 0
    marked: int = 0
    since: int | None = None
    """The decode steps of its instance before its first token, while it decodes."""
    lease: Lease | None = None
    ended: bool = False

    def __post_init__(self) -> None:
        self.length = prompt_tokens(self.request.prompt)

    def tell(self, result: object) -> None:
        """Finish, once: whom that tells often knows the generation, and is not kept by it."""
        finish, self.finish = self.finish, _told
        finish(result)

    @property
    def kv_tokens(self) -> int:
        """Tokens in the cache when it ends; the last one decoded never gets there."""
        return self.length + self.request.tokens - 1

    @property
    def missing(self) -> int:
        """Tokens of the prompt that are still to be prefilled."""
        return self.length - self.computed

    @property
    def next_stop(self) -> int:
        """How many tokens are decoded when somebody has to be told next."""
        marks = self.request.marks
        return marks[self.marked] if self.marked < len(marks) else self.request.tokens
