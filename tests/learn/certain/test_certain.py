"""Clients by which every run of a function asks."""

from __future__ import annotations

import functools
import gc
from typing import Any

import pytest

from ayo_bridge.learn.certain import bytecode
from ayo_bridge.learn.certain.running import Certain
from tests.learn.certain import clients as toys
from tests.learn.certain.clients import Client, Service, TenantService, certainly, tenant

main = Client("main")
other = Client("other")
service = Service({"first": main})


def asked(client: Client, prompt: str, *, hint: str = "") -> str:
    return client.ask(prompt + hint)


def test_a_global_and_a_cell_are_certain() -> None:
    client = Client("cell")

    def answer(q: str) -> str:
        first = main.ask(f"What of {q.lower()}?").strip()
        return client.ask(first)

    assert certainly(answer, "q") == ["main", "cell"]


def test_names_are_looked_up_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client("cell")

    def answer(q: str) -> str:
        return main.ask(client.ask(q))

    assert certainly(answer, "q") == ["cell", "main"]
    client = Client("new")
    monkeypatch.setitem(globals(), "main", Client("changed"))
    assert certainly(answer, "q") == ["new", "changed"]
    monkeypatch.setitem(globals(), "main", toys.Proxy({"first": other}))
    assert certainly(answer, "q") == ["new"]


def test_a_default_is_certain_unless_another_client_is_given() -> None:
    def answer(q: str, client: Client = main) -> str:
        return client.ask(q)

    assert certainly(answer, "q") == ["main"]
    assert certainly(answer, "q", other) == ["other"]
    assert certainly(answer, "q", client=other) == ["other"]
    assert certainly(functools.partial(answer, client=other), "q") == ["other"]


def test_a_client_is_followed_into_functions_that_it_is_passed_to() -> None:
    def answer(q: str) -> str:
        causes = asked(main, f"causes of {q}")
        effects = asked(prompt=f"effects of {q}", client=other, hint="!")
        return causes + effects

    assert certainly(answer, "q") == ["main", "other"]


def test_an_object_that_is_called_is_followed_into_its_method() -> None:
    class Step:
        def __init__(self, client: Client) -> None:
            self.client = client

        def __call__(self, prompt: str) -> str:
            return self.client.ask(prompt)

    class Derived(Step):
        pass

    class Hidden(Step):
        __call__ = functools.lru_cache(Step.__call__)

    steps: dict[str, Step] = {"first": Step(main), "then": Derived(other), "last": Hidden(main)}

    def answer(q: str) -> str:
        return steps["then"](steps["first"](q))

    def last(q: str) -> str:
        return main.ask(steps["last"](q))

    assert certainly(answer, "q") == ["main", "other"]
    assert certainly(Derived(other).__call__, "q") == ["other"]
    assert certainly(last, "q") == []
    vars(steps["first"])["__call__"] = other.ask  # Python looks for it in the class.
    assert certainly(answer, "q") == ["main", "other"]


def test_an_item_is_certain_whose_key_the_call_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    clients = {"one": main, "two": other}
    ways: dict[str, Any] = {"one": main.ask, "two": lambda q: asked(other, q)}

    def answer(q: str, name: str) -> str:
        return clients[name].ask(ways[name](q))

    assert certainly(answer, "q", "one") == ["main", "main"]
    assert certainly(answer, "q", "two") == ["other", "other"]
    assert certainly(answer, "q", "three") == []
    clients["one"] = other
    assert certainly(answer, "q", "one") == ["main", "other"]

    def chosen(q: str, name: str) -> str:
        name = name if tenant.get() == "first" else "two"
        return clients[name].ask(q)

    def changed(q: str, name: str) -> str:
        clients[name] = other
        return clients[name].ask(q)

    def updated(q: str, name: str) -> str:
        clients.update(two=main)
        return clients[name].ask(q)

    class Keyed(dict[str, Client]):
        def __getitem__(self, key: str) -> Client:
            return super().__getitem__(tenant.get())

    for function in (chosen, changed, updated):
        assert certainly(function, "q", "two") == []
    clients = Keyed(clients)
    assert certainly(answer, "q", "two") == ["other"]


def test_attributes_of_the_bound_object_are_certain_where_no_code_gives_them() -> None:
    assert certainly(service.answer, "q") == ["main"]
    assert certainly(service.by_slot, "q") == ["main"]
    assert certainly(service.by_other, "q") == ["main"]
    assert certainly(Service.of_class, "q") == ["shared"]
    assert certainly(Service.of_nobody, "q") == ["shared"]
    assert certainly(TenantService({"first": main}).by_slot, "q") == ["main"]


def test_what_every_branch_asks_before_it_parts_is_certain() -> None:
    def answer(q: str) -> str:
        verdict = main.ask(q)
        if verdict == "yes":
            return other.ask(q)
        try:
            return Client("made").ask(q)
        except ValueError:
            return verdict

    assert certainly(answer, "q") == ["main"]


def test_what_comes_after_branches_that_meet_is_certain() -> None:
    def answer(q: str) -> str:
        text = q if len(q) > 3 else q.upper()
        for _ in q.split():
            text = f"{text}!"
        return main.ask(text)

    assert certainly(answer, "q") == ["main"]


def test_the_first_turn_of_a_loop_over_literals_is_certain() -> None:
    def turns(q: str) -> str:
        for turn in range(1, 4):
            q = main.ask(f"{turn} {q}")
            if q == "yes":
                break
        return q

    def parts(q: str) -> list[str]:
        return [main.ask(f"agent {number}: {q}") for number in range(3)]

    def names(q: str) -> dict[str, str]:
        return {name: main.ask(f"{name}: {q}") for name in ("one", "two")}

    assert certainly(turns, "q") == certainly(parts, "q") == certainly(names, "q") == ["main"]


def test_the_first_turn_of_a_long_loop_can_end_early_too() -> None:
    """Its head is reached over an instruction that lengthens the jump."""
    body = "".join("        q = q.strip()\n" for _ in range(60))
    space: dict[str, Any] = {"main": main, "tenant": tenant}
    exec(
        "def answer(q):\n    for _ in (1,):\n        if tenant.get() == 'first':\n"
        f"            continue\n{body}        return main.ask(q)\n    return q\n",
        space,
    )
    assert certainly(space["answer"], "q") == []


def test_a_range_that_is_not_the_builtin_is_no_literal(monkeypatch: pytest.MonkeyPatch) -> None:
    def turns(q: str) -> str:
        for turn in range(1, 4):
            q = main.ask(f"{turn} {q}")
        return q

    monkeypatch.setitem(globals(), "range", lambda *_: [])
    assert certainly(turns, "q") == []


def test_a_function_made_inside_is_followed_where_it_is_called() -> None:
    def answer(q: str, client: Client = main) -> str:
        def ask(prompt: str) -> str:
            return client.ask(f"{q} {prompt}")

        return ask("one") + (lambda prompt: other.ask(prompt))("two")

    assert certainly(answer, "q") == ["main", "other"]


def test_a_coroutine_is_followed_where_it_is_awaited() -> None:
    async def ask(prompt: str) -> str:
        return await main.aask(prompt)

    async def answer(q: str) -> str:
        return await ask(await other.aask(q))

    assert certainly(answer, "q") == ["other", "main"]


def test_a_wrapper_that_only_hands_on_hides_nothing() -> None:
    def wrapping(function: Any) -> Any:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapped

    @wrapping
    def answer(q: str) -> str:
        return main.ask(q)

    assert certainly(answer, "q") == ["main"]


def test_reading_the_tenant_changes_nothing_for_anybody() -> None:
    def answer(q: str) -> str:
        return main.ask(f"{tenant.get()}: {q}")

    assert certainly(answer, "q") == ["main"]


def test_a_function_that_calls_itself_ends() -> None:
    def answer(q: str) -> str:
        return answer(main.ask(q)) if q else q

    assert certainly(answer, "q") == []


def test_what_is_known_of_a_body_goes_with_it() -> None:
    space: dict[str, Any] = {"main": main}
    exec("def answer(q):\n    return main.ask(q)", space)
    key = id(space["answer"].__code__)
    assert certainly(space["answer"], "q") == ["main"]
    assert (key, False) in bytecode._facts
    space.clear()
    gc.collect()
    assert (key, False) not in bytecode._facts


def test_it_counts_at_sites_that_its_own_calls_lead_to() -> None:
    main, ask, elsewhere, inside = b"main", b"ask", b"elsewhere", b"inside"
    chain = (frozenset({main}), frozenset({ask, b"awaited"}))
    entry, part = Certain(other, chain), Certain(other, chain, outermost=False)
    assert entry.leads_to((inside, ask, main))
    assert entry.leads_to((b"awaited", main))
    assert not entry.leads_to((inside, ask, elsewhere))
    assert not entry.leads_to((ask,))
    assert not entry.leads_to((ask, main, elsewhere))
    assert part.leads_to((inside, ask, main, elsewhere))
    assert not part.leads_to((ask, inside, main))
    assert not Certain(other, ()).leads_to((ask, main))
