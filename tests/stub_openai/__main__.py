"""``python -m tests.stub_openai``: the stub in a process of its own."""

import argparse
import os
import threading

from tests.stub_openai.replies import hashed_text, lines_where_asked, of_tenant
from tests.stub_openai.server import StubOpenAI


def main() -> None:
    """Serve until killed; prints the base URL on the first line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.1)
    parser.add_argument("--token-interval", type=float, default=0.0)
    parser.add_argument("--spread", action="store_true", help="streams take as long as a reply")
    parser.add_argument("--lines", action="store_true", help="write queries where asked for them")
    parser.add_argument("--tenants", action="store_true", help="replies begin with the key")
    parser.add_argument("--core", type=int, help="the core to run on")
    parser.add_argument("--no-log", action="store_true", help="keep no list of requests")
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, [options.core])
    stub = StubOpenAI(
        port=options.port,
        latency=options.latency,
        token_interval=options.token_interval,
        spread=options.spread,
        keep_log=not options.no_log,
    )
    stub.text = lines_where_asked if options.lines else hashed_text
    if options.tenants:
        text = stub.text
        stub.reply_when(lambda _: True, text=lambda request: of_tenant(request, text(request.body)))
    with stub:
        print(stub.base_url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
