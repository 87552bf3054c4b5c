"""What a function is given for a question, and what it is told that does not fit."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from ayo_bridge.verify import VerifyError, verify
from ayo_bridge.verify.fitting import fitted


class Asked(BaseModel):
    text: str
    top_k: int = 3


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


@pytest.mark.parametrize(
    ("function", "question", "why"),
    [
        (asks, {"query": "a", "id": 7}, r"asks\(query.*the inputs query, id: .*'id'"),
        (handles_beside, "a", "one text: missing a required argument: 'user'"),
        (handles, "a", "handles takes a Asked: write JSON objects of its fields"),
        (handles, {"text": 5}, "handles takes a Asked: .*valid string"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_asked(
    function: Any, question: Any, why: str
) -> None:
    with pytest.raises(VerifyError, match=why):
        verify(function, [question])
