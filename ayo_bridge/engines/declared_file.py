"""Engines that a TOML file declares: ``[[llm]]``, ``[[embedding]]`` and ``[[reranker]]``."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ayo_bridge.engines.declared import LLM, Declared, Servers, WrongFieldError
from ayo_bridge.engines.declared_once import check_once
from ayo_bridge.errors import ArgumentError

if TYPE_CHECKING:
    from ayo_bridge.engines.declared_models import DeclaredModel

VARIABLE: Final = "AYO_ENGINES"
"""Names the file."""
_EXAMPLE: Final = (
    'write [[llm]] and below it model = "MODEL" and urls = ["http://HOST:8000/v1"]; '
    "so with [[embedding]] and [[reranker]]"
)
Declaration = LLM | Declared
_Table = Mapping[str, Any]
_T = TypeVar("_T")


def named_engines() -> tuple[Declaration, ...]:
    """What the file declares that ``AYO_ENGINES`` names.

    Raises:
        ArgumentError: it cannot be read, or says something else; the message names file and key.
    """
    path = os.environ.get(VARIABLE, "").strip()
    return read_engines(path) if path else ()


def named_servers() -> tuple[Servers, ...]:
    """The servers among them.

    Raises:
        ArgumentError: see :func:`named_engines`.
    """
    return servers_of(named_engines())


def servers_of(declared: Sequence[object]) -> tuple[Servers, ...]:
    """The servers of declarations, those of LLMs first."""
    llms = [each for each in declared if isinstance(each, Servers)]
    others = [each.servers for each in declared if isinstance(each, Declared) and each.servers]
    return (*llms, *others)


def read_engines(path: str | Path) -> tuple[Declaration, ...]:
    """The engines that a TOML file declares, a table for each.

    Raises:
        ArgumentError: it cannot be read, or says something else; the message names file and key.
    """
    said = _parsed(path)
    found: list[tuple[str, Declaration]] = []
    for kind, tables in said.items():
        make = _KINDS.get(kind)
        if make is None:
            known = ", ".join(f"[[{each}]]" for each in _KINDS)
            raise ArgumentError(f"{path}: {kind} is no kind of engine: take {known}")
        if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
            raise ArgumentError(f"{path}: {kind} is to be a list of tables: write [[{kind}]]")
        for at, table in enumerate(tables):
            where = f"{kind}[{at}]"
            found.append((where, make(table, f"{path}: {where}")))
    if not found:
        raise ArgumentError(f"{path} declares no engine: {_EXAMPLE}")
    check_once(found, f"{path}: ")
    return tuple(declaration for _, declaration in found)


def _parsed(path: str | Path) -> _Table:
    import tomllib  # Few have such a file, and all would wait for it.

    try:
        return tomllib.loads(Path(path).read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise ArgumentError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ArgumentError(f"{path} is no text in UTF-8: save it as that") from error
    except (ValueError, RecursionError) as error:  # Among them numbers that are too long.
        raise ArgumentError(f"{path} is no TOML: {error}") from error


def _llm(table: _Table, where: str) -> LLM:
    _check_keys(table, where, [field.name for field in fields(LLM)], ("model", "urls"))
    return _made(lambda: LLM(**table), where)


def _model(name: str) -> Callable[[_Table, str], DeclaredModel]:
    def declared(table: _Table, where: str) -> DeclaredModel:
        import ayo_bridge.engines.declared_models as models

        cls: type[DeclaredModel] = getattr(models, name)
        if "urls" in table:
            _check_keys(table, where, ("model", "urls", "routing"), ("model",))
            options = {key: value for key, value in table.items() if key != "model"}
        else:
            _check_keys(table, where, ("model", "placement", "load", "urls"), ("model",))
            if "placement" not in table:
                raise ArgumentError(f"{where} says neither placement nor urls")
            options = {**_table(table.get("load", {}), f"{where}.load")}
            for key in ("model", "source", "self", "placement", "urls", "routing"):
                if key in options:
                    raise ArgumentError(f"{where}.load.{key} is no argument of the library's")
            options["placement"] = _placement(table["placement"], f"{where}.placement")
        return _made(lambda: cls(table["model"], **options), where)

    return declared


def _placement(said: object, where: str) -> Any:
    """``"shared_process"``, or a table of that name with its settings; so for a Ray actor."""
    from ayo_bridge.engines.shared.place import SharedProcess
    from ayo_bridge.engines.shared.ray_reach import RayActor

    known = {"shared_process": SharedProcess, "ray_actor": RayActor}
    tables: _Table = {said: {}} if isinstance(said, str) else _table(said, where)
    if len(tables) != 1 or next(iter(tables)) not in known:
        raise ArgumentError(
            f'{where} is to be "shared_process" or "ray_actor", or one table of that name, '
            f"not {said!r}"
        )
    ((name, settings),) = tables.items()
    cls, where = known[name], f"{where}.{name}"
    given = dict(_table(settings, where))
    _check_keys(given, where, [field.name for field in fields(cls)])
    for key, value in given.items():
        _check_setting(value, f"{where}.{key}", str(cls.__annotations__[key]))
    if "resources" in given:
        given["resources"] = tuple(sorted(given["resources"].items()))
    try:
        return cls(**given)
    except ArgumentError as error:
        raise ArgumentError(f"{where}: {error}") from None


def _check_setting(value: object, where: str, annotation: str) -> None:
    """Whether a value is of the kind that a placement's setting has."""
    kinds: Mapping[str, tuple[str, type | tuple[type, ...]]] = {
        "str": ("a text", str),
        "int": ("a whole number", int),
        "float": ("a number", (int, float)),
        "tuple": ("a table", dict),
    }
    word, kind = kinds.get(annotation.partition("[")[0].partition(" ")[0], ("", object))
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not object):
        raise ArgumentError(f"{where} is to be {word}, not {value!r}")
    if isinstance(value, dict):
        for name, amount in value.items():
            _check_setting(amount, f"{where}.{name}", "float")


def _table(said: object, where: str) -> _Table:
    if not isinstance(said, dict):
        raise ArgumentError(f"{where} is to be a table, not {said!r}")
    return said


def _check_keys(
    table: _Table, where: str, known: Sequence[str], needed: Sequence[str] = ()
) -> None:
    for name in table:
        if name not in known:
            raise ArgumentError(f"{where}.{name} is no setting: take {', '.join(known)}")
    for name in needed:
        if name not in table:
            raise ArgumentError(f"{where}.{name} is missing")


def _made(make: Callable[[], _T], where: str) -> _T:
    try:
        return make()
    except WrongFieldError as error:
        raise ArgumentError(f"{where}.{error.field} {error.why}") from None
    except (ArgumentError, TypeError) as error:
        raise ArgumentError(f"{where}: {error}") from None


_KINDS: Final[Mapping[str, Callable[[_Table, str], Declaration]]] = {
    "llm": _llm,
    "embedding": _model("Embedding"),
    "reranker": _model("Reranker"),
}

__all__ = ["VARIABLE", "named_engines", "named_servers", "read_engines", "servers_of"]
