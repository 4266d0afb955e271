from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pandas as pd
import polars as pl
import psycopg
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from feature_repo.schemas import EVENT_TIMESTAMP, POST_STATS, USER_ACTIVITY, USER_AFFINITY, ViewSchema
from feature_repo.vendor_patches import FeatureStore
from feature_repo.views import FEATURE_VIEW_SPECS
from neighborconnect.settings import Settings
from pipelines.features.offline_store import replace_rows
from pipelines.transforms.view_schema import frame_schema

# Years of their own, so that replacing these rows touches nobody else's.
START = datetime(2001, 1, 1, tzinfo=UTC)
SPAN = timedelta(days=40)
# Text that an array literal has to quote.
ODD_NAME = 'a "quoted", {odd} \\ name'

# Half days meet each other, the rows' own times and the edges of the TTLs often.
moments = st.integers(0, int(SPAN / timedelta(hours=12))).map(lambda n: START + n * timedelta(hours=12))
rows = st.lists(st.tuples(st.integers(0, 11), moments), max_size=80, unique=True)
questions = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), moments), min_size=1, max_size=150)


def write(settings: Settings, schema: ViewSchema, *, key: str, history: list[tuple[int, datetime]]) -> None:
    """Write a history in which every feature says the number of its row."""
    numbered = pl.DataFrame(
        {
            schema.keys[0]: [f"{key}-{entity}" for entity, _ in history],
            EVENT_TIMESTAMP: [moment for _, moment in history],
            "number": list(range(1, len(history) + 1)),
        },
        schema={schema.keys[0]: pl.String, EVENT_TIMESTAMP: pl.Datetime("us", "UTC"), "number": pl.Int64},
    )
    value: dict[pl.DataType, pl.Expr] = {
        pl.List(pl.String()): pl.concat_list(pl.lit(ODD_NAME), pl.col("number").cast(pl.String)),
        # Weights sum to one; these are exact in binary.
        pl.List(pl.Float32()): pl.concat_list(1 - pl.col("number") / 128, pl.col("number") / 128),
    }
    # A rate is at most 1.
    rates = {"click_through": pl.col("number") / 128}
    typed = numbered.with_columns(
        rates.get(name, value.get(kind, pl.col("number"))).cast(kind).alias(name)
        for name, kind in frame_schema(schema).items()
        if name in schema.features
    )
    # ``replace_rows`` refuses to put nothing in the place of rows, as it should.
    with psycopg.connect(settings.feast_database_url) as connection:
        connection.execute(
            f"DELETE FROM {schema.table} WHERE {EVENT_TIMESTAMP} BETWEEN %s AND %s", (START - SPAN, START + 2 * SPAN)
        )
    replace_rows(settings, typed, schema=schema, after=START - SPAN, until=START + 2 * SPAN)


def as_of(history: list[tuple[int, datetime]], *, entity: int, moment: datetime, ttl: timedelta) -> int | None:
    """The number of the newest row that the moment may know: the join in one sentence."""
    known = [
        (time, number)
        for number, (owner, time) in enumerate(history, start=1)
        if owner == entity and moment - ttl <= time <= moment
    ]
    return max(known)[1] if known else None


@hypothesis_settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(activity=rows, affinity=rows, posts=rows, asked=questions)
def test_point_in_time_join_equals_brute_force(  # noqa: PLR0917 (hypothesis passes by name)
    settings: Settings,
    store: FeatureStore,
    activity: list[tuple[int, datetime]],
    affinity: list[tuple[int, datetime]],
    posts: list[tuple[int, datetime]],
    asked: list[tuple[int, int, datetime]],
) -> None:
    example = uuid4().hex
    write(settings, USER_ACTIVITY, key=example, history=activity)
    write(settings, USER_AFFINITY, key=example, history=affinity)
    write(settings, POST_STATS, key=example, history=posts)
    entities = pd.DataFrame(
        {
            "row_id": range(len(asked)),
            "user_id": [f"{example}-{user}" for user, _, _ in asked],
            "post_id": [f"{example}-{post}" for _, post, _ in asked],
            EVENT_TIMESTAMP: [moment for _, _, moment in asked],
        }
    )
    joined = store.get_historical_features(
        entity_df=entities,
        features=[
            "user_activity:likes_7d",
            "user_affinity:categories",
            "user_affinity:weights",
            "post_stats:age_hours",
        ],
    ).to_df()
    answers = {row["row_id"]: row for row in joined.to_dict("records")}
    assert len(answers) == len(joined) == len(asked)
    for row_id, (user, post, moment) in enumerate(asked):
        row = answers[row_id]
        ttl = {name: spec.ttl for name, spec in FEATURE_VIEW_SPECS.items()}
        likes = as_of(activity, entity=user, moment=moment, ttl=ttl["user_activity"])
        liked = as_of(affinity, entity=user, moment=moment, ttl=ttl["user_affinity"])
        age = as_of(posts, entity=post, moment=moment, ttl=ttl["post_stats"])
        assert (None if pd.isna(row["likes_7d"]) else row["likes_7d"]) == likes
        assert (None if pd.isna(row["age_hours"]) else row["age_hours"]) == age
        assert row["categories"] is None if liked is None else list(row["categories"]) == [ODD_NAME, str(liked)]
        assert row["weights"] is None if liked is None else list(row["weights"]) == [1 - liked / 128, liked / 128]
