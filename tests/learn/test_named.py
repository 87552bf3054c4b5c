"""What names a tenant beside the client goes ahead only once this very call has named it."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from itertools import count
from typing import Any

import pytest

from ayo_bridge import Runtime, accelerate
from ayo_bridge.learn.live.named import Named
from ayo_bridge.seam import Outcome
from tests.adapters.python.programs import client_of, learned, outcomes, question
from tests.stub_openai import StubOpenAI

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
TENANT: ContextVar[str] = ContextVar("tenant")


def header() -> dict[str, Any]:
    return {"extra_headers": {"X-Tenant": TENANT.get()}}


def query() -> dict[str, Any]:
    return {"extra_query": {"tenant": TENANT.get()}}


def user() -> dict[str, Any]:
    return {"user": TENANT.get()}


def metadata() -> dict[str, Any]:
    return {"metadata": {"tenant": TENANT.get()}}


@pytest.mark.parametrize("options", [header, query, user, metadata])
def test_what_was_learned_of_one_tenant_sends_nothing_under_its_name_for_another(
    stub: StubOpenAI, runtime: Runtime, options: Callable[[], dict[str, Any]]
) -> None:
    client = client_of(stub)

    def ask(prompt: str, **given: Any) -> str:
        messages: Any = [{"role": "user", "content": prompt}]
        made = client.chat.completions.create(
            model="stub", messages=messages, temperature=0, **given
        )
        return made.choices[0].message.content or ""

    def answer(text: str) -> str:
        tone = ask(f"What tone has this? {text}")
        causes = ask(f"List the causes of {text}", **options())
        return tone + causes + ask(f"List the effects of {text}", **options())

    fast = accelerate(answer, runtime=runtime)
    TENANT.set("first-tenant")
    for number in range(4):
        fast(question(number))
    learned(fast)
    fast(question(8))
    assert outcomes(fast) == {Outcome.DIRECT: 2, Outcome.HIT: 1}
    TENANT.set("second-tenant")
    stub.requests.clear()
    fast(question(9))
    seen = [(call.target, call.headers, call.body) for call in stub.requests]
    assert "second-tenant" in str(seen)
    assert "first-tenant" not in str(seen)


def test_a_header_that_is_drawn_for_each_request_is_not_guessed(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    client, drawn = client_of(stub), count()

    def answer(text: str) -> list[str | None]:
        found = []
        for part in ("causes", "effects", "remedies"):
            messages: Any = [{"role": "user", "content": f"List the {part} of {text}"}]
            made = client.chat.completions.create(
                model="stub", messages=messages, extra_headers={"X-Request-ID": f"r{next(drawn)}"}
            )
            found.append(made.choices[0].message.content)
        return found

    fast = accelerate(answer, runtime=runtime)
    for number in range(4):
        fast(question(number))
    learned(fast)
    stub.requests.clear()
    for number in range(4, 8):
        fast(question(number))
    assert len(stub.requests) == 12
    assert outcomes(fast) == {Outcome.DIRECT: 3}


def test_a_user_that_a_call_is_given_may_be_named_at_once() -> None:
    named = Named({"user_id": "u7"})
    assert named.may_ask('{"model": "stub"}')
    assert named.may_ask('{"model": "stub", "user": "u7"}')
    assert not named.may_ask('{"model": "stub", "user": "u8"}')
    named.used("headers", {"user": "u8"})
    assert named.may_ask('{"model": "stub", "user": "u8"}')
    assert named.may("headers")
    assert named.may(None)
    assert not named.may("other headers")
