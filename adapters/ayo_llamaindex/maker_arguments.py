"""What LlamaIndex's makers are given: parts that are known, and what is only kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from types import FunctionType
from typing import Any, Final

from ayo_bridge.learn.certain.reading import innermost, is_plain
from ayo_bridge.lift.asking import Asking, Verdicts, stands_for
from ayo_bridge.lift.recognise import class_of, loaded
from ayo_llamaindex.always_used import always_used, of_settings, parts_in
from ayo_llamaindex.intact import is_silent

_CORE: Final = "llama_index.core"
_NODES: Final = ("Document", "TextNode")
_MOST: Final = 256
"""Of more nodes, or other values, it is not looked whether all are known."""
_LIBRARIES: Final = ("llama_index", "tiktoken", "transformers", "tokenizers", "nltk")
"""Packages whose functions only count tokens and cut texts."""
_WHOLE: Final = frozenset({"storage_context", "index_struct", "objects", "object_map"})
"""What holds parts of its own."""


class UnknownError(Exception):
    """It is not known what a maker makes, or code of the user's may run in it."""


@dataclass(slots=True)
class Arguments:
    """What a maker is given.

    Args:
        given: by name; none that are ``None``.
        verdicts: what was found out before (:class:`ayo_bridge.lift.asking.Given`).

    Raises:
        UnknownError: by the methods, where something is not as a maker needs it to be.
    """

    given: dict[str, Any]
    verdicts: Verdicts

    def rest(self, *parts: str) -> None:
        """Make sure that what is given beside the parts is only kept, and runs nothing."""
        for name, value in self.given.items():
            if name in parts:
                continue
            kept = is_silent(value) if name == "callback_manager" else _is_kept(value)
            if name in _WHOLE or not kept:
                raise UnknownError(name)

    def lacks(self, *names: str) -> None:
        """Make sure that some arguments are not given."""
        if given := [name for name in names if name in self.given]:
            raise UnknownError(*given)

    def llm(self) -> Any:
        """The LLM that is given, else that of the settings."""
        return self._model("llm")

    def embed_model(self) -> Any:
        """The embedding model that is given, else that of the settings."""
        return self._model("embed_model")

    def _model(self, name: str) -> Any:
        model = self.given[name] if name in self.given else of_settings(f"_{name}")
        if not self.knows(model):
            raise UnknownError(name)
        return model

    def several(self, name: str, known: Callable[[Any], bool]) -> list[Any]:
        """Parts that are given as a list."""
        parts = self.given.get(name, [])
        if type(parts) not in (list, tuple) or len(parts) > _MOST or not all(map(known, parts)):
            raise UnknownError(name)
        return list(parts)

    def knows(self, part: object) -> bool:
        """Whether a part is LlamaIndex's own, with all that is in it, and its events nobody's."""
        key = "known", id(part)
        if key not in self.verdicts:
            self.verdicts[key] = part, _is_known(part)  # Kept, so that no other has its id.
        verdict: bool = self.verdicts[key][1]
        return verdict

    def runs(self, part: Any) -> bool:
        """Whether a part that is run while something is made runs nothing of the user's."""
        if not self.knows(part):
            return False
        parses = class_of(part).__module__.startswith(f"{_CORE}.node_parser.")
        return not parses or all(map(_is_of_library, _functions_in(part)))

    def may_be_told(self, part: object) -> bool:
        """Whether nothing runs when a part is given a callback manager."""
        if self.knows(part):
            return True
        model: Any = loaded(f"{_CORE}.bridge.pydantic", "BaseModel")
        cls: Any = class_of(part)
        return (
            issubclass(cls, model)
            and cls.__setattr__ is model.__setattr__
            and "callback_manager" in cls.model_fields
            and not hasattr(cls, "callback_manager")
            and not cls.model_config.get("validate_assignment")
        )


def is_node(node: Any) -> bool:
    """Whether a node is LlamaIndex's own, with nothing of the user's in its metadata."""
    cls = stands_for(node) or class_of(node)
    if cls.__name__ not in _NODES or loaded(f"{_CORE}.schema", cls.__name__) is not cls:
        return False
    return stands_for(node) is not None or _is_kept(node.metadata)


def asking(*parts: object) -> Asking | None:
    """What calls of all these parts ask by."""
    owners = {id(owner): owner for part in parts for owner in always_used(part)}
    return Asking(tuple(owners.values()), len(owners) == 1) if owners else None


def _functions_in(splitter: Any) -> Iterator[Any]:
    """What a splitter has been given to count and to cut by."""
    for space in (vars(splitter), splitter.__pydantic_private__ or {}):
        for held in space.values():
            yield from filter(callable, held if isinstance(held, list | tuple) else (held,))


def _is_of_library(function: Any) -> bool:
    inner, _, _ = innermost(function)
    module = getattr(inner, "__module__", None) or type(inner).__module__
    if type(inner) is FunctionType:
        module = inner.__globals__.get("__name__", "")
    return str(module).partition(".")[0] in _LIBRARIES


def _is_known(part: object) -> bool:
    parts = parts_in(part) if part is not None else None
    return parts is not None and all(
        stands_for(each) is not None or is_silent(getattr(each, "callback_manager", None))
        for each in parts
    )


def _is_kept(value: object) -> bool:
    """Whether a value has nothing that could run: a number, a text, a prompt, a class."""
    if type(value) in (list, tuple, dict):
        held: Any = value.values() if isinstance(value, dict) else value
        return len(held) <= _MOST and all(map(_is_kept, held))
    if isinstance(value, Enum) or stands_for(value) is not None:
        return True
    return is_plain(value) or class_of(value).__module__.startswith("llama_index.")
