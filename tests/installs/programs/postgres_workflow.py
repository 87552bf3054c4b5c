"""A workflow of your own on Postgres with pgvector."""

import asyncio
import sys

import psycopg

from ayo_bridge.graph import Indexing, Searching
from ayo_bridge.seam import AsyncEngine, Call, EngineKind, Limits
from ayo_bridge.workflow import App, Embed
from ayo_bridge.workflow.engines import PgVectorStore

WORDS = ("rain", "snow")
WORKFLOW = Indexing(name="index", embedding="words", store="store") >> Searching(
    name="search", embedding="words", store="store", top_k=1
)


class Words(AsyncEngine):
    """Embeds a text by how often each of a few words is in it."""

    name, kind, limits = "words", EngineKind.EMBEDDING, Limits(max_items=4)

    async def serve(self, call: Call) -> list[list[float]]:
        """A vector a text."""
        assert isinstance(call.payload, Embed)
        return [[float(text.count(w)) for w in WORDS] + [0.1] for text in call.payload.texts]


async def search(question: str) -> object:
    """What is found."""
    async with App() as app:
        app.register(Words())
        app.register(PgVectorStore("store", lambda: psycopg.connect(sys.argv[2])))
        given = {"question": question, "documents": ["much rain", "much snow"]}
        return (await app.submit(given, WORKFLOW, timeout=60))["search.hits"]


hits = asyncio.run(search("snow"))
assert hits == ["much snow"], hits
print(f"found: {hits}")
