"""Lessons that are kept on disk for later processes. Everything here is for the background."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from ayo_bridge.errors import announce
from ayo_bridge.learn.disk.entry_id import EntryId, entry_of, entry_of_method
from ayo_bridge.learn.disk.kept import (
    CorruptTemplateWarning,
    KeptTemplate,
    TemplateStore,
    UnkeptTemplateWarning,
    versions,
)
from ayo_bridge.learn.disk.storage import stored
from ayo_bridge.learn.live.lesson import Lesson
from ayo_bridge.learn.live.reach import shape_of
from ayo_bridge.learn.replay import replay
from ayo_bridge.learn.trace import Trace
from ayo_bridge.runahead.home import Home

_WORTH_KEEPING: Final = 0.9
"""Of the gain has to be left without what may not be kept: else it is better to learn anew."""


class Earlier(NamedTuple):
    """What an earlier process has learned, as it is kept and as it is used."""

    kept: KeptTemplate
    lesson: Lesson


class Kept:
    """What is kept of one entry. For one thread at a time.

    Args:
        entry: tells which one it is; asked once, in the background.
    """

    def __init__(self, entry: Callable[[], EntryId]) -> None:
        self._entry = entry
        self._there: KeptTemplate | None = None
        """What of ours is on disk."""

    @cached_property
    def _id(self) -> EntryId:
        return self._entry()

    def load(self) -> tuple[list[Earlier], list[str]]:
        """What earlier processes have learned, all of it in doubt, and why some cannot be used."""
        found, problems = TemplateStore().load(self._id)
        return [Earlier(each, _lesson(each)) for each in found], problems

    def chosen(self, earlier: Earlier) -> None:
        """This is what is used."""
        self._there = earlier.kept
        TemplateStore().used(earlier.kept)

    def save(
        self, lesson: Lesson, traces: Sequence[Trace], frames: Mapping[str, tuple[str, ...]]
    ) -> None:
        """Keep a lesson that was learned from ``traces``, if enough of it may be kept."""
        less = _of_what_may_be_kept(lesson, traces)
        if less is None:
            return
        sites = {each.site for each in less.template.sites}
        kept = KeptTemplate(
            self._id,
            versions(),
            time.time(),
            less.calls,
            less.before,
            less.after,
            less.own,
            less.by_branch & sites,
            less.shaky & sites,
            less.template,
            {site: where for site, where in frames.items() if site in sites},
            less.spread & sites,
        )
        store, before = TemplateStore(), self._there
        try:
            if not store.save(kept):
                return
            self._there = kept
            if before is not None and store.path(before) != store.path(kept):
                store.discard(before)
        except OSError as error:
            _cannot_keep(store, error)

    def forget(self) -> None:
        """Delete what is on disk of what has been discarded."""
        kept, self._there = self._there, None
        if kept is not None:
            with suppress(OSError):  # What cannot be deleted is discarded again by the next.
                TemplateStore().discard(kept)


def warn_of(problems: Iterable[str]) -> None:
    """Say why templates are ignored.

    Warns:
        CorruptTemplateWarning: once for each.
    """
    for problem in problems:
        announce(problem, CorruptTemplateWarning, stacklevel=2)


_unkept: set[Path] = set()


def _cannot_keep(store: TemplateStore, error: OSError) -> None:
    """A directory that cannot be written only costs the next start: say so once."""
    if store.directory not in _unkept:
        _unkept.add(store.directory)
        announce(
            f"what was learned cannot be kept in {store.directory}: {error}; name another folder "
            "by AYO_TEMPLATE_DIR, or keep nothing with AYO_TEMPLATES=0",
            UnkeptTemplateWarning,
            stacklevel=2,
        )


def _lesson(kept: KeptTemplate) -> Lesson:
    return Lesson(
        kept.template,
        kept.calls,
        kept.before,
        kept.after,
        kept.by_branch,
        kept.shaky,
        kept.own,
        in_doubt=frozenset(each.site for each in kept.template.sites if each.predicts),
        earlier=True,
        spread=kept.spread,
    )


def fitting(earlier: Iterable[Earlier], trace: Trace) -> tuple[Earlier, frozenset[str]] | None:
    """The one that predicts most of a call and nothing false, and the sites that it predicts."""
    best: tuple[Earlier, frozenset[str]] | None = None
    most = 0
    for each in earlier:
        if each.lesson.template.moved(trace):
            continue
        seen = replay(each.lesson.template, trace)
        if not seen.false and len(seen.exact) > most:
            most, best = len(seen.exact), (each, frozenset(site for site, _ in seen.exact))
    return best


def kept_of(function: Callable[..., Any], runtime: Home) -> Kept | None:
    """Where what is learned of a function is kept; ``None`` if the runtime keeps nothing."""
    return Kept(partial(entry_of, function)) if runtime.templates else None


def kept_of_methods(owner: object, methods: Iterable[str], runtime: Home) -> dict[str, Kept]:
    """Where what is learned of an object's methods is kept; empty if the runtime keeps nothing."""
    if not runtime.templates:
        return {}
    kind, shape = type(owner), shape_of(owner)
    return {name: Kept(partial(entry_of_method, kind, name, shape)) for name in methods}


def _of_what_may_be_kept(lesson: Lesson, traces: Sequence[Trace]) -> Lesson | None:
    """The lesson without what may not be kept; ``None`` if little is won by the rest."""
    template = stored(lesson.unwatched)
    if template == lesson.template:
        return lesson
    after = median(replay(template, trace).after for trace in traces)
    less = replace(lesson, template=template, after=after)
    return less if less.gain >= _WORTH_KEEPING * lesson.gain else None
