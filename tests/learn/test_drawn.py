"""What was learned is shown as a module template, and what runs ahead as a graph with edges."""

from __future__ import annotations

from ayo_bridge.graph import Graph, Template
from ayo_bridge.graph.graph import join
from ayo_bridge.learn.count import Fixed, Length
from ayo_bridge.learn.learned_site import LearnedClass, LearnedSite, Selector, Status
from ayo_bridge.learn.live.drawn import module_template
from ayo_bridge.learn.live.lesson import Lesson
from ayo_bridge.learn.live.making import LearnedMaker, Made, planned
from ayo_bridge.learn.predict import Predicted
from ayo_bridge.learn.program import Const, Index, Program, Ref, Term
from ayo_bridge.learn.template import Template as LearnedTemplate
from ayo_bridge.learn.trace import Kind
from ayo_bridge.observe.parts import details_of, engines_of, kind_of
from ayo_bridge.seam import Call


def _lesson() -> Lesson:
    plan = LearnedClass(Selector(0, 0), Program((Const("plan"),)), 4, 4)
    list_of = ("at", "plan", 0, "lines")
    ref = Ref((Term((*list_of, Index("visit"))),))
    each = LearnedClass(Selector(), Program((Const("find "), ref)), 4, 4)
    sites = (
        LearnedSite("plan", Kind.LLM, (plan,), Fixed(1), Status.LATE),
        LearnedSite("pack", Kind.HELPER, (), Fixed(1), Status.HELPER),
        LearnedSite("find", Kind.EMBEDDING, (each,), Length(list_of), Status.LEARNED),
    )
    return Lesson(LearnedTemplate(sites), 4, 1.0, 0.5, frozenset())


def test_sites_are_components_and_what_they_are_made_of_is_edges() -> None:
    engines = {"plan": "llm:a", "find": "embedding:b"}
    template = module_template(_lesson(), "answer", engines.__getitem__)
    assert template.edges == (("site1", "site3"),)
    plan, find = template.components
    assert [kind_of(each) for each in (plan, find)] == ["learned calls", "learned calls"]
    assert [engines_of(each) for each in (plan, find)] == [["llm:a"], ["embedding:b"]]
    assert details_of(plan) == "visits 1, status late"
    assert details_of(find).startswith("visits one for each member of answer of site 1")


def test_calls_made_ahead_come_after_those_that_they_are_made_of() -> None:
    lesson, maker = _lesson(), LearnedMaker(lambda predicted, result: None)

    def grown(site: str, visit: int, *needs: tuple[str, int]) -> Graph:
        call = Made(
            Predicted(site, visit, "", frozenset(needs)), Kind.LLM, Call("llm", visit, None)
        )
        return planned(Template(()), [call], lesson.numbers, maker, 0.0).e_graph

    graph = join(grown("plan", 0), join(grown("find", 0, ("plan", 0)), grown("find", 1)))
    assert graph.predecessors("site3.llm[0]") == {"site1.llm[0]"}
    assert graph.predecessors("site3.llm[1]") == set()
    assert graph.depth("site1.llm[0]") == 2
    own = grown("find", 2, ("plan", 1))  # The original itself has asked that one.
    assert join(graph, own).inputs == {"site1[1]"}
