"""Spans of every call, continuously, under the span in which it was made.

The tracer is that of the program's ``TracerProvider``, which is looked up for each call: a program
may set one at any time. Where it has set none, but the environment names an OTLP endpoint, spans go
there by a provider of our own that nobody else sees. The global one is never set.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from ayo_bridge.events import Event, Facts, log
from ayo_bridge.record.record import CallRecord
from ayo_bridge.telemetry.followed import Followed, ended_inside
from ayo_bridge.telemetry.spans import NAME, Clock, write_spans

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import SpanContext, Tracer

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_logger: Final = logging.getLogger(__name__)


class Tracing:
    """Makes the spans of calls. One thread exports.

    Args:
        clock: the runtime's.
        at_exit: called when the process ends, before the provider's own end.

    Raises:
        ImportError: the OpenTelemetry API is not installed.
    """

    def __init__(self, clock: Clock, at_exit: Callable[[], object]) -> None:
        from opentelemetry import context, trace

        self._trace = trace
        self._current = context.get_current
        self._clock = clock
        self._at_exit = at_exit
        self._provider: Any = None
        self._own: Any = None
        self._own_missing = False
        self._tracer: Tracer | None = None
        self._lock = threading.Lock()

    def context(self) -> Context:
        """That in which the calling code runs. Cheap."""
        return self._current()

    def export(self, followed: Followed, record: CallRecord) -> None:
        """Make the spans of a call, and of those inside of it that have ended."""
        tracer = self._found()
        if tracer is None:
            self._let_go(followed, record)
            return
        span = write_spans(
            record,
            record.own_calls,
            tracer,
            self._clock,
            target=followed.target,
            context=self._parent(followed),
        )
        followed.span, followed.context = span, followed.context if record.nested else None
        for inner, nested in ended_inside(record):
            if inner.span is None:
                self.export(inner, nested)

    def close(self) -> None:
        """End the provider of our own, if there is one: it sends what it holds."""
        atexit.unregister(self._at_exit)
        with self._lock:
            own, self._own = self._own, None
            self._provider = self._tracer = None
        if own is not None:
            own.shutdown()

    def _parent(self, followed: Followed) -> Context:
        """The context that the span of a call belongs under.

        That is the one in which it was made. Where its framework has made no span of its own since
        the call around it, it is the span of that one.
        """
        made_in, outer = cast("Context", followed.context), followed.outer
        if outer is None or not self._same(made_in, outer.context):
            return made_in
        span = self._trace.NonRecordingSpan(cast("SpanContext", outer.span))
        return self._trace.set_span_in_context(span, made_in)

    def _same(self, one: object, other: object) -> bool:
        spans = [self._trace.get_current_span(cast("Context", each)) for each in (one, other)]
        ids = [span.get_span_context().span_id for span in spans]
        return ids[0] == ids[1]

    def _let_go(self, followed: Followed, record: CallRecord) -> None:
        followed.span = self._trace.INVALID_SPAN_CONTEXT
        for inner, nested in ended_inside(record):
            self._let_go(inner, nested)

    # The provider.

    def _found(self) -> Tracer | None:
        """The tracer to use now; ``None``: there is nobody to send spans to."""
        provider: Any = self._trace.get_tracer_provider()
        if isinstance(provider, self._trace.ProxyTracerProvider):
            provider = self._own or self._made()
        if provider is None:
            return None
        if provider is not self._provider or self._tracer is None:
            self._provider, self._tracer = provider, provider.get_tracer(NAME)
            # A provider ends itself at exit. What is registered later is called earlier.
            atexit.unregister(self._at_exit)
            atexit.register(self._at_exit)
        return self._tracer

    def _made(self) -> Any:
        """A provider of our own, where the environment says where to send spans."""
        if self._own_missing:
            return None
        endpoint = next((name for name in _ENDPOINTS if os.environ.get(name)), None)
        if endpoint is None:
            return self._missing(
                "the program has set no TracerProvider: call opentelemetry.trace."
                "set_tracer_provider, or set OTEL_EXPORTER_OTLP_ENDPOINT to where spans are to go"
            )
        try:
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor

            exporter = _exporter()
        except ImportError as error:
            return self._missing(
                f"the program has set no TracerProvider, and {endpoint} needs a library that is "
                f"not installed ({error}): pip install 'ayo-bridge[otel]'"
            )
        with self._lock:
            self._own = TracerProvider()
            self._own.add_span_processor(BatchSpanProcessor(exporter))
            _logger.info("the program has set no TracerProvider: spans go to %s", endpoint)
            return self._own

    def _missing(self, reason: str) -> None:
        """Say so once; a provider that the program sets later is found all the same."""
        self._own_missing = True
        log(_logger, Event.NOT_EXPORTED, f"no spans are exported: {reason}", Facts(reason=reason))


def _exporter() -> Any:
    protocol = next((os.environ[name] for name in _PROTOCOLS if os.environ.get(name)), "")
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
            OTLPSpanExporter as OverGRPC,
        )

        return OverGRPC()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()
