"""A search API that a dialect describes: anybody's may be asked before the program decides to."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import httpx
import pytest

from ayo_bridge import Answer, Dialect, EngineKind, Runtime
from ayo_bridge.seam import FoundItem, Outcome
from tests.adapters.python.programs import asked, client_of, question
from tests.learn.boundaries.arms import ahead, taught
from tests.stub_openai import StubOpenAI

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


class _Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        sought = json.loads(self.rfile.read(int(self.headers["content-length"])))["q"]
        time.sleep(0.01)
        content = json.dumps({"organic": [f"all about {sought}", f"more of {sought}"]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def web() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Web)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/search"
    server.shutdown()
    thread.join()
    server.server_close()


def searching(*, anybodys: bool) -> Runtime:
    dialect = Dialect(
        name="web search",
        kind=EngineKind.SEARCH_API,
        paths=("/search",),
        fields=("q",),
        model="",
        deterministic=True,
        anybodys=anybodys,
        answer=lambda asked, said: Answer(
            items=tuple(FoundItem(text, "", {}) for text in said.document["organic"])
        ),
    )
    return Runtime(dialects=[dialect], measure=False, templates=False)


def program(stub: StubOpenAI, url: str, client: httpx.Client) -> Callable[[str], str]:
    llm = client_of(stub)

    def answer(query: str) -> str:
        draft = asked(llm, f"From memory: {query}")
        found = []
        if "needs no search" not in query and draft:
            found = client.post(url, json={"q": query}).json()["organic"]
        return asked(llm, f"Answer {query} from:\n" + "\n".join(found))

    return answer


@pytest.mark.parametrize("anybodys", [True, False])
def test_a_search_that_the_program_decides_on_is_made_ahead_only_where_it_is_anybodys(
    stub: StubOpenAI, web: str, anybodys: bool
) -> None:
    with httpx.Client() as client, closing(searching(anybodys=anybodys)) as runtime:
        function = program(stub, web, client)
        fast = taught(function, runtime)
        assert fast(question(5)) == function(question(5))
        found = ahead(fast)
        assert found[EngineKind.SEARCH_API, Outcome.HIT] == anybodys
        assert found[EngineKind.SEARCH_API, Outcome.DIRECT] == (not anybodys)
        left_out = f"{question(6)} It needs no search."
        assert fast(left_out) == function(left_out)
        assert ahead(fast)[EngineKind.SEARCH_API, Outcome.WASTED] == anybodys
