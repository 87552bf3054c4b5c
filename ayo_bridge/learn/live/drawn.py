"""What was learned as a module template: sites as components, what they are made of as edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ayo_bridge.graph import LearnedCalls
from ayo_bridge.graph import Template as ModuleTemplate
from ayo_bridge.learn.describe import describe_count
from ayo_bridge.learn.learned_site import LearnedSite
from ayo_bridge.learn.live.lesson import Lesson
from ayo_bridge.learn.trace import Kind

_CALLS: Final = frozenset(Kind) - {Kind.HELPER}


def module_template(lesson: Lesson, entry: str, engine: Callable[[str], str]) -> ModuleTemplate:
    """The template as it is shown; ``engine`` names the engine of a site, if that is known.

    Helpers are no calls, and are left out.
    """
    calls = [each for each in lesson.template.sites if each.kind in _CALLS]
    names = {each.site: f"site{lesson.numbers[each.site]}" for each in calls}
    components = tuple(_component(each, lesson, names[each.site], engine) for each in calls)
    edges = sorted(
        (names[before], names[after])
        for before, after in lesson.template.edges
        if before in names and after in names
    )
    return ModuleTemplate(components, tuple(edges), inputs=(), name=entry)


def _component(
    each: LearnedSite, lesson: Lesson, name: str, engine: Callable[[str], str]
) -> LearnedCalls:
    visits = describe_count(each.count, lesson.numbers) if each.classes else "not known"
    known = engine(each.site)
    return LearnedCalls(
        name=name,
        visits=visits,
        status=str(each.status),
        llm=known if each.kind is Kind.LLM else "",
        embedding=known if each.kind is Kind.EMBEDDING else "",
        store=known if each.kind is Kind.SEARCH else "",
        reranker=known if each.kind is Kind.RERANK else "",
    )
