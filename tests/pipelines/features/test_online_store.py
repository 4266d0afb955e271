"""An emptied online store is noticed, written in full, and reported until it is complete."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg
import pytest
from redis import Redis

from feature_repo.vendor_patches import FeatureStore
from neighborconnect.contracts import features as views
from neighborconnect.contracts.events import ItemKind
from neighborconnect.settings import Settings
from pipelines.asset_keys import vectors_key
from pipelines.features import online_store
from pipelines.features.checks import POPULATED_KEY, missing_online_parts
from pipelines.features.compute import compute_latest
from pipelines.features.materialize import materialize
from pipelines.features.sensors import online_store_sensor
from tests.pipelines.features.test_online_equals_offline import Town, town  # noqa: F401 (a fixture)


@pytest.fixture
def emptied(settings: Settings, store: FeatureStore) -> None:
    """The online store as after a flush."""
    with Redis.from_url(settings.feast_redis_url) as redis:
        redis.flushdb()


def tick(instance: dg.DagsterInstance, settings: Settings, cursor: str | None) -> dg.SensorResult:
    context = dg.build_sensor_context(instance=instance, resources={"settings": settings}, cursor=cursor)
    result = online_store_sensor(context)
    assert isinstance(result, dg.SensorResult)
    return result


def affinities(store: FeatureStore, users: list[str]) -> list[object]:
    answer = store.get_online_features(
        features=[f"{views.USER_AFFINITY}:categories"], entity_rows=[{"user_id": user} for user in users]
    )
    return [found for found in answer.to_dict()["categories"] if found]


def test_materialization_after_a_flush_restores_all_rows(
    store: FeatureStore,
    town: Town,  # noqa: F811
    settings: Settings,
) -> None:
    at = datetime.now(UTC)
    compute_latest(town.settings, at=at)
    materialize(town.settings, until=at)
    before = affinities(store, town.users)
    assert before
    with Redis.from_url(settings.feast_redis_url) as redis:
        redis.flushdb()
    assert affinities(store, town.users) == []
    materialize(town.settings, until=at)
    assert affinities(store, town.users) == before


def test_a_store_emptied_during_a_write_is_incomplete(settings: Settings, emptied: None) -> None:
    with online_store.writing(settings, online_store.FEATURES), Redis.from_url(settings.feast_redis_url) as redis:
        redis.flushdb()
    assert online_store.written_parts(settings) == set()
    with online_store.writing(settings, online_store.FEATURES):
        pass
    assert online_store.written_parts(settings) == {online_store.FEATURES}


def test_a_failed_write_is_incomplete(settings: Settings, emptied: None) -> None:
    with pytest.raises(RuntimeError), online_store.writing(settings, online_store.STREAM):
        raise RuntimeError
    assert online_store.written_parts(settings) == set()


def test_the_sensor_requests_a_restore_and_fails_the_check(settings: Settings, emptied: None) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert tick(instance, settings, None).run_requests in (None, [])

        for key in (POPULATED_KEY, *map(vectors_key, ItemKind)):
            instance.report_runless_asset_event(dg.AssetMaterialization(key))
        missing = missing_online_parts(instance, settings)
        assert set(missing) == {online_store.FEATURES, *map(online_store.vectors_part, ItemKind)}

        alarmed = tick(instance, settings, None)
        [evaluation] = alarmed.asset_events
        assert len(alarmed.run_requests or ()) == 1
        assert isinstance(evaluation, dg.AssetCheckEvaluation)
        assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.ERROR)

        for part in missing:
            with online_store.writing(settings, part):
                pass
        restored = tick(instance, settings, alarmed.cursor)
        [evaluation] = restored.asset_events
        assert not restored.run_requests
        assert isinstance(evaluation, dg.AssetCheckEvaluation)
        assert evaluation.passed
        assert tick(instance, settings, restored.cursor).skip_reason is not None
