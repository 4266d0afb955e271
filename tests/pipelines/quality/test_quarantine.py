"""A partition with invalid rows goes to the quarantine, the last good one is served, and a repair puts it right."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import uuid4

import dagster as dg
import polars as pl
import psycopg
import pytest
import typer
from pydantic import SecretStr
from typer.testing import CliRunner

from feature_repo.offline import ensure_offline_tables
from feature_repo.schemas import USER_AFFINITY
from neighborconnect.contracts.features import USER_AFFINITY as VIEW
from neighborconnect.contracts.privacy import QUARANTINE_LOCATION, Store
from neighborconnect.settings import Settings
from pipelines.alerts import send_alert
from pipelines.asset_keys import OFFLINE, feature_key
from pipelines.features import compute, repair_cli
from pipelines.features.assets import BLOCKING_CHECK, HISTORIES
from pipelines.features.view_computations import VIEW_COMPUTATIONS
from pipelines.ingest.lake import LakeSnapshot
from pipelines.privacy import erasure
from pipelines.privacy_api import RequestedErasure
from pipelines.quality.quarantine import QuarantinedError, list_quarantined
from pipelines.transforms.view_schema import as_view

DAY = datetime(2026, 11, 16, tzinfo=UTC)
ANA, BEN = str(uuid4()), str(uuid4())
[HISTORY] = [asset for asset in HISTORIES if asset.key == feature_key(OFFLINE, VIEW)]


@dg.asset(deps=[HISTORY.key])
def trained_on_history() -> None:
    """Stand downstream of the history."""


class Webhook:
    """A webhook that fails the given number of times, then receives."""

    def __init__(self) -> None:
        self.failures, self.received, self.url = 0, list[dict[str, Any]](), ""


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    state = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.failures -= 1
            if state.failures < 0:
                state.received.append(json.loads(body))
            self.send_response(503 if state.failures >= 0 else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield state
        server.shutdown()


@pytest.fixture
def own(settings: Settings, postgres_admin_url: str, webhook: Webhook) -> Iterator[Settings]:
    """Settings with an offline store of their own."""
    name = f"quarantine_{uuid4().hex[:8]}"
    url = postgres_admin_url.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
        admin.execute(f"create database {name}".encode())
        ensure_offline_tables(url)
        yield settings.model_copy(update={"feast_database_url": url, "alert_webhook_url": SecretStr(webhook.url)})
        admin.execute(f"drop database {name} with (force)".encode())


@pytest.fixture
def weights(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[float]]:
    """Weights by user that the transform of the view computes; a fault of it is a sum that is not one."""
    computed = {ANA: [0.75, 0.25], BEN: [1.0]}

    def computation(_lake: LakeSnapshot, at: Sequence[datetime]) -> pl.LazyFrame:
        rows = [
            {"user_id": user, "event_timestamp": one, "categories": ["music", "tools"][: len(of)], "weights": of}
            for user, of in computed.items()
            for one in at
        ]
        return as_view(pl.LazyFrame(rows).with_columns(evidence=pl.lit(1.0)), schema=USER_AFFINITY)

    monkeypatch.setitem(VIEW_COMPUTATIONS, VIEW, computation)
    monkeypatch.setattr(compute, "LATEST_VIEWS", (VIEW,))
    return computed


@pytest.fixture
def cli(own: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    monkeypatch.setattr(repair_cli, "get_settings", lambda: own)

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(_repair_app(), list(arguments))
        return result.exit_code, result.output

    return run


def _repair_app() -> Any:
    one = typer.Typer()
    one.command()(repair_cli.repair)
    return one


def record(own: Settings, instance: dg.DagsterInstance, *, raises: bool = False) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [HISTORY, trained_on_history],
        partition_key=f"{DAY:%Y-%m-%d}",
        resources={"settings": own},
        instance=instance,
        raise_on_error=raises,
    )


def served(own: Settings) -> dict[str, list[float]]:
    with psycopg.connect(own.feast_database_url) as connection:
        return dict(connection.execute("select user_id, weights from offline.user_affinity").fetchall())


def test_a_bad_partition_is_quarantined_reported_and_repaired(
    own: Settings,
    instance: dg.DagsterInstance,
    weights: dict[str, list[float]],
    webhook: Webhook,
    cli: Callable[..., tuple[int, str]],
) -> None:
    assert record(own, instance, raises=True).success
    assert instance.get_latest_materialization_event(trained_on_history.key) is not None
    good = served(own)
    assert good == weights
    assert cli() == (0, "The quarantine is empty.\n")

    weights[BEN] = [0.4]
    webhook.failures = 1
    failed = record(own, instance)

    assert not failed.success
    assert failed.get_step_failure_events()
    assert failed.asset_materializations_for_node(trained_on_history.node_def.name) == []
    assert served(own) == good
    [check] = failed.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == (BLOCKING_CHECK, False)
    assert check.metadata["quarantined"].value == [f"{VIEW}/2026-11-16"]
    observed = instance.fetch_observations(HISTORY.key, limit=1).records[0].asset_observation
    assert observed is not None
    assert observed.metadata["remedy"].value == f"neighborconnect repair {VIEW}/2026-11-16"
    [alert] = webhook.received
    assert alert["details"]["partitions"] == [f"{VIEW}/2026-11-16"]
    assert BEN not in json.dumps(alert)
    [held] = list_quarantined(own)
    assert (held.row_count, held.reasons) == (2, {"weights": 1})

    receipts = erasure.erase(own, [RequestedErasure(str(uuid4()), BEN, keep_words=False)], stores={Store.FEATURES})
    assert receipts.counts[QUARANTINE_LOCATION.label][BEN] == 1
    with psycopg.connect(own.feast_database_url) as connection:
        rows = connection.execute("select content::text from quarantine.rows").fetchall()
    assert len(rows) == 1
    assert ANA in rows[0][0]

    name = f"{VIEW}/2026-11-16"
    code, output = cli(name)
    assert (code, "weights: 1" in output) == (1, True)
    assert served(own) == {ANA: good[ANA]}
    code, output = cli(f"{VIEW}/2026-11-17")
    assert (code, output) == (1, f"error: The quarantine has no partition '{VIEW}/2026-11-17'. It has {name}.\n")

    weights[BEN] = [1.0]
    code, output = cli(name)
    assert (code, f"{name} is repaired: 2 rows" in output) == (0, True)
    assert list_quarantined(own) == []
    assert served(own) == weights


def test_a_range_of_days_replaces_the_good_ones(own: Settings, weights: dict[str, list[float]]) -> None:
    day, other = DAY.date(), (DAY + timedelta(days=1)).date()
    compute.compute_days(own, view=VIEW, first=day, last=other)
    good_computation = VIEW_COMPUTATIONS[VIEW]
    VIEW_COMPUTATIONS[VIEW] = lambda lake, at: pl.concat(
        [
            good_computation(lake, at[:1]).with_columns(evidence=pl.lit(9.0, pl.Float32)),
            good_computation(lake, at[1:]).with_columns(weights=pl.lit([0.1], pl.List(pl.Float32))),
        ]
    )
    with pytest.raises(QuarantinedError, match=str(other)) as caught:
        compute.compute_days(own, view=VIEW, first=day, last=other)
    assert caught.value.rows == {VIEW: len(weights)}
    with psycopg.connect(own.feast_database_url) as connection:
        rows = connection.execute(
            "SELECT max(evidence), min(weights) FROM offline.user_affinity GROUP BY event_timestamp ORDER BY 1 DESC"
        )
        assert rows.fetchall() == [(9.0, [0.75, 0.25]), (1.0, [0.75, 0.25])]


def test_an_hour_in_quarantine_leaves_it_with_the_next_good_run(
    own: Settings, instance: dg.DagsterInstance, weights: dict[str, list[float]], webhook: Webhook
) -> None:
    weights[BEN] = [0.4]
    at = datetime.now(UTC)
    with pytest.raises(QuarantinedError, match=f"{VIEW}/{at:%Y-%m-%dT%H}"):
        compute.compute_latest(own, at=at, views=[VIEW])
    assert served(own) == {}
    weights[BEN] = [1.0]
    compute.compute_latest(own, at=at, views=[VIEW])
    assert list_quarantined(own) == []
    assert served(own) == weights


def test_an_alert_that_nobody_receives_fails_nothing(own: Settings, webhook: Webhook) -> None:
    webhook.failures = 9
    assert not send_alert(own, kind="test", text="A test.", details={})
    assert webhook.failures == 5, "four attempts"
