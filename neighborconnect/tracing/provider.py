"""Tracing of a process: sampling, export, and spans of requests and steps.

A process calls ``configure_tracing`` once, at its start. Without it, and for every trace that is not sampled, trace ids
exist all the same: logs carry them and the outbox stores them.

Spans of clients (PostgreSQL, Redis, HTTP) are recorded within a sampled trace only. Elsewhere instrumentation is
suppressed, so that a request that is not sampled costs a few microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextvars import Token
from typing import IO, Final, cast

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.json.file.trace_exporter import FileSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, Tracer, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes, AttributeValue

from neighborconnect.settings import Settings
from neighborconnect.tracing.instrumentation import Library, instrument, remove_instrumentation
from neighborconnect.tracing.local_store import LocalSpanFile
from neighborconnect.tracing.redaction import RedactingExporter

NAME: Final = "neighborconnect"
_EXPORT_MILLISECONDS: Final = 1_000
_LIMITS: Final = SpanLimits(max_span_attributes=32, max_events=8, max_links=32, max_span_attribute_length=2_000)
_UNRECORDED: Final = frozenset({"/healthz", "/livez", "/readyz", "/metrics"})
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"})
_SERVER_ERROR: Final = 500
_PARENT_BASED: Final = "parentbased_"
# Instrumentation packages call the library directly where the context has this key.
_SUPPRESSED: Final = Context({"suppress_instrumentation": True})

TraceToken = Token[Context]

_propagator = TraceContextTextMapPropagator()


class _NoRootsOfClients(Sampler):
    """Drops calls to a store outside of any trace, such as polls and probes; ``delegate`` decides on all others."""

    def __init__(self, delegate: Sampler) -> None:
        self._delegate = delegate

    def should_sample(  # noqa: PLR0917 (the SDK's signature)
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        if kind is SpanKind.CLIENT and not trace.get_current_span(parent_context).get_span_context().is_valid:
            return SamplingResult(Decision.DROP)
        return self._delegate.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        return f"NoRootsOfClients{{{self._delegate.get_description()}}}"


class _State:
    """Provider and tracer of this process; None while it records nothing."""

    provider: TracerProvider | None = None
    tracer: Tracer | None = None


_state = _State()
_ids = RandomIdGenerator()


def configure_tracing(
    service: str, settings: Settings, *, libraries: Iterable[Library] = (), exporter: SpanExporter | None = None
) -> None:
    """Record the sampled traces of this process, and export them from a thread of their own.

    Spans go to the collector at ``OTEL_EXPORTER_OTLP_ENDPOINT``, else to files in ``TRACES_FOLDER``; where neither is
    set, nothing is recorded.

    Args:
        service: name of the process.
        settings: exporter and sampling.
        libraries: client libraries whose calls become spans. Connections opened before are not traced.
        exporter: used instead of the exporter of the settings.

    Raises:
        InstrumentationError: a library is not instrumented after its instrumentor ran.
    """
    exporter = exporter or _exporter(service, settings)
    shut_down_tracing()
    if exporter is None or settings.otel_traces_sampler == "always_off":
        return
    provider = TracerProvider(
        sampler=_NoRootsOfClients(_sampler(settings)),
        resource=Resource.create({"service.name": service, "service.namespace": NAME}),
        span_limits=_LIMITS,
    )
    provider.add_span_processor(
        BatchSpanProcessor(RedactingExporter(exporter), schedule_delay_millis=_EXPORT_MILLISECONDS)
    )
    _state.provider, _state.tracer = provider, provider.get_tracer(NAME)
    instrument(libraries, provider)


def shut_down_tracing() -> None:
    """Export what was recorded, and record nothing more."""
    remove_instrumentation()
    if _state.provider is not None:
        _state.provider.shutdown()
        _state.provider = _state.tracer = None


def flush_traces() -> None:
    """Export the spans that have ended."""
    if _state.provider is not None:
        _state.provider.force_flush()


def _exporter(service: str, settings: Settings) -> SpanExporter | None:
    if endpoint := settings.otel_exporter_otlp_endpoint:
        # It needs a tenth of a second to import, and processes without a collector do not need it.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

        return OTLPSpanExporter(endpoint=endpoint.rstrip("/") + "/v1/traces")
    if folder := settings.traces_folder:
        return FileSpanExporter(stream=cast("IO[str]", LocalSpanFile(folder, service=service)))
    return None


def _sampler(settings: Settings) -> Sampler:
    ratio = TraceIdRatioBased(settings.otel_traces_sampler_arg)
    samplers: dict[str, Sampler] = {"always_on": ALWAYS_ON, "always_off": ALWAYS_OFF, "traceidratio": ratio}
    name = settings.otel_traces_sampler.removeprefix(_PARENT_BASED)
    return samplers[name] if name == settings.otel_traces_sampler else ParentBased(samplers[name])


def start_trace(traceparent: str | None = None, *, name: str = "request", kind: SpanKind = SpanKind.SERVER) -> Trace:
    """Make a new span current: in the trace of a valid W3C ``traceparent``, else in a new trace.

    The sampler of the settings decides whether it is recorded; a caller's sampled flag, whether set or not, is
    preserved by the samplers named ``parentbased_…``.
    """
    parent = Context() if traceparent is None else _propagator.extract({"traceparent": traceparent}, Context())
    span = _unrecorded_span(parent) if _state.tracer is None else _state.tracer.start_span(name, parent, kind)
    return Trace(span)


def _unrecorded_span(parent: Context) -> Span:
    """Return a span that only has ids: in the trace of ``parent``, whose flags it keeps, else in a new trace."""
    caller = trace.get_current_span(parent).get_span_context()
    return NonRecordingSpan(
        SpanContext(
            trace_id=caller.trace_id if caller.is_valid else _ids.generate_trace_id(),
            span_id=_ids.generate_span_id(),
            is_remote=False,
            trace_flags=caller.trace_flags if caller.is_valid else None,
        )
    )


class Trace:
    """The part of a trace that begins with one span, which is current until ``end``."""

    __slots__ = ("_token", "span")

    def __init__(self, span: Span) -> None:
        self.span = span
        self._token: TraceToken = context.attach(
            trace.set_span_in_context(span, Context() if span.is_recording() else _SUPPRESSED)
        )

    def fail(self, error: BaseException) -> None:
        """Mark the span as failed, with the type of the error."""
        self.span.set_attribute("error.type", type(error).__name__)
        self.span.set_status(StatusCode.ERROR)

    def end(self) -> None:
        """End the span, and make the one current again that was so before."""
        context.detach(self._token)
        self.span.end()


def start_request(method: str, traceparent: str | None, *, path: str = "") -> Trace:
    """Start the span of an HTTP request; ``end_request`` ends it. Probes and scrapes are not recorded.

    The instrumentation packages of ASGI and FastAPI are not used: they try every route again to find its template, for
    requests that are not recorded, too, and record paths and queries.
    """
    if path in _UNRECORDED:
        return Trace(_unrecorded_span(Context()))
    return start_trace(traceparent, name=method if method in _METHODS else "HTTP")


def end_request(request: Trace, *, method: str, route: str | None, status: int) -> None:
    """End the span of an HTTP request.

    Args:
        request: return value of ``start_request``.
        method: method of the request.
        route: template of the path; None if no route matched. The path itself is never recorded: it has ids in it.
        status: status of the response; 0 if none was sent.
    """
    span = request.span
    if span.is_recording():
        span.set_attribute("http.request.method", method if method in _METHODS else "_OTHER")
        if route is not None:
            span.update_name(f"{method} {route}")
            span.set_attribute("http.route", route)
        if status:
            span.set_attribute("http.response.status_code", status)
        if not status or status >= _SERVER_ERROR:
            span.set_attribute("error.type", str(status or "no_response"))
            span.set_status(StatusCode.ERROR)
    request.end()


def start_span(
    name: str,
    *,
    parent: Context,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, AttributeValue] | None = None,
    start_time: int | None = None,
) -> Span:
    """Start a span that is not current.

    Args:
        name: a fixed name, without values.
        parent: context of its parent.
        kind: kind of the span.
        attributes: attributes; names outside of the allowlist are not exported.
        start_time: nanoseconds since 1970; now if None.
    """
    if _state.tracer is None:
        return _unrecorded_span(parent)
    return _state.tracer.start_span(name, parent, kind, attributes, start_time=start_time)


def context_of(traceparent: str) -> Context:
    """Return the context of a W3C ``traceparent``; an empty one if it is not valid."""
    return _propagator.extract({"traceparent": traceparent}, Context())


def traceparent_of(span: Span) -> str:
    """Return the W3C ``traceparent`` of a span."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, trace.set_span_in_context(span, Context()))
    return carrier["traceparent"]
