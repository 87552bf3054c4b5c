"""No credential stands in anything that ayo-bridge shows, logs or keeps."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ayo_bridge import Runtime, accelerate, explain, stats, timeline
from ayo_bridge.profile import ProfileStore
from tests.stub_openai import faults
from tests.wire.sending import APPS, QUESTIONS, World, answer_of, world_of

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.timeout(60),
]
SECRETS = ("sk-very-secret", "pass-of-url", "cookie-of-client", "cookie-of-server", "pass-of-proxy")
OURS = ("ayo_bridge", "ayo_llamaindex", "ayo_langchain")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "profiles"


@pytest.fixture
def runtime(store: Path) -> Iterator[Runtime]:
    made = Runtime(measure=True, profiles=ProfileStore(store))
    yield made
    made.close()


def _model(world: World, app: str, way: str) -> Any:
    """With secrets in the key, the address and, on a client of the user's own, a cookie."""
    url = world.server.base_url.replace("http://", f"http://alice:{SECRETS[1]}@")
    clients: list[Any] = [None, None]
    if way == "own client":
        cookies = {"session": SECRETS[2]}
        clients = [httpx.Client(cookies=cookies), httpx.AsyncClient(cookies=cookies)]
    if app == "chain":
        return world.chat(
            base_url=url,
            api_key=SECRETS[0],
            http_client=clients[0],
            http_async_client=clients[1],
        )
    return world.like(
        api_base=url, api_key=SECRETS[0], http_client=clients[0], async_http_client=clients[1]
    )


def _texts(obj: Any, runtime: Runtime, store: Path, directory: Path) -> dict[str, str]:
    explained = explain(obj)
    shown = {
        "explain": str(explained),
        "explain as data": json.dumps(explained.json(), default=str),
        "explain as a chart": explained.mermaid(),
        "repr of explain": repr(explained),
        "stats": str(stats(obj)),
        "stats as data": json.dumps(stats(obj).to_dict(), default=str),
        "engines": " ".join(scheduler.engine.name for scheduler in runtime.schedulers),
        "repr of engines": repr([scheduler.engine for scheduler in runtime.schedulers]),
    }
    for suffix in ("html", "json"):
        shown[f"timeline.{suffix}"] = timeline(obj, directory / f"calls.{suffix}").read_text()
    for path in store.rglob("*"):
        shown[f"profile {path.name}"] = path.name + (path.read_text() if path.is_file() else "")
    return shown


@pytest.mark.parametrize("way", ["plain", "own client", "proxy"])
@pytest.mark.parametrize("concurrent", [False, True])
@pytest.mark.parametrize("app", ["tree", "fusion", "chain"])
def test_none_is_shown(
    app: str,
    concurrent: bool,
    way: str,
    runtime: Runtime,
    store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in OURS:
        caplog.set_level(logging.DEBUG, logger=name)
    with world_of(concurrent) as world:
        proxy = world.other.root_url.replace("http://", f"http://bob:{SECRETS[4]}@")
        monkeypatch.setenv("HTTP_PROXY", proxy if way == "proxy" else "")
        monkeypatch.setenv("NO_PROXY", "")
        for stub in (world.server, world.other):
            stub.extra_headers.append(("set-cookie", f"server={SECRETS[3]}; Path=/"))
        obj = accelerate(APPS[app](_model(world, app, way)), runtime=runtime)
        answers = [answer_of(world, obj, question) for question in QUESTIONS]
        assert _shown(_texts(obj, runtime, store, tmp_path)) == []
        for stub in (world.server, world.other):
            faults.every(status=401)(stub)
        answers.append(answer_of(world, obj, "And when it fails?"))
        time.sleep(0.05)
        assert [("401" in answer) for answer in answers] == [False, False, True]
        texts = _texts(obj, runtime, store, tmp_path)
    records = [record for record in caplog.records if record.name.partition(".")[0] in OURS]
    texts["log"] = "\n".join(f"{record.getMessage()} {record.exc_info}" for record in records)
    assert _shown(texts) == []


def _shown(texts: dict[str, str]) -> list[str]:
    return [
        f"{secret} in {name}"
        for name, text in texts.items()
        for secret in SECRETS
        if secret in text
    ]


def test_they_have_been_sent(runtime: Runtime) -> None:
    """Else nothing above could show them."""
    with world_of(False) as world:
        world.server.extra_headers.append(("set-cookie", f"server={SECRETS[3]}; Path=/"))
        obj = accelerate(APPS["tree"](_model(world, "tree", "own client")), runtime=runtime)
        for question in QUESTIONS:
            obj.query(question)
        heads = " ".join(f"{request.pairs}" for request in world.server.requests)
        assert [secret in heads for secret in (SECRETS[2], SECRETS[3])] == [True, True]
        assert _shown({"stats": f"{SECRETS[0]} {stats(obj)}"})
