"""Weekly evaluation of served recommendations."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from urllib.parse import urlsplit

import psycopg
import pytest
from mlflow.tracking import MlflowClient

from neighborconnect.settings import Settings
from pipelines.training.weekly_evaluation import as_table, evaluate_week, log_week

MONDAY = date(2026, 11, 16)
DATABASE = "warehouse_for_evaluation"


@pytest.fixture
def warehouse(tracked: Settings, postgres_admin_url: str) -> Iterator[Settings]:
    """A warehouse with the mart and three weeks of its rows."""
    url = urlsplit(tracked.warehouse_url)
    with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {DATABASE} OWNER {url.username}".encode())
        own = tracked.model_copy(update={"warehouse_url": url._replace(path=f"/{DATABASE}").geturl()})
        with psycopg.connect(own.warehouse_url) as connection:
            connection.execute("CREATE SCHEMA marts")
            connection.execute(
                "CREATE TABLE marts.daily_recommendation_quality (prediction_date date, item_kind text, path text, "
                "model_version text, responses bigint, impressions bigint, clicks bigint, hides bigint)"
            )
            connection.cursor().executemany(
                "INSERT INTO marts.daily_recommendation_quality VALUES (%s, %s, %s, 'v1', %s, %s, %s, %s)",
                [
                    (MONDAY - timedelta(days=1), "post", "collaborative", 10, 80, 16, 1),
                    (MONDAY - timedelta(days=7), "post", "collaborative", 5, 20, 4, 0),
                    (MONDAY - timedelta(days=1), "post", "popular", 2, 0, 0, 0),
                    (MONDAY - timedelta(days=8), "post", "collaborative", 9, 50, 5, 0),
                    (MONDAY, "post", "collaborative", 900, 900, 900, 9),
                ],
            )
        yield own
        admin.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)".encode())


def test_a_week_is_evaluated_with_the_week_before(warehouse: Settings) -> None:
    model, popular = evaluate_week(warehouse, until=MONDAY)

    assert (model.source, model.responses, model.impressions, model.clicks, model.hides) == (
        "collaborative",
        15,
        100,
        20,
        1,
    )
    assert (model.click_through, model.click_through_before) == (0.2, 0.1)
    # Wilson's interval of 20 in 100.
    assert model.interval == pytest.approx((0.1334, 0.2888), abs=1e-4)
    assert (popular.click_through, popular.interval, popular.click_through_before) == (None, None, None)
    assert "| post | collaborative | 15 | 100 | 20.00% (13.34% to 28.88%) | 10.00% | 1 |" in as_table([model])


def test_the_evaluation_is_a_run(warehouse: Settings) -> None:
    run_id = log_week(warehouse, evaluate_week(warehouse, until=MONDAY), until=MONDAY)

    run = MlflowClient(warehouse.mlflow_tracking_uri).get_run(run_id)
    assert run.data.metrics["click_through.post.collaborative"] == pytest.approx(0.2)
    assert run.data.metrics["responses.post.popular"] == 2
