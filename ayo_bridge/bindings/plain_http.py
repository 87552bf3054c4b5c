"""HTTP libraries beside httpx, by which engines without an SDK are asked."""

from __future__ import annotations

from typing import Final

from ayo_bridge.bindings.aiohttp_requests import AIOHTTP
from ayo_bridge.bindings.urllib3_requests import REQUESTS, URLLIB3

BINDINGS: Final = (URLLIB3, REQUESTS, AIOHTTP)
"""One each; each is skipped where its library is not installed."""
