"""The dbt models as assets, with their tests as checks."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, DbtProject, dbt_assets

from neighborconnect.settings import Settings, get_settings
from pipelines import dbt as project
from pipelines import guards
from pipelines.assets.policies import HOURLY


class Translator(DagsterDbtTranslator):
    """Groups models by folder and gives the marts their freshness."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """Return the folder of the model below ``models``."""
        return str(dbt_resource_props["fqn"][1])

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        """Return the asset of a model."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        return spec.replace_attributes(freshness_policy=HOURLY) if spec.group_name == "marts" else spec


def build_assets() -> dg.AssetsDefinition:
    """Make the assets from the manifest, which is parsed first where the project is newer than it."""

    @dbt_assets(
        manifest=project.ensure_manifest(get_settings()),
        project=DbtProject(project.PROJECT_DIR, target_path=project.target_dir()),
        dagster_dbt_translator=Translator(),
        name="warehouse",
    )
    def warehouse(
        context: dg.AssetExecutionContext, dbt: DbtCliResource, settings: dg.ResourceParam[Settings]
    ) -> Iterator[Any]:
        """Build and test the warehouse, once, whatever the partitions of the run."""
        guards.require_mirror(settings)
        os.environ.update(project.environment(settings))
        yield from dbt.cli(["build"], context=context).stream()

    return warehouse
