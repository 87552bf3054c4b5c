"""Rows: how engines are asked over HTTP. In: a request or a reply. Out: what it asks or says."""

from ayo_bridge.engines.dialects.ollama import OLLAMA_CHAT, OLLAMA_EMBED, OLLAMA_GENERATE
from ayo_bridge.engines.dialects.openai import CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES
from ayo_bridge.engines.dialects.rerank import RERANK, SCORE, TEI_EMBED, TEI_RERANK
from ayo_bridge.seam.dialect import Dialect

DIALECTS: tuple[Dialect, ...] = (
    *(CHAT, COMPLETIONS, RESPONSES),
    *(OLLAMA_CHAT, OLLAMA_GENERATE, OLLAMA_EMBED),
    *(EMBEDDINGS, RERANK, TEI_RERANK, SCORE, TEI_EMBED),
)
"""Those that are known without being told; the first that fits decides."""

__all__ = [
    "CHAT",
    "COMPLETIONS",
    "DIALECTS",
    "EMBEDDINGS",
    "OLLAMA_CHAT",
    "OLLAMA_EMBED",
    "OLLAMA_GENERATE",
    "RERANK",
    "RESPONSES",
    "SCORE",
    "TEI_EMBED",
    "TEI_RERANK",
]
