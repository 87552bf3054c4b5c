"""Clients of a toy library, and who knows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ayo_bridge.learn.certain.running import run_of
from ayo_bridge.lift.asking import Asking, Known

tenant: ContextVar[str] = ContextVar("tenant", default="first")


class Client:
    """Asks by itself."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.key = name

    def ask(self, prompt: str) -> str:
        return f"{self.name}: {prompt}"

    async def aask(self, prompt: str) -> str:
        return self.ask(prompt)

    def bind(self, **settings: Any) -> Client:
        return Client(settings.get("name", self.name))

    with_options = bind


def asks(obj: Any, steps: Sequence[str], awaited: bool, /) -> Asking | None:
    """Knows the class itself, and its methods if nobody has put others there."""
    if type(obj) is not Client or len(steps) != 1 or steps[0] in vars(obj):
        return None
    if Client.ask is not _ask or steps[0] not in ("ask", "aask"):
        return None
    return Asking((obj,), True) if steps[0] == "ask" or awaited else None


_ask = Client.ask


def certainly(function: Any, *args: Any, **kwargs: Any) -> list[str]:
    """The names of the clients by which a call of a function certainly asks."""
    return [each.owner.name for each in run_of(function, args, kwargs, Known(asks)).asks]  # type: ignore[attr-defined]


class Proxy:
    """Hands over to the client of the tenant."""

    def __init__(self, clients: dict[str, Client]) -> None:
        object.__setattr__(self, "_clients", clients)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return Client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._clients[tenant.get()], name)


class Reading:
    """A class that is asked for each of its attributes."""

    def __init__(self, clients: dict[str, Client]) -> None:
        self.client = clients["first"]
        self.clients = clients

    def __getattribute__(self, name: str) -> Any:
        if name == "client":
            return object.__getattribute__(self, "clients")[tenant.get()]
        return object.__getattribute__(self, name)


class Service:
    """Keeps clients in all the ways in which classes keep them."""

    shared = Client("shared")
    __slots__ = ("__dict__", "slotted")

    def __init__(self, clients: dict[str, Client]) -> None:
        self.default = clients["first"]
        self.slotted = clients["first"]
        self.clients = clients
        self.__dict__["chosen"] = clients["first"]

    @property
    def chosen(self) -> Client:
        return self.clients[tenant.get()]

    def answer(self, query: str) -> str:
        return self.default.ask(query)

    def by_slot(self, query: str) -> str:
        return self.slotted.ask(query)

    def by_property(self, query: str) -> str:
        return self.chosen.ask(query)

    def by_other(self, query: str) -> str:
        return self.answer(query.strip())

    def set_before(self, query: str) -> str:
        self.default = self.clients[tenant.get()]
        return self.default.ask(query)

    @classmethod
    def of_class(cls, query: str) -> str:
        return cls.shared.ask(query)

    @staticmethod
    def of_nobody(query: str) -> str:
        return Service.shared.ask(query)


class TenantService(Service):
    """Overrides what the other method calls."""

    def answer(self, query: str) -> str:
        return self.clients[tenant.get()].ask(query)


@contextmanager
def using(name: str) -> Iterator[None]:
    """For the time being, another tenant."""
    token = tenant.set(name)
    try:
        yield
    finally:
        tenant.reset(token)
