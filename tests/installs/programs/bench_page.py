"""The page of a bench: a function that asks a server, against itself accelerated."""

import sys
import urllib.request

from ayo_bridge.bench import Bench, Settings
from ayo_bridge.bench.page import as_html, missing
from ayo_bridge.verify.target import known


def ask(path: str) -> int:
    """Whether a server answers; no SDK is needed for it."""
    with urllib.request.urlopen(f"{sys.argv[1]}/{path}") as reply:
        return int(reply.status)


report = Bench(known(ask, "ask"), [("models",)], Settings(rounds=2)).run()
assert not report.differs, report.identity
assert missing() == ""
page = as_html(report)
assert "vegaEmbed" in page
print(f"written: {len(page)} characters")
