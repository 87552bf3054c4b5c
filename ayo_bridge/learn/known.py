"""What is known at some moment of one call: inputs, results, and how often sites are visited."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ayo_bridge.learn.trace import Result
from ayo_bridge.learn.values import Part, Path, mean_name, part_of

Waiting = tuple[str, int]
"""A result that may still come: site and visit.

Visit ``ENDED``: the number of visits. ``BEGUN``: that there are any.
"""
ENDED = -1
BEGUN = -2
_STEP = re.compile(r"\[(\d+)\]|\.?([^.\[\]]+)")
_NONE = Part({}, {})


class Missing(Exception):
    """A value is not known. ``waits`` are the results of which it may come; none: it never will."""

    def __init__(self, *waits: Waiting) -> None:
        super().__init__(*waits)
        self.waits = waits


def input_path(name: str) -> Path:
    """``history[1].content`` as a path."""
    steps = (int(at) if at else key for at, key in _STEP.findall(name))
    return ("in", *steps) if name else ("in", "")


class Known:
    """The values of one call. Feed it in any order; not thread-safe.

    Results are taken apart when something first looks into them, and only the parts looked at.
    """

    def __init__(self) -> None:
        self.inputs: dict[Path, str] = {}
        self.lengths: dict[Path, int] = {}
        self.results: dict[Waiting, Result | None] = {}
        self.growing: dict[Waiting, Mapping[str, Part]] = {}
        """Of answers that are still being written: what of each view no rest can change."""
        self.visits: dict[str, int] = {}
        """The least number of visits that the results so far show."""
        self.begun: set[str] = set()
        """Sites that the original has come to, or of which there are results."""
        self.counts: dict[str, int] = {}
        """How often a site is visited in all, where that is known."""
        self.fresh: list[Waiting] = []
        """What was fed since somebody last took it from here."""
        self.taken: set[Waiting] = set()
        """Calls that are no longer to be predicted: predicted already, or made by the original."""
        self.agenda: object | None = None
        """What the template that predicts for this call still waits for."""
        self._parts: dict[tuple[str, int, str], Part] = {}
        self._means: dict[str, str | None] = {}

    def input(self, name: str, text: str) -> None:
        """One text among the arguments; ``name`` is its path, as in a trace."""
        path = input_path(name)
        self.inputs[path] = text
        for at, step in enumerate(path):
            if isinstance(step, int):
                self.lengths[path[:at]] = max(self.lengths.get(path[:at], 0), step + 1)

    def asked(self, site: str, visit: int) -> None:
        """The original makes this call itself: there is nothing left to predict of it."""
        self.taken.add((site, visit))
        self._begin(site)

    def _begin(self, site: str) -> None:
        if site not in self.begun:
            self.begun.add(site)
            self.fresh.append((site, BEGUN))

    def result(self, site: str, visit: int, result: Result | None) -> None:
        """What a call returned, made ahead or by the original. The last one fed counts."""
        if (site, visit) in self.results:
            for key in [key for key in self._parts if key[:2] == (site, visit)]:
                del self._parts[key]
            self._means.pop(site, None)
        self.growing.pop((site, visit), None)
        self.results[site, visit] = result
        self.taken.add((site, visit))
        self.visits[site] = max(self.visits.get(site, 0), visit + 1)
        self.fresh.append((site, visit))
        self._begin(site)

    def grown(self, site: str, visit: int, parts: Mapping[str, Part]) -> None:
        """What is certain so far of an answer that is still being written."""
        self.growing[site, visit] = parts
        self.fresh.append((site, visit))
        self._begin(site)

    def holds_grown(self, site: str, visit: int, result: Result | None) -> bool:
        """Whether the whole answer has all that seemed certain while it was being written."""
        return all(
            result is not None and part.texts.items() <= part_of(result, name).texts.items()
            for name, part in self.growing.get((site, visit), {}).items()
        )

    def ended(self, site: str, count: int | None = None) -> None:
        """No more visits of the site will come; ``count`` if it is known before they all came."""
        if site not in self.counts:
            self.counts[site] = self.visits.get(site, 0) if count is None else count
            self.fresh.append((site, ENDED))

    def text(self, path: Path) -> str:
        """The value at a path.

        Raises:
            Missing: it is not known.
        """
        if path[0] == "in":
            if (found := self.inputs.get(path)) is None:
                raise Missing
            return found
        if path[0] == "mean":
            return self._mean(str(path[1]))
        if (found := self._part(path).texts.get(path[3:])) is None:
            raise Missing(*self._rest(path))
        return found

    def length(self, path: Path) -> int:
        """How many members a list has; of ``("at", site)``, how many visits there are in all.

        Raises:
            Missing: that is not known.
        """
        if path[0] == "in":
            return self.lengths.get(path, 0)
        if len(path) == 2:
            if (count := self.counts.get(str(path[1]))) is None:
                raise Missing((str(path[1]), ENDED))
            return count
        length = self._part(path).lengths.get(path[3:])
        if length is None or path[1:3] in self.growing:
            raise Missing(*self._rest(path))
        return length

    def least(self, path: Path) -> int:
        """How many members a list has at least, also while it is being written."""
        if path[0] == "in" or len(path) == 2:
            try:
                return self.length(path)
            except Missing:
                return 0
        try:
            return self._part(path).lengths.get(path[3:], 0)
        except Missing:
            return 0

    def part(self, site: str, visit: int, name: str) -> Part:
        """One view of a result.

        Raises:
            Missing: there is no such result (yet).
        """
        key = site, visit, name
        if (part := self._parts.get(key)) is None:
            if (site, visit) not in self.results:
                if (grown := self.growing.get((site, visit))) is not None:
                    return grown.get(name, _NONE)
                if visit < self.counts.get(site, visit + 1):
                    raise Missing((site, visit))
                raise Missing
            result = self.results[site, visit]
            part = self._parts[key] = _NONE if result is None else part_of(result, name)
        return part

    def _part(self, path: Path) -> Part:
        return self.part(path[1], path[2], path[3])  # type: ignore[arg-type]

    def _rest(self, path: Path) -> tuple[Waiting, ...]:
        """What may still bring more of the answer in which a path is."""
        key: Waiting = path[1:3]  # type: ignore[assignment]
        return (key,) if key in self.growing else ()

    def _mean(self, site: str) -> str:
        if site not in self._means:
            rows = []
            for visit in range(self.length(("at", site))):
                if (site, visit) not in self.results:
                    raise Missing((site, visit))
                result = self.results[site, visit]
                if result is None or len(result.vectors) != 1:
                    raise Missing
                rows.append(result.vectors[0].numbers)
            self._means[site] = mean_name(rows) if len(rows) > 1 else None
        if (name := self._means[site]) is None:
            raise Missing
        return name
