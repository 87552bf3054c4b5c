"""What was learned, in words, for ``explain``."""

from __future__ import annotations

from collections.abc import Mapping

from ayo_bridge.learn.describe import describe_site
from ayo_bridge.learn.live.learned import Learned
from ayo_bridge.learn.live.lesson import Lesson
from ayo_bridge.learn.live.owners import Owners
from ayo_bridge.runahead import Learning

_LONGEST = 400
"""Characters of a line: prompts may be long."""


def learning(learned: Learned) -> Learning:
    """The state of learning; its lines end with the sites."""
    lesson, traces = learned.lesson, len(learned.traces)
    lines: list[str] = []
    if learned.reason:
        again = f"; traced again after {learned.rest} calls" if learned.rest else ""
        lines.append(learned.reason + again)
    if lesson is None:
        if learned.reason and not traces:
            return Learning(tuple(lines))
        needed = learned.needed
        return Learning((*lines, f"learning ({traces} of {needed} calls)"), traces, needed)
    before, after = lesson.before * 1000, lesson.after * 1000
    whose = " of an earlier process" if lesson.earlier else ""
    lines.append(
        f"learned from {lesson.calls} calls{whose}: "
        f"{after:.0f} ms are expected instead of {before:.0f} ms"
    )
    if lesson.warmed:
        lines.append(
            f"{lesson.warmed * 1000:.0f} ms are won by prefilling what is known of prompts"
        )
    for each in lesson.template.sites:
        lines += _cut(describe_site(each, lesson.numbers))
        lines += _site(each.site, each.predicts, lesson, learned.owners)
    return Learning(tuple(lines), in_use=True)


def _site(site: str, predicts: bool, lesson: Lesson, owners: Owners) -> list[str]:
    lines = []
    frames: Mapping[str, tuple[str, ...]] = owners.frames
    if where := frames.get(site):
        lines.append(f"  at {' < '.join(where[-2:])}")
    if predicts and (why := owners.why_not(site)):
        lines.append(f"  not before a call has come there itself: {why}")
    if predicts and site in lesson.in_doubt:
        asked = "the last prediction was not what was asked"
        unasked = "no call of this process has asked what was predicted"
        lines.append(f"  watched only: {unasked if lesson.earlier else asked}")
    if site in lesson.cold:
        lines.append("  its known beginning is not prefilled any more: it was in vain, or refused")
    return lines


def _cut(text: str) -> list[str]:
    return [
        line if len(line) <= _LONGEST else f"{line[: _LONGEST - 4]} ..."
        for line in text.splitlines()
    ]
