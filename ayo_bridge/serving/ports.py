"""TCP ports on the loopback interface for engine processes."""

from __future__ import annotations

import socket

from ayo_bridge.errors import EngineUnavailableError

LOOPBACK = "127.0.0.1"


class PortInUseError(EngineUnavailableError):
    """The port that was asked for belongs to another process."""


def free_port(host: str = LOOPBACK) -> int:
    """A port that was free a moment ago; another process may still take it first."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def require_free(port: int, host: str = LOOPBACK) -> int:
    """`port`, if nothing listens on it.

    Raises:
        PortInUseError: something does.
    """
    with socket.socket() as probe:
        # As servers do: connections of a former server that are still closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortInUseError(
                f"port {port} on {host} is in use ({error.strerror}); stop the process that holds "
                "it, name another port, or name none to get a free one"
            ) from error
    return port


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether nothing listens on `port`."""
    try:
        require_free(port, host)
    except PortInUseError:
        return False
    return True
