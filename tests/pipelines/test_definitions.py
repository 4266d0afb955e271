"""The code location: lineage, jobs, schedules and sensors."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
from dagster._core.definitions.dependency import NodeHandle
from dagster._core.definitions.metadata.source_code import CodeReferencesMetadataSet

from neighborconnect.contracts.events import ItemKind
from neighborconnect.contracts.topics import STREAMS
from pipelines.asset_defaults import DEFAULT_FRESHNESS, UNTIMED
from pipelines.asset_keys import (
    DAILY,
    HOURLY,
    KAFKA,
    LAKE,
    RAW,
    item_index_key,
    recommender_champion_key,
    recommender_key,
    service_key,
    table_key,
)
from pipelines.run_control import NETWORK_RETRY

# Jobs that a person or another job starts.
UNSCHEDULED = {"apply_features", "bootstrap", "build_warehouse"}


def upstream(definitions: dg.Definitions, key: dg.AssetKey) -> set[dg.AssetKey]:
    graph = definitions.resolve_asset_graph()
    keys: set[dg.AssetKey] = set()
    pending = [key]
    while pending:
        parents = graph.get(pending.pop()).parent_keys - keys
        keys |= parents
        pending.extend(parents)
    return keys


class TestAssets:
    def test_every_definition_is_loadable(self, definitions: dg.Definitions) -> None:
        dg.Definitions.validate_loadable(definitions)

    def test_lineage_connects_training_topics_with_the_service(self, definitions: dg.Definitions) -> None:
        ancestors = upstream(definitions, service_key("recommendation"))

        trained_on = {"interactions", "post_likes", "comments", "connector_members", "posts", "connectors"}
        trained_on |= {"events", "event_attendees", "marketplace_items", "marketplace_item_views"}
        trained_on |= {"marketplace_purchases"}
        assert {table_key(store, table) for store in (KAFKA, LAKE) for table in trained_on} <= ancestors
        # Recommendable items pass through the warehouse.
        assert {table_key(RAW, table) for table in ("posts", "connectors", "events", "marketplace_items")} <= ancestors
        keys = (recommender_key, recommender_champion_key, item_index_key)
        assert {key(kind) for key in keys for kind in ItemKind} <= ancestors

    def test_every_topic_is_stored_in_lake_and_warehouse(self, definitions: dg.Definitions) -> None:
        graph = definitions.resolve_asset_graph()
        for stream in STREAMS:
            topic = table_key(KAFKA, stream.table)
            assert graph.get(table_key(LAKE, stream.table)).parent_keys == {topic}
            assert graph.get(table_key(RAW, stream.table)).parent_keys == {topic}
            assert any(key.path[0] == "staging" for key in graph.get(table_key(RAW, stream.table)).child_keys)

    def test_every_asset_has_a_description(self, definitions: dg.Definitions) -> None:
        graph = definitions.resolve_asset_graph()
        assert [node.key.to_user_string() for node in graph.asset_nodes if not node.description] == []

    def test_every_asset_has_an_owner_and_a_link_to_existing_code(self, definitions: dg.Definitions) -> None:
        for spec in definitions.resolve_all_asset_specs():
            assert spec.owners, spec.key
            links = CodeReferencesMetadataSet.extract(spec.metadata).code_references
            assert links is not None, spec.key
            for link in links.code_references:
                assert isinstance(link, dg.LocalFileCodeReference)
                assert Path(link.file_path).is_file(), spec.key

    def test_every_materialized_asset_has_a_freshness_policy(self, definitions: dg.Definitions) -> None:
        graph = definitions.resolve_asset_graph()
        policies = {
            key: graph.get(key).freshness_policy_or_from_metadata for key in graph.executable_asset_keys - UNTIMED
        }
        assert [key.to_user_string() for key, policy in policies.items() if policy is None] == []
        assert {DEFAULT_FRESHNESS, HOURLY, DAILY} == set(policies.values())


class TestJobs:
    def test_every_job_resolves_to_steps(self, definitions: dg.Definitions) -> None:
        jobs = list(definitions.resolve_all_job_defs())

        assert jobs
        for job in jobs:
            assert job.graph.nodes, job.name
            assert job.executor_def is dg.in_process_executor, job.name

    def test_every_job_is_started_by_a_schedule_or_a_sensor(self, definitions: dg.Definitions) -> None:
        repository = definitions.get_repository_def()
        started = {schedule.job_name for schedule in repository.schedule_defs}
        started |= {target.job_name for sensor in repository.sensor_defs for target in sensor.targets}
        jobs = {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")}

        assert jobs - started == UNSCHEDULED

    def test_jobs_except_trainings_retry_steps_with_backoff(self, definitions: dg.Definitions) -> None:
        for job in definitions.resolve_all_job_defs():
            if job.name.startswith(("train_", "__")) or job.name == "bootstrap":
                continue
            for step in job.nodes:
                policy = job.get_retry_policy_for_handle(NodeHandle(step.name, None))
                assert policy == NETWORK_RETRY, (job.name, step.name)

    def test_bootstrap_materializes_every_asset(self, definitions: dg.Definitions) -> None:
        graph = definitions.resolve_asset_graph()
        selected = definitions.resolve_job_def("bootstrap").asset_layer.executable_asset_keys

        assert graph.executable_asset_keys == selected


class TestSchedulesAndSensors:
    def test_every_schedule_runs_by_default_and_requests_one_run(
        self, definitions: dg.Definitions, instance: dg.DagsterInstance
    ) -> None:
        repository = definitions.get_repository_def()
        for schedule in repository.schedule_defs:
            assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING, schedule.name
            with dg.build_schedule_context(instance=instance, repository_def=repository) as context:
                assert len(schedule.evaluate_tick(context).run_requests or []) == 1, schedule.name

    def test_every_sensor_runs_by_default(self, definitions: dg.Definitions) -> None:
        for sensor in definitions.get_repository_def().sensor_defs:
            assert sensor.default_status is dg.DefaultSensorStatus.RUNNING, sensor.name
