"""LLM servers: which answer, and with what settings, as far as harmless GETs show."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from packaging.version import InvalidVersion, Version

from ayo_bridge.doctor.asking import Reply, get
from ayo_bridge.doctor.checks import Area, Check, Level
from ayo_bridge.doctor.libraries import shown, tested_range
from ayo_bridge.doctor.vllm_metrics import VLLMState, read_metrics
from ayo_bridge.engines import launched
from ayo_bridge.engines.declared_file import named_servers
from ayo_bridge.errors import ArgumentError
from ayo_bridge.learn.live.remote import VARIABLE, is_remote, wanted

_NAMED_BY: Final = ("OPENAI_BASE_URL", "OPENAI_API_BASE")
_NO_GET: Final = (404, 405, 501)


def known_servers() -> tuple[str, ...]:
    """The servers to ask where none is named.

    These are the one of the OpenAI SDK's environment, the replicas that ``AYO_ENGINES`` declares,
    and those that ``serve-llm`` has started on this machine.
    """
    said = [os.environ.get(name, "").strip() for name in _NAMED_BY]
    replicas: list[str] = []
    with suppress(ArgumentError):  # `check_settings` says what is wrong with it.
        replicas = [url for each in named_servers() for url in each.urls]
    return tuple(dict.fromkeys([*filter(None, said), *replicas, *launched.running()]))


def check_servers(servers: Sequence[str]) -> Iterator[Check]:
    """Each server by its base URL, with or without ``/v1``."""
    if not servers:
        yield _found(
            Level.NOTE,
            "no server was named, none is in OPENAI_BASE_URL, and `serve-llm` runs none here",
            "`ayo-bridge doctor --server http://localhost:8000/v1` asks one",
        )
    for server in dict.fromkeys(servers):
        parts = _split(server)
        if parts is None:
            yield _found(
                Level.PROBLEM,
                f"{_without_credentials(server)!r} is no base URL of a server",
                "name it like http://localhost:8000/v1",
            )
        else:
            yield from _check(parts)


def _split(server: str) -> SplitResult | None:
    try:
        parts = urlsplit(server.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return None
        _ = parts.port  # Raises if it is none.
    except ValueError:
        return None
    # Credentials, query and fragment are neither shown nor sent.
    path = parts.path.rstrip("/") or "/v1"
    return SplitResult(parts.scheme, parts.netloc.rpartition("@")[2], path, "", "")


def _without_credentials(server: str) -> str:
    return server.rpartition("@")[2]


def _check(parts: SplitResult) -> Iterator[Check]:
    url = parts.geturl()
    root = url.removesuffix("/v1")
    models = get(f"{url}/models")
    if not models.status:
        yield _found(
            Level.PROBLEM,
            f"{url} does not answer: {models.failure}",
            "start it (`ayo-bridge serve-llm MODEL` starts vLLM), or name its base URL",
        )
        return
    yield _answers(url, models)
    if models.status not in (*_NO_GET, 407):
        state = read_metrics(get(f"{root}/metrics").text)
        version = get(f"{root}/version").json
        if state is not None or _owner(models.json) == "vllm":
            yield from _vllm(url, state, version, get(f"{root}/health"))
        else:
            yield _found(
                Level.NOTE,
                f"{url} does not show its settings: prefix caching and load cannot be seen",
                "nothing is needed; `explain` shows what traffic has found",
            )
    server = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    if is_remote(server) and not wanted():
        yield _found(
            Level.NOTE,
            f"{url} is a server of others: learned templates ask it nothing ahead",
            f"set {VARIABLE}=1 where a call in vain may cost money",
        )


def _answers(url: str, models: Reply) -> Check:
    status = models.status
    if status == 200 and (names := _names(models.json)):
        noun = "model" if len(names) == 1 else "models"
        return _found(Level.OK, f"{url} answers, {noun} {', '.join(names)}")
    if status in (401, 403):
        return _found(
            Level.NOTE, f"{url} answers and wants a key ({status}); none was sent, so it says less"
        )
    if status in _NO_GET:
        return _found(
            Level.NOTE,
            f"{url} answers but takes no GET of its models ({status}): nothing can be seen",
            "check that this is the base URL; OpenAI-compatible servers mostly answer at /v1",
        )
    if status == 407:
        return _found(
            Level.PROBLEM,
            f"{url} is behind a proxy that wants credentials (407)",
            "put them into the proxy's URL, or except the server in NO_PROXY",
        )
    if status == 200:
        return _found(Level.NOTE, f"{url} answers, and lists no models as OpenAI's API does")
    if status < 500:
        return _found(Level.NOTE, f"{url} answers with status {status} and lists no models")
    return _found(
        Level.PROBLEM, f"{url} answers with an error ({status})", "look into the server's log"
    )


def _names(listed: Any) -> list[str]:
    return [str(each["id"]) for each in _models(listed) if "id" in each]


def _owner(listed: Any) -> str:
    return next((str(each.get("owned_by", "")) for each in _models(listed)), "")


def _models(listed: Any) -> list[dict[str, Any]]:
    data = listed.get("data") if isinstance(listed, dict) else None
    return [each for each in data if isinstance(each, dict)] if isinstance(data, list) else []


def _vllm(url: str, state: VLLMState | None, version: Any, health: Reply) -> Iterator[Check]:
    number = version.get("version") if isinstance(version, dict) else None
    yield _version(url, number)
    if health.status != 200:
        said = health.status or health.failure
        yield _found(
            Level.PROBLEM, f"{url} says at /health that it is not well ({said})", "restart it"
        )
    if state is None:
        yield _found(
            Level.NOTE,
            f"{url} has no /metrics: prefix caching and load cannot be seen",
            "start it without --disable-log-stats",
        )
    else:
        yield from _state(url, state)
    if launched.is_launched(url):
        yield _found(Level.OK, f"{url} was started by `serve-llm` here: priorities are on")
    else:
        yield _found(
            Level.NOTE,
            f"{url} does not tell whether priorities are on, so none are sent",
            "Runtime(priority=True), if it was started with --scheduling-policy priority",
        )


def _version(url: str, number: object) -> Check:
    if not isinstance(number, str):
        return _found(Level.OK, f"{url} is vLLM, of a version it does not tell")
    tested = tested_range("vllm")
    try:
        fits = tested.contains(Version(number), prereleases=True)
    except InvalidVersion:
        fits = True  # Of somebody's own making: the API decides.
    if not fits:
        return _found(
            Level.PROBLEM,
            f"{url} is vLLM {number}, outside the tested range {shown(tested)}",
            f"pip install 'vllm{shown(tested)}' where the server runs",
        )
    return _found(Level.OK, f"{url} is vLLM {number}")


def _state(url: str, state: VLLMState) -> Iterator[Check]:
    if state.prefix_caching is False:
        yield _found(
            Level.PROBLEM,
            f"{url} has prefix caching off: what is prefilled ahead is prefilled twice",
            "start it with --enable-prefix-caching, or set Runtime(prefix_warming=False)",
        )
    elif state.prefix_caching:
        rate = "" if state.hit_rate is None else f", {state.hit_rate:.0%} of tokens found in it"
        yield _found(Level.OK, f"{url} has prefix caching on{rate}")
    if state.running is None or state.waiting is None:
        return
    load = f"{url} has {state.running} running, {state.waiting} waiting"
    if state.cache_used is not None:
        load += f", KV cache {state.cache_used:.0%} full"
    if state.waiting:
        yield _found(
            Level.NOTE,
            f"{load}: it is busy, and calls ahead gain less",
            "give it more KV cache or another replica, if that is so for long",
        )
    else:
        yield _found(Level.OK, load)


def _found(level: Level, what: str, advice: str = "") -> Check:
    return Check(Area.SERVERS, level, what, advice)
