"""The bindings that accelerated LlamaIndex objects need."""

from __future__ import annotations

from ayo_bridge.bindings.openai_http import BINDINGS as HTTP_BINDINGS
from ayo_bridge.bindings.sentence_transformer import BINDINGS as MODEL_BINDINGS
from ayo_llamaindex.stores import BINDINGS as STORE_BINDINGS
from ayo_llamaindex.taps import TAPS


def install() -> str | None:
    """Put all bindings on; returns why LlamaIndex itself cannot be followed, if so.

    An engine library that is missing or untested only leaves its own calls unaccelerated.
    """
    if not TAPS.install():
        return TAPS.status
    for binding in (*HTTP_BINDINGS, *MODEL_BINDINGS, *STORE_BINDINGS):
        binding.install()
    return None
