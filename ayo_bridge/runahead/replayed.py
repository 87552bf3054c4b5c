"""One more run of an original on the replies of an accelerated call, and how it differs."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple

from ayo_bridge.runahead.again import Answer, Unsaid
from ayo_bridge.runahead.home import Home
from ayo_bridge.runahead.kept import LONGEST, Kept
from ayo_bridge.runahead.verified import AskedElsewiseError, ReplayScope, WouldWriteError
from ayo_bridge.seam import entered


class Difference(NamedTuple):
    """Both sides of a mismatch, shortened, without headers."""

    what: str
    accelerated: str
    original: str


class Replay(NamedTuple):
    """A run that differs."""

    difference: Difference
    asked: tuple[Hashable, ...]
    """By what two runs are compared."""
    ambiguous: bool
    answer: Answer | None = None
    """What it said, if it has asked the same."""


class UnsureError(Exception):
    """It cannot be said whether there is a mismatch."""


class WroteError(Exception):
    """The original was about to write: it is not run once more."""


def replayed(runtime: Home, kept: Kept, run: Callable[[], Answer], before: Answer) -> Replay | None:
    """What the original does otherwise than the accelerated call; ``None``: nothing.

    Raises:
        UnsureError: it cannot be said.
        WroteError: it would have written.
    """
    scope = ReplayScope(runtime, kept)
    answer: Answer | None = None
    refused = False
    try:
        with entered(scope):
            answer = run()
    except AskedElsewiseError:
        refused = True
    except WouldWriteError as wrote:
        raise WroteError(str(wrote)) from wrote
    except BaseException as error:
        if isinstance(error, SystemExit | KeyboardInterrupt):
            raise
        if not scope.lacking:
            raise UnsureError(f"run again, it raised {type(error).__name__}") from error
    finally:
        scope.close()
    if refused or scope.lacking:
        _, text = scope.lacking[0]
        what = "the original asks what was not asked"
        found = Difference(what, _texts(kept, scope.left), text)
        return Replay(found, tuple(key for key, _ in scope.lacking), scope.ambiguous)
    if scope.left:
        what = "more was asked than the original asks"
        found = Difference(what, _texts(kept, scope.left), "nothing of that")
        return Replay(found, tuple(scope.left), scope.ambiguous)
    return _otherwise(before, answer, ambiguous=scope.ambiguous)


def _otherwise(before: Answer, answer: Answer | None, *, ambiguous: bool) -> Replay | None:
    if answer is None or answer == before or answer[0] is Unsaid.GOES_ON:
        return None
    found = Difference("its answers differ", *map(_short, differing(before, answer)))
    return Replay(found, (repr(answer),), ambiguous, answer)


def differing(left: object, right: object) -> tuple[object, object]:
    """The parts of two values that differ first: what is alike around them is left out."""
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        if len(left) == len(right):
            for one, other in zip(left, right, strict=True):
                if one != other:
                    return differing(one, other)
    elif isinstance(left, dict) and isinstance(right, dict) and left.keys() == right.keys():
        for name, one in left.items():
            if one != right[name]:
                return differing(one, right[name])
    elif isinstance(left, str) and isinstance(right, str):
        return _apart(left, right)
    return left, right


_AROUND = 24


def _apart(left: str, right: str) -> tuple[str, str]:
    """Two texts from a little before their first difference on."""
    at = next(
        (i for i, (one, other) in enumerate(zip(left, right, strict=False)) if one != other),
        min(len(left), len(right)),
    )
    start = max(0, at - _AROUND)
    before = "... " if start else ""
    return before + left[start:], before + right[start:]


def _texts(kept: Kept, keys: list[Hashable]) -> str:
    texts = [kept.texts.get(key, "a request that is not shown") for key in keys]
    return "; ".join(texts[:2]) or "nothing else"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


__all__ = ["Difference", "Replay", "UnsureError", "WroteError", "differing", "replayed"]
