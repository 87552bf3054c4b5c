"""What a function is given for a question, and what it is told that does not fit."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from ayo_bridge.verify import VerifyError, verify
from ayo_bridge.verify.fitting import MODULE, fitted


class Asked(BaseModel):
    text: str
    top_k: int = 3


class Style(enum.Enum):
    SHORT = "short"
    LONG = "long"


@dataclass
class Wanted:
    text: str
    style: Style = Style.SHORT
    inner: Asked | None = None


@dataclass
class Held:
    text: str
    lock: Any = None
    owner: Opaque | None = None


class Opaque:
    """No data."""


def wants(wanted: Wanted) -> str:
    return wanted.text


def holds(held: Held) -> str:
    return held.text


def asks(query: str, limit: int = 2) -> str:
    return query * limit


def handles(asked: Asked) -> str:
    return asked.text


async def handles_beside(asked: Asked, user: str) -> str:
    return asked.text + user


def test_a_text_is_the_first_argument_and_a_mapping_the_named_ones() -> None:
    assert fitted(asks, "a").args == ("a",)
    assert fitted(asks, {"limit": 3, "query": "a"}).args == ("a", 3)
    assert fitted(lambda **kwargs: kwargs, {"a": 1}).kwargs == {"a": 1}


def test_a_model_of_data_is_made_of_a_mapping() -> None:
    one = Asked(text="a")
    assert fitted(handles, {"asked": {"text": "a"}}).args == (one,)
    assert fitted(handles, {"text": "a"}).args == (one,)
    assert fitted(handles_beside, {"asked": {"text": "a"}, "user": "b"}).args == (one, "b")


def test_a_dataclass_is_made_of_a_mapping_with_what_stands_in_it() -> None:
    made = Wanted("a", Style.LONG, Asked(text="b"))
    given = {"text": "a", "style": "long", "inner": {"text": "b"}}
    assert fitted(wants, {"wanted": given}).args == (made,)
    assert fitted(wants, {"wanted": {"text": "a"}}).args == (Wanted("a"),)
    assert fitted(wants, {"wanted": made}).args == (made,)
    assert fitted(wants, given).args == (made,)
    assert fitted(holds, {"text": "a"}).args == (Held("a"),)


def test_what_a_function_takes_is_told_without_the_name_we_have_imported_it_under() -> None:
    def asks(query: Any) -> None:
        """Ask."""

    asks.__annotations__["query"] = type("Ask", (), {"__module__": MODULE})
    with pytest.raises(VerifyError, match=r"^asks\(query: Ask\)"):
        fitted(asks, {"id": 1})


@pytest.mark.parametrize(
    ("function", "question", "why"),
    [
        (asks, {"query": "a", "id": 7}, r"asks\(query.*the inputs query, id: .*'id'"),
        (handles_beside, "a", "one text: missing a required argument: 'user'"),
        (handles, "a", "handles takes a Asked: write JSON objects of its fields"),
        (wants, "a", "wants takes a Wanted: write JSON objects of its fields"),
        (wants, {"text": "a", "style": "wide"}, "wants takes a Wanted: .*'short' or 'long'"),
        (holds, {"wrong": "a"}, "holds.*the inputs wrong|holds takes a Held: .*'wrong'"),
        (handles, {"text": 5}, "handles takes a Asked: .*valid string"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_asked(
    function: Any, question: Any, why: str
) -> None:
    with pytest.raises(VerifyError, match=why):
        verify(function, [question])
