"""The server's loop: one thread, one loop, whose clock keeps the speed that is emulated."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable

from ayo_bridge.serving.emulated.app import App
from ayo_bridge.serving.emulated.connection import Connection
from ayo_bridge.serving.emulated.engine import EmulatedEngine
from ayo_bridge.serving.emulated.settings import Settings
from ayo_bridge.simulate import PacedClockLoop

_BACKLOG = 1024


def listening(host: str, port: int) -> socket.socket:
    """A socket that takes connections; port 0 finds one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def serve(
    settings: Settings, listener: socket.socket, ready: Callable[[], None] = lambda: None
) -> None:
    """Serve until SIGINT or SIGTERM; ``ready`` is called when requests are answered.

    For the main thread of a process. Work under way then is dropped.
    """
    with asyncio.Runner(loop_factory=lambda: PacedClockLoop(settings.speed)) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, PacedClockLoop)
        runner.run(_serve(settings, listener, ready, loop))


async def _serve(
    settings: Settings, listener: socket.socket, ready: Callable[[], None], loop: PacedClockLoop
) -> None:
    app = App(EmulatedEngine(settings), loop.late)
    ended = asyncio.Event()
    for ending in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(ending, ended.set)
    server = await loop.create_server(lambda: Connection(app), sock=listener, backlog=_BACKLOG)
    ready()
    try:
        await ended.wait()
    finally:
        server.close()
