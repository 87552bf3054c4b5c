"""OpenTelemetry: the calls of a function as spans."""

import sys
import urllib.request

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ayo_bridge import Runtime, accelerate

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)


def ask(url: str) -> int:
    """Which models there are; no SDK is needed for it."""
    with urllib.request.urlopen(f"{url}/models") as reply:
        return int(reply.status)


runtime = Runtime(otel=True)
fast = accelerate(ask, runtime=runtime)
with trace.get_tracer("app").start_as_current_span("GET /answer"):
    assert fast(sys.argv[1]) == 200
runtime.close()
names = [span.name for span in exporter.get_finished_spans()]
assert any(name.startswith("ayo_bridge.") for name in names), names
print(f"spans: {', '.join(names)}")
