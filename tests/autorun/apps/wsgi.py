"""A plain WSGI application: preloaded, it has answered once before its server forks."""

import os
from collections.abc import Callable, Iterable
from typing import Any

import book  # type: ignore[import-not-found]

engine = book.engine()
print(engine.query("warming up"), flush=True)


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/worker":
        return [str(os.getpid()).encode()]
    return [str(engine.query(environ["QUERY_STRING"])).encode()]
