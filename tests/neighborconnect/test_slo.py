"""Objectives: what counts as good, and what the command shows of running processes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
import typer
from pydantic import SecretStr, ValidationError
from typer.testing import CliRunner

from neighborconnect.metrics import parse
from neighborconnect.slo.cli import slo
from neighborconnect.slo.objectives import Catalog, Objective, read_catalog
from neighborconnect.slo.state import State, evaluate

FEEDS = 'method="POST",route="/api/v1/recommendations/content"'
TEXT = f"""
# TYPE api_requests counter
api_requests_total{{{FEEDS},status="200"}} 999
api_requests_total{{{FEEDS},status="503"}} 1
api_requests_total{{method="PUT",route="/api/v1/posts/x",status="500"}} 2
api_requests_total{{method="PUT",route="/api/v1/posts/x",status="404"}} 98
api_requests_total{{method="GET",route="/api/v1/posts/x",status="500"}} 50
# TYPE api_request_seconds histogram
api_request_seconds_bucket{{{FEEDS},le="0.25"}} 90
api_request_seconds_bucket{{{FEEDS},le="+Inf"}} 100
api_request_seconds_bucket{{method="POST",route="/api/v1/media/upload",le="0.5"}} 0
api_request_seconds_bucket{{method="POST",route="/api/v1/media/upload",le="+Inf"}} 9
# TYPE neighborconnect_asset_materialized_timestamp_seconds gauge
neighborconnect_asset_materialized_timestamp_seconds{{group="marts",asset="a"}} 1000
neighborconnect_asset_materialized_timestamp_seconds{{group="marts",asset="b"}} 20000
neighborconnect_asset_materialized_timestamp_seconds{{group="raw",asset="c"}} 0
# TYPE api_recommendations counter
api_recommendations_total{{path="rules",reason_code="no_consent"}} 5
"""


@pytest.fixture
def url() -> Iterator[str]:
    """A process whose metrics are ``TEXT``."""

    class Process(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(TEXT.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Process) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_each_kind_of_objective_counts_its_good_events() -> None:
    states = {state.name: state for state in evaluate(read_catalog().objectives, parse([TEXT]), now=20_100)}
    counted = {name: (state.good, state.total, state.state) for name, state in states.items()}
    assert counted == {
        "feed_availability": (999, 1000, State.MET),
        "feed_latency": (90, 100, State.MISSED),
        "write_availability": (98, 100, State.MISSED),
        "write_latency": (None, 0, State.NO_DATA),
        "commit_to_feature": (None, 0, State.NO_DATA),
        "marts_freshness": (1, 2, State.MISSED),
        "model_answers": (5, 5, State.MET),
    }
    assert states["feed_latency"].budget_used == pytest.approx(10)


def test_processes_are_summed() -> None:
    [state] = evaluate(read_catalog().objectives[:1], parse([TEXT, TEXT]))
    assert (state.good, state.total) == (1998, 2000)


@pytest.mark.parametrize(
    "wrong",
    [
        {"target": 0.5, "freshness": {"timestamp": "t", "labels": {}, "max_age_seconds": 1}},
        {"target": 0.99},
        {"target": 0.99, "latency": {"histogram": "h", "labels": {}, "threshold": 1, "treshold": 1}},
    ],
)
def test_objectives_that_cannot_alert_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Objective.model_validate({"name": "n", "title": "T", "runbook": "r.md"} | wrong)


def test_names_are_unique() -> None:
    catalog: Catalog = read_catalog()
    names = [objective.name for objective in catalog.objectives] + [alert.name for alert in catalog.alerts]
    assert len(set(names)) == len(names)


def test_the_command_reports_missed_objectives(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    known = SimpleNamespace(api_url=url, monitoring_url="http://127.0.0.1:9", platform_token=SecretStr("t"))
    monkeypatch.setattr("neighborconnect.slo.cli.get_settings", lambda: known)
    app = typer.Typer()
    app.command()(slo)
    done = CliRunner().invoke(app, ["--json"])
    assert done.exit_code == 1
    shown = {entry["name"]: entry["state"] for entry in json.loads(done.stdout)}
    assert shown["feed_availability"] == "met"
    assert shown["feed_latency"] == "missed"
    assert "monitoring does not respond" in done.stderr
    table = CliRunner().invoke(app, []).stdout
    assert "missed" in table
    assert "99.900%" in table
