"""Trace context, sampling, redaction and storage of spans, and the check that libraries are traced."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import typer
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from rich.console import Console
from typer.testing import CliRunner, Result

from neighborconnect.settings import Settings
from neighborconnect.telemetry import current_traceparent
from neighborconnect.tracing import cli, local_store
from neighborconnect.tracing.instrumentation import InstrumentationError, Library
from neighborconnect.tracing.local_store import LocalSpanFile, read_spans
from neighborconnect.tracing.messages import MessageSpans
from neighborconnect.tracing.provider import (
    configure_tracing,
    end_request,
    flush_traces,
    shut_down_tracing,
    start_request,
    start_trace,
)
from neighborconnect.tracing.redaction import without_literals
from neighborconnect.tracing.stored_traces import group

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"
NOT_SAMPLED = TRACEPARENT[:-1] + "0"


def settings_with(**values: Any) -> Settings:
    unset = {field: "unset" for field, info in Settings.model_fields.items() if info.is_required()}
    return Settings.model_validate(unset | {"otel_traces_sampler": "parentbased_always_on"} | values)


class Recorder:
    """Tracing of this process, with its spans in memory."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()

    def start(self, *libraries: Library, **values: Any) -> None:
        configure_tracing("test", settings_with(**values), libraries=libraries, exporter=self.exporter)

    def spans(self) -> dict[str, ReadableSpan]:
        flush_traces()
        return {span.name: span for span in self.exporter.get_finished_spans()}


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    yield Recorder()
    shut_down_tracing()


class TestTraceContext:
    def test_valid_traceparent_continues_its_trace(self) -> None:
        trace = start_trace(TRACEPARENT)
        try:
            current = current_traceparent()
        finally:
            trace.end()
        assert current is not None
        _, trace_id, span_id, flags = current.split("-")
        assert (trace_id, flags) == (TRACE_ID, "01")
        assert span_id != TRACEPARENT.split("-")[2]

    @pytest.mark.parametrize(
        "traceparent",
        [
            None,
            "",
            "00-abc-def-01",
            TRACEPARENT.upper() + "Z",
            f"00-{'0' * 32}-b7ad6b7169203331-01",
            "ff" + TRACEPARENT,
        ],
    )
    def test_invalid_traceparent_starts_a_new_trace(self, traceparent: str | None) -> None:
        trace = start_trace(traceparent)
        try:
            current = current_traceparent()
        finally:
            trace.end()
        assert current is not None
        assert re.fullmatch(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[02]", current)
        assert current.split("-")[1] != TRACE_ID

    def test_end_restores_the_enclosing_trace(self) -> None:
        assert current_traceparent() is None
        outer = start_trace(TRACEPARENT)
        enclosing = current_traceparent()
        start_trace().end()
        assert current_traceparent() == enclosing
        outer.end()
        assert current_traceparent() is None


class TestSampling:
    @pytest.mark.parametrize(
        ("sampler", "traceparent", "recorded"),
        [
            ("parentbased_traceidratio", None, False),
            ("parentbased_traceidratio", TRACEPARENT, True),
            ("parentbased_always_on", NOT_SAMPLED, False),
            ("parentbased_always_on", None, True),
            ("always_on", NOT_SAMPLED, True),
            ("always_off", TRACEPARENT, False),
        ],
    )
    def test_sampler_of_the_settings_decides(
        self, recorder: Recorder, sampler: str, traceparent: str | None, recorded: bool
    ) -> None:
        recorder.start(otel_traces_sampler=sampler, otel_traces_sampler_arg=0)
        trace = start_trace(traceparent, name="one")
        start_trace(current_traceparent(), name="two").end()
        trace.end()
        assert set(recorder.spans()) == ({"one", "two"} if recorded else set())

    def test_probes_are_not_recorded(self, recorder: Recorder) -> None:
        recorder.start(otel_traces_sampler="always_on")
        request = start_request("GET", TRACEPARENT, path="/readyz")
        assert current_traceparent() is not None  # Their log lines have an id.
        end_request(request, method="GET", route="/readyz", status=200)
        assert recorder.spans() == {}

    def test_calls_outside_of_a_trace_are_not_recorded(
        self, recorder: Recorder, unanswered: Callable[[], None]
    ) -> None:
        recorder.start(Library.REDIS)
        unanswered()
        request = start_request("GET", NOT_SAMPLED)
        unanswered()
        end_request(request, method="GET", route="/", status=200)
        assert recorder.spans() == {}
        request = start_request("GET", TRACEPARENT)
        unanswered()
        end_request(request, method="GET", route="/", status=200)
        assert set(recorder.spans()) == {"GET", "GET /"}


@pytest.fixture
def unanswered() -> Callable[[], None]:
    """A Redis command with a personal key and value, to a port at which nothing listens."""
    from redis import Redis  # noqa: PLC0415 (a client of the instrumented library)
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.exceptions import RedisError  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    client = Redis(port=9, retry=Retry(NoBackoff(), 0))

    def get() -> None:
        with pytest.raises(RedisError):
            client.get("ada@example.org")

    return get


class TestRedaction:
    def test_only_attributes_of_the_allowlist_are_exported(
        self, recorder: Recorder, unanswered: Callable[[], None]
    ) -> None:
        recorder.start(Library.REDIS)
        request = start_request("GET", TRACEPARENT)
        request.span.set_attributes({"url.path": "/users/ada", "url.query": "q=ada", "user.id": "ada"})
        unanswered()
        end_request(request, method="GET", route="/users/{user_id}", status=500)
        spans = recorder.spans()
        root, call = spans["GET /users/{user_id}"], spans["GET"]
        assert root.attributes == {
            "http.request.method": "GET",
            "http.route": "/users/{user_id}",
            "http.response.status_code": 500,
            "error.type": "500",
        }
        assert call.attributes is not None
        assert call.attributes["db.query.text"] == "GET ?"
        # The error of the client names the type only.
        assert (call.status.status_code, call.status.description) == (StatusCode.ERROR, None)
        assert [dict(event.attributes or {}).keys() for event in call.events] == [{"exception.type"}]
        assert "ada" not in "".join(span.to_json() for span in spans.values())

    @pytest.mark.parametrize(
        ("statement", "redacted"),
        [
            ("SELECT * FROM t WHERE id = %(id)s LIMIT 21", "SELECT * FROM t WHERE id = %(id)s LIMIT ?"),
            ("SELECT 'Ada''s', $$Ben$$, $a$Cy$a$", "SELECT ?, ?, ?"),
            ("SELECT t1.c2 FROM t1", "SELECT t1.c2 FROM t1"),
            ("SELECT 'Ada', 'a text that was cu", "SELECT ?, ?"),
            ("SELECT $a$a text that was cu", "SELECT ?"),
        ],
    )
    def test_literals_of_statements_are_replaced(self, statement: str, redacted: str) -> None:
        assert without_literals(statement) == redacted

    def test_unknown_methods_and_routes_are_not_recorded(self, recorder: Recorder) -> None:
        recorder.start()
        request = start_request("ADA", TRACEPARENT)
        end_request(request, method="ADA", route=None, status=405)
        assert recorder.spans()["HTTP"].attributes == {
            "http.request.method": "_OTHER",
            "http.response.status_code": 405,
        }


class TestInstrumentation:
    @pytest.mark.parametrize("library", list(Library))
    def test_libraries_are_traced_and_restored(self, recorder: Recorder, library: Library) -> None:
        recorder.start(library)
        shut_down_tracing()
        recorder.start(library)

    def test_unsupported_version_stops_the_process(self, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(RedisInstrumentor, "instrumentation_dependencies", lambda _self: ("redis >= 999",))
        with pytest.raises(InstrumentationError, match=r"redis would not be traced.*redis >= 999"):
            recorder.start(Library.REDIS)

    def test_instrumentor_without_effect_stops_the_process(
        self, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(RedisInstrumentor, "_instrument", lambda _self, **_options: None)
        with pytest.raises(InstrumentationError, match=r"did not wrap redis:Redis\.execute_command"):
            recorder.start(Library.REDIS)


class TestMessages:
    def test_each_sampled_message_continues_its_trace(self, recorder: Recorder) -> None:
        recorder.start()
        spans = MessageSpans("publish", kind=SpanKind.PRODUCER)
        sent = spans.start(TRACEPARENT, topic="likes")
        assert spans.start(NOT_SAMPLED, topic="likes") == NOT_SAMPLED
        assert spans.start(None, topic="likes") is None
        assert spans.start("é" * 55, topic="likes") == "é" * 55
        with pytest.raises(OSError, match="disk"), spans.step("write lake"):
            raise OSError("disk")
        spans.end()
        published, step = recorder.spans()["publish likes"], recorder.spans()["write lake"]
        assert published.context is not None
        assert published.parent is not None
        assert step.parent is not None
        assert sent == f"00-{TRACE_ID}-{published.context.span_id:016x}-01"
        assert published.parent.span_id == int(TRACEPARENT.split("-")[2], 16)
        assert (step.parent.span_id, step.status.status_code) == (published.context.span_id, StatusCode.ERROR)


class TestLocalStore:
    def test_spans_are_read_back_with_their_tree(self, tmp_path: Path) -> None:
        configure_tracing("api", settings_with(traces_folder=tmp_path / "traces"))
        request = start_request("GET", None)
        inner = start_trace(current_traceparent(), name="inner")
        inner.span.set_attribute("neighborconnect.rows", 3)
        inner.end()
        end_request(request, method="GET", route="/posts", status=200)
        shut_down_tracing()
        (file,) = (tmp_path / "traces").iterdir()
        file.write_bytes(file.read_bytes() + b'{"resourceSpans": [')  # A line that is being written.
        (trace,) = group(read_spans(tmp_path / "traces"))
        assert [(span.service, span.name, depth) for span, depth in trace.tree()] == [
            ("api", "GET /posts", 0),
            ("api", "inner", 1),
        ]
        assert trace.spans[1].attributes == {"neighborconnect.rows": 3}
        assert trace.milliseconds >= trace.spans[1].milliseconds
        assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)

    def test_the_folder_is_bounded_in_size_and_age(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(local_store, "MAX_FILE_BYTES", 1_000)
        monkeypatch.setattr(local_store, "MAX_FOLDER_BYTES", 5_000)
        old = tmp_path / "api-1-1.jsonl"
        old.write_text("{}\n")
        os.utime(old, (0, 0))
        names = iter(range(1_000))
        monkeypatch.setattr("neighborconnect.tracing.local_store.time.time_ns", lambda: next(names) * 1_000_000)
        with LocalSpanFile(tmp_path, service="api") as stream:
            for _ in range(40):
                stream.write("x" * 499 + "\n")
        sizes = [path.stat().st_size for path in tmp_path.iterdir()]
        assert not old.exists()
        assert max(sizes) == 1_000
        assert 2_000 <= sum(sizes) <= 5_000


class Collector(BaseHTTPRequestHandler):
    """Receives spans as an OpenTelemetry collector does."""

    received: ClassVar[list[tuple[str, ExportTraceServiceRequest]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.received.append((self.path, ExportTraceServiceRequest.FromString(body)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_spans_go_to_the_collector_of_the_settings(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        configure_tracing("api", settings_with(otel_exporter_otlp_endpoint=url, traces_folder=tmp_path))
        request = start_request("GET", TRACEPARENT)
        request.span.set_attribute("url.path", "/users/ada")
        end_request(request, method="GET", route="/users/{user_id}", status=200)
        shut_down_tracing()
        server.shutdown()
    [(path, batch)] = Collector.received
    [span] = batch.resource_spans[0].scope_spans[0].spans
    assert (path, span.name, span.trace_id.hex()) == ("/v1/traces", "GET /users/{user_id}", TRACE_ID)
    assert {attribute.key for attribute in span.attributes} == {
        "http.request.method",
        "http.route",
        "http.response.status_code",
    }
    assert list(tmp_path.iterdir()) == []


class TestCommand:
    @pytest.fixture
    def run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
        """Runs ``neighborconnect traces`` over three stored traces, the second of which failed."""
        settings = settings_with(traces_folder=tmp_path)
        configure_tracing("api", settings)
        for route, status in (("/posts", 200), ("/feeds", 500), ("/events", 200)):
            request = start_request("GET", TRACEPARENT if status == 500 else None)
            start_trace(current_traceparent(), name="inner").end()
            end_request(request, method="GET", route=route, status=status)
        shut_down_tracing()
        app = typer.Typer()
        app.command()(cli.traces)

        def run(*arguments: str, **values: Any) -> Result:
            monkeypatch.setattr(cli, "get_settings", lambda: settings.model_copy(update=values))
            monkeypatch.setattr(cli, "console", Console(width=160))
            return CliRunner().invoke(app, arguments)

        return run

    def test_traces_are_listed_and_shown(self, run: Callable[..., Result]) -> None:
        assert {f"GET {route}" for route in ("/posts", "/feeds", "/events")} <= set(
            re.findall(r"GET /\w+", run().stdout)
        )
        assert re.findall(r"GET /\w+", run("--failed").stdout) == ["GET /feeds"]
        assert re.findall(r"GET /\w+", run("--slow", "--name", "events").stdout) == ["GET /events"]
        [trace] = json.loads(run("--json", TRACE_ID).stdout)
        assert [(span["name"], span["depth"]) for span in trace["spans"]] == [("GET /feeds", 0), ("inner", 1)]
        shown = run(TRACE_ID[:8].upper()).stdout
        assert re.search(r"GET /feeds +api", shown)
        assert re.search(r"└── .*inner +api", shown)

    def test_errors_say_where_spans_are(self, run: Callable[..., Result]) -> None:
        unknown, elsewhere = run("ffff"), run(otel_exporter_otlp_endpoint="http://collector:4318")
        assert (unknown.exit_code, elsewhere.exit_code, run(traces_folder=None).exit_code) == (1, 1, 1)
        assert "'ffff'" in unknown.stderr
        assert "http://collector:4318" in elsewhere.stderr
