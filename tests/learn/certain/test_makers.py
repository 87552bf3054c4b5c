"""What a framework's maker makes in a call asks by what it is made of, and by nothing else."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from ayo_bridge.learn.certain.running import run_of
from ayo_bridge.lift.asking import ABSENT, Asking, Given, Known, Making, StandIn, stands_for
from tests.learn.certain.clients import Client, asks, tenant, using


class Mode(enum.Enum):
    PLAIN = "plain"


class Engine:
    """Asks all clients that it is made with."""

    def __init__(self, clients: list[Client], mode: Mode = Mode.PLAIN) -> None:
        self.clients = clients

    def ask(self, prompt: str) -> str:
        return "".join(client.ask(prompt) for client in self.clients)

    async def aask(self, prompt: str) -> str:
        return self.ask(prompt)

    @classmethod
    def of(cls, client: Client) -> Engine:
        return cls([client])

    @classmethod
    async def loaded(cls, client: Client) -> Engine:
        return cls([client])


ENGINE = Engine


class Chosen:
    """Has its client from elsewhere."""

    @property
    def client(self) -> Client:
        return main


class Document:
    """Holds a text."""

    def __init__(self, text: str) -> None:
        self.text = text


def knows(obj: Any, steps: Sequence[str], awaited: bool, /) -> Asking | None:
    if stands_for(obj) is Engine and (steps == ("ask",) or (steps == ("aask",) and awaited)):
        return Asking(tuple(obj.clients), True)
    return asks(obj, steps, awaited)


def makes(obj: Any, steps: Sequence[str], given: Given, /) -> Making | None:
    values = [*given.args, *given.kwargs.values()]
    if obj is Document and not steps:
        return Making(StandIn(Document))
    if obj is ENGINE and not steps and given.kwargs.get("mode", Mode.PLAIN) is Mode.PLAIN:
        clients = given.args[0]
        known = type(clients) is list and all(type(each) is Client for each in clients)
        return Making(StandIn(Engine, clients=clients)) if known else None
    if obj is ENGINE and steps == ("of",) and type(values[0]) is Client:
        return Making(StandIn(Engine, clients=values))
    if obj is ENGINE and steps == ("loaded",) and given.awaited and type(values[0]) is Client:
        return Making(StandIn(Engine, clients=values))
    if obj is read and all(stands_for(each) is Document for each in given.args[0]):
        return Making([StandIn(Document)], Asking((main,), True))
    return None


def reads(obj: Any, name: str, /) -> Any:
    return main if type(obj) is Chosen and name == "client" else ABSENT


def read(documents: list[Document]) -> list[Document]:
    return documents


def certainly(function: Callable[..., Any], *args: Any) -> list[str]:
    """The names of the clients by which a call of a function certainly asks."""
    found = run_of(function, args, {}, Known(knows, makes, reads)).asks
    return [each.owner.name for each in found]  # type: ignore[attr-defined]


main = Client("main")
other = Client("other")
chosen = Chosen()
clients = {"first": main}
default: list[Client] = [main]


def engine_of(client: Client) -> Engine:
    """A function of the user's that makes one."""
    return Engine([client], mode=Mode.PLAIN)


def test_it_asks_by_what_its_maker_was_given() -> None:
    def by_class(q: str) -> str:
        return Engine([main, other]).ask(q)

    def by_name(q: str) -> str:
        engine = Engine.of(client=other)
        return engine.ask(q)

    def by_function(q: str) -> str:
        def asked(engine: Engine) -> str:
            return engine.ask(q)

        return asked(engine_of(main))

    def by_property(q: str) -> str:
        return Engine.of(chosen.client).ask(q)

    assert certainly(by_class, "q") == ["main", "other"]
    assert certainly(by_name, "q") == ["other"]
    assert certainly(by_function, "q") == certainly(by_property, "q") == ["main"]


def test_so_does_one_that_is_awaited() -> None:
    async def made() -> Engine:
        return engine_of(main)

    async def answer(q: str) -> str:
        engine, another = await made(), await Engine.loaded(other)
        return await engine.aask(q) + await another.aask(q)

    assert certainly(answer, "q") == ["main", "other"]


def test_a_maker_may_ask_and_give_what_others_are_made_of() -> None:
    def answer(texts: list[str]) -> str:
        found = read([Document(text) for text in texts])
        read(found)
        return Engine.of(other).ask("q")

    assert certainly(answer, ["a", "b"]) == ["main", "main", "other"]


def by_branch(q: str) -> str:
    engine = Engine.of(main) if tenant.get() == "first" else Engine.of(other)
    return engine.ask(q)


def by_branches_of_a_function(q: str) -> str:
    def made() -> Engine:
        if tenant.get() == "first":
            return Engine.of(main)
        return Engine.of(other)

    return made().ask(q)


def replaced(q: str) -> str:
    engine = Engine.of(main)
    if tenant.get() != "first":
        engine = Engine.of(other)
    return engine.ask(q)


def made_anew_in_a_loop(q: str) -> str:
    engine = Engine.of(main)
    for name in ("first", tenant.get()):
        q = engine.ask(q)
        engine = Engine.of(clients[name])
    return q


def changed(q: str) -> str:
    engine = Engine.of(main)
    engine.clients = [other]
    return engine.ask(q)


def changed_in_place(q: str) -> str:
    engine = Engine.of(main)
    engine.clients.append(clients[tenant.get()])
    return engine.ask(q)


def grown(q: str) -> str:
    chosen = [main]
    chosen.append(clients[tenant.get()])
    return Engine(chosen).ask(q)


def grown_while_it_is_passed(q: str) -> str:
    def engine(chosen: list[Client], more: object) -> Engine:
        return Engine(chosen)

    return engine((chosen := [main]), chosen.append(other)).ask(q)  # type: ignore[func-returns-value]


def grown_elsewhere(q: str) -> str:
    def more(chosen: list[Client]) -> Engine:
        chosen.append(clients[tenant.get()])
        return Engine(chosen)

    return more([main]).ask(q)


def grown_for_all(q: str) -> str:
    default.append(clients[tenant.get()])
    return Engine(default).ask(q)


def looked_up(q: str) -> str:
    return Engine.of(clients[tenant.get()]).ask(q)


def in_a_context(q: str) -> str:
    engine = Engine.of(main)
    with using("second"):
        return engine.ask(q)


def of_a_mode_that_is_not_known(q: str) -> str:
    return Engine([main], mode=Mode(q)).ask(q)


def with_more_that_is_not_known(q: str) -> str:
    return Engine([main, clients[tenant.get()]]).ask(q)


def spread(q: str) -> str:
    return Engine(*[[main]]).ask(q)  # type: ignore[arg-type]


def of_a_class_of_its_own(q: str) -> str:
    class Own(Engine):
        pass

    return Own([main]).ask(q)


async def not_awaited(q: str) -> Any:
    made: Any = Engine.loaded(main)
    return made.ask(q)


@pytest.mark.parametrize(
    "function",
    [
        *(by_branch, by_branches_of_a_function, replaced, changed, changed_in_place, grown),
        *(grown_while_it_is_passed, grown_elsewhere, grown_for_all, looked_up, in_a_context),
        *(of_a_mode_that_is_not_known, with_more_that_is_not_known, spread, not_awaited),
        *(of_a_class_of_its_own, made_anew_in_a_loop),
    ],
    ids=lambda function: function.__name__,
)
def test_nothing_is_certain_where_a_run_may_have_made_another(
    function: Callable[[str], Any],
) -> None:
    assert certainly(function, "q") == []


def test_a_class_that_stands_under_the_same_name_is_not_taken_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answer(q: str) -> str:
        return Engine.of(main).ask(q)

    assert certainly(answer, "q") == ["main"]
    monkeypatch.setitem(globals(), "Engine", type("Engine", (Engine,), {}))
    assert certainly(answer, "q") == []
