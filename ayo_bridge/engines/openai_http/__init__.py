"""In: requests to an OpenAI-compatible server. Out: recorded replies, plain or while they arrive.

They go out on connections of the runtime's own.
"""

from ayo_bridge.engines.openai_http.engine import OpenAIServer, Proof
from ayo_bridge.engines.openai_http.items import ItemParser, LineItems, LineList
from ayo_bridge.engines.openai_http.probe import prove
from ayo_bridge.engines.openai_http.rebuild import CannotRebuildError
from ayo_bridge.engines.openai_http.reply import Reply, ReplyAbandonedError, UnreadableReplyError
from ayo_bridge.engines.openai_http.request import (
    MARK,
    Delivery,
    LLMRequest,
    canonical_key,
    make_call,
    make_warm,
)

__all__ = [
    "MARK",
    "CannotRebuildError",
    "Delivery",
    "ItemParser",
    "LLMRequest",
    "LineItems",
    "LineList",
    "OpenAIServer",
    "Proof",
    "Reply",
    "ReplyAbandonedError",
    "UnreadableReplyError",
    "canonical_key",
    "make_call",
    "make_warm",
    "prove",
]
