"""Clients that LangChain keeps for as long as the process lives, one for each address."""

from __future__ import annotations

import sys
from typing import Any

made: list[Any] = []
"""Chat models whose clients a test has to close, on the loop that they were used on."""


def forget() -> None:
    """Let go of all of them.

    What threads have used is closed. What was used on a loop can be closed on that one only.
    """
    while made:
        if (client := made.pop().root_client) is not None:
            client.close()
    kept = sys.modules.get("langchain_openai.chat_models._client_utils")
    if kept is not None:
        kept._cached_sync_httpx_client.cache_clear()
        kept._cached_async_httpx_client.cache_clear()
