"""Nothing but ayo-bridge: a workflow of your own, and a plain function."""

import asyncio
import json
import sys
import urllib.request

from ayo_bridge import accelerate, explain
from ayo_bridge.graph import QueryExpansion, SearchApi
from ayo_bridge.workflow import App
from ayo_bridge.workflow.engines import ServedLLM, Tool

URL = sys.argv[1]


async def look_up(question: str) -> list[str]:
    """Every step of a plan is looked up as soon as its line is written."""
    plan = QueryExpansion(name="plan", llm="llm", queries=3)
    find = SearchApi(name="find", api="search", inputs=("plan.queries",), calls=3)
    async with App() as app:
        app.register(ServedLLM("llm", URL, "stub"))
        app.register(Tool("search", str.upper))
        result = await app.submit({"question": question}, plan >> find, timeout=30)
    return [str(found) for found in result["find.results"]]  # type: ignore[attr-defined]


@accelerate
def ask(question: str) -> str:
    """A function that asks without any SDK; it runs as it is."""
    body = json.dumps({"model": "stub", "prompt": question}).encode()
    request = urllib.request.Request(f"{URL}/completions", body)
    request.add_header("content-type", "application/json")
    with urllib.request.urlopen(request) as reply:
        return str(json.load(reply)["choices"][0]["text"])


found = asyncio.run(look_up("What changed in the second quarter?"))
assert len(found) >= 1, found
assert all(text == text.upper() for text in found), found
assert ask("What changed?") == ask("What changed?")
print(str(explain(ask)).splitlines()[0])
