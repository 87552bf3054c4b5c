"""Embeddings over HTTP are followed and made ahead, by the client of the call only."""

from __future__ import annotations

from typing import Any

import pytest
import tiktoken
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import OpenAIEmbeddings
from pydantic import SecretStr

from ayo_bridge import Runtime, accelerate, explain
from ayo_bridge.bindings import token_arrays
from ayo_bridge.engines.openai_http.embedding_server import MOST_BYTES, vectors_of
from ayo_bridge.engines.openai_http.reply import Body, Reply
from ayo_bridge.seam import EngineKind, Outcome
from tests.adapters.python.programs import (
    TOPICS,
    asked,
    asking,
    client_of,
    learned,
    outcomes,
    question,
)
from tests.learn.boundaries.arms import ahead, equal_arms, taught
from tests.stub_openai import StubOpenAI

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def http_embeddings(stub: StubOpenAI, key: str = "key", **options: Any) -> OpenAIEmbeddings:
    return OpenAIEmbeddings(
        model="stub-embedding",
        base_url=stub.base_url,
        api_key=SecretStr(key),
        max_retries=0,
        **{"check_embedding_ctx_length": False, **options},
    )


def _three_parts(request: Any) -> str:
    word = request.prompt.split()[-1]
    return "\n".join(f"the {part} of {word}" for part in ("beginning", "middle", "end"))


def test_what_is_embedded_over_http_is_made_ahead_to_the_byte_and_searched_with(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    ask = asking(stub)
    store = InMemoryVectorStore(http_embeddings(stub))
    store.add_texts([f"A note on {topic}." for topic in TOPICS])
    stub.reply_when("three parts", text=_three_parts)

    def answer(query: str) -> str:
        parts = ask(f"Name three parts of {query}").splitlines()
        found = [store.similarity_search(f"{part}: {query}", k=2) for part in parts]
        return " ".join(note.page_content for notes in found for note in notes)

    fast = taught(answer, runtime)
    stub.requests.clear()
    equal_arms(fast, answer, stub, 9)
    made = ahead(fast)
    assert made[EngineKind.EMBEDDING, Outcome.DIRECT] == 1
    assert made[EngineKind.EMBEDDING, Outcome.HIT] == 2
    assert "{vector of site 2, visit k [0]}" in explain(fast).full()


def test_lists_of_texts_and_plain_numbers_are_embedded_ahead_too(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    client = client_of(stub)

    def embedded(texts: list[str], encoding: Any) -> list[list[float]]:
        made = client.embeddings.create(
            model="stub-embedding", input=texts, encoding_format=encoding, dimensions=8
        )
        return [each.embedding for each in made.data]

    def answer(query: str) -> str:
        tone = asked(client, f"What tone has {query}?")
        first = embedded([query, f"Not {query}"], "float")
        second = embedded([f"Perhaps {query}"], "base64")
        return f"{tone} {first} {second}"

    fast = taught(answer, runtime)
    equal_arms(fast, answer, stub, 9)
    assert ahead(fast)[EngineKind.EMBEDDING, Outcome.HIT] == 2


def test_tokens_are_followed_for_their_vectors_and_never_predicted(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    client = client_of(stub)
    store = InMemoryVectorStore(http_embeddings(stub))
    store.add_texts([f"A note on {topic}." for topic in TOPICS])

    def answer(query: str) -> str:
        asked(client, f"What tone has {query}?")
        tokens = [ord(letter) for letter in query]
        made = client.embeddings.create(model="stub-embedding", input=[tokens])
        causes = asked(client, f"List the causes of {query}")
        notes = store.similarity_search_by_vector(made.data[0].embedding, k=2)
        return causes + " ".join(note.page_content for note in notes)

    fast = taught(answer, runtime)
    equal_arms(fast, answer, stub, 9)
    assert ahead(fast)[EngineKind.EMBEDDING, Outcome.DIRECT] == 1
    assert ahead(fast)[EngineKind.LLM, Outcome.HIT] == 1


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> tiktoken.Encoding:
    """An encoding that is loaded, and usual for models that are not known."""
    ranks = {bytes([byte]): byte for byte in range(256)}
    made = tiktoken.Encoding(
        "letters", pat_str=r"\S+|\s+", mergeable_ranks=ranks, special_tokens={}
    )
    monkeypatch.setitem(tiktoken.registry.ENCODINGS, "cl100k_base", made)
    return made


def test_tokens_of_a_loaded_encoding_are_predicted_as_the_texts_that_they_stand_for(
    stub: StubOpenAI, runtime: Runtime, letters: tiktoken.Encoding
) -> None:
    model = http_embeddings(stub, check_embedding_ctx_length=True)

    def answer(query: str) -> str:
        first = model.embed_query(query)
        return str(first + model.embed_documents([f"Not {query}", "Perhaps"])[0])

    fast = taught(answer, runtime)
    equal_arms(fast, answer, stub, 9)
    assert ahead(fast)[EngineKind.EMBEDDING, Outcome.HIT] == 1
    assert '"input": ["Not {query}", "Perhaps"]' in explain(fast).full()


def test_tokens_that_no_text_is_encoded_to_are_not_taken_for_one(
    letters: tiktoken.Encoding,
) -> None:
    assert token_arrays.encoding_of("unknown") == "cl100k_base"
    assert token_arrays.decoded("cl100k_base", [[104, 105]]) == ["hi"]
    assert token_arrays.decoded("cl100k_base", [[104, 999]]) is None
    assert token_arrays.decoded("cl100k_base", [[200]]) is None
    assert token_arrays.decoded("not loaded", [[104]]) is None
    assert token_arrays.encoding_of("text-embedding-3-small") == "cl100k_base"
    assert token_arrays.encoding_of("gpt-2") == ""


def test_no_text_is_embedded_under_another_tenants_key(stub: StubOpenAI, runtime: Runtime) -> None:
    clients: dict[str, OpenAIEmbeddings] = {}

    def answer(tenant: str, query: str) -> str:
        model = clients.setdefault(tenant, http_embeddings(stub, tenant))
        first = model.embed_query(f"{tenant} asks {query}")
        return str(first[0] + model.embed_query(f"{tenant} does not ask {query}")[0])

    fast = accelerate(answer, runtime=runtime)
    for number in range(4):
        fast("tenant-0", question(number))
    learned(fast)
    fast("tenant-0", question(4))
    assert outcomes(fast) == {Outcome.HIT: 1, Outcome.DIRECT: 1}
    for number in range(5, 12):
        fast(f"tenant-{number}", question(number))
    assert len(stub.requests) == 24
    for request in stub.requests:
        tenant = request.headers["authorization"].removeprefix("Bearer ")
        assert request.body["input"][0].startswith(f"{tenant} ")


def test_the_vectors_of_an_index_being_built_are_not_looked_into() -> None:
    def reply(content: bytes) -> Reply:
        return Reply(200, (), Body([content], ended=True))

    assert vectors_of(reply(b'{"data": [{"embedding": [1, 0.5]}]}')) == ((1.0, 0.5),)
    with pytest.raises(ValueError, match="more than"):
        vectors_of(reply(b'{"data": [{"embedding": [1]}]}' + b" " * MOST_BYTES))
    with pytest.raises(ValueError, match="without vectors"):
        vectors_of(reply(b'{"error": "none"}'))


def test_an_embedding_that_fails_ahead_is_made_by_the_original(
    stub: StubOpenAI, runtime: Runtime
) -> None:
    client = client_of(stub)

    def answer(query: str) -> str:
        tone = asked(client, f"What tone has {query}?")
        made = client.embeddings.create(model="stub-embedding", input=query)
        return f"{tone} {made.data[0].embedding}"

    fast = taught(answer, runtime)
    stub.reply_when(lambda request: request.path.endswith("embeddings"), status=500, times=1)
    assert fast(question(9)) == answer(question(9))
    assert ahead(fast)[EngineKind.EMBEDDING, Outcome.DROPPED] == 1
