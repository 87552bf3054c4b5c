"""The apps on simulated engines: the paper's costs, answers that depend on every word asked.

What engines answer is worked out for real from the texts, with means that cost nothing: an
embedding counts words, a reranker compares them, an LLM says words of its prompt. So a query has
the values that it should have in whatever order it runs, and its time is exact.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, cast

from ayo_bridge.profile import Curve, EngineProfile, Profiles
from ayo_bridge.seam import Call
from ayo_bridge.simulate import (
    ApiRequest,
    BatchRequest,
    LLMRequest,
    LogNormal,
    PublishedProfiles,
    SimulatedBatchEngine,
    SimulatedLLM,
    SimulatedSearchApi,
    VirtualPlacement,
    load_profiles,
)
from ayo_bridge.workflow import (
    Embed,
    Embedded,
    Generate,
    Ingest,
    Lookup,
    Rerank,
    Search,
    text_of,
)
from examples.apps.backend import Backend, Role
from examples.apps.spec import (
    ASSISTANT,
    EMBEDDING,
    LLM,
    RERANKER,
    STORE,
    TOOLS,
    WEB,
    AppSpec,
    Form,
    Sizes,
)
from examples.apps.texts import WORDS_PER_TOKEN, bag, library
from examples.apps.tools import use_tool

LLAMA: Final = "llama-2-7b@1x3090"
GEMMA: Final = "gemma-2-2b@1x3090"
ASSISTANTS: Final = {"search": LLAMA, "contextual": GEMMA}
"""Proxy and judge are of 7B; contexts are written by a model of 2B (paper, Fig. 8)."""
INSTANCES: Final = 2
"""Of each LLM; one of every other engine (paper, section 7.1)."""
API_SECONDS: Final = 0.4
"""A search took about a fifth of the search app's 2.2 s (paper, Fig. 1 and Fig. 8)."""
_PIECES: Final = 8
"""In how many pieces the text of an answer is told that somebody follows."""


def simulated(spec: AppSpec, sizes: Sizes) -> Backend:
    """New engines for one app, on the loop that runs: a virtual one."""
    published, placement = load_profiles(), VirtualPlacement()
    forms = spec.forms(sizes)
    names = {LLM: LLAMA, ASSISTANT: ASSISTANTS.get(spec.name, LLAMA)}
    roles = [
        Role(
            SimulatedLLM(role, published.llms[model], instances=INSTANCES),
            lambda call: _generation(call, forms),
            placement,
        )
        for role, model in names.items()
    ]
    batches, shelf = _batch_profiles(published), Shelf()
    for name in (EMBEDDING, RERANKER):
        roles.append(Role(SimulatedBatchEngine(name, batches[name]), _scored, placement))
    store = {"ingest": batches[STORE], "search": published.batches["pgvector.search"]}
    roles.append(Role(SimulatedBatchEngine(STORE, store), shelf.request, placement))
    apis: dict[str, Callable[[object], object]] = {
        WEB: lambda question: library().search(text_of(question), sizes.top_k),
        TOOLS: use_tool,
    }
    for name, function in apis.items():
        # The seed knows the number of a query, which differs between two runs: no spread.
        api = SimulatedSearchApi(name, LogNormal(API_SECONDS, sigma=0.0))
        roles.append(Role(api, _looked_up(function), placement))
    profiles = Profiles(
        {
            **{role: published.llms[model].profile() for role, model in names.items()},
            **batches,
            **dict.fromkeys(apis, EngineProfile("search_api", Curve.of(_API))),
        }
    )
    return Backend(roles, profiles)


_API: Final = [(1, API_SECONDS), (2, API_SECONDS)]


def _batch_profiles(published: PublishedProfiles) -> dict[str, EngineProfile]:
    return {
        EMBEDDING: published.batches["bge-large-en-v1.5@1x3090"],
        RERANKER: published.batches["bge-reranker-large@1x3090"],
        STORE: published.batches["pgvector.insert"],
    }


# What the engines answer.


def _generation(call: Call, forms: Mapping[str, Form]) -> LLMRequest:
    asked = cast(Generate, call.payload)
    component = str(cast(tuple[object, ...], call.key)[1]).partition(".")[0]
    pieces = written(asked, forms.get(component, Form()))
    prompt = [(segment.text, segment.tokens) for segment in asked.prompt]
    return LLMRequest.of_text(
        prompt, asked.max_tokens, pieces, on_text=asked.on_text, priority=int(call.warm)
    )


def written(asked: Generate, form: Form) -> list[str]:
    """The answer to a prompt, in pieces: words of it, chosen by all of it."""
    source = random.Random(asked.text)
    if form.choices:
        return [source.choice(form.choices)]
    known = asked.text.split() or ["nothing"]
    count = max(round(asked.max_tokens * WORDS_PER_TOKEN), 1)
    if asked.items < 2:
        words = source.choices(known, k=count)
        step = -(-count // _PIECES)
        pieces = [" ".join(words[i : i + step]) for i in range(0, count, step)]
        return [piece if i == 0 else f" {piece}" for i, piece in enumerate(pieces)]
    each = max(count // asked.items, 1)
    starts = [f"{source.choice(form.starts)}: " if form.starts else "" for _ in range(asked.items)]
    return [f"{start}{' '.join(source.choices(known, k=each))}\n" for start in starts]


def _scored(call: Call) -> BatchRequest:
    match call.payload:
        case Embed(texts):
            return BatchRequest(result=[bag(text) for text in texts])
        case Rerank(query, candidates):
            asked = bag(query)
            return BatchRequest(result=[similarity(asked, bag(text)) for text in candidates])
    raise TypeError(call.payload)


def _looked_up(function: Callable[[object], object]) -> Callable[[Call], ApiRequest]:
    def request(call: Call) -> ApiRequest:
        (value,) = cast(Lookup, call.payload).values
        return ApiRequest(function(value))

    return request


class Shelf:
    """What queries have brought, each to a place of its own."""

    def __init__(self) -> None:
        self._kept: dict[int, list[Embedded]] = {}

    def request(self, call: Call) -> BatchRequest:
        """Store, or search; a call that is made has all that came before it in the store."""
        match call.payload:
            case Ingest(items, query):
                self._kept.setdefault(query, []).extend(cast(tuple[Embedded, ...], items))
                return BatchRequest("ingest")
            case Search(items, top_k, query):
                hits = [self._hits(cast(Embedded, item), top_k, query) for item in items]
                return BatchRequest("search", hits)
        raise TypeError(call.payload)

    def _hits(self, item: Embedded, top_k: int, query: int) -> list[str]:
        asked = cast(Counter[str], item.vector)
        kept = self._kept.get(query, [])
        ranked = sorted(kept, key=lambda each: -similarity(asked, cast(Counter[str], each.vector)))
        return [each.text for each in ranked[:top_k]]


def similarity(one: Counter[str], other: Counter[str]) -> float:
    """The cosine of the angle between two counts of words."""
    shared = sum(count * other[word] for word, count in one.items())
    lengths = math.sqrt(sum(n * n for n in one.values()) * sum(n * n for n in other.values()))
    return shared / lengths if lengths else 0.0
