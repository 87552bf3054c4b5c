"""Small callables whose engine calls are recorded as traces; answers follow from requests alone."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Mapping, Sequence

from ayo_bridge.learn.induction.induce import induce
from ayo_bridge.learn.known import Known
from ayo_bridge.learn.replay import Replayed, replay
from ayo_bridge.learn.template import Template
from ayo_bridge.learn.trace import (
    Item,
    Kind,
    Result,
    ToolCall,
    Trace,
    TracedCall,
    Vector,
    vector_name,
)

WORDS = (
    *("harbour", "river", "stone", "bridge", "market", "winter", "council", "engine", "paper"),
    *("copper", "ledger", "garden", "tower", "sailor", "census", "plague", "treaty", "guild"),
    *("lantern", "quarry", "ferry", "printing", "railway", "school", "archive", "bishop"),
)


def canonical(body: object) -> str:
    """A request as it stands in traces."""
    return json.dumps(body, sort_keys=True, ensure_ascii=False)


def words(request: str, count: int = 6) -> str:
    """A sentence that follows from the request."""
    some = random.Random(hashlib.blake2b(request.encode()).hexdigest())
    return " ".join(some.choice(WORDS) for _ in range(count)).capitalize() + "."


class Recorder:
    """Makes one trace: each method is one call at a boundary, which takes ``seconds``."""

    def __init__(self, inputs: Mapping[str, str]) -> None:
        self.inputs = dict(inputs)
        self.calls: list[TracedCall] = []
        self.moment = 0

    def call(
        self, site: str, kind: Kind, request: str, result: Result, branch: tuple[int, ...] = ()
    ) -> Result:
        began, self.moment = self.moment, self.moment + 2
        self.calls.append(
            TracedCall(site, branch, kind, request, result, began, began + 1, seconds=0.1)
        )
        return result

    def llm(
        self, site: str, prompt: object, answer: str | None = None, branch: tuple[int, ...] = ()
    ) -> str:
        """Ask a model; without ``answer`` it says some words that follow from the prompt."""
        content = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        request = canonical({"model": "m", "messages": content})
        text = words(request) if answer is None else answer
        self.call(site, Kind.LLM, request, Result(text=text), branch)
        return text

    def tool(self, site: str, messages: object, call: ToolCall) -> ToolCall:
        request = canonical({"model": "m", "messages": messages})
        self.call(site, Kind.LLM, request, Result(tool_calls=(call,)))
        return call

    def embed(self, site: str, text: str) -> tuple[float, ...]:
        some = random.Random(text)
        numbers = tuple(some.random() for _ in range(8))
        vector = Vector(vector_name(numbers), numbers)
        self.call(site, Kind.EMBEDDING, canonical({"text": text}), Result(vectors=(vector,)))
        return numbers

    def search(
        self, site: str, vector: Sequence[float], top_k: int = 3, store: str = "main"
    ) -> list[Item]:
        request = canonical({"store": store, "vector": vector_name(vector), "k": top_k})
        some = random.Random(request)
        picked = some.sample(range(100), top_k)
        items = [
            Item(words(f"{store} {i}", 9), f"id-{store}-{i:04}", None, {"page": str(i), "by": "me"})
            for i in picked
        ]
        self.call(site, Kind.SEARCH, request, Result(items=tuple(items)))
        return items

    def helper(self, site: str, texts: Sequence[str]) -> list[str]:
        result = Result(items=tuple(Item(text) for text in texts))
        self.call(site, Kind.HELPER, "helper", result)
        return list(texts)

    def trace(self) -> Trace:
        return Trace(self.inputs, tuple(self.calls), 0.1 * len(self.calls))


App = Callable[[Recorder, str], object]


def question(number: int) -> str:
    """Questions of distinct words."""
    return f"How did the {words(str(number), 3).lower()[:-1]} change in {1400 + 7 * number}?"


def record(app: App, query: str) -> Trace:
    """One call of ``app`` with one query."""
    recorder = Recorder({"query": query})
    app(recorder, query)
    return recorder.trace()


def learned(app: App, calls: int = 4) -> Template:
    """The template of the first calls of an app."""
    return induce([record(app, question(i)) for i in range(calls)])


def held_out(app: App, calls: int = 4, number: int = 77) -> Replayed:
    """What the template says of a call that it was not learned from."""
    return replay(learned(app, calls), record(app, question(number)))


def is_exact(app: App, calls: int = 4) -> bool:
    """Whether all calls of several held-out queries are predicted, and nothing else."""
    template = learned(app, calls)
    for number in (50, 51, 77):
        replayed = replay(template, record(app, question(number)))
        if replayed.missed or replayed.false or not replayed.exact:
            return False
    return True


def known_of(query: str) -> Known:
    """A call that has just begun."""
    known = Known()
    known.input("query", query)
    return known
