"""Requests made ahead have their keys in the order in which the original writes them."""

from __future__ import annotations

import json

import pytest

from ayo_bridge.bindings import key_order


class _Client:
    pass


def test_a_request_has_the_order_of_keys_in_which_its_client_writes_them() -> None:
    one, other = _Client(), _Client()
    body = {
        "messages": [{"role": "user", "content": "x"}],
        "model": "m",
        "tools": [{"b": 1, "a": 2}],
    }
    key_order.saw(one, "order-1", body)
    known = json.loads(json.dumps(body, sort_keys=True))
    assert json.dumps(key_order.arranged(one, "order-1", known)) == json.dumps(body)
    assert json.dumps(key_order.arranged(other, "order-1", known)) == json.dumps(body)
    with pytest.raises(ValueError, match="never seen"):
        key_order.arranged(one, "order-1", {**known, "tools": [{"a": 1, "c": 2}]})


def test_an_order_that_was_not_always_the_same_is_not_predicted() -> None:
    one, other = _Client(), _Client()
    key_order.saw(one, "order-2", {"a": 1, "b": 2})
    key_order.saw(other, "order-2", {"b": 1, "a": 2})
    assert tuple(key_order.arranged(one, "order-2", {"a": 1, "b": 2})) == ("a", "b")
    assert tuple(key_order.arranged(other, "order-2", {"a": 1, "b": 2})) == ("b", "a")
    with pytest.raises(ValueError, match="more than one order"):
        key_order.arranged(_Client(), "order-2", {"a": 1, "b": 2})
