"""The bindings that accelerated LangChain objects need."""

from __future__ import annotations

from ayo_bridge.bindings.openai_http import BINDINGS as HTTP_BINDINGS
from ayo_bridge.bindings.sentence_transformer import BINDINGS as MODEL_BINDINGS
from ayo_langchain.stores import BINDINGS as STORE_BINDINGS
from ayo_langchain.taps import TAPS


def install() -> str | None:
    """Put all bindings on; returns why LangChain itself cannot be followed, if so.

    A library that is missing or untested only leaves its own calls unaccelerated.
    """
    for store in STORE_BINDINGS:  # Of langchain-core itself.
        if not store.install():
            return store.status
    for binding in (*HTTP_BINDINGS, *MODEL_BINDINGS, TAPS):
        binding.install()
    return None
