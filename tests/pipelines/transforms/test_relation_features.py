from __future__ import annotations

from datetime import datetime, timedelta

import h3
import polars as pl
import pytest
from hypothesis import given, settings

from feature_repo.schemas import (
    AUTHOR_KINDS,
    AUTHOR_STATS,
    MONTH_WINDOWS,
    NEGATIVE_KINDS,
    PLACE_KINDS,
    PLACE_STATS,
    USER_AUTHOR,
    USER_AUTHOR_KINDS,
    USER_CONNECTOR,
    USER_CONNECTOR_KINDS,
    USER_NEGATIVES,
    ViewSchema,
)
from pipelines.transforms import place_features
from pipelines.transforms.negative_features import user_negatives
from pipelines.transforms.pair_features import PAIR_HORIZON, author_stats, user_author, user_connector
from pipelines.transforms.place_features import RESOLUTION, connector_cells, place_stats

from .histories import CATEGORY, POSTS, START, Act, frame, histories, moment_lists
from .lake_rows import change, lake_frame

AUTHOR_OF = {post: ("ada", "bo")[n % 2] for n, post in enumerate(POSTS)}
AUTHORS = pl.LazyFrame({"item_id": list(AUTHOR_OF), "author_id": list(AUTHOR_OF.values())})
CELL_OF = {connector: f"cell of {connector}" for connector in CATEGORY}
CELLS = pl.LazyFrame({"connector_id": list(CELL_OF), "h3_cell": list(CELL_OF.values())})


def rows(view: pl.LazyFrame, schema: ViewSchema) -> dict[tuple[object, ...], dict[str, object]]:
    found = view.collect().to_dicts()
    keyed = {tuple(row.pop(key) for key in (*schema.keys, "event_timestamp")): row for row in found}
    assert len(keyed) == len(found)
    return keyed


def counts(
    keyed: dict[tuple[str, ...], list[Act]], kinds: dict[str, str], moment: datetime
) -> dict[tuple[object, ...], dict[str, object]]:
    """Counts of every key with an act within the horizon, the slow way."""
    return {
        (*key, moment): {
            f"{plural}_{suffix}": sum(act.kind == kind and act.counts_at(moment, window=window) for act in acts)
            for kind, plural in kinds.items()
            for suffix, window in MONTH_WINDOWS.items()
        }
        for key, acts in keyed.items()
        if any(moment - PAIR_HORIZON < act.occurred_at <= moment for act in acts)
    }


def grouped(acts: list[tuple[tuple[str, ...], Act]]) -> dict[tuple[str, ...], list[Act]]:
    keyed: dict[tuple[str, ...], list[Act]] = {}
    for key, act in acts:
        keyed.setdefault(key, []).append(act)
    return keyed


@settings(max_examples=25)
@given(history=histories, at=moment_lists)
def test_pairs_and_authors_equal_brute_force(history: list[Act], at: list[datetime]) -> None:
    received = [
        (AUTHOR_OF[act.item_id], act)
        for act in history
        if act.item_kind == "post" and act.kind != "post" and AUTHOR_OF[act.item_id] != act.user_id
    ]
    with_connector = grouped([((act.user_id, act.connector_id), act) for act in history])
    with_author = grouped([((act.user_id, author), act) for author, act in received])
    of_author = grouped(
        [
            *(((author,), act) for author, act in received),
            *(((act.user_id,), act) for act in history if act.kind == "post"),
        ]
    )
    expected: list[dict[tuple[object, ...], dict[str, object]]] = [{}, {}, {}]
    for moment in set(at):
        expected[0] |= counts(with_connector, USER_CONNECTOR_KINDS, moment)
        expected[1] |= counts(with_author, USER_AUTHOR_KINDS, moment)
        expected[2] |= counts(of_author, AUTHOR_KINDS, moment)
    assert rows(user_connector(frame(history), at=at), USER_CONNECTOR) == expected[0]
    assert rows(user_author(frame(history), authors=AUTHORS, at=at), USER_AUTHOR) == expected[1]
    assert rows(author_stats(frame(history), authors=AUTHORS, at=at), AUTHOR_STATS) == expected[2]


@settings(max_examples=25)
@given(history=histories, at=moment_lists)
def test_negatives_equal_brute_force(history: list[Act], at: list[datetime]) -> None:
    negative = grouped([((act.user_id,), act) for act in history if act.kind in NEGATIVE_KINDS])
    expected: dict[tuple[object, ...], dict[str, object]] = {}
    for moment in set(at):
        for key, row in counts(negative, NEGATIVE_KINDS, moment).items():
            hidden = {
                act.item_id
                for act in negative[key[:1]]  # type: ignore[index]
                if act.item_kind == "connector" and act.counts_at(moment, window=MONTH_WINDOWS["28d"])
            }
            expected[key] = row | {"hidden_connector_ids": sorted(hidden)}
    assert rows(user_negatives(frame(history), at=at), USER_NEGATIVES) == expected


@pytest.mark.parametrize("min_people", [1, 2])
def test_places_equal_brute_force_and_omit_small_groups(monkeypatch: pytest.MonkeyPatch, min_people: int) -> None:
    monkeypatch.setattr(place_features, "MIN_PEOPLE", min_people)

    @settings(max_examples=20)
    @given(history=histories, at=moment_lists)
    def check(history: list[Act], at: list[datetime]) -> None:
        located = grouped([((CELL_OF[act.connector_id],), act) for act in history])
        expected: dict[tuple[object, ...], dict[str, object]] = {}
        for moment in set(at):
            for key, row in counts(located, PLACE_KINDS, moment).items():
                month = timedelta(days=28)
                people = {
                    act.user_id
                    for act in located[key[:1]]  # type: ignore[index]
                    if moment - month < act.occurred_at <= moment
                }
                if len(people) >= min_people:
                    expected[key] = row | {"people_28d": len(people)}
        assert rows(place_stats(frame(history), cells=CELLS, at=at), PLACE_STATS) == expected

    check()


def test_cells_follow_the_newest_location_of_a_connector() -> None:
    moved = {"id": "garden", "created_at": START, "is_active": True}
    table = [
        change("connectors", **moved, latitude=40.0, longitude=-74.0),
        change("connectors", op="u", **moved, latitude=41.0, longitude=-73.0),
        change("connectors", id="chess", created_at=START, is_active=True),
    ]
    cells = connector_cells(lake_frame("connectors", table).lazy()).collect()
    assert cells.to_dicts() == [{"connector_id": "garden", "h3_cell": h3.latlng_to_cell(41.0, -73.0, RESOLUTION)}]
