"""Items of an answer feed the calls that are made of them while it is still being written.

What the original reads as a stream is watched as it passes by. A reply that it reads as a whole has
to be made ahead for that, of a stream, where that is proven to give it to the byte; its own request
on the wire is never another than it would be. Where neither is so, an answer counts once it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from ayo_bridge.bindings.openai_sdk import once_answered
from ayo_bridge.engines.openai_http import LLMRequest
from ayo_bridge.graph import Graph, Op, Primitive
from ayo_bridge.learn.growing import Growing, vectors_of
from ayo_bridge.learn.known import Waiting
from ayo_bridge.learn.live.lesson import Lesson
from ayo_bridge.learn.live.making import OPS
from ayo_bridge.learn.live.owners import Way, way_of
from ayo_bridge.learn.predict import Predicted
from ayo_bridge.learn.trace import Result, Vector
from ayo_bridge.learn.values import Part
from ayo_bridge.lift.llm import prove_once
from ayo_bridge.passes import PassContext, StageDecomposition
from ayo_bridge.runahead import Scope
from ayo_bridge.runahead.home import Home
from ayo_bridge.seam import Answer, BoundaryCall, Call, Fields, Told

CLEAN: Final = 3
"""After so many calls in which it was predicted rightly, a site has several calls outstanding."""
Cut = Callable[[Call, int, Callable[[Answer], None]], Call]
Grown = Callable[[Waiting, Mapping[str, Part], bool], None]


class Pipelining:
    """The answers of one call that are watched while they are written.

    Args:
        way: how calls of a site are made in this call, if that is known.
        grown: is told by visit what is certain of an answer, and whether it is the original's own.
        read: what the parts of a result say.
    """

    def __init__(
        self,
        scope: Scope,
        lesson: Lesson,
        way: Callable[[str], Way | None],
        grown: Grown,
        read: Callable[[Answer], Result],
    ) -> None:
        self._scope = scope
        self._lesson = lesson
        self._way = way
        self._grown = grown
        self._read = read

    def let_go(self) -> None:
        """The call is over: what still grows is nothing to it, which has this and is let go."""
        self._grown = _unseen

    def may_go(self, each: Predicted) -> bool:
        """Whether a request wins anything: some do only where an answer can be watched."""
        if each.site not in self._lesson.only_grown:
            return True
        sources = {site for site, _ in each.depends_on} & self._lesson.feeding.keys()
        return all(map(self._is_watched, sources or {each.site}))

    def _is_watched(self, site: str) -> bool:
        way = self._way(site)
        if way is None or way.grows is None:
            return way is not None and way.cut is not None
        return way.streams or way.engine in self._scope.runtime.can_stream()

    def ahead(self, each: Predicted, way: Way, call: Call) -> Call:
        """A call that is made ahead, its result told as it grows if it feeds others."""
        views = self._lesson.feeding.get(each.site)
        if views is not None and way.cut is not None:
            return self._cut(each, way.cut, call)
        if views is None or way.grows is None:
            return call
        return way.grows(call, self._reader((each.site, each.visit), views, own=False))

    def _cut(self, each: Predicted, cut: Cut, call: Call) -> Call:
        """A call for many texts, in stages if the pass that decides it for templates says so."""
        runtime = self._scope.runtime
        split = next((p for p in runtime.passes if isinstance(p, StageDecomposition)), None)
        best = runtime.profiles.profiles().best_batch(call.engine)
        if split is None or best is None or not self._is_cut(split, each.site, call):
            return call
        vectors: list[Vector] = []

        def told(part: Answer) -> None:
            vectors.extend(self._read(part).vectors)
            self._grown((each.site, each.visit), vectors_of(Result(vectors=tuple(vectors))), False)

        return cut(call, best, told)

    def _is_cut(self, split: StageDecomposition, site: str, call: Call) -> bool:
        runtime = self._scope.runtime
        whole = Primitive(
            "whole",
            Op.EMBEDDING,
            site,
            call.engine,
            inputs=("texts",),
            outputs=("vectors",),
            items=call.items,
            batchable=True,
        )
        graph = [whole]
        for fed in self._lesson.template.sites:
            way = self._way(fed.site)
            if site in fed.depends_on and fed.predicts and way is not None:
                name, op, read = fed.site, OPS[fed.kind], ("vectors",)
                after = Primitive(name, op, name, way.engine, inputs=read, outputs=(f"of {name}",))
                graph.append(replace(after, items=call.items, batchable=True))
        context = PassContext(profiles=runtime.profiles.profiles(), strict=runtime.strict)
        decisions = split.apply(Graph(graph, inputs=("texts",)), context).decisions
        return any(decision.applied for decision in decisions)

    def own(self, visit: Waiting, call: BoundaryCall) -> Told | None:
        """Who is told the answer of a stream that the original reads."""
        views = self._lesson.feeding.get(visit[0])
        return None if views is None else self._reader(visit, views, own=True)

    def _reader(self, visit: Waiting, views: frozenset[str], *, own: bool) -> Told:
        reader = Growing(views)

        def told(text: str) -> None:
            if (parts := reader.feed(text)) is not None:
                self._grown(visit, parts, own)

        return told

    def began(self, site: str, call: BoundaryCall, asked: Fields) -> None:
        """The original makes a call: may replies to such requests be rebuilt from streams?"""
        if site not in self._lesson.feeding or call.streams or call.grows is None:
            return
        runtime, engine, way = self._scope.runtime, call.engine, way_of(call)
        found = None if way is None else way.owner
        if way is None or not runtime.first(("grows", engine, call.manner, found)):
            return

        def prove() -> None:
            try:
                request = way.call(asked).payload
            except ValueError:
                return  # Then nothing is made ahead either.
            if isinstance(request, LLMRequest):
                prove_once(runtime, engine, request)

        once_answered(call.owner, prove)


def _unseen(visit: Waiting, parts: Mapping[str, Part], own: bool) -> None:
    """What grows after the end of its call."""


def stages_of(runtime: Home) -> Callable[[str], int | None]:
    """Tells b* of an engine, where lists of more items may be cut."""
    cuts = any(isinstance(each, StageDecomposition) for each in runtime.passes)
    known = runtime.profiles.profiles()
    return known.best_batch if cuts and not runtime.strict else lambda engine: None


def freed(lesson: Lesson) -> frozenset[str]:
    """Sites that items feed and that were predicted rightly so often that all items go at once."""
    return frozenset(site for site, calls in lesson.clean.items() if calls >= CLEAN)


def judge(lesson: Lesson, refuted: frozenset[str], confirmed: frozenset[str]) -> None:
    """A call has ended well."""
    for site in lesson.clean.keys() & (refuted | confirmed):
        lesson.clean[site] = 0 if site in refuted else lesson.clean[site] + 1
