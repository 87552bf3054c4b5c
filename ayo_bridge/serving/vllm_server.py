"""`vllm serve` as a child process of ours, set up the way the optimisations need it.

In: a model. Out: the URL of an OpenAI-compatible server with automatic prefix caching, priority
scheduling and cached-token counts, on the loopback interface, which never outlives its owner.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from signal import SIGQUIT, SIGTERM
from typing import Self

from ayo_bridge.engines import launched
from ayo_bridge.errors import ArgumentError, EngineUnavailableError
from ayo_bridge.serving import child
from ayo_bridge.serving.child import EngineStartError
from ayo_bridge.serving.owned import OwnedLLMServer
from ayo_bridge.serving.ports import HIGHEST_PORT, LOOPBACK, free_port, require_free
from ayo_bridge.serving.vllm_arguments import (
    CPU_DISTRIBUTION,
    Device,
    ModelNotFoundError,
    check_arguments,
    installed_version,
    resolve_model,
    runs_on_cpu,
)
from ayo_bridge.serving.vllm_log import in_words

_logger = logging.getLogger(__name__)

Progress = Callable[[float, str], None]
"""Called while the server starts with the seconds so far and what its log says last."""

_POLL_SECONDS = 0.2
_ANSWER_SECONDS = 5.0
# The supervisor gives vLLM eight seconds to finish, then kills what is left.
_STOP = ((SIGTERM, 15.0),)
_CPU_BLOCK_TOKENS = 32  # 128 by default, which caches no prefix below it; 16 is refused.


class VLLMServer(OwnedLLMServer):
    """A running `vllm serve`; a context manager.

    Args:
        model: a directory in Hugging Face's format, or the name of a model on its hub.
        served_name: the name to request it by; the directory's name, or the hub's, by default.
        port: TCP port; None picks a free one.
        host: address to listen on. Other than loopback, anybody who reaches it may use it.
        device: "auto" takes what the installed vLLM was built for.
        dtype: as vLLM's ``--dtype``; float32 makes greedy output independent of the batch.
        kv_cache_gib: memory for the KV cache in GiB. None: one on a CPU, vLLM's choice on a GPU.
        threads: OpenMP threads on a CPU; None takes one for each of `cores`, or half of all.
        cores: CPU cores that the server is confined to; empty for all.
        extra_args: further arguments for `vllm serve`; they come last, so they win.
        env: further environment variables.
        log: file for the server's output, appended to; None makes a temporary one.
        start_timeout: seconds until a start counts as failed; None: never, while it runs.
        on_progress: called a few times a second while the server starts.

    Raises:
        ArgumentError, EngineUnavailableError: it could never start with these arguments here;
            that is said before anything is started.
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        served_name: str | None = None,
        port: int | None = None,
        host: str = LOOPBACK,
        device: Device = "auto",
        dtype: str = "auto",
        kv_cache_gib: float | None = None,
        threads: int | None = None,
        cores: Sequence[int] = (),
        extra_args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        log: str | os.PathLike[str] | None = None,
        start_timeout: float | None = 300.0,
        on_progress: Progress | None = None,
    ) -> None:
        check_arguments(
            dtype=dtype,
            kv_cache_gib=kv_cache_gib,
            threads=threads,
            cores=cores,
            log=Path(log) if log is not None else None,
            start_timeout=start_timeout,
        )
        if port is not None and not 0 <= port <= HIGHEST_PORT:
            raise ArgumentError(f"a port is a number from 1 to {HIGHEST_PORT}, not {port}")
        self._model, self._local = resolve_model(model)
        self._served_name = served_name or (Path(self._model).name if self._local else self._model)
        super().__init__(port, host)
        self._on_cpu = runs_on_cpu(device)
        self._dtype = dtype
        self._kv_cache_gib = kv_cache_gib
        self._threads = threads or len(cores) or max(1, (os.cpu_count() or 1) // 2)
        self._cores = tuple(cores)
        self._extra_args = tuple(extra_args)
        self._env = dict(env or {})
        self._given_log = Path(log).absolute() if log is not None else None
        self._start_timeout = start_timeout
        self._on_progress = on_progress
        self._scratch: Path | None = None

    # -- what it is ---------------------------------------------------------------------------

    @property
    def model_name(self) -> str:
        """The name to put into a request's ``model``."""
        return self._served_name

    @property
    def model(self) -> str:
        """The model's directory or hub name: its tokenizer is there too."""
        return self._model

    @property
    def log(self) -> Path:
        """The file with the server's output."""
        if self._given_log is not None:
            return self._given_log
        return self._scratch_directory() / "log"

    @property
    def alive(self) -> bool:
        """Whether the server runs and answers."""
        return self.pid is not None and self._healthy(_ANSWER_SECONDS)

    # -- life ---------------------------------------------------------------------------------

    def start(self) -> Self:
        """Start the server and wait until it answers; nothing if it runs already.

        Raises:
            PortInUseError: the port that was asked for is taken.
            EngineStartError: it ended or was not ready in time; the log's end is in the message.
        """
        if self.pid is not None:
            return self
        self._port = require_free(self._given_port or self._port or free_port(), self._host)
        atexit.register(self.close)
        self._process = child.spawn(
            self._command(),
            log=self.log,
            env=self._environment(),
            supervise=True,
            cores=self._cores,
        )
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self.stop()
            raise
        launched.note(self.url, self._process.pid)
        return self

    def stop(self) -> None:
        """End the server and every process of it. Safe to repeat; ``start`` works again after."""
        if not self._inherited and self._process is not None:
            launched.forget(self.url)
            child.stop(self._process, *_STOP)

    def wait(self) -> None:
        """Return when the server was stopped.

        Raises:
            EngineUnavailableError: it ended by itself.
        """
        if self._process is not None and self._process.wait() not in (0, -SIGTERM, 128 + SIGTERM):
            raise EngineUnavailableError(
                f"vllm serve ended with status {self._process.returncode}; "
                f"the end of {self.log}:\n{child.log_tail(self.log, 30)}"
            )

    def kill(self) -> None:
        """End it without warning, as a crash would (every process gets SIGKILL)."""
        if self._process is not None:
            child.stop(self._process, (SIGQUIT, 15.0))

    def close(self) -> None:
        """``stop``, and remove temporary files (the log too, unless its place was given)."""
        if self._inherited:
            return
        self.stop()
        atexit.unregister(self.close)
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None

    # -- how ----------------------------------------------------------------------------------

    def _command(self) -> list[str]:
        # Not the `vllm` script: it may not be on PATH, or belong to another environment.
        command = [sys.executable, "-m", "vllm.entrypoints.cli.main", "serve", self._model]
        command += ["--served-model-name", self._served_name]
        command += ["--host", self._host, "--port", str(self._port), "--dtype", self._dtype]
        command += ["--enable-prefix-caching", "--scheduling-policy", "priority"]
        command += ["--enable-prompt-tokens-details"]
        if self._on_cpu:
            command += ["--block-size", str(_CPU_BLOCK_TOKENS)]
        elif self._kv_cache_gib is not None:
            command += ["--kv-cache-memory-bytes", str(int(self._kv_cache_gib * 2**30))]
        return [*command, *self._extra_args]

    def _environment(self) -> dict[str, str]:
        environment = {**os.environ, "VLLM_NO_USAGE_STATS": "1"}
        if self._local:
            environment["HF_HUB_OFFLINE"] = "1"
        if self._on_cpu:
            # The engine in a process of its own spins a whole core for a second after each read.
            environment["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
            environment["VLLM_CPU_KVCACHE_SPACE"] = str(math.ceil(self._kv_cache_gib or 1))
            environment["OMP_NUM_THREADS"] = str(self._threads)
            environment["VLLM_CPU_OMP_THREADS_BIND"] = "nobind"
            if shim := self._metadata_shim():
                path = environment.get("PYTHONPATH")
                environment["PYTHONPATH"] = f"{shim}{os.pathsep}{path}" if path else str(shim)
        return {**environment, **self._env}

    def _metadata_shim(self) -> Path | None:
        """A folder that makes the CPU build's `vllm serve` find its own version, if it would not.

        It asks for the metadata of "vllm" while its distribution is called "vllm-cpu" (0.32.0);
        "+cpu" in the version is how it knows its platform.
        """
        if installed_version("vllm") is not None:
            return None
        version = (installed_version(CPU_DISTRIBUTION) or "0").partition("+")[0] + "+cpu"
        shim = self._scratch_directory() / "metadata"
        folder = shim / f"vllm-{version}.dist-info"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n")
        return shim

    def _scratch_directory(self) -> Path:
        if self._scratch is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="ayo-vllm-"))
        return self._scratch

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        started = time.monotonic()
        while not self._healthy(_ANSWER_SECONDS):
            elapsed = time.monotonic() - started
            if process.poll() is not None:
                raise EngineStartError(
                    f"vllm serve ended with status {process.returncode} after {elapsed:.0f} s; "
                    f"the end of {self.log}:\n{child.log_tail(self.log, 30)}"
                )
            if self._start_timeout is not None and elapsed > self._start_timeout:
                raise EngineStartError(
                    f"vllm serve was not ready after {elapsed:.0f} s; "
                    f"the end of {self.log}:\n{child.log_tail(self.log, 30)}"
                )
            if self._on_progress is not None:
                self._on_progress(elapsed, in_words(child.log_tail(self.log, 1)))
            time.sleep(_POLL_SECONDS)
        _logger.info("vllm serve ready at %s", self.url)


__all__ = ["Device", "ModelNotFoundError", "Progress", "VLLMServer"]
