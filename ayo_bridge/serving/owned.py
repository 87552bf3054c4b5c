"""What servers have in common that are child processes of ours: a life, and an address."""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Final, Self

from ayo_bridge.errors import EngineUnavailableError
from ayo_bridge.serving.ports import LOOPBACK

_REACHED_BY: Final = {"0.0.0.0": LOOPBACK, "": LOOPBACK, "::": "::1"}
"""Where one who listens everywhere is asked."""


class OwnedServer(ABC):
    """A server that this process starts and ends; a context manager."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()

    @abstractmethod
    def start(self) -> Self:
        """Start the server and wait until it answers; nothing if it runs already."""

    @abstractmethod
    def close(self) -> None:
        """End the server and remove what is temporary. Safe to repeat; ``start`` works again."""

    @property
    def pid(self) -> int | None:
        """Process id of what was started, ``None`` when it does not run."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    @property
    def _inherited(self) -> bool:
        """Whether this is a forked child: it has this object, not the server."""
        return os.getpid() != self._owner

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()


class OwnedLLMServer(OwnedServer):
    """An LLM server behind HTTP.

    Args:
        port: TCP port; ``None`` where a free one is to be found.
        host: address to listen on.
    """

    def __init__(self, port: int | None, host: str) -> None:
        super().__init__()
        self._given_port, self._port, self._host = port, port, host

    @property
    @abstractmethod
    def model_name(self) -> str:
        """The name to put into a request's ``model``."""

    @property
    def root_url(self) -> str:
        """``http://host:port``: /health and /metrics are below it.

        Raises:
            EngineUnavailableError: the server was never started and no port was given.
        """
        if self._port is None:
            name = type(self).__name__
            raise EngineUnavailableError(f"this {name} was not started: call start()")
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def url(self) -> str:
        """``http://host:port/v1``: what the OpenAI SDK and the frameworks call ``base_url``."""
        return f"{self.root_url}/v1"

    def _healthy(self, timeout: float) -> bool:
        """Whether it answers within so many seconds."""
        reached_by = _REACHED_BY.get(self._host, self._host)
        connection = http.client.HTTPConnection(reached_by, self._port, timeout=timeout)
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/health")
                return connection.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                return False


__all__ = ["OwnedLLMServer", "OwnedServer"]
