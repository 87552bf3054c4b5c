"""Only what can be seen to reach no engine counts as computing."""

import collections
import contextvars
import functools
import json
import operator
import sys
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from ayo_bridge.lift.computing import only_computes


class Model:
    """Stands for an engine."""

    def ask(self, question: str) -> str:
        return question


class Pair(NamedTuple):
    """A named tuple of engines."""

    model: Model


MODEL = Model()
MODELS = (MODEL,)
BOX = types.SimpleNamespace(model=MODEL)
VARIABLE: contextvars.ContextVar[Any] = contextvars.ContextVar("model", default=MODEL)
PAIR = Pair(MODEL)
ORDERED = collections.OrderedDict(model=MODEL)
LIMIT = 3
WORDS = ("a", "b", ("c",))


def stripped(text: str) -> str:
    return text.strip()[:LIMIT]


def with_attribute(question: str) -> Any:
    return with_attribute.model.ask(question)  # type: ignore[attr-defined]


with_attribute.model = MODEL  # type: ignore[attr-defined]


def importing(question: str) -> Any:
    from tests.lift import test_computing

    return test_computing.MODEL.ask(question)


def closing(model: Any) -> Callable[[str], Any]:
    return lambda question: model.ask(question)


def with_default(question: str, model: Model = MODEL) -> Any:
    return model.ask(question)


def with_keyword_default(question: str, *, model: Model = MODEL) -> Any:
    return model.ask(question)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x + 1,
        lambda documents: "\n".join(d.page_content for d in documents),
        lambda x: stripped(x),
        lambda x: [word for word in WORDS if word in x],
        lambda x: json.loads(x),
        lambda x: sorted(x, key=operator.itemgetter("score")),
        str.upper,
        len,
        stripped,
    ],
)
def test_it_only_computes(function: Any) -> None:
    assert only_computes(function)


@pytest.mark.parametrize(
    "function",
    [
        lambda q: MODEL.ask(q),
        lambda q: MODELS[0].ask(q),
        lambda q: BOX.model.ask(q),
        lambda q: VARIABLE.get().ask(q),
        lambda q: PAIR.model.ask(q),
        lambda q: ORDERED["model"].ask(q),
        lambda q: globals()["MODEL"].ask(q),
        lambda q: sys.modules[__name__].MODEL.ask(q),
        lambda q: eval("MODEL").ask(q),
        lambda q: [MODEL.ask(each) for each in q],
        lambda q: with_default(q),
        lambda q: with_attribute(q),
        with_default,
        with_keyword_default,
        with_attribute,
        importing,
        closing(MODEL),
        functools.partial(with_default, model=MODEL),
        operator.methodcaller("ask", "x"),
        MODEL.ask,
        Model,
        [].append,
    ],
)
def test_it_may_reach_an_engine(function: Any) -> None:
    assert not only_computes(function)
