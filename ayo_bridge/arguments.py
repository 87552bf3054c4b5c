"""What a `Runtime` may be given: wrong kinds and values are refused at once, in one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ayo_bridge.engines.declared import LLM, Declared, Servers
from ayo_bridge.engines.declared_file import named_engines, servers_of
from ayo_bridge.engines.declared_once import check_once
from ayo_bridge.errors import ArgumentError
from ayo_bridge.profile import ProfileStore
from ayo_bridge.seam import Dialect, Engine


def checked_engines(
    engines: Iterable[Engine | LLM],
    passes: object,
    history: object,
    profiles: object,
    flags: Mapping[str, object],
) -> tuple[tuple[Engine, ...], tuple[Servers, ...]]:
    """The engines and the servers declared, where all other arguments are what they should be.

    Where nothing is declared that is what the file says that ``AYO_ENGINES`` names.

    Args:
        passes, history, profiles: as given to the runtime.
        flags: by name; ``None`` is one that was not given.

    Raises:
        ArgumentError: the first that is not; the message says what would do.
    """
    for name, flag in flags.items():
        if flag is not None and not isinstance(flag, bool):
            raise ArgumentError(f"{name} is to be True or False, not {flag!r}")
    if isinstance(history, bool) or not isinstance(history, int) or history < 0:
        raise ArgumentError(f"history is to be a number of calls, 0 or more, not {history!r}")
    if not isinstance(passes, tuple):
        raise ArgumentError(f"passes is to be a tuple of passes, () for none, not {passes!r}")
    for each in passes:
        _check_pass(each)
    if profiles is not None and not isinstance(profiles, ProfileStore):
        raise ArgumentError(f"profiles is to be a ProfileStore(DIRECTORY), not {profiles!r}")
    return _checked(engines)


def checked_dialects(dialects: object) -> tuple[Dialect, ...]:
    """The dialects, each of them one.

    Raises:
        ArgumentError: one is not.
    """
    if isinstance(dialects, str) or not isinstance(dialects, Iterable):
        raise ArgumentError(f"dialects is to be a list of dialects, not {dialects!r}")
    found = tuple(dialects)
    for each in found:
        if not isinstance(each, Dialect):
            raise ArgumentError(
                f"dialects holds {each!r}, which is no dialect: make one with "
                "ayo_bridge.Dialect(name=..., kind=..., paths=...)"
            )
    return found


def _check_pass(each: object) -> None:
    if not callable(getattr(each, "apply", None)):
        raise ArgumentError(f"passes holds {each!r}, which is no pass: it has no apply()")
    if isinstance(each, type):
        raise ArgumentError(f"passes holds the class {each.__name__}: write {each.__name__}()")


def _checked(engines: object) -> tuple[tuple[Engine, ...], tuple[Servers, ...]]:
    if isinstance(engines, str) or not isinstance(engines, Iterable):
        raise ArgumentError(f"engines is to be a list of engines, not {engines!r}")
    found: tuple[Engine | Declared | LLM, ...] = tuple(
        {id(each): each for each in engines}.values()
    )
    for each in found:
        if not isinstance(each, Engine | LLM):
            raise ArgumentError(
                f"engines holds {each!r}, which is no engine: subclass "
                "ayo_bridge.seam.BatchEngine or AsyncEngine, or declare an ayo_bridge.LLM"
            )
    check_once((type(each).__name__, each) for each in found)
    if not any(isinstance(each, LLM | Declared) for each in found):
        found += named_engines()
    made = [each for each in found if isinstance(each, Engine) and not _is_served(each)]
    return tuple(made), servers_of(found)


def _is_served(engine: Engine) -> bool:
    """Whether it only says where its servers are."""
    return isinstance(engine, Declared) and engine.servers is not None
