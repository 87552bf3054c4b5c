"""The server's life: it begins with a lock in its hands and ends when nobody has come back."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from ayo_bridge.serving.shared.client import Client
from ayo_bridge.serving.shared.hosts import Hosts

_logger: Final = logging.getLogger(__name__)
FIRST_WITHIN: Final = 30.0
"""Seconds for which it waits for the one who has started it."""


def serve(path: Path, grace: float) -> None:
    """Serve until the last client has been gone for ``grace`` seconds."""
    # Not everybody's: at INFO models show their progress, and such calls share no batch.
    logging.basicConfig(format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("ayo_bridge").setLevel(logging.INFO)
    asyncio.run(_Server(path, grace).run())


class _Server:
    """Who is connected, and when to end. Lives on its loop."""

    def __init__(self, path: Path, grace: float) -> None:
        self._path, self._grace = path, grace
        self._hosts = Hosts(grace)
        self._clients: set[Client] = set()
        self._ending: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        self._ended = loop.create_future()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        with suppress(FileNotFoundError):
            self._path.unlink()  # Of one that was killed; its lock is ours.
        server = await loop.create_unix_server(self._came, str(self._path), backlog=256)
        self._ending = loop.call_later(max(FIRST_WITHIN, self._grace), self._end)
        _logger.info("serves at %s", self._path)
        await self._ended
        with suppress(FileNotFoundError):
            self._path.unlink()  # Who comes now starts another one, once the lock is free.
        server.close()
        if (shown := sys.modules.get("ayo_bridge.telemetry.shown")) is not None:
            shown.hide()
        _logger.info("nobody is left")
        # At once: threads that load or run a model for nobody would keep the lock for as long.
        os._exit(0)

    def _came(self) -> Client:
        return Client(self._hosts, self._connected, self._gone)

    def _connected(self, client: Client) -> None:
        self._clients.add(client)
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None

    def _gone(self, client: Client) -> None:
        self._clients.discard(client)
        if not self._clients and self._ending is None:
            loop = asyncio.get_running_loop()
            self._ending = loop.call_later(self._grace, self._end)

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)
