"""Serves a model with lmdeploy's PyTorch engine, as a child that ends with this process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGTERM
from typing import Final
from urllib.error import URLError

from ayo_bridge.serving import child
from ayo_bridge.serving.child import EngineStartError
from ayo_bridge.serving.ports import LOOPBACK, free_port

NAME: Final = "random-llama"
ENGINE: Final = "lmdeploy {version} (PyTorch engine)"
START_SECONDS: Final = 120.0
IMPORTS: Final = (
    "torch",
    "llama_index.llms.openai_like",
    "llama_index.embeddings.huggingface",
    "ayo_bridge.bench",
    "lmdeploy.serve.openai.api_server",
    "lmdeploy.pytorch.engine.engine",
    "lmdeploy.pytorch.models.llama",
    "lmdeploy.pytorch.kernels.cuda.pagedattention",
)
"""What has to be there before anything is made or started."""
_TEST: Final = "import importlib, sys; importlib.import_module(sys.argv[1])"
_ADAPTERS: Final = """
from ayo_bridge.adapter import adapters

if "llama-index" not in {each.name for each in adapters()}:
    raise SystemExit("no adapter is installed: the wheel of ayo-bridge is missing")
"""


def lacking(env: Mapping[str, str], names: Sequence[str] = IMPORTS) -> list[str]:
    """What cannot be imported, each with the last line of why; in processes of their own."""
    found = []
    tests = [*((name, _TEST) for name in names), ("adapters", _ADAPTERS)]
    for name, test in tests:
        done = subprocess.run(
            [sys.executable, "-c", test, name], env=dict(env), capture_output=True, text=True
        )
        if done.returncode:
            found.append(f"{name}: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return found


def command(model: Path, port: int, dtype: str) -> list[str]:
    """How it is started: prefixes are kept, one card, one process for the engine."""
    serve = [sys.executable, "-m", "lmdeploy", "serve", "api_server", str(model)]
    serve += ["--backend", "pytorch", "--enable-prefix-caching", "--dtype", dtype]
    serve += ["--distributed-executor-backend", "uni", "--model-name", NAME]
    return [*serve, "--server-name", LOOPBACK, "--server-port", str(port)]


@contextmanager
def serving(
    model: Path,
    env: Mapping[str, str],
    dtype: str,
    start: Callable[[Path, int, str], list[str]] = command,
    seconds: float = START_SECONDS,
) -> Iterator[str]:
    """A URL ending in ``/v1``.

    Raises:
        EngineStartError: it ended, or did not answer in time; its last output is in the message.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="ayo-gpu-") as folder:
        log = Path(folder) / "log"
        process = child.spawn(start(model, port, dtype), log=log, env=dict(env), supervise=True)
        try:
            url = f"http://{LOOPBACK}:{port}/v1"
            until = time.monotonic() + seconds
            while not answers(url):
                if process.poll() is not None or time.monotonic() > until:
                    raise EngineStartError(
                        f"the server does not answer:\n{child.log_tail(log, 30)}"
                    )
                time.sleep(0.5)
            yield url
        finally:
            child.stop(process, (SIGTERM, 15.0))


def answers(url: str) -> bool:
    """Whether a server lists its models."""
    try:
        with urllib.request.urlopen(f"{url}/models", timeout=2) as reply:
            return bool(reply.status == 200)
    except (URLError, OSError):
        return False


def environment(site: Path | None) -> dict[str, str]:
    """Of the server and of what measures: what was installed first, and nothing from the net."""
    path = [str(site)] if site is not None else []
    path += [each for each in (os.getcwd(), f"{os.getcwd()}/adapters") if Path(each).is_dir()]
    if before := os.environ.get("PYTHONPATH"):
        path.append(before)
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path),
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "AYO_TEMPLATES": "0",
        "AYO_MEASURE": "0",
    }


__all__ = ["ENGINE", "IMPORTS", "NAME", "answers", "command", "environment", "lacking", "serving"]
