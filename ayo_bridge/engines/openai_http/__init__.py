"""In: requests to an OpenAI-compatible server. Out: recorded replies, plain or while they arrive.

The engine sends them on connections of the runtime's own; the binding gives them to the original
client when it makes the same request.
"""

from ayo_bridge.engines.openai_http.binding import (
    BINDINGS,
    HTTPX,
    HTTPX2,
    register_endpoint,
    unregister_endpoint,
)
from ayo_bridge.engines.openai_http.client import is_plain_client
from ayo_bridge.engines.openai_http.engine import OpenAIServer, Proof
from ayo_bridge.engines.openai_http.items import ItemParser, LineItems, LineList
from ayo_bridge.engines.openai_http.probe import prove, start_proof
from ayo_bridge.engines.openai_http.rebuild import CannotRebuildError
from ayo_bridge.engines.openai_http.reply import (
    Reply,
    ReplyAbandonedError,
    UnreadableReplyError,
    Usage,
)
from ayo_bridge.engines.openai_http.request import (
    MARK,
    Delivery,
    LLMRequest,
    canonical_key,
    make_call,
    make_warm,
)

__all__ = [
    "BINDINGS",
    "HTTPX",
    "HTTPX2",
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
    "Usage",
    "canonical_key",
    "is_plain_client",
    "make_call",
    "make_warm",
    "prove",
    "register_endpoint",
    "start_proof",
    "unregister_endpoint",
]
