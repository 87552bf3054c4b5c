"""The environment variables of ayo-bridge: what each does, and which of those set are none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ayo_bridge.autorun.exports import address_of
from ayo_bridge.doctor.checks import Area, Check, Level
from ayo_bridge.doctor.on_disk import home_as_tilde
from ayo_bridge.engines.declared import LLM, Declared
from ayo_bridge.engines.declared_file import named_engines
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
        return _nothing(variable, value, f"only {variable}=0 has an effect: {off}")

    return meaning


def _switch(value: str) -> Check:
    if value == "0":
        return Check(
            Area.ENVIRONMENT,
            Level.NOTE,
            "AYO_BRIDGE=0: nothing is accelerated, whatever the program says",
            "unset it, and `accelerate` does again what it says",
        )
    if value == "1":
        return _ok("AYO_BRIDGE=1: programs are accelerated that do not know of it")
    return _nothing("AYO_BRIDGE", value, "1 accelerates every program, 0 none")


def _on_by_one(variable: str, on: str) -> Meaning:
    def meaning(value: str) -> Check:
        if value in ("", "0"):
            return _ok(f"{variable}={value}: as without it")
        if value == "1":
            return _ok(f"{variable}=1: {on}")
        return _nothing(variable, value, f"1 is for: {on}")

    return meaning


def _log(value: str) -> Check:
    if not value or value.upper() in _LEVELS:
        return _ok(f"AYO_LOG={value}: ayo-bridge logs to stderr from that level on")
    return _nothing("AYO_LOG", value, f"levels are {', '.join(_LEVELS)}")


def _timeline(value: str) -> Check:
    if not value or value.lower().endswith((".html", ".json")):
        return _ok(f"AYO_TIMELINE={value}: the last calls are written there at exit")
    return _nothing("AYO_TIMELINE", value, "name a .html or a .json file")


def _share(value: str) -> Check:
    try:
        share = float(value.strip() or 0)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        return Check(
            Area.ENVIRONMENT,
            Level.PROBLEM,
            f"AYO_VERIFY={value} is no share of calls: no Runtime can be made",
            "set a number from 0 to 1, such as 0.01, or unset it",
        )
    return _ok(
        f"AYO_VERIFY={value}: {share:.3g} of all calls are compared with the original, "
        f"{_RUNTIME_WINS}"
    )


def _metrics_port(value: str) -> Check:
    if not value:
        return _ok("AYO_METRICS_PORT is empty: as without it")
    try:
        host, port = address_of(value)
    except AyoBridgeError as error:
        return Check(
            Area.ENVIRONMENT, Level.PROBLEM, str(error), "set a port, such as 9464, or unset it"
        )
    return _ok(f"AYO_METRICS_PORT={value}: Prometheus metrics are served at {host}:{port}")


def _nothing(variable: str, value: str, instead: str) -> Check:
    return Check(Area.ENVIRONMENT, Level.NOTE, f"{variable}={value} does nothing", instead)


def _remote(value: str) -> Check:
    if value in ("", "0"):
        return _ok(f"AYO_LEARN_REMOTE={value}: as without it")
    return _ok(
        f"AYO_LEARN_REMOTE={value}: learned templates ask servers of others ahead too, "
        "where a call in vain may cost money"
    )


def _engines(value: str) -> Check:
    try:
        declared = named_engines()
    except AyoBridgeError as error:
        return Check(
            Area.ENVIRONMENT,
            Level.PROBLEM,
            f"AYO_ENGINES: no Runtime can be made: {error}",
            "correct the file, or unset it",
        )
    if not value.strip():
        return _ok("AYO_ENGINES is empty: as without it")
    said = "; ".join(map(_declared, declared))
    where = home_as_tilde(Path(value))
    return _ok(f"AYO_ENGINES={where} declares {said or 'nothing'}, {_RUNTIME_WINS}")


def _declared(each: LLM | Declared) -> str:
    servers = each if isinstance(each, LLM) else each.servers
    if servers is None:
        return str(each)
    replicas = "replica" if len(servers.urls) == 1 else "replicas"
    return f"{len(servers.urls)} {replicas} of {servers.model}, routing {servers.routing}"


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


_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
SETTINGS: Final[Mapping[str, Meaning]] = MappingProxyType(
    {
        "AYO_BRIDGE": _switch,
        "AYO_EXPLAIN": _on_by_one("AYO_EXPLAIN", "what was done is said at exit"),
        "AYO_STATS": _on_by_one("AYO_STATS", "counters are written at exit"),
        "AYO_TIMELINE": _timeline,
        "AYO_LOG": _log,
        "AYO_LEARN": _off_by_zero("AYO_LEARN", "nothing is learned of frameworks' objects"),
        "AYO_VERIFY": _share,
        "AYO_OTEL": _on_by_one(
            "AYO_OTEL", f"OpenTelemetry spans of every call are exported, {_RUNTIME_WINS}"
        ),
        "AYO_METRICS": _on_by_one("AYO_METRICS", f"Prometheus metrics are kept, {_RUNTIME_WINS}"),
        "AYO_METRICS_PORT": _metrics_port,
        "AYO_TOP": _on_by_one("AYO_TOP", "processes answer `ayo-bridge top`"),
        "AYO_PROFILE_DIR": _place("AYO_PROFILE_DIR", "profiles are kept there"),
        "AYO_TEMPLATE_DIR": _place("AYO_TEMPLATE_DIR", "learned templates are kept there"),
        "AYO_TEMPLATES": _off_by_zero(
            "AYO_TEMPLATES", "no learned templates are kept on disk or read"
        ),
        "AYO_LEARN_REMOTE": _remote,
        "AYO_MAX_AHEAD": _max_ahead,
        "AYO_ENGINES": _engines,
        "AYO_MEASURE": _off_by_zero("AYO_MEASURE", "nothing is measured in the background"),
        "AYO_ENV_CACHE": _place("AYO_ENV_CACHE", "`make setup` and the demo keep things there"),
        "AYO_MODEL": lambda value: _ok(f"AYO_MODEL={value}: the model that the demo serves"),
    }
)
"""All that are read, and those of the demo and `make`."""
OWN: Final = frozenset({"AYO_BRIDGE_PID", "AYO_CORES"})
"""What ayo-bridge sets itself, for processes that it starts."""


def check_settings() -> Iterator[Check]:
    """Each variable that is set, with its effect; unknown ones with the one that was meant."""
    found = sorted(name for name in {*os.environ} - OWN if name.upper().startswith(PREFIX))
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
