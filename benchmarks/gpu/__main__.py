"""``python -m benchmarks.gpu``: all steps on a GPU machine, in one go.

Installs the wheels that were brought, imports everything once, makes an untrained Llama of
1.5 billion parameters, serves it with lmdeploy's PyTorch engine, and measures four engines of
LlamaIndex over it, as they are and accelerated. Without a GPU it ends at once, with status 3.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Final

from ayo_bridge.serving.child import EngineStartError
from benchmarks.gpu import server, wheels
from benchmarks.gpu.label import cards

SHAPE: Final = {
    "layers": 32,
    "hidden": 2048,
    "heads": 16,
    "kv_heads": 8,
    "initializer_range": 0.03,
}
_MAKE: Final = (
    "import json, sys\n"
    "from ayo_bridge.serving.random_llama import make_random_llama\n"
    "make_random_llama(sys.argv[1], **json.loads(sys.argv[2]))"
)
NOT_THERE: Final = 3


class Steps:
    """Says what is done, and how long it took."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._began = clock, clock()

    def __call__(self, what: str) -> None:
        """A step has ended."""
        now = self._clock()
        print(f"{what}: {now - self._began:.0f} s", flush=True)
        self._began = now


def make(model: Path, env: Mapping[str, str], shape: Mapping[str, object]) -> None:
    """Make the model, in a process that has what was installed."""
    import json

    command = [sys.executable, "-c", _MAKE, str(model), json.dumps(shape)]
    subprocess.run(command, env=dict(env), check=True)


def measured(url: str, env: Mapping[str, str], more: Sequence[str]) -> int:
    """Measure what is served, in such a process."""
    command = [sys.executable, "-m", "benchmarks.gpu.measured", "--server", url, *more]
    return subprocess.run(command, env=dict(env), check=False).returncode


def main(arguments: Sequence[str] | None = None) -> int:
    """All of it; what is not known here goes to ``benchmarks.gpu.measured``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0], allow_abbrev=False)
    parser.add_argument("--wheels", type=Path, help="folder of `benchmarks.gpu.wheels`")
    parser.add_argument("--dtype", choices=("bfloat16", "float16"), default="bfloat16")
    parser.add_argument("--model", type=Path, help="folder; made there if it is empty")
    options, more = parser.parse_known_args(arguments)
    if not (found := cards()):
        print(
            "there is no GPU here: python -m benchmarks.gpu.measured --server URL measures what "
            "is served elsewhere",
            file=sys.stderr,
        )
        return NOT_THERE
    print(f"{', '.join(found)}", flush=True)
    step = Steps()
    with tempfile.TemporaryDirectory(prefix="ayo-gpu-") as folder:
        site = None
        if options.wheels is not None:
            site = Path(folder) / "site"
            wheels.install(options.wheels, site)
            step("installed")
        env = server.environment(site)
        if lacking := server.lacking(env):
            print("cannot be imported:", *lacking, sep="\n  ", file=sys.stderr)
            return NOT_THERE
        step("imported")
        model = options.model or Path(folder) / server.NAME
        make(model, env, SHAPE)
        step("made the model")
        engine = server.ENGINE.format(version=version(site))
        told = ["--model", server.NAME, "--engine", engine, "--dtype", options.dtype]
        told += ["--tokenizer", str(model), "--require-gpu"]
        try:
            with server.serving(model, env, options.dtype) as url:
                step("served")
                status = measured(url, env, [*told, *more])
                step("measured")
        except EngineStartError as error:
            print(error, file=sys.stderr)
            return 1
    return status


def version(site: Path | None) -> str:
    """Of lmdeploy, where it was installed."""
    path = [str(site), *sys.path] if site is not None else sys.path
    found = next(iter(metadata.distributions(name="lmdeploy", path=path)), None)
    return found.version if found is not None else ""


if __name__ == "__main__":
    sys.exit(main())
