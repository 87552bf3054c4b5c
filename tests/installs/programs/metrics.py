"""Prometheus: counters of the calls of a function."""

import sys
import urllib.request

from prometheus_client import generate_latest

from ayo_bridge import Runtime, accelerate


def ask(url: str) -> int:
    """Which models there are; no SDK is needed for it."""
    with urllib.request.urlopen(f"{url}/models") as reply:
        return int(reply.status)


runtime = Runtime(metrics=True)
fast = accelerate(ask, runtime=runtime)
assert fast(sys.argv[1]) == 200
assert runtime.telemetry is not None
runtime.telemetry.flush()
lines = generate_latest().decode().splitlines()
assert any(line.startswith("ayo_bridge_calls_total{") for line in lines), lines
runtime.close()  # Its metrics leave the registry.
print("counted: ayo_bridge_calls_total")
