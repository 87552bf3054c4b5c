"""Ways in which a function chooses its client by the tenant, or does not ask at all."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Any

from tests.learn.certain.clients import Client, Proxy, Reading, Service, tenant, using

clients = {"first": Client("first"), "second": Client("second")}
default = clients["first"]
current = clients["first"]
proxy: Any = Proxy(clients)
reading: Any = Reading(clients)
service = Service(clients)
Choosing = Callable[[str], Any]


def activate(name: str) -> None:
    global current
    current = clients[name]


def pick(client: Client, name: str) -> Client:
    return clients.get(name, client)


def guard(name: str) -> None:
    if name not in clients:
        raise PermissionError


def conditional(q: str) -> Any:
    client = default if tenant.get() == "first" else clients[tenant.get()]
    return client.ask(q)


def conditional_in_place(q: str) -> Any:
    return (default if tenant.get() == "first" else clients["second"]).ask(q)


def branches(q: str) -> Any:
    if tenant.get() == "first":
        return default.ask(q)
    return clients[tenant.get()].ask(q)


def looked_up(q: str) -> Any:
    return clients[tenant.get()].ask(q)


def looked_up_with_default(q: str) -> Any:
    return clients.get(tenant.get(), default).ask(q)


def either(q: str) -> Any:
    return (clients.get(tenant.get()) or default).ask(q)


def both(q: str) -> Any:
    return ((tenant.get() == "first" and default) or clients["second"]).ask(q)


def walrus(q: str) -> Any:
    if (client := clients.get(tenant.get())) is None:
        client = default
    return client.ask(q)


def replaced(q: str) -> Any:
    client = default
    if tenant.get() != "first":
        client = clients[tenant.get()]
    return client.ask(q)


def caught(q: str) -> Any:
    try:
        return clients[tenant.get()].ask(q)
    except KeyError:
        return default.ask(q)


def caught_and_passed(q: str) -> Any:
    try:
        return clients[tenant.get()].ask(q)
    except KeyError:
        pass
    return default.ask(q)


def tried(q: str) -> Any:
    try:
        client = clients[tenant.get()]
        client.key.strip()
        default.ask(q) if client is default else client.ask(q)
    finally:
        q = q.strip()
    return q


def broken_off(q: str) -> Any:
    try:
        int(tenant.get())
        return default.ask(q)
    except ValueError:
        return clients[tenant.get()].ask(q)


def early(q: str) -> Any:
    if tenant.get() != "first":
        return clients[tenant.get()].ask(q)
    return default.ask(q)


def refused(q: str) -> Any:
    if tenant.get() != "first":
        raise PermissionError
    return default.ask(q)


def asserted(q: str) -> Any:
    assert tenant.get() == "first"
    return default.ask(q)


def in_context(q: str) -> Any:
    with using("second"):
        return current.ask(q)


def picked(q: str) -> Any:
    return pick(default, tenant.get()).ask(q)


def passed_on(q: str) -> Any:
    def by(client: Client, prompt: str) -> Any:
        return clients.get(tenant.get(), client).ask(prompt)

    return by(default, q)


def activated(q: str) -> Any:
    activate(tenant.get())
    return current.ask(q)


def key_is_set(q: str) -> Any:
    default.key = tenant.get()
    return default.ask(q)


def key_is_set_by_name(q: str) -> Any:
    setattr(default, "key", tenant.get())  # noqa: B010
    return default.ask(q)


def rebound(q: str) -> Any:
    global current
    current = clients[tenant.get()]
    return current.ask(q)


def by_namespace(q: str) -> Any:
    globals()["current"] = clients[tenant.get()]
    return current.ask(q)


def by_proxy(q: str) -> Any:
    return proxy.ask(q)


def by_reading(q: str) -> Any:
    return reading.client.ask(q)


def by_property(q: str) -> Any:
    return service.chosen.ask(q)


def by_copy(q: str) -> Any:
    return default.bind(name=tenant.get()).ask(q)


def with_options(q: str) -> Any:
    return default.with_options(name=tenant.get()).ask(q)


def matched(q: str) -> Any:
    match tenant.get():
        case "first":
            return default.ask(q)
        case other:
            return clients[other].ask(q)


def looped(q: str) -> Any:
    for client in (default, clients["second"]):
        if client.name == tenant.get():
            return client.ask(q)
    return None


def looped_over_own(q: str) -> Any:
    for _ in [each for each in ("first",) if each == tenant.get()]:
        default.ask(q)
    return clients[tenant.get()].ask(q)


def over_what_is_given(q: str) -> Any:
    return [default.ask(part) for part in q.split(tenant.get())]


def while_it_is(q: str) -> Any:
    while tenant.get() == "first":
        return default.ask(q)
    return clients[tenant.get()].ask(q)


def breaking(q: str) -> Any:
    for _ in range(3):
        if tenant.get() != "first":
            break
        default.ask(q)
    return clients[tenant.get()].ask(q)


def none_at_all(q: str) -> Any:
    for _ in range(0):
        default.ask(q)
    return q


def later(q: str) -> Any:
    return lambda: default.ask(q)


def generated(q: str) -> Iterator[Any]:
    yield default.ask(q)


def by_generator(q: str) -> Any:
    return list(generated(q))


def generator_expression(q: str) -> Any:
    return (default.ask(part) for part in ("a", q))


def not_awaited(q: str) -> Any:
    return default.aask(q)


async def coroutine(q: str) -> Any:
    return await default.aask(q)


def task(q: str) -> Any:
    return coroutine(q)


def only_loaded(q: str) -> Any:
    return (default, q)


def in_other_context(q: str) -> Any:
    return copy_context().run(default.ask, q)


def by_exec(q: str) -> Any:
    exec("current = None")
    return current.ask(q)


def guarded_elsewhere(q: str) -> Any:
    guard(tenant.get())
    return default.ask(q)


def imported(q: str) -> Any:
    from tests.learn.certain import hooks  # type: ignore[attr-defined]

    return default.ask(f"{q} {hooks}")


def sorted_by(q: str) -> Any:
    sorted([tenant.get()], key=activate)  # type: ignore[arg-type]
    return current.ask(q)


def mapped(q: str) -> Any:
    list(map(activate, [tenant.get()]))
    return current.ask(q)


def switching() -> Iterator[None]:
    global current
    current = clients[tenant.get()]
    yield


def run_through(q: str) -> Any:
    list(switching())
    return current.ask(q)


SWITCHING = switching()


def run_through_elsewhere(q: str) -> Any:
    list(SWITCHING)
    return current.ask(q)


def partial_of_choice(q: str) -> Any:
    return functools.partial(looked_up, q)()


def defaulted(q: str, client: Client | None = None) -> Any:
    return (client or default).ask(q)


def parameter_is_set(q: str, client: Client = default) -> Any:
    if tenant.get() != "first":
        client = clients[tenant.get()]
    return [client.ask(part) for part in ("a", q)]


def deferred(q: str) -> Any:
    try:
        return clients[tenant.get()].ask(q)
    finally:
        activate("first")
        current.ask(q)


def spread_out(q: str) -> Any:
    client, *_ = [clients[tenant.get()], default]
    return client.ask(q)


def deleted(q: str) -> Any:
    client = default
    del client
    client = clients[tenant.get()]
    return client.ask(q)


def nested(q: str) -> Any:
    client = default

    def switch() -> None:
        nonlocal client
        client = clients[tenant.get()]

    switch()
    return client.ask(q)


async def gathered(q: str) -> Any:
    return await asyncio.gather(default.aask(q)) if tenant.get() == "first" else q


async def in_async_context(q: str) -> Any:
    async with asyncio.timeout(1):
        return await current.aask(q)


def wrapping(function: Choosing) -> Choosing:
    @functools.wraps(function)
    def wrapped(q: str) -> Any:
        with using("second"):
            return function(q)

    return wrapped


@wrapping
def decorated(q: str) -> Any:
    return current.ask(q)


@functools.lru_cache
def remembered(q: str) -> Any:
    return default.ask(q)


CHOOSING: list[Choosing] = [
    value
    for value in list(globals().values())
    if getattr(value, "__module__", "") == __name__
    and callable(value)
    and value not in (activate, pick, guard, wrapping, coroutine, switching)
    and not isinstance(value, type)
]
