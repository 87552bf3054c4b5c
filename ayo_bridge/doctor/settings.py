"""The environment variables of ayo-bridge: what each does, and which of those set are none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ayo_bridge.doctor.checks import Area, Check, Level
from ayo_bridge.doctor.on_disk import home_as_tilde
from ayo_bridge.errors import AyoBridgeError
from ayo_bridge.schedule.limits import wanted_limit

Meaning = Callable[[str], Check]
"""What a value does."""
PREFIX: Final = "AYO_"
_RUNTIME_WINS: Final = "where a Runtime does not say otherwise"


def _ok(what: str) -> Check:
    return Check(Area.ENVIRONMENT, Level.OK, what)


def _place(variable: str, what: str) -> Meaning:
    def meaning(value: str) -> Check:
        where = home_as_tilde(Path(value))
        if value and not Path(value).is_absolute():
            return Check(
                Area.ENVIRONMENT,
                Level.NOTE,
                f"{variable}={where}: {what}, in each folder that a program is started from",
                f"set {variable} to an absolute path",
            )
        return _ok(f"{variable}={where}: {what}")

    return meaning


def _off_by_zero(variable: str, off: str) -> Meaning:
    def meaning(value: str) -> Check:
        if value == "0":
            return _ok(f"{variable}=0: {off}, {_RUNTIME_WINS}")
        if value in ("", "1"):
            return _ok(f"{variable}={value}: as without it")
        return Check(
            Area.ENVIRONMENT,
            Level.NOTE,
            f"{variable}={value} does nothing",
            f"only {variable}=0 has an effect: {off}",
        )

    return meaning


def _remote(value: str) -> Check:
    if value in ("", "0"):
        return _ok(f"AYO_LEARN_REMOTE={value}: as without it")
    return _ok(
        f"AYO_LEARN_REMOTE={value}: learned templates ask servers of others ahead too, "
        "where a call in vain may cost money"
    )


def _max_ahead(value: str) -> Check:
    try:
        limit = wanted_limit(None)
    except AyoBridgeError:
        return Check(
            Area.ENVIRONMENT,
            Level.PROBLEM,
            f"AYO_MAX_AHEAD={value} is no number of calls: no Runtime can be made",
            "set a whole number, 0 or more, or unset it",
        )
    if limit is None:
        return _ok("AYO_MAX_AHEAD is empty: as without it")
    if limit == 0:
        return Check(
            Area.ENVIRONMENT,
            Level.NOTE,
            f"AYO_MAX_AHEAD=0: no call runs ahead at any LLM server, {_RUNTIME_WINS}",
            "unset it, and the limit is found for each server",
        )
    calls = "1 call" if limit == 1 else f"{limit} calls"
    return _ok(f"AYO_MAX_AHEAD={limit}: at most {calls} ahead at a server, {_RUNTIME_WINS}")


SETTINGS: Final[Mapping[str, Meaning]] = MappingProxyType(
    {
        "AYO_PROFILE_DIR": _place("AYO_PROFILE_DIR", "profiles are kept there"),
        "AYO_TEMPLATE_DIR": _place("AYO_TEMPLATE_DIR", "learned templates are kept there"),
        "AYO_TEMPLATES": _off_by_zero(
            "AYO_TEMPLATES", "no learned templates are kept on disk or read"
        ),
        "AYO_LEARN_REMOTE": _remote,
        "AYO_MAX_AHEAD": _max_ahead,
        "AYO_MEASURE": _off_by_zero("AYO_MEASURE", "nothing is measured in the background"),
        "AYO_ENV_CACHE": _place("AYO_ENV_CACHE", "`make setup` and the demo keep things there"),
        "AYO_MODEL": lambda value: _ok(f"AYO_MODEL={value}: the model that the demo serves"),
    }
)
"""All that docs/configuration.md names."""


def check_settings() -> Iterator[Check]:
    """Each variable that is set, with its effect; unknown ones with the one that was meant."""
    found = sorted(name for name in os.environ if name.upper().startswith(PREFIX))
    if not found:
        yield _ok("no AYO_* variables are set: everything is as documented")
    for name in found:
        if meaning := SETTINGS.get(name):
            yield meaning(os.environ[name])
        else:
            yield _unknown(name)


def _unknown(name: str) -> Check:
    near = get_close_matches(name.upper(), SETTINGS, n=1, cutoff=0.75)
    return Check(
        Area.ENVIRONMENT,
        Level.PROBLEM if near else Level.NOTE,
        f"{name} is no setting" + (f": did you mean {near[0]}?" if near else ""),
        f"rename it to {near[0]}, or unset it" if near else "",
    )
