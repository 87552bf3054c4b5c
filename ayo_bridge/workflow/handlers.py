"""The handlers that primitives have without anybody giving them one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from ayo_bridge.errors import GraphError
from ayo_bridge.graph import Component, Op, Reranking, Searching, Synthesis, Template
from ayo_bridge.runahead.values import Embedded
from ayo_bridge.schedule import items_of
from ayo_bridge.seam import Call
from ayo_bridge.workflow.generation import LanguageModel
from ayo_bridge.workflow.requests import (
    Embed,
    Ingest,
    Lookup,
    Payload,
    Rerank,
    Scored,
    Search,
    text_of,
)
from ayo_bridge.workflow.work import Handler, Outputs, SubGraph, Work


class _Batch(Handler):
    """A list in, a list out; a call holds no more items than a batch of its engine."""

    def request(self, work: Work, items: tuple[object, ...]) -> Payload:
        """The request for these items."""
        raise NotImplementedError

    def values(self, request: Payload, result: object) -> list[object]:
        """The items of the output that a result gives."""
        raise NotImplementedError

    def calls(self, work: Work) -> list[Call]:
        """One call for all items, or one for each b* of them."""
        items = work.items()
        size = work.most_items or len(items) or 1
        pieces = [tuple(items[i : i + size]) for i in range(0, len(items), size)]
        return [
            work.call(self.request(work, piece), items=len(piece), index=i)
            for i, piece in enumerate(pieces)
        ]

    def outputs(self, work: Work, results: Sequence[object]) -> Outputs:
        """Join the results. Of nothing the result is nothing."""
        joined: list[object] = []
        for call, result in zip(work.sent, results, strict=True):
            joined += self.values(cast(Payload, call.payload), result)
        if not work.primitive.origin:
            joined = self.whole(work.component, joined)
        return {work.primitive.outputs[0]: joined}


class _Embedder(_Batch):
    """Texts become :class:`Embedded`."""

    def request(self, work: Work, items: tuple[object, ...]) -> Payload:
        return Embed(tuple(map(text_of, items)))

    def values(self, request: Payload, result: object) -> list[object]:
        texts = cast(Embed, request).texts
        vectors = cast(Sequence[object], result)
        return [Embedded(text, vector) for text, vector in zip(texts, vectors, strict=True)]


class _Ingester(_Batch):
    """Items are stored; the value is what the store returns, item by item if it is a sequence."""

    def request(self, work: Work, items: tuple[object, ...]) -> Payload:
        return Ingest(items, work.query)

    def values(self, request: Payload, result: object) -> list[object]:
        return [] if result is None else items_of(result)


class _Searcher(_Batch):
    """Items become the hits of all of them, one after another."""

    def request(self, work: Work, items: tuple[object, ...]) -> Payload:
        top_k = work.component.top_k if isinstance(work.component, Searching) else 0
        return Search(items, top_k, work.query)

    def values(self, request: Payload, result: object) -> list[object]:
        return [hit for hits in cast(Sequence[Sequence[object]], result) for hit in hits]


class _Reranker(_Batch):
    """Candidates become :class:`Scored`; the whole is the best ``top_n``, each text once."""

    def request(self, work: Work, items: tuple[object, ...]) -> Payload:
        names = work.primitive.inputs
        query = text_of(work.value(names[0])) if len(names) > 1 else ""
        return Rerank(query, tuple(map(text_of, items)))

    def values(self, request: Payload, result: object) -> list[object]:
        candidates = cast(Rerank, request).candidates
        scores = cast(Sequence[float], result)
        return [Scored(text, score) for text, score in zip(candidates, scores, strict=True)]

    def whole(self, component: Component | None, items: list[object]) -> list[object]:
        scored = cast(list[Scored], items)
        ranked = sorted(scored, key=lambda item: item.score, reverse=True)
        best: dict[str, object] = {}
        for item in ranked:
            best.setdefault(item.text, item)
        wanted = component.top_n if isinstance(component, Reranking) else len(best)
        return list(best.values())[:wanted]


class _Api(Handler):
    """One call with the values of all inputs, whose result is the value; or one for each item."""

    def calls(self, work: Work) -> list[Call]:
        if work.primitive.batchable:
            items = enumerate(work.items())
            return [work.call(Lookup((item,)), index=i) for i, item in items]
        return [work.call(Lookup(tuple(work.inputs())))]

    def outputs(self, work: Work, results: Sequence[object]) -> Outputs:
        found = list(results) if work.primitive.batchable else results[0]
        return {work.primitive.outputs[0]: found}


class _Chooser(Handler):
    """A condition's last input names the branch: a text without the white space around it."""

    def outputs(self, work: Work, results: Sequence[object]) -> Outputs:
        value = work.inputs()[-1]
        chosen = value.strip() if isinstance(value, str) else value
        return dict.fromkeys(work.primitive.outputs, chosen)


class _Joiner(Handler):
    """The items of all inputs in order; of an accumulating synthesis, its answers as one text."""

    def outputs(self, work: Work, results: Sequence[object]) -> Outputs:
        joined: object = [item for value in work.inputs() for item in items_of(value)]
        if isinstance(work.component, Synthesis):
            joined = text_of(joined)
        return dict.fromkeys(work.primitive.outputs, joined)


class _Whole(Handler):
    """Parts of values that have been put together are the values."""

    def outputs(self, work: Work, results: Sequence[object]) -> Outputs:
        return work.values


WHOLE = _Whole()


class _Glue(Handler):
    """Passes a single value on as it is, and several as one list."""

    def outputs(self, work: Work, results: Sequence[object]) -> Outputs:
        values = work.inputs()
        if isinstance(work.component, Synthesis):  # in mode "none": the contexts are the answer
            values = values[1:] or values
        made = values[0] if len(values) == 1 else [i for value in values for i in items_of(value)]
        return dict.fromkeys(work.primitive.outputs, made)


class _Expander(Handler):
    """A synthesis whose number of chunks was not known has one call for each context."""

    def outputs(self, work: Work, results: Sequence[object]) -> Outputs:
        component = work.component
        if not isinstance(component, Synthesis):
            raise GraphError("an expand that is no synthesis needs a handler of its own")
        inputs = work.primitive.inputs
        question = "question" if "question" in inputs else inputs[0]
        contexts = [n for n in inputs if n != question] or list(inputs)
        chunks = sum(len(items_of(work.value(name))) for name in contexts)
        known = replace(
            component, inputs=inputs, outputs=work.primitive.outputs, chunks=max(chunks, 1)
        )
        return SubGraph(Template((known,), inputs=inputs))


DEFAULTS: dict[Op, Handler] = {
    Op.EMBEDDING: _Embedder(),
    Op.INGESTION: _Ingester(),
    Op.SEARCHING: _Searcher(),
    Op.RERANKING: _Reranker(),
    Op.PREFILLING: LanguageModel(),
    Op.API_CALL: _Api(),
    Op.CONDITION: _Chooser(),
    Op.AGGREGATE: _Joiner(),
    Op.HOST: _Glue(),
    Op.EXPAND: _Expander(),
}
"""By operation. A decoding has none: it is the end of the call that its prefilling starts."""
