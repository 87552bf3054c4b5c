"""How searches by clients of vector stores are learned: their arguments and results as data."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ayo_bridge.engines.originals import original
from ayo_bridge.lift import stores
from ayo_bridge.lift.stores import texts_of
from ayo_bridge.seam import Call, Fields, FoundItem

if TYPE_CHECKING:
    from ayo_bridge.lift.store_clients import StoreClient


@dataclass(frozen=True, slots=True)
class Form:
    """Which parameters of a search are what.

    Args:
        vector: the vector's.
        limit: that of how many are found at most.
        filters: those that say among what is searched.
        flat: whether one vector is a list of numbers only, and not one of lists too.
    """

    vector: str
    limit: str
    filters: tuple[str, ...]
    flat: bool = False


Found = Callable[[Any], Iterator[FoundItem]]


def learnable(form: Form, found: Found) -> Callable[[StoreClient, str], stores.Learnable]:
    """How searches of this form are learned."""

    def of(clients: StoreClient, method: str) -> stores.Learnable:
        def asked(client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Fields:
            return _plain(form, method, client, args, kwargs)

        def otherwise(client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Fields:
            return _any(form, method, client, args, kwargs)

        def again(engine: str, client: Any, fields: Fields) -> Call:
            return _again(clients, form, engine, client, fields)

        def items(_: Any, result: Any) -> tuple[FoundItem, ...]:
            return tuple(found(result))

        return stores.Learnable(asked, again, items, otherwise)

    return of


def _plain(
    form: Form, method: str, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Fields:
    """A search without a filter.

    Raises:
        ValueError: it is another.
    """
    given = _given(method, client, args, kwargs)
    vector, nested = _vector(form, given.pop(form.vector, None))
    if any(given.get(name) for name in form.filters):
        raise ValueError("only a plain search is made ahead")
    limit = given.pop(form.limit, None)
    rest = json.dumps(given, sort_keys=True)
    if json.loads(rest) != given:
        raise ValueError("the search has arguments that are no plain data")
    return {"method": method, "vector": vector, "nested": nested, "k": limit, "rest": rest}


def _any(
    form: Form, method: str, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Fields:
    given = _given(method, client, args, kwargs)
    vector, _ = _vector(form, given.pop(form.vector, None))
    return {"method": method, "vector": vector, "rest": repr(given)}


def _again(clients: StoreClient, form: Form, engine: str, client: Any, fields: Fields) -> Call:
    if fields["engine"] != engine or fields.keys() < {"k", "nested"}:
        raise ValueError("another store is searched")
    vector = list(fields["vector"])
    asked = {form.vector: [vector] if fields["nested"] else vector, **json.loads(fields["rest"])}
    if fields["k"] is not None:
        asked[form.limit] = fields["k"]
    return clients.call(engine, client, fields["method"], (), asked)


def _given(
    method: str, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments that are not what the method takes by itself."""
    signature = inspect.signature(original(type(client), method))
    bound = signature.bind(client, *args, **kwargs)
    names = list(signature.parameters)
    given = {name: value for name, value in bound.arguments.items() if name != names[0]}
    for name, parameter in signature.parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            given.update(given.pop(name, {}))
        elif name in given and given[name] == parameter.default:
            del given[name]
    return given


def _vector(form: Form, given: Any) -> tuple[tuple[float, ...], bool]:
    """The only vector.

    Raises:
        ValueError: there is none, or there are several.
    """
    nested = isinstance(given, list) and len(given) == 1 and isinstance(given[0], list)
    vector = given[0] if nested and not form.flat else given
    if not isinstance(vector, list) or not vector or not isinstance(vector[0], float):
        raise ValueError("only a search with one vector is made ahead")
    return tuple(map(float, vector)), nested


# What results hold.


def in_chroma(result: Any) -> Iterator[FoundItem]:
    """Of a ``QueryResult``."""
    texts = (result["documents"] or [[]])[0]
    about = (result["metadatas"] or [[]])[0]
    for name, text, metadata in zip(result["ids"][0], texts, about, strict=True):
        yield FoundItem(text or "", name, texts_of(metadata or {}))


def in_qdrant(result: Any) -> Iterator[FoundItem]:
    """Of a ``QueryResponse``, or of the only one of a batch."""
    for point in (result[0] if isinstance(result, list) else result).points:
        payload = dict(point.payload or {})
        text = payload.get("page_content")
        node = payload.get("_node_content")
        if text is None and isinstance(node, str):
            text = json.loads(node).get("text")
        metadata = payload.get("metadata")
        known = metadata if isinstance(metadata, dict) else payload
        yield FoundItem(text or "", str(point.id), texts_of(known))


def in_milvus(result: Any) -> Iterator[FoundItem]:
    """Of a list of hits for one vector."""
    for hit in result[0]:
        entity = dict(hit["entity"])
        yield FoundItem(str(entity.get("text", "")), str(hit["id"]), texts_of(entity))
