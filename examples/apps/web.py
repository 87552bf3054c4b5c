"""A search engine of one's own: an HTTP API like those of the web, over the library's texts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ayo_bridge.workflow.engines import JsonApi
from examples.apps.texts import library


def _at_once(question: str) -> float:
    return 0.0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seconds: Callable[[str], float] = staticmethod(_at_once)

    def do_POST(self) -> None:
        """``{"q": question, "num": count}`` gives ``{"organic": [{"snippet": text}, ...]}``."""
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            asked = json.loads(raw)
            question = str(asked["q"])
            due = time.monotonic() + self.seconds(question)
            found = library().search(question, int(asked["num"]))
        except (ValueError, KeyError, TypeError) as error:
            self._reply(400, {"message": f"not a search: {error!r}"})
            return
        time.sleep(max(due - time.monotonic(), 0.0))
        self._reply(200, {"organic": [{"snippet": text} for text in found]})

    def _reply(self, status: int, value: object) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Nothing is printed."""


@contextmanager
def search_engine(seconds: Callable[[str], float] = _at_once) -> Iterator[str]:
    """A running search engine; gives the address of its API.

    Args:
        seconds: that a search for this question takes.
    """
    library()
    handler = type("_Handler", (_Handler,), {"seconds": staticmethod(seconds)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="search engine")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/search"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def web_search(name: str, url: str, count: int) -> JsonApi:
    """The engine of a search API that speaks so (as serper.dev's does): the best ``count``."""

    def snippets(reply: Any) -> list[str]:
        return [hit["snippet"] for hit in reply["organic"]]

    return JsonApi(name, url, lambda question: {"q": question, "num": count}, snippets)
