"""``neighborconnect traces``: traces of the last hours from the local store."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from neighborconnect.settings import Settings, SettingsError, get_settings
from neighborconnect.tracing.local_store import RETENTION_SECONDS, read_spans
from neighborconnect.tracing.stored_traces import StoredSpan, StoredTrace, find, group

_ID_CHARACTERS = 8
_STATEMENT_CHARACTERS = 110
console = Console()


def traces(
    trace_id: Annotated[str | None, typer.Argument(help="Id of a trace, or its beginning: show its spans.")] = None,
    *,
    slow: Annotated[bool, typer.Option("--slow", help="The slowest traces first instead of the newest.")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Only traces with a failed span.")] = False,
    name: Annotated[str, typer.Option(help="Only traces with a span whose name contains this text.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Number of traces.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what requests did in each process, and how long it took, from the spans of the last hours.

    Logs carry the id of the trace. With OTEL_EXPORTER_OTLP_ENDPOINT, spans are at the collector instead.

    Example: neighborconnect traces --slow --name like
    """
    try:
        stored = group(_read(get_settings()))
    except SettingsError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    if trace_id is not None:
        trace = find(stored, trace_id)
        if trace is None:
            typer.echo(
                f"error: the local store has no trace, or more than one, whose id begins with {trace_id!r}. A trace is "
                f"stored only if it is sampled, and for {RETENTION_SECONDS / 3_600:.0f} hours.",
                err=True,
            )
            raise typer.Exit(1)
        shown = [trace]
    else:
        shown = [trace for trace in stored if any(name in span.name for span in trace.spans)]
        shown = [trace for trace in shown if trace.errors or not failed]
        shown = sorted(shown, key=lambda trace: trace.milliseconds, reverse=True) if slow else shown
        shown = shown[:limit]
    if as_json:
        typer.echo(json.dumps([_as_object(trace) for trace in shown], indent=1))
    elif trace_id is not None:
        console.print(tree(shown[0]))
    else:
        console.print(_table(shown))


def _read(settings: Settings) -> list[StoredSpan]:
    if settings.otel_exporter_otlp_endpoint:
        raise SettingsError(f"spans go to the collector at {settings.otel_exporter_otlp_endpoint}; look there.")
    if settings.traces_folder is None:
        raise SettingsError("TRACES_FOLDER is not set, so no spans are stored.")
    return list(read_spans(settings.traces_folder))


def _as_object(trace: StoredTrace) -> dict[str, object]:
    return {
        "trace_id": trace.trace_id,
        "started_at": trace.started_at.isoformat(),
        "name": trace.root.name,
        "milliseconds": trace.milliseconds,
        "services": trace.services,
        "errors": trace.errors,
        "spans": [asdict(span) | {"milliseconds": span.milliseconds, "depth": depth} for span, depth in trace.tree()],
    }


def _table(shown: list[StoredTrace]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), caption="neighborconnect traces ID shows the spans of one")
    for heading in ("trace", "start (UTC)", "name", "processes"):
        table.add_column(heading, overflow="fold")
    for heading in ("request", "until the last span", "spans", "failed"):
        table.add_column(heading, justify="right")
    for trace in shown:
        table.add_row(
            trace.trace_id[:_ID_CHARACTERS],
            f"{trace.started_at:%H:%M:%S}",
            escape(trace.root.name),
            str(len(trace.services)),
            _duration(trace.root.milliseconds),
            _duration(trace.milliseconds),
            str(len(trace.spans)),
            f"[red]{trace.errors}[/]" if trace.errors else "0",
        )
    return table


def tree(trace: StoredTrace) -> Tree:
    """Return the spans of a trace as a tree: when each began after the first, how long it took, and where."""
    top = Tree(f"trace {trace.trace_id}  {trace.started_at:%Y-%m-%d %H:%M:%S} UTC  {_duration(trace.milliseconds)}")
    parents = [top]
    for span, depth in trace.tree():
        del parents[depth + 1 :]
        offset = (span.started_ns - trace.spans[0].started_ns) / 1_000_000
        label = Text.assemble(
            (f"+{_duration(offset)} ", "dim"),
            (span.name, "bold red" if span.is_error else "bold"),
            (f"  {span.service}", "cyan"),
            f"  {_duration(span.milliseconds)}",
        )
        if details := _details(span):
            label.append(f"\n{details}", "dim")
        parents.append(parents[-1].add(label))
    return top


def _details(span: StoredSpan) -> str:
    shown = ("db.query.text", "http.response.status_code", "error.type", "messaging.batch.message_count")
    own = tuple(key for key in span.attributes if key.startswith("neighborconnect."))
    values = [_one_line(str(span.attributes[key])) for key in shown[:1] if key in span.attributes]
    values += [f"{key.rpartition('.')[2]}={span.attributes[key]}" for key in shown[1:] + own if key in span.attributes]
    return "  ".join(values)


def _one_line(statement: str) -> str:
    text = " ".join(statement.split())
    return text if len(text) <= _STATEMENT_CHARACTERS else f"{text[:_STATEMENT_CHARACTERS]}…"


def _duration(milliseconds: float) -> str:
    return f"{milliseconds / 1_000:.2f} s" if milliseconds >= 1_000 else f"{milliseconds:.1f} ms"  # noqa: PLR2004
