"""What one query of an app asks of its engines, module by module."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import httpx

from benchmarks.apps.arms.clients import Admitted, Engines, asked_by, asking
from benchmarks.apps.arms.engines import SERVED
from benchmarks.apps.arms.places import Handle, Ref
from benchmarks.apps.arms.program import chain_of
from benchmarks.apps.arms.queues import Serve
from benchmarks.apps.modules import LLM
from benchmarks.apps.settings import Settings


@dataclass(frozen=True, slots=True)
class Asked:
    """The engine calls of one query, by module.

    Args:
        written: tokens of prompt and answer of LLM calls, the shortest prompt first.
        items: texts embedded and pairs scored, in all calls.
    """

    written: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    items: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def mean(self, module: str) -> tuple[int, int]:
        """Tokens of a prompt of a module, and of an answer."""
        prompts, answers = zip(*self.written[module], strict=True)
        return round(sum(prompts) / len(prompts)), round(sum(answers) / len(answers))


def record(app: str, settings: Settings, question: Mapping[str, Any]) -> Asked:
    """Answer a question, one module after the other, and note what is asked."""
    asked = Asked()
    engines = {each for m in chain_of(app, settings).modules for each in m.engines}
    served: dict[str, Handle] = {
        name: _Watched(asked, SERVED[name].make(settings)[0]) for name in engines & SERVED.keys()
    }
    if LLM in engines:
        served[LLM] = _Watched(asked, lambda how, items: items)
    watching = _Watching(served, asked)
    chain = chain_of(app, settings, watching)
    known = dict(question)
    for module in chain.modules:
        with asking((0, module.name)):
            known[module.name] = module(known)
    watching.close()
    for calls in asked.written.values():
        calls.sort()
    return asked


def _module() -> str:
    return cast("tuple[int, str]", asked_by())[1]


@dataclass(frozen=True, slots=True)
class _Now:
    value: Any

    def get(self) -> Any:
        return self.value


class _Watched:
    """An engine without a queue, and a door that stands open."""

    def __init__(self, asked: Asked, serve: Serve) -> None:
        self._asked, self._serve = asked, serve

    def ready(self) -> Ref:
        return _Now(True)

    def call(self, method: str, *args: Any) -> Ref:
        if method != "serve":
            return _Now(0)
        _, how, items = args
        self._asked.items[_module()] += len(items)
        return _Now(list(self._serve(how, items)))

    def run(self, *args: Any) -> tuple[Ref, Ref]:
        raise NotImplementedError("an engine is no module")


class _Watching(Engines):
    def __init__(self, started: Mapping[str, Handle], asked: Asked) -> None:
        super().__init__(started)
        self._asked = asked

    def _way(self, door: Handle) -> Admitted:
        return _Told(door, self._asked)


class _Told(Admitted):
    def __init__(self, door: Handle, asked: Asked) -> None:
        super().__init__(door)
        self._asked = asked

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        usage = json.loads(response.read())["usage"]
        sizes = usage["prompt_tokens"], usage["completion_tokens"]
        self._asked.written[_module()].append(sizes)
        return response


__all__ = ["Asked", "record"]
