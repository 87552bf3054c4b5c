"""The same ways out, where the SDK is the next major version."""

import asyncio

import openai
import pytest

from ayo_bridge.bindings.http_client import way_of
from ayo_bridge.engines.openai_http.way import Way
from tests.engines.openai_http.loopback import origin, proxy
from tests.engines.openai_http.test_way import *  # noqa: F403
from tests.engines.openai_http.test_way import _post


def test_the_sdks_own_client_goes_through_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with origin() as server, proxy() as between:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:pass@127.0.0.1:{between.port}")
        monkeypatch.setenv("NO_PROXY", "")
        url = f"http://localhost:{server.port}/v1"
        with openai.OpenAI(base_url=url, api_key="x", max_retries=0) as sdk:
            sdk.post("/x", body={}, cast_to=object)
            way = way_of(sdk._client, url)
        [original] = between.taken()
        assert isinstance(way, Way)
        head, _, body = original.partition(b"\r\n\r\n")
        headers = [tuple(line.split(b": ", 1)) for line in head.split(b"\r\n")[1:]]
        own = [header for header in headers if header[0] != b"Proxy-Authorization"]
        asyncio.run(_post(f"{url}/x", own, way, body=body))
        assert between.taken() == [original]
