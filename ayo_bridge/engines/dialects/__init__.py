"""Rows: how engines are asked over HTTP. In: a request or a reply. Out: what it asks or says."""

from ayo_bridge.engines.dialects.openai import CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES
from ayo_bridge.seam.dialect import Dialect

DIALECTS: tuple[Dialect, ...] = (CHAT, COMPLETIONS, RESPONSES, EMBEDDINGS)
"""Those that are known without being told; the first that fits decides."""

__all__ = ["CHAT", "COMPLETIONS", "DIALECTS", "EMBEDDINGS", "RESPONSES"]
