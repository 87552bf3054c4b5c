"""What the handlers ask, in the words of simulated engines; and a ledger of what was asked.

Texts are short stand-ins that name their query (``q17``); lengths are those of the graph. Answers
follow from the request alone, so that every arm computes the same values.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from ayo_bridge.seam import Call
from ayo_bridge.simulate import ApiRequest, BatchRequest, LLMRequest
from ayo_bridge.workflow import Embed, Generate, Ingest, Lookup, Rerank, Search, text_of

_QUERY = re.compile(r"\bq(\d+)\b")


def digest(*parts: object) -> int:
    """32 bits that are the same in every process."""
    return zlib.crc32(repr(parts).encode())


def query_of(text: str) -> int:
    """The query that a text belongs to."""
    found = _QUERY.search(text)
    if found is None:
        raise ValueError(f"no query is named in {text[:80]!r}")
    return int(found.group(1))


def is_searched(query: int, share: float) -> bool:
    """Whether the judge sends a query to the web; the same in every arm."""
    return digest("judge", query) < share * 2**32


def found(text: str) -> list[str]:
    """What the web has on a text."""
    return [f"q{query_of(text)} result of {digest(text)}"]


@dataclass(slots=True)
class Account:
    """What one query has asked of its LLMs. ``first_token`` is that of its answer's last call."""

    decoded: int = 0
    prompted: int = 0
    warmed: int = 0
    calls: int = 0
    ingested: set[str] = field(default_factory=set)
    """Chunks; one that comes once more, as of a query that is asked again, is the same one."""
    first_token: float = 0.0


@dataclass(slots=True)
class Payloads:
    """Translations for :meth:`ayo_bridge.workflow.App.register`, with an account of each query.

    ``delay`` is the seconds that streamed text takes back from its engine, as results do;
    ``searched`` the share of queries whose judge says that a search is needed.
    """

    delay: float = 0.0
    searched: float = 1.0
    accounts: dict[int, Account] = field(default_factory=lambda: defaultdict(Account))

    def generate(self, call: Call) -> LLMRequest:
        """A prompt of known length and an answer known in advance."""
        request = cast(Generate, call.payload)
        text = request.text
        query = query_of(text)
        account = self.accounts[query]
        prompt = tuple((segment.text, max(segment.tokens, 1)) for segment in request.prompt)
        tokens = request.max_tokens
        if call.warm:
            account.warmed += request.prompt_tokens
            return LLMRequest(prompt, tokens, "", priority=1)
        account.calls += 1
        account.decoded += tokens
        account.prompted += sum(length for _, length in prompt)
        _, primitive, _ = cast(tuple[int, str, int], call.key)
        pieces = self._pieces(request, query, primitive)
        marks: dict[int, Callable[[], None]] = {}
        if primitive.startswith("answer."):
            marks[1] = lambda: self._first_token(account)
        told = request.on_text
        if told is not None:
            for i in range(1, len(pieces)):
                so_far = "".join(pieces[:i])
                marks[max(tokens * i // len(pieces), 1)] = self._tell(told, so_far)
        at = tuple(sorted(marks))
        return LLMRequest(
            prompt, tokens, "".join(pieces), marks=at, on_mark=lambda i: marks[at[i]]()
        )

    def batched(self, call: Call) -> BatchRequest:
        """A batch of an embedding model, a reranker or a store."""
        match call.payload:
            case Embed(texts):
                return BatchRequest(result=[None for _ in texts])
            case Rerank(query, candidates):
                return BatchRequest(result=[digest(query, c) for c in candidates])
            case Ingest(items):
                self.accounts[query_of(text_of(items[0]))].ingested.update(map(text_of, items))
                return BatchRequest("insert")
            case Search(items, top_k):
                return BatchRequest("search", [self._hits(text_of(i), top_k) for i in items])
        raise TypeError(f"no simulated engine serves {call.payload!r}")

    def looked_up(self, call: Call) -> ApiRequest:
        """A web search."""
        request = cast(Lookup, call.payload)
        return ApiRequest(found(text_of(request.values[0])))

    def _pieces(self, request: Generate, query: int, primitive: str) -> list[str]:
        if primitive.startswith("judge."):
            return ["yes" if is_searched(query, self.searched) else "no"]
        made = digest(request.text)
        if request.items > 1:
            return [f"q{query} query {i} {made}\n" for i in range(request.items)]
        return [f"q{query} text {made}"]

    def _hits(self, text: str, top_k: int) -> list[str]:
        """Chunks that were stored before, in an order that depends on the text."""
        query = query_of(text)
        stored = len(self.accounts[query].ingested)
        if not stored:
            raise ValueError(f"query {query} searches before its documents are stored")
        start = digest(text)
        return [f"q{query} chunk {(start + i) % stored}" for i in range(min(top_k, stored))]

    def _tell(self, told: Callable[[str], None], text: str) -> Callable[[], None]:
        loop = asyncio.get_running_loop()
        return lambda: cast(None, loop.call_later(self.delay, told, text))

    def _first_token(self, account: Account) -> None:
        account.first_token = max(
            account.first_token, asyncio.get_running_loop().time() + self.delay
        )
