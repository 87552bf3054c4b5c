"""Finding known values in a request: longest first, whole words only."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from ayo_bridge.learn.known import Known, Waiting
from ayo_bridge.learn.values import (
    MOST_AVERAGED,
    PART_NAMES,
    PLAIN,
    STRIP,
    Form,
    Path,
    encoded,
    mean_name,
    other_forms,
)

LEAST = 4
"""Shorter values are not looked for; they only explain what varies."""
SURE = 40
"""Longer values may end within a word."""
WEAK = 20
"""Shorter values may stand in a request by chance."""
_HEAD = 12
_LONG = 200
_MOST_SOURCES = 32
# CJK and other scripts without spaces count as single characters, so that a value may begin there.
_TOKEN = re.compile(r"\\u[0-9a-fA-F]{4}|\\.|[0-9A-Za-z_\u00aa-\u1fff]+|.", re.DOTALL)
_WORD = re.compile(r"[0-9A-Za-z_\u00aa-\u1fff]")


class Source(NamedTuple):
    """A value of one trace, in a form."""

    path: Path
    form: Form = PLAIN


class Token(NamedTuple):
    """A piece of a request; ``sources`` is empty where nothing known is equal to it."""

    text: str
    sources: tuple[Source, ...] = ()


class Sources:
    """The values of one trace by their encoded text, and when each was known.

    Args:
        known: all that the trace holds.
        moments: when each result was there, on the scale of ``TracedCall.began``.
        helpers: the sites of helpers.
        requests: ``began`` and request of all calls, in that order.
        rich: with all forms of the values.
    """

    def __init__(
        self,
        known: Known,
        moments: Mapping[Waiting, int],
        helpers: frozenset[str],
        requests: list[tuple[int, str]],
        rich: bool,
    ) -> None:
        self.known, self.moments, self.helpers, self.requests = known, moments, helpers, requests
        self.texts: dict[str, list[Source]] = defaultdict(list)
        self.means: dict[str, int] = {}
        self._weak: dict[str, int] = {}
        for path, text in known.inputs.items():
            self._add(path, text, rich)
        for (site, visit), result in known.results.items():
            if result is None:
                continue
            for part in PART_NAMES:
                for below, text in known.part(site, visit, part).texts.items():
                    self._add(("at", site, visit, *below), text, rich)
        self._add_means()
        self._sorted = sorted(self.texts, key=len)
        self._lengths = [len(text) for text in self._sorted]
        self._firsts: set[str] = set()
        self._heads: dict[str, list[str]] = {}
        for text in reversed(self._sorted):
            if len(text) >= LEAST:
                self._firsts.add(text[0])
                head = text[: _HEAD if len(text) >= _HEAD else LEAST]
                self._heads.setdefault(head, []).append(text)

    def _add(self, path: Path, text: str, rich: bool) -> None:
        if not text:
            return
        self.texts[encoded(text)].append(Source(path))
        if (bare := text.strip()) != text and bare:
            self.texts[encoded(bare)].append(Source(path, STRIP))
        if rich and path[-1] != "id" and "vectors" not in path[3:4]:
            for form, other in other_forms(text):
                self.texts[encoded(other)].append(Source(path, form))

    def _add_means(self) -> None:
        rows: dict[str, list[tuple[float, ...]]] = defaultdict(list)
        for (site, _), result in sorted(self.known.results.items()):
            rows[site] += [v.numbers for v in result.vectors] if result is not None else []
        for site, vectors in rows.items():
            if not 1 < len(vectors) <= MOST_AVERAGED or len(vectors) != self.known.counts[site]:
                continue
            if len({*vectors}) == 1:  # their mean is they themselves
                continue
            if (name := mean_name(vectors)) is not None:
                self.texts[name].append(Source(("mean", site)))
                self.means[site] = max(at for key, at in self.moments.items() if key[0] == site)

    def sized(self, least: int, most: int) -> list[str]:
        """The texts that have at least and at most so many characters."""
        lengths = self._lengths
        return self._sorted[bisect_left(lengths, max(1, least)) : bisect_right(lengths, most)]

    def moment(self, path: Path) -> int:
        """When a value was known; -1 for inputs."""
        if path[0] == "at":
            return self.moments[path[1], path[2]]  # type: ignore[index]
        return self.means[str(path[1])] if path[0] == "mean" else -1

    def of(self, text: str, began: int, site: str, visit: int, helpers: bool) -> tuple[Source, ...]:
        """Where a text could come from in a request begun at ``began`` at (site, visit)."""
        found = [
            source
            for source in self.texts.get(text, ())
            if self.moment(source.path) < began
            and (helpers or source.path[1] not in self.helpers)
            and (source.path[1] != site or (source.path[0] == "at" and source.path[2] < visit))  # type: ignore[operator]
        ]
        if len(found) > _MOST_SOURCES:
            found = sorted(found, key=lambda each: (each.path[0] != "in", len(each.path)))
        return tuple(found[:_MOST_SOURCES])

    def cover(
        self, request: str, began: int, site: str, visit: int, helpers: bool
    ) -> tuple[Token, ...]:
        """The request as pieces: values where they are found, and the text between them."""
        sources: dict[str, tuple[Source, ...]] = {}

        def usable(text: str) -> bool:
            if text not in sources:
                found = self.of(text, began, site, visit, helpers)
                sources[text] = () if found and self._is_weak(text, found) else found
            return bool(sources[text])

        found = [(-len(text), at, text) for at, text in self._matches(request, usable)]
        found.sort()
        taken = bytearray(len(request))
        kept: list[tuple[int, str]] = []
        for size, at, text in found:
            # Longer ones came first: an overlap would cover an end of this one.
            if not taken[at] and not taken[at - size - 1]:
                taken[at : at - size] = b"\1" * -size
                kept.append((at, text))
        out, done = [], 0
        for at, text in sorted(kept):
            if at > done:
                out.append(Token(request[done:at]))
            out.append(Token(text, sources[text]))
            done = at + len(text)
        if done < len(request):
            out.append(Token(request[done:]))
        return tuple(out)

    def _matches(self, request: str, usable: Callable[[str], bool]) -> Iterator[tuple[int, str]]:
        """(position, text) of the values in the request that begin and end with a word.

        What is inside a long one is not looked at: the long one is taken anyway.
        """
        heads, firsts = self._heads, self._firsts
        before, done = "", 0
        for token in _TOKEN.finditer(request):
            start = token.start()
            if start < done:
                continue
            said = token[0]
            if before == "\\\\" and said[0] in "nrt":
                yield from self._matches_at(request, start + 1, usable)  # \\n, escaped twice
            before = said
            if said[0] in firsts and (
                request[start : start + _HEAD] in heads or request[start : start + LEAST] in heads
            ):
                for at, text in self._matches_at(request, start, usable):
                    yield at, text
                    if len(text) >= _LONG:
                        done = max(done, at + len(text))

    def _matches_at(
        self, request: str, start: int, usable: Callable[[str], bool]
    ) -> Iterator[tuple[int, str]]:
        size = len(request)
        for length in (_HEAD, LEAST):
            for text in self._heads.get(request[start : start + length], ()):
                end = start + len(text)
                if (
                    request.startswith(text, start)
                    and (
                        len(text) > SURE
                        or end == size
                        or not (_WORD.match(text[-1]) and _WORD.match(request[end]))
                    )
                    and usable(text)
                ):
                    yield start, text

    def _is_weak(self, text: str, sources: tuple[Source, ...]) -> bool:
        """A short text that requests held before its source was known: to find it says little."""
        if len(text) >= WEAK:
            return False
        if text not in self._weak:
            self._weak[text] = next((at for at, said in self.requests if text in said), 1 << 60)
        return all(
            source.path[0] == "at" and self._weak[text] < self.moment(source.path)
            for source in sources
        )
