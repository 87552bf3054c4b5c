"""Spans and metrics of a program that does not know of us: asked for, and metrics served."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Final

from ayo_bridge.autorun import settings
from ayo_bridge.errors import ArgumentError
from ayo_bridge.events import Event, Facts, log

_HERE: Final = "127.0.0.1"
_MULTIPROCESS: Final = "PROMETHEUS_MULTIPROC_DIR"
_logger: Final = logging.getLogger(__name__)
_serving: Final[dict[int, Callable[[], None] | None]] = {}
"""What stops each process's serving; ``None``: it does not serve."""


def address_of(where: str) -> tuple[str, int]:
    """Host and port of ``[HOST:]PORT``.

    Raises:
        ArgumentError: it is none.
    """
    host, _, port = where.strip().rpartition(":")
    if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise ArgumentError(
            f"--metrics-port (or {settings.METRICS_PORT}) is to be [HOST:]PORT with a port from 1 "
            f"to 65535, not {where}"
        )
    return host.strip("[]") or _HERE, int(port)


def serve_metrics() -> None:
    """Serve this process's metrics where the environment says, once.

    With ``PROMETHEUS_MULTIPROC_DIR`` they are those of all processes, whichever of them serves.
    Whatever goes wrong is logged: the program does not know of us.
    """
    if os.getpid() in _serving:
        return
    _serving[os.getpid()] = None
    where = os.environ[settings.METRICS_PORT]
    try:
        host, port = address_of(where)
        _serving[os.getpid()] = _serve(host, port)
    except ImportError:
        reason = "prometheus_client is not installed: pip install 'ayo-bridge[metrics]'"
        _failed(where, reason)
    except (ArgumentError, OSError) as error:
        _failed(where, f"{error}; another process of the program may serve its own there already")


def stop_serving() -> None:
    """Serve this process's metrics no more. Idempotent."""
    stop = _serving.pop(os.getpid(), None)
    if stop is not None:
        stop()


def _serve(host: str, port: int) -> Callable[[], None]:
    from prometheus_client import REGISTRY, CollectorRegistry, multiprocess, start_http_server

    registry = REGISTRY
    if os.environ.get(_MULTIPROCESS):
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    server, thread = start_http_server(port, host, registry)
    _logger.info("metrics are served at http://%s:%d/metrics", host, port)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop


def _failed(where: str, reason: str) -> None:
    sentence = f"no metrics are served at {where}: {reason}"
    log(_logger, Event.NOT_EXPORTED, sentence, Facts(reason=reason))
