"""Outcomes of the users of an experiment, from the mart ``fct_experiment_users``."""

from __future__ import annotations

import polars as pl
import psycopg
from psycopg import sql

from neighborconnect.settings import Settings
from pipelines.experiments.statistics import COVARIATE, GUARDRAILS, OUTCOMES, VARIANT


def read_users(settings: Settings, *, experiment: str) -> pl.DataFrame:
    """Return a row per exposed user; a user belongs to the variant of the first exposure.

    Raises:
        psycopg.Error: if the warehouse is unreachable, or has no marts yet.
    """
    numbers = [COVARIATE, *sorted(OUTCOMES), *GUARDRAILS]
    columns = sql.SQL(", ").join(map(sql.Identifier, (VARIANT, *numbers)))
    query = sql.SQL("SELECT {columns} FROM marts.fct_experiment_users WHERE experiment = %s ORDER BY user_id")
    with psycopg.connect(settings.warehouse_url) as connection:
        rows = connection.execute(query.format(columns=columns), [experiment]).fetchall()
    return pl.DataFrame(rows, schema={VARIANT: pl.String, **dict.fromkeys(numbers, pl.Float64)}, orient="row")
