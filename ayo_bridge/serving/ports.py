"""TCP ports on the loopback interface for engine processes."""

from __future__ import annotations

import errno
import socket
from typing import Final

from ayo_bridge.errors import ArgumentError, AyoBridgeError, EngineUnavailableError

LOOPBACK = "127.0.0.1"
HIGHEST_PORT: Final = 65535


class PortInUseError(EngineUnavailableError):
    """The port that was asked for belongs to another process."""


def free_port(host: str = LOOPBACK) -> int:
    """A port that was free a moment ago; another process may still take it first."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def require_free(port: int, host: str = LOOPBACK) -> int:
    """`port`, if a server can listen on it.

    Raises:
        ArgumentError: there is no such port or address here.
        PortInUseError: something listens on it.
    """
    if not 0 < port <= HIGHEST_PORT:
        raise ArgumentError(f"a port is a number from 1 to {HIGHEST_PORT}, not {port}")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As servers do: connections of a former server that are still closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except socket.gaierror as error:
            raise ArgumentError(
                f"{host!r} is no address of this machine: {error.strerror}"
            ) from error
        except OSError as error:
            raise _why(port, host, error) from error
    return port


def _why(port: int, host: str, error: OSError) -> AyoBridgeError:
    match error.errno:
        case errno.EADDRNOTAVAIL:
            return ArgumentError(f"{host!r} is no address of this machine")
        case errno.EACCES:
            return ArgumentError(f"port {port} needs privileges: take one from 1024 on")
    return PortInUseError(
        f"port {port} on {host} is in use ({error.strerror}); stop the process that holds "
        "it, name another port, or name none to get a free one"
    )


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether nothing listens on `port`."""
    try:
        require_free(port, host)
    except PortInUseError:
        return False
    return True
