"""What the blocks of each document find: objects that a reader has already."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from tests.docs.blocks import name_of
from tests.docs.running import Afterwards

Given = Callable[[str], dict[str, Any]]
"""Makes the names of a document, over the stub server at a URL."""

QUESTIONS: Final = [f"What changed in quarter {number}?" for number in range(1, 8)]


def nothing(url: str) -> dict[str, Any]:
    """Its blocks bring all that they need."""
    return {}


def query_engine(url: str) -> dict[str, Any]:
    """An ordinary LlamaIndex engine, accelerated where the document is past that."""
    from ayo_bridge import accelerate

    return {
        "accelerate": accelerate,
        "engine": _engine(url),
        "warm_up": QUESTIONS[:4],
        "questions": QUESTIONS[4:],
    }


def accelerated_engine(url: str) -> dict[str, Any]:
    """An accelerated LlamaIndex engine that has answered a question."""
    from ayo_bridge import accelerate

    original = _engine(url)
    engine = accelerate(original)
    engine.query(QUESTIONS[0])
    return {"engine": engine, "original": original}


def _engine(url: str) -> Any:
    from llama_index.core import MockEmbedding, VectorStoreIndex
    from llama_index.core.schema import TextNode
    from llama_index.llms.openai_like import OpenAILike

    nodes = [TextNode(text=f"Item {number}. " * 40, id_=f"node-{number}") for number in range(6)]
    llm = OpenAILike(model="stub", api_base=url, api_key="none", context_window=640, max_tokens=256)
    index = VectorStoreIndex(nodes, embed_model=MockEmbedding(embed_dim=8))
    return index.as_query_engine(llm=llm, response_mode="tree_summarize", similarity_top_k=6)


def ingestion(url: str) -> dict[str, Any]:
    """A server, an embedding model and a store."""
    from langchain_core.embeddings import DeterministicFakeEmbedding
    from langchain_core.vectorstores import InMemoryVectorStore
    from llama_index.core import MockEmbedding

    return {
        "MODEL": "my-model",
        "URL": url,
        "embedding": MockEmbedding(embed_dim=8),
        "page_store": InMemoryVectorStore(DeterministicFakeEmbedding(size=8)),
    }


def workflow(url: str) -> dict[str, Any]:
    """A reader's own parser, forecast, components and documents."""
    from ayo_bridge.graph import SearchApi, Synthesis, SynthesisMode

    async def forecast(value: str) -> str:
        return f"rain over {value}"

    def my_parser(text: str) -> list[str]:
        return text.split("\n")

    return {
        "question": "Why?",
        "documents": [f"Passage {number}." for number in range(6)],
        "url": "",
        "forecast": forecast,
        "my_parser": my_parser,
        "judge": Synthesis(name="judge", llm="llm", mode=SynthesisMode.GENERATION),
        "web_search": SearchApi(name="web", api="api", inputs=("question",)),
        "answer": Synthesis(name="final", llm="llm", mode=SynthesisMode.GENERATION),
    }


def adapter(url: str) -> dict[str, Any]:
    """What an adapter's module imports from the standard library."""
    from collections.abc import Mapping, Sequence
    from typing import Any, Final

    import httpx

    from tests.lift.toy.answerer import PROMPTS

    names = {"Mapping": Mapping, "Sequence": Sequence, "Any": Any, "Final": Final}
    return {**names, "httpx": httpx, "PROMPTS": PROMPTS}


GIVEN: Final[dict[str, Given]] = {
    "adding-an-adapter": adapter,
    "configuration": query_engine,
    "engines": query_engine,
    "explain-and-timeline": accelerated_engine,
    "index": query_engine,
    "ingestion": ingestion,
    "native-workflows": workflow,
    "performance": query_engine,
    "replicas": query_engine,
    "troubleshooting": accelerated_engine,
}
"""By the name of the document; the others are given nothing."""


async def _asked_over_http(page: ModuleType) -> None:
    """Both routes of a page's FastAPI app answer."""
    import httpx

    transport = httpx.ASGITransport(app=page.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        answered = await client.get("/ask", params={"question": QUESTIONS[0]})
        assert answered.json()["answer"]
        streamed = await client.get("/stream", params={"question": QUESTIONS[1]})
        assert streamed.text


AFTERWARDS: Final[dict[str, Afterwards]] = {"quick-start": _asked_over_http}
"""What is done with what the blocks of a document have made."""


def given(document: Path) -> Given:
    return GIVEN.get(name_of(document), nothing)
