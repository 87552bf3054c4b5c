"""The clients and stores that every call of an object asks with, whatever it is given.

They are read off the structure that does not choose. Where it does, that counts which whatever is
chosen asks with; and what the user's own classes ask with, nobody knows.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import FunctionType, MethodType
from typing import Any, Final

from ayo_bridge.learn.live.clients import OTHERS
from ayo_bridge.lift.asking import stands_for
from ayo_bridge.lift.recognise import class_of, loaded
from ayo_bridge.lift.witness import Witness, saw, wavers, witnessed
from ayo_llamaindex.known import differs, overridden, replaced
from ayo_llamaindex.parts import Part, part_of
from ayo_llamaindex.store_rows import known as store_row

_MODELS: Final = {
    ("llama_index.llms.openai.base", "OpenAI"),
    ("llama_index.llms.openai_like.base", "OpenAILike"),
    ("llama_index.embeddings.openai.base", "OpenAIEmbedding"),
    ("llama_index.embeddings.openai_like.base", "OpenAILikeEmbedding"),
}
"""LLMs and embedding models that ask by the SDK clients in their fields."""
_STORES: Final = {
    ("llama_index.core.vector_stores.simple", "SimpleVectorStore"),
    ("llama_index.vector_stores.postgres.base", "PGVectorStore"),
}
_PACKAGES: Final = ("llama_index", "llama_index_instrumentation", "workflows")
_PLAIN: Final = (str, int, float, bool, type(None))
_WATCHED: Final = 16
"""Of longer lists and mappings only the size is watched."""


class AlwaysUsed:
    """What an accelerated object always uses: as it was, as long as nothing has changed since."""

    def __init__(self) -> None:
        self._known: _Known | None = None

    def __call__(self, obj: object) -> Iterator[object]:
        """The clients and stores, and :data:`OTHERS` if a call may use further clients.

        Nothing is looked at before somebody asks for the first.
        """
        known = self._known
        if known is None or known.whose() is not obj or not known.witness.stands():
            with witnessed() as witness:
                owners = tuple(always_used(obj))
            known = self._known = _Known(weakref.ref(obj), witness, owners)
        yield from known.owners


@dataclass(frozen=True, slots=True)
class _Known:
    whose: Callable[[], object | None]
    witness: Witness
    owners: tuple[object, ...]


def always_used(obj: object) -> Iterator[object]:
    """The clients and stores, and :data:`OTHERS` if a call may use further clients."""
    found = _Found()
    found.look(obj)
    yield from found.clients.values()
    yield from found.stores.values()
    if found.unknown or not found.possible <= found.clients.keys():
        yield OTHERS


def parts_in(obj: object) -> Collection[object] | None:
    """All objects that an object consists of; ``None``: there is one of which nothing is known."""
    found = _Found()
    found.look(obj)
    certain = not found.unknown and found.possible <= found.clients.keys()
    return found.seen.values() if certain else None


@dataclass(slots=True)
class _Found:
    """What was found so far, by identity."""

    clients: dict[int, object] = field(default_factory=dict)
    stores: dict[int, object] = field(default_factory=dict)
    possible: set[int] = field(default_factory=set)
    """Clients that calls use if they so choose."""
    unknown: bool = False
    """Whether there is something of which nobody knows what it asks with."""
    within: frozenset[int] = frozenset()
    """What is being chosen for: it may itself be among the choices."""
    seen: dict[int, object] = field(default_factory=dict)

    def look(self, obj: Any) -> None:
        """Take in an object, by which every call goes."""
        if obj is None or id(obj) in self.seen:
            return
        if id(obj) in self.within:
            self.unknown = True
            return
        self.seen[id(obj)] = obj
        if type(obj) is MethodType:
            self._look_at_method(obj)
            return
        row = store_row(obj)
        if row is not None and row.refusal(obj, differs) is None:
            client = row.client_of(obj)
            self.stores[id(client)] = client
            return
        made = stands_for(obj)
        cls = made or class_of(saw(obj))
        name = cls.__module__, cls.__name__
        part = part_of(cls)
        known = part is not None or (name in _MODELS | _STORES and loaded(*name) is cls)
        if not known or _changed(obj, cls):
            self.unknown = True
        elif part is None and made is not None:
            return  # Nobody has asked a store, or by a client, that does not exist yet.
        elif name in _STORES:
            self.stores[id(obj)] = obj
        elif part is None:
            self._look_at_model(obj)
        else:
            self._look_at_parts(obj, part, _SPECIAL.get(cls.__name__))

    def _look_at_method(self, method: MethodType) -> None:
        """A method of an object that is known, put into a field as a default."""
        owner = method.__self__
        if method.__func__ is not getattr(class_of(owner), method.__name__, None):
            self.unknown = True
        self.look(owner)

    def _look_at_model(self, model: Any) -> None:
        """A model: one that makes a client for each call, or that has none so far, has none.

        Nothing of one with a rate limiter or a cache is asked early.
        """
        asks = model.rate_limiter is None and getattr(model, "embeddings_cache", None) is None
        if model.reuse_client and asks:
            for client in (model._client, model._aclient):
                if client is not None:
                    self.clients[id(client)] = client

    def _look_at_parts(self, obj: Any, part: Part, special: _Special | None) -> None:
        try:
            used = [each for name in part.uses for each in _several(getattr(obj, name))]
            picked = [each for name in part.picks for each in _several(getattr(obj, name))]
            if special is not None:
                used, picked = special(obj, used, picked)
        except (AttributeError, LookupError, TypeError):  # Not as this version is known to be.
            self.unknown = True
            return
        for each in used:
            self.look(each)
        self._pick(picked, self.within | {id(obj)})

    def _pick(self, choices: Iterable[Any], within: frozenset[int]) -> None:
        """Take in what all of some objects ask with, of which a call chooses."""
        branches = []
        for choice in choices:
            branch = _Found(within=within)
            branch.look(choice)
            branches.append(branch)
            self.unknown |= branch.unknown
            self.possible |= branch.possible | branch.clients.keys()
        if branches:
            first = branches[0]
            self.clients |= _common(first.clients, [branch.clients for branch in branches])
            self.stores |= _common(first.stores, [branch.stores for branch in branches])


def _changed(obj: object, cls: type) -> bool:
    """Whether an object may do otherwise than its class was written to."""
    functions = functions_of(cls)
    if stands_for(obj) is not None:
        return replaced(cls, *functions) is not None
    return overridden(obj, *functions) is not None


def _common(
    first: Mapping[int, object], others: Iterable[Mapping[int, object]]
) -> dict[int, object]:
    return {key: owner for key, owner in first.items() if all(key in other for other in others)}


def _several(held: Any) -> Iterable[Any]:
    """What a field holds; of a function nobody knows what it asks with, and so it is an object."""
    if not isinstance(held, list | tuple | dict):
        return () if held is None else (held,)
    if len(held) > _WATCHED and not isinstance(held, tuple):
        wavers()
    return list(held.values()) if isinstance(held, dict) else list(held)


@cache
def functions_of(cls: type) -> tuple[str, ...]:
    """The names of what LlamaIndex's classes do, pydantic's own apart."""
    names = {
        name
        for base in cls.__mro__
        if base.__module__.partition(".")[0] in _PACKAGES
        for name, value in vars(base).items()
        if not name.startswith("__") or name == "__call__"
        if isinstance(value, FunctionType | property | classmethod | staticmethod)
        or hasattr(value, "__wrapped__")
    }
    return tuple(sorted(names - {"model_post_init"}))


# What a row cannot say.

_Special = Callable[[Any, list[Any], list[Any]], tuple[list[Any], list[Any]]]
"""Of an object, with what it uses and what it picks from: what it really does."""


def _searching(retriever: Any, used: list[Any], picked: list[Any]) -> tuple[list[Any], list[Any]]:
    """One that searches by filters or in a mode of its own asks what no search ahead does."""
    plain = (
        retriever._filters is None
        and retriever._vector_store_query_mode == "default"
        and not retriever._kwargs
    )
    return [each for each in used if plain or each is not retriever._vector_store], picked


def _from_settings(_: Any, used: list[Any], picked: list[Any]) -> tuple[list[Any], list[Any]]:
    """One that makes an engine in a call, whose LLM is that of the settings as they are then."""
    return [*used, _llm_of_settings()], picked


def _recursive(retriever: Any, _: list[Any], picked: list[Any]) -> tuple[list[Any], list[Any]]:
    """It begins with its root; the found nodes say where it goes on."""
    given = {**retriever._query_engine_dict, **retriever._retriever_dict}
    root = given.get(retriever._root_id)
    return [root], [each for each in picked if each is not root]


def _graph(engine: Any, _: list[Any], picked: list[Any]) -> tuple[list[Any], list[Any]]:
    """It begins with its root, for which it makes an engine in a call unless it is given one."""
    graph, made_by = engine._graph, engine._kwargs
    saw(graph)
    given = engine._custom_query_engines.get(graph.root_id)
    if given is not None:
        return [given], [each for each in picked if each is not given]
    index = graph.get_index(graph.root_id)
    if not class_of(saw(index)).__module__.startswith("llama_index.core.indices."):
        return [index], picked
    used = [each for each in made_by.values() if not isinstance(each, _PLAIN)]
    if made_by.get("llm") is None:
        used.append(_llm_of_settings())
    return [*used, getattr(index, "_embed_model", None)], picked


def _llm_of_settings() -> Any:
    return of_settings("_llm")


def of_settings(field: str) -> Any:
    """What the settings hold: ``_llm`` is what ``Settings.llm`` returns.

    ``None``: it would make one. Settings that were changed are themselves what is found.
    """
    settings: Any = loaded("llama_index.core.settings", "Settings")
    return settings if _changed(settings, type(settings)) else getattr(settings, field)


_SPECIAL: Final[Mapping[str, _Special]] = {
    "VectorIndexRetriever": _searching,
    "RetrySourceQueryEngine": _from_settings,
    "RecursiveRetriever": _recursive,
    "ComposableGraphQueryEngine": _graph,
}
