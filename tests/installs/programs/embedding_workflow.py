"""A workflow of your own on an embedding model in the process."""

import asyncio
import sys

from sentence_transformers import SentenceTransformer

from ayo_bridge.graph import Indexing, Searching, Synthesis, SynthesisMode
from ayo_bridge.workflow import App
from ayo_bridge.workflow.engines import Embedder, MemoryStore, ServedLLM

url, model = sys.argv[1:]
DOCUMENTS = ["Read and write files of comma separated values.", "Compress a directory into a ZIP."]
SEARCH = Searching(name="search", embedding="minilm", store="store", top_k=1)
ANSWER = Synthesis(name="answer", llm="llm", mode=SynthesisMode.ONE_SHOT, chunks=1)
WORKFLOW = Indexing(name="index", embedding="minilm", store="store") >> SEARCH >> ANSWER


async def answer(question: str) -> object:
    """What was found, once an answer was made of it."""
    async with App() as app:
        app.register(ServedLLM("llm", url, "stub"))
        app.register(Embedder("minilm", SentenceTransformer(model, device="cpu")))
        app.register(MemoryStore("store"))
        given = {"question": question, "documents": DOCUMENTS}
        result = await app.submit(given, WORKFLOW, timeout=60)
        assert str(result.output)
        return result["search.hits"]


hits = asyncio.run(answer("How is a CSV file read?"))
assert hits == DOCUMENTS[:1], hits
print(f"found: {hits}")
