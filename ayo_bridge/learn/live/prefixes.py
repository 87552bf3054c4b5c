"""Prompts whose beginning is known before the rest: it can be prefilled in the meantime."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from ayo_bridge.learn.count import AtLeast, count_here
from ayo_bridge.learn.known import Known, Missing, Waiting
from ayo_bridge.learn.learned_site import LearnedClass, LearnedSite, Status
from ayo_bridge.learn.program import Const, Counter, sites_of
from ayo_bridge.learn.template import Template
from ayo_bridge.learn.trace import Kind

CHARACTERS: Final = 4
"""Of a token, about."""
LEAST_FRESH: Final = 16 * CHARACTERS
"""Characters by which a prefix must have grown: a block of the cache."""
MOST_WARMS: Final = 4
"""Of one request."""
_NEVER: Final = (Status.CONTRADICTED, Status.HELPER, Status.UNSETTLED)


@dataclass(frozen=True, slots=True)
class Prefix:
    """What is known of a request of which something is still missing.

    ``text`` is its beginning as it stands in traces; its first ``cached`` characters are those of
    a request or warm before, or never vary.
    """

    site: str
    visit: int
    text: str
    cached: int


class Prefixes:
    """The beginnings of one call's requests. Not thread-safe.

    Args:
        known: the values of the call.
        cold: sites of which the original asked something else than was warmed, in earlier calls.
    """

    def __init__(self, template: Template, known: Known, cold: Collection[str] = ()) -> None:
        self._template = template
        self._known = known
        self._never = cold
        self._sites: list[tuple[LearnedSite, LearnedClass, frozenset[str]]] | None = None
        """Classes whose beginnings vary, and the sites of which these are made."""
        self._asked: defaultdict[str, set[int]] = defaultdict(set)
        self._seen: defaultdict[str, list[str]] = defaultdict(list)
        self._warmed: defaultdict[Waiting, list[str]] = defaultdict(list)
        self._looked: dict[Waiting, tuple[int, ...]] = {}
        self.cold: set[str] = set()
        """Sites of which the original has asked something else than was warmed."""

    def due(self) -> list[Prefix]:
        """Prefixes that have grown by a block."""
        if self._sites is None:
            self._sites = list(_growing(self._template, self._never))
        found = []
        for each, learned, needs in self._sites:
            key = each.site, len(self._asked[each.site])
            if not learned.selector.holds(key[1]) or key in self._known.taken:
                continue
            values = tuple([self._known.visits.get(site, 0) for site in needs])
            if self._looked.get(key) == values:
                continue
            self._looked[key] = values
            if each.site in self.cold or len(self._warmed.get(key, ())) >= MOST_WARMS:
                continue
            if (prefix := self._prefix(each, learned, key[1])) is not None:
                found.append(prefix)
        return found

    def _prefix(self, each: LearnedSite, learned: LearnedClass, visit: int) -> Prefix | None:
        if not _comes(each, visit, self._known):
            return None
        text = self._template.prefix(self._known, each.site, visit)
        first = learned.program.parts[0] if learned.program.parts else None
        same = [len(first.text)] if isinstance(first, Const) else [0]
        same += [_alike(text, other) for other in self._seen[each.site]]
        cached = min(len(text), max(same))
        return None if len(text) - cached < LEAST_FRESH else Prefix(each.site, visit, text, cached)

    def warmed(self, prefix: Prefix) -> None:
        """It has been sent."""
        self._warmed[prefix.site, prefix.visit].append(prefix.text)
        self._seen[prefix.site].append(prefix.text)

    def asked(self, key: Waiting, request: str) -> None:
        """The original makes a call."""
        site, visit = key
        self._asked[site].add(visit)
        if any(not request.startswith(text) for text in self._warmed.pop(key, ())):
            self.cold.add(site)
        self._seen[site].append(request)

    def unused(self) -> frozenset[str]:
        """Once the call has ended: sites that were warmed in vain."""
        return frozenset(self.cold | {site for site, _ in self._warmed})


def _growing(
    template: Template, cold: Collection[str]
) -> Iterator[tuple[LearnedSite, LearnedClass, frozenset[str]]]:
    for each in template.sites:
        if each.kind is not Kind.LLM or each.status in _NEVER or each.site in cold:
            continue
        for learned in each.classes:
            prefix = learned.program.prefix
            if not all(isinstance(part, Const | Counter) for part in prefix.parts):
                yield each, learned, sites_of(prefix)


def _alike(one: str, other: str) -> int:
    """How many characters two texts have in common from their beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if other.startswith(one[low:middle], low):
            low = middle
        else:
            high = middle - 1
    return low


def _comes(each: LearnedSite, visit: int, known: Known) -> bool:
    """Whether a visit is certain to come, as far as traces show."""
    try:
        count = count_here(each.count, known)
    except Missing:
        return False
    if count is None:
        return isinstance(each.count, AtLeast) and visit < each.count.visits
    return visit < count
