"""Plots as inline SVG: curves over request rates, and bars. No scripts, no other files."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

COLOURS: Final = {
    "LlamaDist": "#8c8c8c",
    "LlamaDistPC": "#4c78a8",
    "AutoGen": "#b279a2",
    "Ayo": "#f58518",
    "ours": "#2a9d4a",
    "bound": "#000000",
}
_OTHERS: Final = ("#54a24b", "#e45756", "#72b7b2", "#eeca3b", "#9d755d", "#4c78a8")
_WIDTH: Final = 340
_HEIGHT: Final = 210
_LEFT: Final = 38
_TOP: Final = 22
_RIGHT: Final = 8
_BOTTOM: Final = 30


@dataclass(frozen=True, slots=True)
class Curve:
    """Points over the plot's x values. What is ``thin`` is dashed, without a dot a point."""

    label: str
    values: Sequence[float]
    thin: bool = False


def colour(label: str, rank: int = 0) -> str:
    """Of an arm, by its system; of anything else by its place."""
    return COLOURS.get(label.partition("+")[0], _OTHERS[rank % len(_OTHERS)])


def plot(
    title: str, xs: Sequence[float], curves: Sequence[Curve], labels: Sequence[str] = ()
) -> str:
    """Seconds over ``xs`` requests/s, which are drawn as they are, from 0.

    Colours are those of a :func:`legend` of ``labels``, by default of the curves' own.
    """
    ranks = {label: i for i, label in enumerate(labels or [curve.label for curve in curves])}
    top = _nice(max((max(curve.values) for curve in curves), default=1.0))
    right = max(xs)
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x(value: float) -> float:
        return _LEFT + width * value / right

    def y(value: float) -> float:
        return _TOP + height * (1 - value / top)

    parts = [_head(title)]
    for i in range(5):
        value = top * i / 4
        parts.append(
            f'<path d="M{_LEFT} {y(value):.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>'
            f'<text x="{_LEFT - 4}" y="{y(value) + 3:.1f}" text-anchor="end">{value:g}</text>'
        )
    for value in xs:
        parts.append(
            f'<text x="{x(value):.1f}" y="{_HEIGHT - 16}" text-anchor="middle">{value:g}</text>'
        )
    parts.append(
        f'<text x="{_LEFT + width / 2:.0f}" y="{_HEIGHT - 3}" text-anchor="middle">requests/s'
        f'</text><text x="3" y="{_TOP - 6}">s</text>'
    )
    for curve in curves:
        thin, stroke = curve.thin, colour(curve.label, ranks[curve.label])
        points = [(x(at), y(value)) for at, value in zip(xs, curve.values, strict=True)]
        line = " ".join(f"{left:.1f},{down:.1f}" for left, down in points)
        dash = ' stroke-dasharray="3 3"' if thin else ""
        dash = ' stroke-dasharray="1 3"' if curve.label.endswith("+PO") else dash
        name = html.escape(curve.label)
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{stroke}" '
            f'stroke-width="{1.0 if thin else 1.8}"{dash}><title>{name}</title></polyline>'
        )
        if not thin:
            parts += [
                f'<circle cx="{left:.1f}" cy="{down:.1f}" r="2.2" fill="{stroke}">'
                f"<title>{name}: {value:.2f} s at {at:g}</title></circle>"
                for (left, down), at, value in zip(points, xs, curve.values, strict=True)
            ]
    return "".join([*parts, "</svg>"])


def stacked(title: str, bars: Mapping[str, Mapping[str, float]]) -> str:
    """Bars that add up to 100 %, one a label."""
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    each = width / max(len(bars), 1)
    parts = [_head(title)]
    for i, (label, shares) in enumerate(bars.items()):
        base = _TOP + float(height)
        for rank, (name, share) in enumerate(shares.items()):
            tall = height * share / 100
            base -= tall
            parts.append(
                f'<rect x="{_LEFT + each * i + 3:.1f}" y="{base:.1f}" width="{each - 6:.1f}" '
                f'height="{tall:.1f}" fill="{_OTHERS[rank % len(_OTHERS)]}">'
                f"<title>{html.escape(name)}: {share:.1f} %</title></rect>"
            )
        parts.append(
            f'<text x="{_LEFT + each * (i + 0.5):.1f}" y="{_HEIGHT - 16}" text-anchor="middle">'
            f"{html.escape(label)}</text>"
        )
    return "".join([*parts, "</svg>"])


def legend(labels: Sequence[str], *, shares: bool = False) -> str:
    """The colours of arms, or of the parts of stacked bars."""
    items = [
        f'<span><i style="background:{_OTHERS[i] if shares else colour(label, i)}"></i>'
        f"{html.escape(label)}</span>"
        for i, label in enumerate(labels)
    ]
    return f'<p class="legend">{"".join(items)}</p>'


def _head(title: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img">'
        f'<text x="{_LEFT}" y="12" class="title">{html.escape(title)}</text>'
    )


def _nice(value: float) -> float:
    """The next of 1, 2, 4, 6, 8, 10, 20, 40, ..."""
    step = 1.0
    while value > 8 * step:
        step *= 10
    return next(factor * step for factor in (1, 2, 4, 6, 8) if value <= factor * step)
