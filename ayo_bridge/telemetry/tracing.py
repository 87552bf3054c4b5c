"""Spans of every call, continuously, under the span in which it was made.

The tracer is that of the program's ``TracerProvider``, which is looked up for each call: a program
may set one at any time. Where it has set none, but the environment names an OTLP endpoint, spans go
there by a provider of our own that nobody else sees. The global one is never set.
"""

from __future__ import annotations

import atexit
import logging
import os
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
    """Makes the spans of calls. One thread exports, and has ended when it is closed.

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
        self._said = False
        self._tracer: Tracer | None = None
        if self._set_by_program() is None:
            self._made(say=False)  # Now: when the process ends it is too late.
        self._register()

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
        provider = self._set_by_program()
        own = self._own
        if provider is not None and own is not None:
            self._own = None
            own.shutdown()
        if provider is None:
            provider = own or self._made(say=True)
        if provider is None:
            return None
        if provider is not self._provider or self._tracer is None:
            self._provider, self._tracer = provider, provider.get_tracer(NAME)
            self._register()
        return self._tracer

    def _register(self) -> None:
        """A provider ends itself at exit. What is registered later is called earlier."""
        atexit.unregister(self._at_exit)
        atexit.register(self._at_exit)

    def _set_by_program(self) -> Any:
        provider = self._trace.get_tracer_provider()
        return None if isinstance(provider, self._trace.ProxyTracerProvider) else provider

    def _made(self, *, say: bool) -> Any:
        """A provider of our own, where the environment says where to send spans.

        Why there is none is ``said`` once; one that the program sets later is found all the same.
        """
        endpoint = next((name for name in _ENDPOINTS if os.environ.get(name)), None)
        reason = (
            "the program has set no TracerProvider: call opentelemetry.trace."
            "set_tracer_provider, or set OTEL_EXPORTER_OTLP_ENDPOINT to where spans are to go"
        )
        if endpoint is not None:
            try:
                self._own = _provider()
            except ImportError as error:
                reason = (
                    f"the program has set no TracerProvider, and {endpoint} needs a library that "
                    f"is not installed ({error}): pip install 'ayo-bridge[otel]'"
                )
            else:
                _logger.info("the program has set no TracerProvider: spans go to %s", endpoint)
                return self._own
        if say and not self._said:
            self._said = True
            sentence = f"no spans are exported: {reason}"
            log(_logger, Event.NOT_EXPORTED, sentence, Facts(reason=reason))
        return None


def _provider() -> Any:
    """A provider that sends to where the environment says, as the SDK reads it.

    Raises:
        ImportError: what it is made of is not installed.
    """
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    processor = BatchSpanProcessor(_exporter())
    provider = TracerProvider()
    provider.add_span_processor(processor)
    return provider


def _exporter() -> Any:
    protocol = next((os.environ[name] for name in _PROTOCOLS if os.environ.get(name)), "")
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
            OTLPSpanExporter as OverGRPC,
        )

        return OverGRPC()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()
