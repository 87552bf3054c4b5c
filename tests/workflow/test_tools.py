"""Search engines and tools of native workflows."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ayo_bridge.errors import PrimitiveError
from ayo_bridge.graph import Flow, SearchApi, flow
from ayo_bridge.workflow import App, Result
from ayo_bridge.workflow.engines import JsonApi, JsonApiError, Tool

WEB = SearchApi(name="search", api="web")
EACH = flow(SearchApi(name="search", api="web", inputs=("topics",), calls=2))


@pytest.fixture
def api() -> Iterator[str]:
    """An API that answers with what it was asked, and refuses what is empty."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            content = json.dumps({"hits": [f"about {asked['q']}", self.headers["x-key"]]}).encode()
            self.send_response(200 if asked["q"] else 422)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/search"
        server.shutdown()
        thread.join()


async def run(engine: JsonApi | Tool, workflow: Flow | SearchApi, **inputs: object) -> Result:
    async with App() as app:
        app.register(engine)
        return await app.submit(inputs, workflow)


def web(url: str) -> JsonApi:
    return JsonApi(
        "web", url, lambda q: {"q": q}, lambda reply: reply["hits"], headers={"x-key": "k"}
    )


async def test_an_api_is_asked_and_its_results_taken_out(api: str) -> None:
    result = await run(web(api), WEB, question="rain")
    assert result.output == ["about rain", "k"]


async def test_a_call_for_each_item_gives_a_list_of_results(api: str) -> None:
    result = await run(web(api), EACH, topics=["rain", "snow", "hail"])
    assert result.output == [[f"about {what}", "k"] for what in ("rain", "snow", "hail")]
    assert (await run(web(api), EACH, topics=[])).output == []


async def test_a_refusal_names_the_primitive(api: str) -> None:
    with pytest.raises(PrimitiveError, match=r"'search.call'.*'web'.*422") as failed:
        await run(web(api), WEB, question="")
    assert isinstance(failed.value.__cause__, JsonApiError)


async def test_an_api_that_is_not_there_is_an_error_of_the_primitive() -> None:
    with pytest.raises(PrimitiveError, match=r"'search.call'.*ConnectError"):
        await run(web("http://127.0.0.1:9/"), WEB, question="rain")


async def test_functions_run_in_threads_and_side_by_side() -> None:
    together = threading.Barrier(3, timeout=10)

    def tool(topic: str) -> tuple[str, bool]:
        together.wait()
        return topic, threading.current_thread() is threading.main_thread()

    result = await run(Tool("web", tool), EACH, topics=["a", "b", "c"])
    assert result.output == [("a", False), ("b", False), ("c", False)]


async def test_what_a_function_gives_to_wait_for_is_waited_for() -> None:
    async def tool(topic: str) -> str:
        await asyncio.sleep(0)
        return topic.upper()

    assert (await run(Tool("web", lambda topic: tool(topic)), EACH, topics=["a"])).output == ["A"]


async def test_a_coroutine_ends_with_its_query() -> None:
    ended: list[str] = []

    async def tool(topic: str) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(topic)

    async with App() as app:
        app.register(Tool("web", tool))
        with pytest.raises(TimeoutError):
            await app.submit({"topics": ["a", "b"]}, EACH, timeout=0.1)
        await asyncio.sleep(0.05)
    assert sorted(ended) == ["a", "b"]
