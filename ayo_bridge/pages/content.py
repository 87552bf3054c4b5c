"""What a results page consists of; the templates beside this say how it looks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from markupsafe import Markup

from ayo_bridge.pages.charts import COLOURS, Spec


class Mark(Enum):
    """How something is drawn in a chart: what a legend shows beside its name."""

    LINE = "line"
    DASHED = "dashed"
    DOT = "dot"
    RING = "ring"
    BAR = "bar"
    TICK = "tick"


@dataclass(frozen=True, slots=True)
class Key:
    """A legend's entry; ``colour`` is a CSS colour."""

    label: str
    colour: str
    mark: Mark = Mark.LINE


@dataclass(frozen=True, slots=True)
class Plot:
    """A chart under its title. Titles stand outside the chart: they wrap where room is short."""

    title: str
    chart: Spec


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a head, the first column to the left. What is ``folded`` opens on a click."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page, in the order in which it is shown.

    ``says`` is how to read the plots, ``findings`` what came of it (with markup of our own).
    """

    title: str
    says: str = ""
    legend: Sequence[Key] = ()
    plots: Sequence[Plot] = ()
    findings: Sequence[Markup] = ()
    tables: Sequence[Table] = ()
    wide: bool = False
    """Whether its plots stand one below the other."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure that is read before anything else, and what it is of."""

    value: str
    what: str


def keys(labels: Iterable[str], mark: Mark = Mark.LINE) -> list[Key]:
    """Legend entries of things that have a colour of their own."""
    return [Key(label, COLOURS[label], mark) for label in labels]


def marked(paragraphs: Iterable[str]) -> list[Markup]:
    """Paragraphs that hold markup of our own, which is to stay."""
    return [Markup(paragraph) for paragraph in paragraphs]
