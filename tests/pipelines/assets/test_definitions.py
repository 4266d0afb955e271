from __future__ import annotations

import dagster as dg

from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.topics import STREAMS
from pipelines import sensors
from pipelines.assets.names import (
    KAFKA,
    LAKE,
    RAW,
    bento_key,
    champion_key,
    landed,
    model_key,
    snapshot_key,
)


def upstream(definitions: dg.Definitions, key: dg.AssetKey) -> set[dg.AssetKey]:
    graph = definitions.resolve_asset_graph()
    found: set[dg.AssetKey] = set()
    waiting = [key]
    while waiting:
        parents = graph.get(waiting.pop()).parent_keys - found
        found |= parents
        waiting.extend(parents)
    return found


def test_every_definition_is_loadable(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


def test_lineage_reaches_from_every_topic_that_is_learnt_from_to_the_bento(definitions: dg.Definitions) -> None:
    behind_the_bento = upstream(definitions, bento_key("recommendation"))

    learnt_from = {"interactions", "post_likes", "comments", "connector_members", "posts", "connectors"}
    assert {landed(store, table) for store in (KAFKA, LAKE) for table in learnt_from} <= behind_the_bento
    # What may be recommended comes by way of the warehouse.
    assert {landed(RAW, table) for table in ("posts", "connectors")} <= behind_the_bento
    assert {make(kind) for make in (model_key, champion_key, snapshot_key) for kind in ItemKind} <= behind_the_bento


def test_every_topic_lands_in_the_lake_and_in_the_warehouse(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for stream in STREAMS:
        topic = landed(KAFKA, stream.table)
        assert graph.get(landed(LAKE, stream.table)).parent_keys == {topic}
        assert graph.get(landed(RAW, stream.table)).parent_keys == {topic}
        assert any(key.path[0] == "staging" for key in graph.get(landed(RAW, stream.table)).child_keys)


def test_every_asset_says_what_it_is(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    silent = [node.key.to_user_string() for node in graph.asset_nodes if not node.description]
    assert silent == []


def test_what_runs_by_the_clock_has_a_freshness_policy(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    stages = {"offline", "latest", "online", "training", "models", "snapshots", "vectors", "marts"}
    unwatched = [
        node.key.to_user_string()
        for node in graph.asset_nodes
        if node.key.path[0] in stages and node.freshness_policy_or_from_metadata is None
    ]
    assert unwatched == []


def test_every_job_resolves_to_steps(definitions: dg.Definitions) -> None:
    jobs = {job.name: job for job in definitions.resolve_all_job_defs()}

    assert {"bootstrap", "train_recommenders", "refresh_features", "refresh_serving", "compact_lake"} <= set(jobs)
    for job in jobs.values():
        assert job.graph.nodes, job.name
        assert job.executor_def is dg.in_process_executor, job.name


def test_every_schedule_runs_by_itself_and_asks_for_a_run(
    definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    repository = definitions.get_repository_def()
    assert len(repository.schedule_defs) == 11
    for schedule in repository.schedule_defs:
        assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING, schedule.name
        with dg.build_schedule_context(instance=instance, repository_def=repository) as context:
            assert len(schedule.evaluate_tick(context).run_requests or []) == 1, schedule.name


def test_every_sensor_is_part_of_the_code_location(definitions: dg.Definitions) -> None:
    written = {value.name for value in vars(sensors).values() if isinstance(value, dg.SensorDefinition)}
    registered = {sensor.name for sensor in definitions.get_repository_def().sensor_defs}
    assert written <= registered


def test_features_are_hourly_and_training_is_daily(definitions: dg.Definitions) -> None:
    schedules = {schedule.job_name: schedule for schedule in definitions.get_repository_def().schedule_defs}

    assert schedules["refresh_features"].cron_schedule == "5 * * * *"
    assert schedules["train_recommenders"].cron_schedule == "0 3 * * *"
