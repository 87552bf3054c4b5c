"""The tracer of one call: what boundaries tell of their calls becomes a trace."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from types import MemberDescriptorType
from typing import Any, Final, cast

from ayo_bridge.learn.trace import Kind, Result, Trace, TracedCall, result_size
from ayo_bridge.learn.tracing.places import CallPlace

MOST_CALLS: Final = 400
MOST_SIZE: Final = 1_000_000
"""Of a trace, in characters of texts and 8 for each number of a vector."""


class _Call:
    """A call that has begun."""

    __slots__ = ("began", "branch", "ended", "kind", "request", "result", "seconds", "site")

    def __init__(
        self, site: str, branch: tuple[int, ...], kind: Kind, request: str, at: float
    ) -> None:
        self.site = site
        self.branch = branch
        self.kind = kind
        self.request = request
        self.result: Result | None = None
        self.began = self.ended = 0
        self.seconds = -at
        """Less the moment of its beginning until it has ended."""


class Tracer:
    """The trace of one call, in the making. Thread-safe.

    ``place`` is that of the call's entry; ``inputs`` are the texts among its arguments. A call that
    is too large to learn from is dropped: ``dropped`` says why, and nothing of it is kept.
    """

    def __init__(
        self,
        place: CallPlace,
        inputs: Mapping[str, str],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.dropped = ""
        self._place = place
        self._inputs = inputs
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: list[_Call] = []
        self._moments = 0
        self._size = sum(map(len, inputs.values()))
        self._closed = False
        self._began = clock()

    def closed(self) -> bool:
        """Whether nothing is noted any more: the call has ended, or the trace was dropped."""
        return self._closed

    def begin(self, kind: Kind, request: str) -> int | None:
        """Note that the calling code makes a call at a boundary.

        Returns what :meth:`end` wants to know; ``None`` if nothing is noted any more.
        """
        if self.closed():
            return None
        here = self._place.here()
        call = _Call(here.site().id, here.branch, kind, request, self._clock())
        with self._lock:
            if self._closed:
                return None
            call.began = self._moment()
            self._calls.append(call)
            return len(self._calls) - 1 if self._room(len(request)) else None

    def end(
        self, handle: int | None, result: Result | None, error: BaseException | None = None
    ) -> None:
        """Note what a call has returned; nothing if it raised or was cancelled."""
        if handle is None:
            return
        with self._lock:
            if self._closed:
                return
            call = self._calls[handle]
            call.ended = self._moment()
            call.seconds += self._clock()
            if error is None and result is not None and self._room(result_size(result)):
                call.result = result

    def helper(self, site: str, branch: tuple[int, ...], name: str, result: Result) -> None:
        """Note a value that a helper has just returned at a site.

        It is left out where half the room is taken: values alone do not have a trace dropped.
        """
        call, size = _Call(site, branch, Kind.HELPER, name, 0.0), len(name) + result_size(result)
        call.result = result
        with self._lock:
            full = len(self._calls) >= MOST_CALLS // 2 or self._size + size > MOST_SIZE // 2
            if self._closed or full:
                return
            self._size += size
            call.began, call.ended = self._moment(), self._moment()
            self._calls.append(call)

    def close(self, error: BaseException | None = None) -> Trace | None:
        """End the call; what is still on its way has no result.

        Returns the trace, or ``None`` if the call raised or the trace was dropped.
        """
        now = self._clock()
        with self._lock:
            calls, self._calls = self._calls, []
            if self._closed or error is not None:
                self._closed = True
                return None
            self._closed = True
            for call in calls:
                if not call.ended:
                    call.ended = self._moment()
                    call.seconds += now
        return Trace(dict(self._inputs), tuple(map(_traced, calls)), now - self._began)

    def _moment(self) -> int:
        self._moments += 1
        return self._moments

    def _room(self, size: int) -> bool:
        """Whether one more call or result of this size may be kept; else all of it goes."""
        self._size += size
        if self._size > MOST_SIZE:
            self.dropped = f"its texts and vectors come to more than {MOST_SIZE:,} characters"
        elif len(self._calls) > MOST_CALLS:
            self.dropped = f"it makes more than {MOST_CALLS} calls"
        else:
            return True
        self._closed = True
        self._calls = []
        return False


def _traced(call: _Call) -> TracedCall:
    return TracedCall(
        call.site,
        call.branch,
        call.kind,
        call.request,
        call.result,
        call.began,
        call.ended,
        call.seconds,
    )


# Inputs.

DEEPEST: Final = 4
MOST_TEXTS: Final = 200
MOST_CHARACTERS: Final = 200_000
_MOST_VALUES: Final = 2000
_ATTRIBUTES: Final = ("query_str", "content", "text", "page_content")
"""Where objects of frameworks have their text, be it a field or a property."""
_FRAMEWORKS: Final = frozenset({"llama_index", "langchain_core"})
"""Packages whose properties only read: no others are asked, they may load or count something."""
_ITSELF: Final = "query_str"
"""A query is its text: it has the path that it would have as a text."""
_BESIDE: Final = frozenset(
    {
        *("id", "id_", "node_id", "doc_id", "hash", "embedding", "relationships", "mimetype"),
        *("blocks", "text_resource", "text_template", "metadata_template", "metadata_seperator"),
        *("metadata_separator", "excluded_embed_metadata_keys", "excluded_llm_metadata_keys"),
        *("response_metadata", "usage_metadata"),
    }
)
"""Fields of messages and nodes beside their text that say it again, were drawn at random, or are
the same for all."""
_RUN: Final = frozenset(
    {
        *("tags", "metadata", "callbacks", "run_name", "run_id", "max_concurrency"),
        *("recursion_limit", "configurable"),
    }
)
"""What a runnable's config holds; of it only what is configurable is an input."""
_SECRET: Final = frozenset(
    {
        *("api_key", "apikey", "token", "access_token", "auth_token", "secret", "client_secret"),
        *("password", "authorization", "cookie", "credentials", "headers", "default_headers"),
    }
)


def inputs_of(
    args: Sequence[object], kwargs: Mapping[str, object], signature: inspect.Signature
) -> dict[str, str]:
    """The texts among the arguments of a call, by path: ``query``, ``history[1].content``.

    A text has the same path whether it is given by position or by name, or left at its default. In
    lists, mappings, dataclasses, models and messages they are found up to four levels deep; at most
    200 texts of 200,000 characters in all (what would go over is left out). Empty texts and what
    is named like a credential do not count, nor what a runnable's config says of the run itself.
    Nothing is found where the arguments do not fit. No code of theirs runs: what a class of one's
    own says by a property, ``__getattr__`` or ``__iter__`` does not count.
    """
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError:  # The original raises it, too.
        return {}
    bound.apply_defaults()
    texts = _Texts()
    for name, value in bound.arguments.items():
        texts.add(name, name, _without_run(value) if name == "config" else value, 0)
    return texts.found


def _without_run(config: object) -> object:
    """A runnable's config, or a list of them, as far as it is data."""
    kind = type(config)
    if issubclass(kind, list | tuple):
        return [_without_run(each) for each in _listed(config)]
    if issubclass(kind, dict) and (said := dict(_pairs(config))).keys() <= _RUN:
        return {"configurable": said.get("configurable")}
    return config


class _Texts:
    """Texts by path, as far as there is room for them."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self._characters = 0
        self._values = 0

    def add(self, path: str, name: str, value: object, depth: int) -> None:
        """Add the texts in a value that is called ``name``."""
        self._values += 1
        full = self._values > _MOST_VALUES or len(self.found) >= MOST_TEXTS
        if full or name.lower() in _SECRET or issubclass(type(value), enum.Enum):
            return
        if issubclass(type(value), str):
            text = str.__str__(cast(str, value))
            if text and self._characters + len(text) <= MOST_CHARACTERS:
                self._characters += len(text)
                self.found[path] = text
        elif depth < DEEPEST:
            for step, inner, part in _parts(value):
                if name == "metadata" and type(part) in (int, float):
                    part = str(part)  # As requests hold it.
                self.add(path + step, inner, part, depth + 1)


def _parts(value: object) -> Iterator[tuple[str, str, object]]:
    """The parts of a value: what is added to the path, the name and the part. In a fixed order."""
    if issubclass(type(value), dict):
        for key, part in sorted(_pairs(value), key=lambda pair: pair[0]):
            yield (f".{key}" if key.isidentifier() else f"[{key!r}]"), key, part
    elif issubclass(type(value), list | tuple):
        for at, part in enumerate(islice(_listed(value), MOST_TEXTS)):
            yield f"[{at}]", "", part
    elif not callable(value):  # A class or function is no data, nor what behaves like one.
        if type(value).__name__ == "NodeWithScore":
            value = _attribute(value, "node") or value
        said: set[object] = set()
        for name in dict.fromkeys((*_ATTRIBUTES, *_fields(type(value)))):
            part = None if said and name in _BESIDE else _attribute(value, name)
            # What is no field may be anything: a method, a proxy.
            if name in _ATTRIBUTES and not issubclass(type(part), str | list | tuple):
                continue
            text = str.__str__(cast(str, part)) if issubclass(type(part), str) else None
            if part is None or text in said:
                continue
            if text is not None and name in _ATTRIBUTES:
                said.add(text)
            yield "" if name == _ITSELF else f".{name}", name, part


# By the methods of the base classes: a class of one's own may do anything in its own.


def _pairs(mapping: object) -> list[tuple[str, object]]:
    """What stands in a dictionary under texts."""
    pairs = dict.items(cast("dict[object, object]", mapping))
    return [(str.__str__(cast(str, k)), v) for k, v in pairs if issubclass(type(k), str)]


def _listed(value: object) -> Iterator[object]:
    """What a list or tuple holds."""
    return list.__iter__(value) if isinstance(value, list) else tuple.__iter__(cast(Any, value))


def _fields(kind: type) -> Sequence[str]:
    """The names of the fields of a dataclass or a pydantic model."""
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    declared = getattr(kind, "model_fields", None)
    return [*declared] if isinstance(declared, Mapping) else ()


def _attribute(value: object, name: str) -> object:
    """What a value keeps under a name, or a framework's property says."""
    declared = next(
        (cls.__dict__[name] for cls in type(value).__mro__ if name in cls.__dict__), None
    )
    if isinstance(declared, property):
        module = str(getattr(declared.fget, "__module__", ""))
        if module.partition(".")[0] not in _FRAMEWORKS:
            return None
    elif not isinstance(declared, MemberDescriptorType):
        try:
            own = object.__getattribute__(value, "__dict__")
        except AttributeError:  # It has slots only.
            own = {}
        return own.get(name, declared) if type(own) is dict else None
    try:
        return declared.__get__(value)
    except Exception:  # A slot that is empty; a property that raises.
        return None
