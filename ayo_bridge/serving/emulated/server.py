"""The emulated server as a child process: its work takes nothing of its client's core."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from signal import SIGTERM
from typing import Final, Self, Unpack

from ayo_bridge.engines import launched
from ayo_bridge.serving import child
from ayo_bridge.serving.child import EngineStartError
from ayo_bridge.serving.emulated.profiles import settings_for
from ayo_bridge.serving.emulated.serve import listening
from ayo_bridge.serving.emulated.settings import Options, Settings
from ayo_bridge.serving.owned import OwnedLLMServer
from ayo_bridge.serving.ports import LOOPBACK, require_free
from ayo_bridge.simulate import LLMCosts

_START_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.02
_ANSWER_SECONDS: Final = 1.0


class EmulatedServer(OwnedLLMServer):
    """An LLM server with known costs; a context manager, as :class:`VLLMServer` is.

    Whatever is measured with it is emulated: say so beside the figures.

    Args:
        profile: a published name, a measured engine's name, a profile's file, or costs.
        port: TCP port; None picks a free one.
        host: address to listen on.
        cores: CPU cores that the server is confined to; empty for all.
        options: as :class:`Settings` has them: ``speed``, ``output_tokens``, ``kv_blocks``, ...

    Raises:
        ArgumentError: there is no such profile, or nothing could be served so.
    """

    def __init__(
        self,
        profile: str | os.PathLike[str] | LLMCosts,
        *,
        port: int | None = None,
        host: str = LOOPBACK,
        cores: Sequence[int] = (),
        **options: Unpack[Options],
    ) -> None:
        self.settings: Settings = settings_for(profile, **options)
        super().__init__(port, host)
        self._cores = tuple(cores)
        self._scratch: Path | None = None

    @property
    def model_name(self) -> str:
        """The name to put into a request's ``model``."""
        return self.settings.served_model

    def start(self) -> Self:
        """Start the server and wait until it answers; nothing if it runs already.

        Raises:
            ArgumentError, PortInUseError: it cannot listen where it was told to.
            EngineStartError: it ended or was not ready in time; its output is in the message.
        """
        if self.pid is not None:
            return self
        wanted = self._given_port or self._port
        if wanted is not None:
            require_free(wanted, self._host)
        self._scratch = Path(tempfile.mkdtemp(prefix="ayo-emulated-"))
        atexit.register(self.close)
        (self._scratch / "settings").write_text(self.settings.to_json(), encoding="utf-8")
        # Bound here: no other process can take the port meanwhile.
        with contextlib.closing(listening(self._host, wanted or 0)) as listener:
            self._port = int(listener.getsockname()[1])
            command = [sys.executable, "-m", "ayo_bridge.serving.emulated"]
            self._process = child.spawn(
                [*command, str(listener.fileno()), str(self._scratch / "settings")],
                log=self._scratch / "log",
                env={**os.environ, "AYO_BRIDGE": "0"},
                pass_fds=[listener.fileno()],
                cores=self._cores,
            )
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self.close()
            raise
        if self.settings.scheduling_policy == "priority":
            launched.note(self.url, self._process.pid)
        return self

    def close(self) -> None:
        """End the server. Safe to repeat; ``start`` works again after."""
        if self._inherited:
            return
        if self._process is not None:
            launched.forget(self.url)
            child.stop(self._process, (SIGTERM, 5.0))
            self._process = None
        atexit.unregister(self.close)
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not self._healthy(_ANSWER_SECONDS):
            if process.poll() is not None or time.monotonic() > deadline:
                assert self._scratch is not None
                status = process.poll()
                what = "was not ready in time" if status is None else f"ended with status {status}"
                raise EngineStartError(
                    f"the emulated server {what}:\n{child.log_tail(self._scratch / 'log', 30)}"
                )
            time.sleep(_POLL_SECONDS)
